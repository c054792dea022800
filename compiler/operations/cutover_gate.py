"""Checks before a switch what both stores hold and whether it is the same, and whether the cluster is ready for it.

Values are compared by a keyed hash under a random key of this run. What differs is named by key, never by value.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from compiler.cluster.judge import (
    CLOCKS,
    ClusterProblem,
    ClusterState,
    allows_namespace,
    another_store,
    clock,
    controller_of,
    doubts,
    kubectl_line,
    last_read_before,
    problems,
    store_doubts,
    store_lacks,
    unproven_store,
)
from compiler.cluster.view import NAMESPACES, SECRETS, ClusterError, ClusterView, Live, LiveObject, child
from compiler.consumers.readers import readers_in
from compiler.live.read_many import (
    Likeness,
    PastRun,
    StoredVersion,
    WriterOf,
    describe_writes,
    end_before,
    keep_command,
    run_of_later,
)
from compiler.live.stores import AddressError, LiveStores
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.environment import Environment, Secret, Store
from compiler.model.store import Sameness, compare_servers
from compiler.model.values import Manifest, manifests_of
from compiler.operations.references import cells_to_read, with_own_count
from compiler.operations.verify import KeyStatus, Verification, compare_keys, verify, versions_of
from compiler.stores.secret_value import Comparer
from compiler.text.wording import command_line, counted, listed, quoted, repeated

# The run of this project that deleted a remote secret, by the store's absolute address and the secret's name.
DeleterOf = Callable[[str, str], PastRun | None]

# More findings of one kind than these help nobody.
MOST = 5


class Mode(StrEnum):
    """How the secrets and their new store are named."""

    TO = "to"
    BACK = "back"
    NEXT = "next"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class CutoverRequest:
    """The command line of a switch, and the lines that go on from it.

    `accepted` are keys that may differ between the stores, as KEY or SECRET/KEY; `ending` are secrets of which the new
    store may hold a version that deletes itself. `cluster` are the words by which the cluster is asked, if it is. Where
    the command `applies`, a line that goes on with it does too; one that goes back always does. `unproven` are secrets
    that nothing says were in the store to go back to: then the way back is checked as a switch to a new store.
    """

    environment: str
    mode: Mode
    secrets: tuple[str, ...] = ()
    to: str | None = None
    accepted: tuple[str, ...] = ()
    ending: tuple[str, ...] = ()
    without_comparison: bool = False
    with_dependants: bool = False
    cluster: tuple[str, ...] = ()
    applies: bool = False
    unproven: tuple[str, ...] = ()

    @property
    def is_back(self) -> bool:
        return self.mode is Mode.BACK and not self.unproven

    def again(self, *more: str) -> str:
        """This command with `more` options."""
        words = [*self.secrets, *([f"--{self.mode}"] if self.mode is not Mode.TO else [])]
        words += ["--to", self.to] if self.to is not None else []
        words += ["--accept-differences", *self.accepted] if self.accepted else []
        words += ["--accept-ending", *self.ending] if self.ending else []
        words += ["--without-comparison"] if self.without_comparison else []
        words += ["--with-dependants"] if self.with_dependants else []
        apply = ["--apply"] if self.applies or self.is_back else []
        return command_line("cutover", self.environment, *words, *self.cluster, *more, *apply)

    def switch(self, environment: str, secrets: Iterable[str], to: str) -> str:
        """The switch of other secrets in place of this one."""
        apply = ["--apply"] if self.applies else []
        return command_line("cutover", environment, *secrets, "--to", to, *self.cluster, *apply)


@dataclass(frozen=True, slots=True)
class Switch:
    """One secret of one environment that gets another store."""

    environment: Environment
    secret: str
    source: Store
    destination: Store

    @property
    def before(self) -> Secret:
        """The secret as the environment has it now."""
        return self.environment.secrets[self.secret]


class Verdict(StrEnum):
    """What a check decides; REFUSED and UNANSWERED keep the gate closed."""

    PASSED = "passed"
    NOTED = "noted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"  # what would decide it did not answer


class About(StrEnum):
    """What a check is about, for programs."""

    COMPILES = "compiles"
    WARNINGS = "warnings"
    SAME_KEYS = "same-keys"
    VALUES_FILE = "values-file"
    DEPENDANTS = "dependants"
    TOGETHER = "together"
    GUARDS = "guards"
    VERIFIED = "verified"
    COMPARED = "compared"
    CLUSTER_STORE = "cluster-store"
    CLUSTER_SECRETS = "cluster-secrets"
    IN_EFFECT = "in-effect"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of the gate. `mend` says how to open it, with a command where one does it; `more` are other ways."""

    about: About
    verdict: Verdict
    message: str
    mend: str | None = None
    more: tuple[str, ...] = ()

    @property
    def mends(self) -> tuple[str, ...]:
        return () if self.mend is None else (self.mend, *self.more)


def one_line(diagnostic: Diagnostic) -> str:
    """A finding in one line, in the form of every finding: the outlet takes `missing-secret: "…"` for a credential."""
    return f"{diagnostic.span.where}: {diagnostic.severity.value}[{diagnostic.rule}]: {diagnostic.message}"


def way_out(diagnostic: Diagnostic) -> str:
    """What to do about a finding: its own help, else the page of its rule."""
    return diagnostic.help or command_line("rules", diagnostic.rule)


def is_closed(checks: Iterable[Check]) -> bool:
    return any(each.verdict in (Verdict.REFUSED, Verdict.UNANSWERED) for each in checks)


_BLANK, _DELETED = "blank-value", "soft-deleted-secret"
BLANK_IN = "blank in"
# How the present store says that it does not hold a key, as opposed to not answering for it.
_NOT_HELD = frozenset(
    {"missing-secret", _DELETED, "disabled-secret", "missing-property", "not-json", "invalid-reference", _BLANK}
)

# What a copy of the values brings to the new store.
_COPIED = frozenset({"missing-secret", "missing-property", _BLANK, _DELETED})


@dataclass(frozen=True, slots=True)
class ComparedKey:
    """One key of a switch: `there` in the new store, and `here` in the present one, None where it has no place in that.

    It is UNKNOWN where the present store did not say. `versions` of both are those that hold different values.
    """

    switch: Switch
    likeness: Likeness
    there: KeyStatus
    here: KeyStatus | None
    versions: tuple[StoredVersion, StoredVersion] | None = None

    @property
    def key(self) -> str:
        return self.there.cell.key

    @property
    def why(self) -> Diagnostic | None:
        """What was found first of it in the present store."""
        return next(iter(self.here.found), None) if self.here is not None else None

    @property
    def lack(self) -> str:
        """How the present store lacks it, where it does."""
        rules = self.here.rules if self.here is not None else ()
        return "deleted in" if _DELETED in rules else BLANK_IN if _BLANK in rules else "not in"


@dataclass(frozen=True, slots=True)
class StoreComparison:
    """What the new stores hold, as `verify` finds it, and each key compared."""

    found: Verification
    keys: tuple[ComparedKey, ...]

    def of(self, switch: Switch) -> tuple[ComparedKey, ...]:
        return tuple(each for each in self.keys if each.switch is switch)

    @property
    def endings(self) -> dict[tuple[Switch, str], tuple[str, datetime]]:
        """By switch and remote secret, the versions in the new store that delete themselves too early, and when.

        That is before the one that serves the switch's secret now.
        """
        found: dict[tuple[Switch, str], tuple[str, datetime]] = {}
        for each in self.keys:
            remote, serving = each.there.remote, each.here.remote if each.here is not None else None
            if remote is None:
                continue
            if (ends := end_before(each.switch.destination, remote, each.switch.source, serving)) is not None:
                found[each.switch, remote.name] = remote.version, ends
        return found

    @property
    def written(self) -> dict[Switch, datetime]:
        """When the present store last got a value of each switch, as far as it says."""
        found: dict[Switch, datetime] = {}
        for each in self.keys:
            if each.here is not None and (date := each.here.date) is not None:
                found[each.switch] = max(date, found.get(each.switch, date))
        return found


def compare_stores(switches: Sequence[Switch], stores: LiveStores) -> StoreComparison:
    """Reads each remote secret of both sides once. Neither store is changed."""
    there = [cells_to_read(each.environment, (each.secret,), each.destination)[0] for each in switches]
    here = [cells_to_read(each.environment, (each.secret,), each.source)[0] for each in switches]
    found, present = (verify([each for group in side for each in group], stores) for side in (there, here))
    comparer = Comparer()
    statuses = {status.cell: status for status in (*found.keys, *present.keys)}
    keys: list[ComparedKey] = []
    for switch, new, old in zip(switches, there, here, strict=True):
        by_key = {cell.key: statuses[cell] for cell in old}
        keys += (_compared(switch, statuses[each], by_key.get(each.key), comparer, stores) for each in new)
    return StoreComparison(found, tuple(keys))


def _compared(
    switch: Switch, there: KeyStatus, here: KeyStatus | None, comparer: Comparer, stores: LiveStores
) -> ComparedKey:
    likeness, versions = compare_keys(there, here, comparer), None
    if likeness is Likeness.ONLY_THERE and (here is None or not _NOT_HELD & set(here.rules)):
        likeness = Likeness.UNKNOWN
    if likeness is Likeness.DIFFERENT and here is not None:
        versions = versions_of(there, here, stores)
    return ComparedKey(switch, likeness, there, here, versions)


def check_distinct_stores(switches: Sequence[Switch], stores: LiveStores) -> Iterator[Check]:
    """A refusal where both stores are one as seen from here: a comparison would find everything equal to itself."""
    for source, destination in dict.fromkeys((each.source, each.destination) for each in switches):
        try:
            is_one = stores.address(source).is_same_place(stores.address(destination))
        except AddressError:
            continue
        if is_one and compare_servers(source.identity, destination.identity) is not Sameness.SAME:
            message = f"{quoted(source.id)} and {quoted(destination.id)} are the same place, seen from this machine"
            mend = "unset VAULT_ADDR, which stands for both, or correct reachableAt"
            yield Check(About.COMPARED, Verdict.REFUSED, message, mend)


def check_destination(
    comparison: StoreComparison, switches: Sequence[Switch], stores: LiveStores, deleter_of: DeleterOf
) -> Iterator[Check]:
    """Whether the new stores hold what the switched secrets need, as the cluster would read it."""
    found = comparison.found
    served = stores.served(switches[0].environment.name) if switches else {}
    for said in dict.fromkeys(each.said for each in served.values() if each.said):
        yield Check(About.VERIFIED, Verdict.NOTED, said)
    for each in [each for each in found.diagnostics if each.severity is not Severity.ERROR][:MOST]:
        yield Check(About.VERIFIED, Verdict.NOTED, one_line(each), each.help)
    errors = [each for each in found.diagnostics if each.severity is Severity.ERROR]
    if not errors:
        names = listed(dict.fromkeys(each.destination.id for each in switches))
        # A variable may stand for the address: people should see which server it was that answered.
        where = ", ".join(dict.fromkeys(seen.address for seen in found.seen))
        message = f"{names} holds every key: {counted(len(found.keys), 'key')}, at {where}"
        yield Check(About.VERIFIED, Verdict.PASSED, message)
        return
    verdict = Verdict.REFUSED if found.answered else Verdict.UNANSWERED
    bringing = _commands_that_bring(found.keys, switches, stores, deleter_of)
    mends = {id(diagnostic): command for status, command in bringing for diagnostic in status.found}
    for each in errors:
        yield Check(About.VERIFIED, verdict, one_line(each), mends.get(id(each)) or way_out(each))


def _commands_that_bring(
    keys: Sequence[KeyStatus], switches: Sequence[Switch], stores: LiveStores, deleter_of: DeleterOf
) -> Iterator[tuple[KeyStatus, str]]:
    """What brings each missing key: the undo of the run that deleted it, or one copy of all secrets there."""
    by_secret = {(each.destination, each.secret): each for each in switches}
    lacking = [status for status in keys if _COPIED & set(status.rules)]
    for status in lacking:
        cell = status.cell
        if _DELETED in status.rules:
            run = deleter_of(stores.address(cell.store).absolute, cell.remote_key)
            if run is not None:
                yield status, f"{run.undo} --apply"
                continue
        switch = by_secret[cell.store, cell.secret]
        secrets = dict.fromkeys(each.cell.secret for each in lacking if each.cell.store is switch.destination)
        recover = ["--recover"] if any(_DELETED in each.rules for each in lacking) else []
        yield status, _migrate(switch, secrets, *recover)


def _migrate(switch: Switch, secrets: Iterable[str], *options: str) -> str:
    going = ("--to", switch.destination.id, *repeated("--only", secrets))
    return command_line("migrate", switch.environment.name, *going, *options, "--apply")


def check_equal_values(
    comparison: StoreComparison, accepted: frozenset[tuple[str, str]], request: CutoverRequest, writer_of: WriterOf
) -> Iterator[Check]:
    """Whether the values are the same in both stores, as far as both gave them."""
    for switch in dict.fromkeys(each.switch for each in comparison.keys):
        keys = comparison.of(switch)
        equal = [each.key for each in keys if each.likeness is Likeness.EQUAL]
        if len(equal) == len(keys):
            between = f"{quoted(switch.source.id)} and {quoted(switch.destination.id)}"
            message = f"{quoted(switch.secret)} is equal in {between}: {counted(len(equal), 'key')}"
            yield Check(About.COMPARED, Verdict.PASSED, message)
        yield from _differences(switch, keys, accepted, request, writer_of)
    yield from _not_compared(comparison.keys, request)


def _differences(
    switch: Switch,
    keys: Sequence[ComparedKey],
    accepted: frozenset[tuple[str, str]],
    request: CutoverRequest,
    writer_of: WriterOf,
) -> Iterator[Check]:
    of, here, there = quoted(switch.secret), quoted(switch.source.id), quoted(switch.destination.id)
    only = [each for each in keys if each.likeness is Likeness.ONLY_THERE]
    for what, found in (
        (f"values of {of} differ in {there} and {here}", [e for e in keys if e.likeness is Likeness.DIFFERENT]),
        *(
            (f"keys of {of} are in {there} and {lack} {here}", [each for each in only if each.lack == lack])
            for lack in ("not in", "deleted in", BLANK_IN)
        ),
    ):
        names = [each.key for each in found]
        if request.is_back and found and found[0].likeness is Likeness.ONLY_THERE:
            # That the store that is left lacks them is why one goes back.
            yield Check(About.COMPARED, Verdict.NOTED, f"{what}: {listed(names, len(names))}")
            continue
        taken = [name for name in names if (switch.secret, name) in accepted]
        left = [name for name in names if name not in taken]
        if taken:
            yield Check(About.COMPARED, Verdict.NOTED, f"accepted: {what}: {listed(taken, len(taken))}")
        if left:
            message = f"{what}: {listed(left, len(left))}"
            all_accepted = (*sorted(accepted), *((switch.secret, key) for key in left))
            accepting = replace(request, accepted=tuple(map("/".join, all_accepted))).again()
            accept = f"to accept those of {there}: {accepting}"
            versions = found[0].versions
            if versions is None:
                yield Check(About.COMPARED, Verdict.REFUSED, message, accept)
                continue
            over = _migrate(switch, (switch.secret,), "--on-conflict", "overwrite")
            copy = f"to overwrite them with those of {here}: {over}"
            message = "; ".join(filter(None, (message, describe_writes(*versions, writer_of))))
            run = run_of_later(*versions, writer_of)
            undo = [f"to take back what {run.command} wrote: {run.undo} --apply"] if run is not None else []
            yield Check(About.COMPARED, Verdict.REFUSED, message, accept, (copy, *undo))


def _not_compared(keys: Sequence[ComparedKey], request: CutoverRequest) -> Iterator[Check]:
    """What could not be compared: a store that does not answer is told once, and not for each secret."""
    by_reason: dict[str, list[ComparedKey]] = {}
    for each in keys:
        if each.likeness is Likeness.UNKNOWN:
            reason = each.why.message if each.why is not None else f"{each.switch.source.id} does not give it"
            by_reason.setdefault(reason, []).append(each)
    for reason, unknown in by_reason.items():
        secrets = dict.fromkeys(each.switch.secret for each in unknown)
        names = [each.key for each in unknown]
        of_several = f"{listed(secrets, len(secrets))} not compared: {counted(len(names), 'key')}"
        of_one = f"{quoted(next(iter(secrets)))} not compared: {listed(names, len(names))}"
        why = with_own_count(reason, len(names))
        message = f"keys of {of_one if len(secrets) == 1 else of_several}: {why}"
        if request.is_back or request.without_comparison:
            yield Check(About.COMPARED, Verdict.NOTED, message)
            continue
        without = request.again("--without-comparison")
        mend = unknown[0].why.help if unknown[0].why is not None else None
        mend, more = (mend, (without,)) if mend else (without, ())
        yield Check(About.COMPARED, Verdict.UNANSWERED, message, mend, more)


def check_endings(comparison: StoreComparison, request: CutoverRequest, stores: LiveStores) -> Iterator[Check]:
    """Whether what the new stores hold stays there: a version that deletes itself would leave the Secret as it is."""
    endings = comparison.endings
    for switch in dict.fromkeys(switch for switch, _ in endings):
        found = [(name, *end) for (each, name), end in endings.items() if each is switch]
        there, here = quoted(switch.destination.id), quoted(switch.source.id)
        versions = ", ".join(f"version {version} of {quoted(name)}" for name, version, _ in found)
        first, of = min(ends for _, _, ends in found), quoted(switch.secret)
        ends = f"{versions} in {there} deletes itself on {first:%Y-%m-%d %H:%M:%S} UTC"
        message = f"{ends}, before what {here} holds of {of}"
        store = stores.open(switch.destination)
        stay = [f"to have it stay: {keep_command(store, name, version)}" for name, version, _ in found]
        if request.is_back:
            yield Check(About.COMPARED, Verdict.NOTED, message, stay[0], tuple(stay[1:]))
        elif switch.secret in request.ending:
            yield Check(About.COMPARED, Verdict.NOTED, f"accepted: {message}")
        else:
            accepting = replace(request, ending=tuple(dict.fromkeys((*request.ending, switch.secret)))).again()
            accept = f"to accept that: {accepting}"
            yield Check(About.COMPARED, Verdict.REFUSED, message, stay[0], (*stay[1:], accept))


# What the gate goes on without. Not every cluster has Rollouts.
OPTIONAL = frozenset({SECRETS, NAMESPACES, "rollouts"})
# What keeps an ExternalSecret from being switched back, and forth, the gravest first.
_GONE = (ClusterState.ABSENT, ClusterState.DELETED, ClusterState.FOREIGN)
_UNFIT = (*_GONE, ClusterState.IMMUTABLE, ClusterState.NOT_READY, ClusterState.NOT_SYNCED)


def answered(checks: Iterator[Check]) -> Iterator[Check]:
    """The checks of a cluster, as far as it answers."""
    try:
        yield from checks
    except ClusterError as error:
        yield Check(About.CLUSTER_SECRETS, Verdict.UNANSWERED, f"the cluster cannot be asked: {error}", error.remedy)


def check_cluster(switches: Sequence[Switch], view: ClusterView, *, is_back: bool) -> Iterator[Check]:
    """The stores of both sides, then the live ExternalSecrets. Raises ClusterError.

    On the way back an ExternalSecret may be failing: that is why one goes back.
    """
    by_store = {(each.source, each.destination, _namespace(each)): each for each in switches}
    for (_, _, namespace), switch in by_store.items():
        yield from _stores(switch, namespace, view, is_back=is_back)
    manifests = {each.environment: manifests_of(each.environment) for each in switches}
    secrets = dict.fromkeys(each.secret for each in switches)
    verify = command_line("verify", switches[0].environment.name, *secrets, "--cluster")
    refused = [
        Check(About.CLUSTER_SECRETS, Verdict.REFUSED, problem.message, verify)
        for each in switches
        for problem in _unfit(manifests[each.environment][each.secret], view, _GONE if is_back else _UNFIT)
    ]
    yield from refused
    if not refused:
        what = counted(len(switches), "ExternalSecret")
        state = "managed by this chart" if is_back else "managed by this chart and not failing"
        yield Check(About.CLUSTER_SECRETS, Verdict.PASSED, f"{what} in the cluster, {state}")


def _namespace(switch: Switch) -> str:
    return switch.before.namespace or ""


def _stores(switch: Switch, namespace: str, view: ClusterView, *, is_back: bool) -> Iterator[Check]:
    store = switch.destination
    live = view.store(store.kind, store.name, namespace)
    labelled = view.labels_for(live, namespace)
    lacks = [*store_lacks(store, live, namespace, labelled), *_other_controller(switch, live, view)]
    doubts = list(store_doubts(store, live, namespace, labelled))
    if live is not None and unproven_store(store, live, namespace) is not None and not is_back:
        # The first doubt is that; a value may be compared in one Vault and read from another.
        lacks.append(doubts.pop(0))
    yield from (Check(About.CLUSTER_STORE, Verdict.REFUSED, lack.message, lack.mend) for lack in lacks)
    yield from (Check(About.CLUSTER_STORE, Verdict.NOTED, doubt.message, doubt.mend) for doubt in doubts)
    if not lacks:
        # That it does is not said where its labels or patterns could not be judged.
        is_known = live is not None and allows_namespace(live, namespace, labelled)
        allows = f" and allows the namespace {quoted(namespace)}" if is_known else ""
        yield Check(About.CLUSTER_STORE, Verdict.PASSED, f"the {store.kind} {quoted(store.name)} is ready{allows}")
    yield from _check_present_store(switch.source, namespace, view, is_back=is_back)


def _check_present_store(store: Store, namespace: str, view: ClusterView, *, is_back: bool) -> Iterator[Check]:
    """Whether pods have the values of the present store that were compared."""
    live = view.store(store.kind, store.name, namespace)
    lack = None
    if live is not None:
        lack = another_store(store, live, namespace) or unproven_store(store, live, namespace)
    if lack is not None:
        yield Check(About.CLUSTER_STORE, Verdict.NOTED if is_back else Verdict.REFUSED, lack.message, lack.mend)


def _other_controller(switch: Switch, live: LiveObject | None, view: ClusterView) -> Iterator[ClusterProblem]:
    """The new store has a controller that neither is the default one nor has the name of the present store's."""
    store, namespace = switch.destination, _namespace(switch)
    if live is None:
        return
    present = view.store(switch.source.kind, switch.source.name, namespace)
    known = {"default", *([controller_of(present)] if present is not None else [])}
    if (other := controller_of(live)) not in known:
        message = f"the {store.kind} {quoted(store.name)} belongs to another controller, {quoted(other)}"
        yield ClusterProblem(ClusterState.STORE, message, kubectl_line("get", store, namespace))


def _unfit(manifest: Manifest, view: ClusterView, states: Sequence[ClusterState]) -> list[ClusterProblem]:
    """The gravest problem of an ExternalSecret among `states`, if it has one; nothing is said of its Secret."""
    found = view.external_secrets(manifest.namespace).get(manifest.name)
    every = problems(manifest, Live(found, None, None, has_secrets=False, has_store=False))
    by_state = {problem.state: problem for problem in every}
    return [by_state[state] for state in states if state in by_state][:1]


def note_unread(
    switches: Sequence[Switch],
    view: ClusterView,
    written: Mapping[Switch, datetime],
    found: dict[Switch, str],
    now: datetime,
) -> Iterator[Check]:
    """That a Secret is older than the value in its present store, and takes that one with the switch.

    That is not the switch's doing. Adds to `found` whether it takes that, or may take it. Raises ClusterError.
    """
    for switch in switches:
        live = view.external_secrets(_namespace(switch)).get(switch.before.entry.target, {})
        serves = child(live, "spec", "secretStoreRef").get("name") == switch.source.name
        put = written.get(switch)
        read = last_read_before(live, put) if serves else None
        if put is None or read is None:
            continue
        # Within these, clocks that differ may explain it.
        found[switch] = "takes" if put - read > CLOCKS else "may take"
        what = f"the value of {quoted(switch.secret)} was put {clock(put, now)}"
        times = f"{what}, and the operator last read it {clock(read, now)}"
        message = f"{times}: with the switch the Secret {found[switch]} the newer one"
        yield Check(About.IN_EFFECT, Verdict.NOTED, message)


def readers_of(switches: Sequence[Switch], view: ClusterView) -> dict[Switch, tuple[str, ...] | None]:
    """The live workloads that read the Secret of each switch, None where they may not be asked for."""
    by_space = {space: readers_in(view, space) for space in dict.fromkeys(map(_namespace, switches))}
    return {
        each: found.get(each.before.entry.target, ()) if (found := by_space[_namespace(each)]) is not None else None
        for each in switches
    }


def check_in_effect(environment: Environment, secrets: Sequence[str], view: ClusterView) -> Iterator[Check]:
    """Whether the cluster runs on what the environment says of `secrets`. Raises ClusterError."""
    manifests, refused = manifests_of(environment), False
    verify = command_line("verify", environment.name, *secrets, "--cluster")
    for name in secrets:
        manifest = manifests[name]
        live = view.live(manifest)
        if not live.has_secrets:
            message = f"{quoted(name)}: the keys of its Secret are not asked for: you may not list Secrets"
            yield Check(About.IN_EFFECT, Verdict.NOTED, message)
        for doubt in doubts(manifest, live):
            yield Check(About.IN_EFFECT, Verdict.NOTED, f"{quoted(name)}: {doubt}")
        for problem in problems(manifest, live):
            refused = True
            yield Check(About.IN_EFFECT, Verdict.REFUSED, f"{quoted(name)}: {problem.message}", verify)
    if not refused and secrets:
        yield Check(About.IN_EFFECT, Verdict.PASSED, f"the steps before are in effect: {listed(secrets)}")
