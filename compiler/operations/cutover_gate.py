"""Checks before a switch what both stores hold, and whether it is the same.

Values are compared by a keyed hash under a random key of this run. What differs is named by key, never by value.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from compiler.live.observation import (
    Likeness,
    end_before,
    keep_command,
    runs_line,
    when_written,
)
from compiler.live.stores import AddressError, LiveStores
from compiler.model import group_pairs
from compiler.model.document import Diagnostic, Severity
from compiler.model.environment import Environment, Secret, Store
from compiler.model.inventory import Inventory, name_keys, own_remote
from compiler.model.store import Sameness, compare_servers
from compiler.operations.references import cells_to_read, with_own_count
from compiler.operations.verify import KeyStatus, Verification, compare_keys, compare_unlisted, verify, versions_of
from compiler.refusal import Refusal
from compiler.stores.secret_value import Comparer
from compiler.text.wording import (
    command_line,
    is_shown_whole,
    list_names,
    pluralize,
    quote,
    repeat_option,
    suggest,
)

# Returns the properties of the new store that `put --remove` would keep, each with the reason.
KeptOf = Callable[["Switch", Sequence[str]], Mapping[str, str]]

# The most findings of one kind that are shown.
MOST = 5


class Mode(StrEnum):
    """How the command line names the secrets and their new store."""

    TO = "to"
    BACK = "back"
    NEXT = "next"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class CutoverRequest:
    """The arguments of a switch, and the commands that continue it."""

    environment: str
    mode: Mode
    secrets: tuple[str, ...] = ()
    to: str | None = None
    accepted: tuple[str, ...] = ()  # keys that may differ between the stores, as KEY or SECRET/KEY; unlisted ones too
    ending: tuple[str, ...] = ()  # secrets whose version in the new store may delete itself
    without_comparison: bool = False
    with_dependants: bool = False
    cluster: tuple[str, ...] = ()  # the options by which the cluster is asked, if it is
    applies: bool = False  # a line that goes on with it then applies too; one that goes back always does
    # Secrets that may never have been in the store to go back to: they are checked as for a new store.
    unproven: tuple[str, ...] = ()

    @property
    def is_back(self) -> bool:
        return self.mode is Mode.BACK and not self.unproven

    @property
    def context(self) -> tuple[str, ...]:
        """The options that name the cluster."""
        return tuple(word for word in self.cluster if word != "--cluster")

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
        """The command that switches other secrets instead."""
        apply = ["--apply"] if self.applies else []
        return command_line("cutover", environment, *secrets, "--to", to, *self.cluster, *apply)


@dataclass(frozen=True, slots=True)
class Switch:
    """A secret of an environment that gets another store."""

    environment: Environment
    secret: str
    source: Store
    destination: Store

    @property
    def before(self) -> Secret:
        """The secret as the environment has it now."""
        return self.environment.secrets[self.secret]

    @property
    def namespace(self) -> str:
        return self.before.namespace or ""


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
    CLUSTER = "cluster"
    CLUSTER_STORE = "cluster-store"
    CLUSTER_SECRETS = "cluster-secrets"
    IN_EFFECT = "in-effect"


@dataclass(frozen=True, slots=True)
class Check:
    """A result of the gate. `mend` says how to open it, with a command if there is one; `more` are other ways."""

    about: About
    verdict: Verdict
    message: str
    mend: str | None = None
    more: tuple[str, ...] = ()

    @property
    def mends(self) -> tuple[str, ...]:
        return () if self.mend is None else (self.mend, *self.more)


def one_line(diagnostic: Diagnostic) -> str:
    """A finding in one line with its place: `missing-secret: "…"` alone would be concealed as a credential."""
    return f"{diagnostic.span.where}: {diagnostic.severity.value}[{diagnostic.rule}]: {diagnostic.message}"


def way_out(diagnostic: Diagnostic) -> str:
    """The remedy of a finding: its own help, or else the page of its rule."""
    return diagnostic.help or command_line("rules", diagnostic.rule)


def is_closed(checks: Iterable[Check]) -> bool:
    return any(each.verdict in (Verdict.REFUSED, Verdict.UNANSWERED) for each in checks)


_BLANK, _DELETED = "blank-value", "soft-deleted-secret"
BLANK_IN = "blank in"
# Findings by which the present store says that it does not hold a key.
_NOT_HELD = frozenset(
    {"missing-secret", _DELETED, "disabled-secret", "missing-property", "not-json", "invalid-reference", _BLANK}
)

# Findings that a copy of the values fixes.
_COPIED = frozenset({"missing-secret", "missing-property", _BLANK, _DELETED})


def keys_of(found: Verification, switch: Switch) -> list[KeyStatus]:
    """The keys of a switch, as its new store has them."""
    own = switch.environment.name, switch.secret
    return [each for each in found.keys if (each.cell.environment, each.cell.secret) == own]


def endings_of(found: Verification, switch: Switch) -> dict[str, tuple[str, datetime]]:
    """The versions in the new store that delete themselves too early, and when, by remote secret.

    Too early means before the version that serves the secret now.
    """
    endings: dict[str, tuple[str, datetime]] = {}
    for each in keys_of(found, switch):
        if (remote := each.remote) is not None:
            serving = each.present.remote if each.present is not None else None
            if (ends := end_before(switch.destination, remote, switch.source, serving)) is not None:
                endings[remote.name] = remote.version, ends
    return endings


def effect_of(found: Verification, switch: Switch) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys whose value changes for the pods that mount the Secret, and the keys whose value may change."""
    keys = keys_of(found, switch)
    # If the present store lacks a key, the operator keeps the earlier Secret, whose values are not known here.
    is_lacking = any(each.likeness is Likeness.ONLY_THERE and _way_of_lacking(each) != BLANK_IN for each in keys)
    # With another policy, the operator has removed that key from the Secret.
    is_stale = is_lacking and not switch.before.entry.skips_missing
    other = () if is_stale else (Likeness.DIFFERENT, Likeness.ONLY_THERE)
    changing = tuple(each.cell.key for each in keys if each.likeness in other)
    unknown = (each for each in keys if each.likeness is not Likeness.EQUAL and each.cell.key not in changing)
    return changing, tuple(each.cell.key for each in unknown)


def write_dates(found: Verification, switches: Iterable[Switch]) -> dict[Switch, datetime]:
    """When the present store last got a value of each switch, if it says so."""
    dates = {
        switch: [each.present.date for each in keys_of(found, switch) if each.present is not None]
        for switch in switches
    }
    return {switch: max(known) for switch, every in dates.items() if (known := [*filter(None, every)])}


def _way_of_lacking(status: KeyStatus) -> str:
    """How the present store lacks a key that it does not have, in words."""
    rules = status.present.rules if status.present is not None else ()
    return "deleted in" if _DELETED in rules else BLANK_IN if _BLANK in rules else "not in"


def check_stores(
    switches: Sequence[Switch],
    stores: LiveStores,
    request: CutoverRequest,
    accepted: frozenset[tuple[str, str]],
    kept_of: KeptOf,
) -> tuple[list[Check], Verification | None]:
    """The checks of both stores, and what they hold; None if they cannot be compared."""
    if one_place := list(check_distinct_stores(switches, stores)):
        return one_place, None
    found = compare_stores(switches, stores)
    checks = (
        *check_destination(found, switches, stores),
        *check_equal_values(found, switches, accepted, request, stores, kept_of),
        *check_endings(found, switches, request, stores),
    )
    return list(checks), found


def compare_stores(switches: Sequence[Switch], stores: LiveStores) -> Verification:
    """What the new stores hold, each key with its present value. Changes no store.

    Each remote secret of both sides is read once.
    """
    there = [cells_to_read(each.environment, (each.secret,), each.destination)[0] for each in switches]
    here = [cells_to_read(each.environment, (each.secret,), each.source)[0] for each in switches]
    found = verify([each for group in there for each in group], stores)
    present = verify([each for group in here for each in group], stores)
    comparer = Comparer()
    by_key = {(each.cell.environment, each.cell.secret, each.cell.key): each for each in present.keys}
    for each in found.keys:
        each.present = by_key.get((each.cell.environment, each.cell.secret, each.cell.key))
        each.likeness = compare_keys(each, each.present, comparer)
        is_held = each.present is None or not _NOT_HELD & set(each.present.rules)
        if each.likeness is Likeness.ONLY_THERE and is_held:
            # The present store did not say whether it has the key.
            each.likeness = Likeness.UNKNOWN
    return found


def note_unasked(switches: Iterable[Switch], request: CutoverRequest) -> Iterator[Check]:
    """The secrets that the operator would take keys from if a store object led elsewhere, if no cluster is asked."""
    losing = group_pairs((each.destination, each.secret) for each in switches if each.before.entry.skips_missing)
    for store, secrets in losing.items() if not request.cluster else ():
        names = list_names(dict.fromkeys(secrets), len(secrets))
        what = "the operator takes keys out of the Secret, or deletes it, by its deletionPolicy"
        message = f"not asked: whether the {store.kind} {quote(store.name)} leads to {quote(store.id)}; if not, {what}"
        yield Check(About.CLUSTER_STORE, Verdict.NOTED, f"{message}: {names}", "add --cluster, which asks that")


def check_distinct_stores(switches: Sequence[Switch], stores: LiveStores) -> Iterator[Check]:
    """A refusal if both stores are the same place from here: everything would be equal to itself."""
    for source, destination in dict.fromkeys((each.source, each.destination) for each in switches):
        try:
            is_one = stores.address(source).is_same_place(stores.address(destination))
        except AddressError:
            continue
        if is_one and compare_servers(source.identity, destination.identity) is not Sameness.SAME:
            message = f"{quote(source.id)} and {quote(destination.id)} are the same place, seen from this machine"
            mend = "unset VAULT_ADDR, which stands for both, or correct reachableAt"
            yield Check(About.COMPARED, Verdict.REFUSED, message, mend)


def check_destination(found: Verification, switches: Sequence[Switch], stores: LiveStores) -> Iterator[Check]:
    """Whether the new stores hold what the switched secrets need, as the operator would read it."""
    served = stores.servers(switches[0].environment.name) if switches else {}
    for said in dict.fromkeys(each.said for each in served.values() if each.said):
        yield Check(About.VERIFIED, Verdict.NOTED, said)
    for each in [each for each in found.diagnostics if each.severity is not Severity.ERROR][:MOST]:
        yield Check(About.VERIFIED, Verdict.NOTED, one_line(each), each.help)
    errors = [each for each in found.diagnostics if each.severity is Severity.ERROR]
    if not errors:
        names = list_names(dict.fromkeys(each.destination.id for each in switches))
        # The address may come from a variable: show which server answered.
        where = ", ".join(dict.fromkeys(seen.address for seen in found.seen))
        count = sum(each.key_count for each in found.keys)
        message = f"{names} holds every key: {pluralize(count, 'key')}, at {where}"
        yield Check(About.VERIFIED, Verdict.PASSED, message)
        return
    verdict = Verdict.REFUSED if found.answered else Verdict.UNANSWERED
    bringing = _commands_that_bring(found.keys, switches)
    mends = {id(diagnostic): command for status, command in bringing for diagnostic in status.found}
    for each in errors:
        yield Check(About.VERIFIED, verdict, one_line(each), mends.get(id(each)) or way_out(each))


def _commands_that_bring(keys: Sequence[KeyStatus], switches: Sequence[Switch]) -> Iterator[tuple[KeyStatus, str]]:
    """For each missing key, the copy of all secrets to its store."""
    by_secret = {(each.destination, each.secret): each for each in switches}
    lacking = [status for status in keys if _COPIED & set(status.rules)]
    for status in lacking:
        switch = by_secret[status.cell.store, status.cell.secret]
        secrets = dict.fromkeys(each.cell.secret for each in lacking if each.cell.store is switch.destination)
        recover = ["--recover"] if any(_DELETED in each.rules for each in lacking) else []
        yield status, _migrate(switch, secrets, *recover)


def _migrate(switch: Switch, secrets: Iterable[str], *options: str) -> str:
    going = ("--to", switch.destination.id, *repeat_option("--only", secrets))
    return command_line("migrate", switch.environment.name, *going, *options, "--apply")


def check_equal_values(
    found: Verification,
    switches: Sequence[Switch],
    accepted: frozenset[tuple[str, str]],
    request: CutoverRequest,
    stores: LiveStores,
    kept_of: KeptOf,
) -> Iterator[Check]:
    """Whether the values are the same in both stores, as far as both could be read."""
    for switch in switches:
        keys = keys_of(found, switch)
        listed = [each for each in keys if not each.cell.is_all]
        if listed and all(each.likeness is Likeness.EQUAL for each in listed):
            between = f"{quote(switch.source.id)} and {quote(switch.destination.id)}"
            message = f"{quote(switch.secret)} is equal in {between}: {pluralize(len(listed), 'key')}"
            yield Check(About.COMPARED, Verdict.PASSED, message)
        yield from _check_differences(switch, keys, accepted, request, stores)
        if switch.before.uses_all:
            yield from _check_unlisted(switch, keys, accepted, request, kept_of)
    yield from _check_uncompared(found.keys, request)


def _check_differences(
    switch: Switch,
    keys: Sequence[KeyStatus],
    accepted: frozenset[tuple[str, str]],
    request: CutoverRequest,
    stores: LiveStores,
) -> Iterator[Check]:
    of, here, there = quote(switch.secret), quote(switch.source.id), quote(switch.destination.id)
    only = [each for each in keys if each.likeness is Likeness.ONLY_THERE]
    for what, found in (
        (f"values of {of} differ in {there} and {here}", [e for e in keys if e.likeness is Likeness.DIFFERENT]),
        *(
            (f"keys of {of} are in {there} and {lack} {here}", [each for each in only if _way_of_lacking(each) == lack])
            for lack in ("not in", "deleted in", BLANK_IN)
        ),
    ):
        names = [each.cell.key for each in found]
        if request.is_back and found and found[0].likeness is Likeness.ONLY_THERE:
            # Missing keys may be the very reason for going back.
            yield Check(About.COMPARED, Verdict.NOTED, f"{what}: {name_keys(names, len(names))}")
            continue
        taken = [name for name in names if (switch.secret, name) in accepted]
        left = [name for name in names if name not in taken]
        if taken:
            yield Check(About.COMPARED, Verdict.NOTED, f"accepted: {what}: {name_keys(taken, len(taken))}")
        if left:
            message = f"{what}: {name_keys(left, len(left))}"
            accept = f"to accept those of {there}: {_accept_line(request, accepted, switch, left)}"
            first, versions = found[0], None
            if first.likeness is Likeness.DIFFERENT and first.present is not None:
                versions = versions_of(first, first.present, stores)
            if versions is None:
                yield Check(About.COMPARED, Verdict.REFUSED, message, accept)
                continue
            over = _migrate(switch, (switch.secret,), "--on-conflict", "overwrite")
            copy = f"to overwrite them with those of {here}: {over}"
            message = "; ".join(filter(None, (message, when_written(*versions))))
            yield Check(About.COMPARED, Verdict.REFUSED, message, accept, (copy, runs_line(request.environment)))


def _accept_line(
    request: CutoverRequest, accepted: Iterable[tuple[str, str]], switch: Switch, keys: Iterable[str]
) -> str:
    """The command that also accepts the new store's version of these keys."""
    pairs = (*sorted(accepted), *((switch.secret, key) for key in keys))
    return replace(request, accepted=tuple(map("/".join, pairs))).again()


def _check_unlisted(
    switch: Switch,
    keys: Sequence[KeyStatus],
    accepted: frozenset[tuple[str, str]],
    request: CutoverRequest,
    kept_of: KeptOf,
) -> Iterator[Check]:
    """Whether the unlisted keys of the Secret are the same in both stores."""
    there = {each.cell.key: each for each in keys}
    here = {each.present.cell.key: each.present for each in keys if each.present is not None}
    found = compare_unlisted(there, here, Comparer())
    held = {name for each in keys if each.remote is not None for name in each.remote.properties}
    of, source, to = quote(switch.secret), quote(switch.source.id), quote(switch.destination.id)
    keys_of_it = "keys" if switch.before.takes_all else "parts of its texts"
    for likeness, what in (
        (Likeness.MISSING, f"the Secret of {of} would lose {keys_of_it}, which are in {source} and not in {to}"),
        (Likeness.ONLY_THERE, f"the Secret of {of} would get {keys_of_it}, which are in {to} and not in {source}"),
        (Likeness.DIFFERENT, f"values of {of} differ in {to} and {source}"),
    ):
        names = found.get(likeness, ())
        taken = [each for each in names if (switch.secret, each) in accepted]
        if taken:
            yield Check(About.COMPARED, Verdict.NOTED, f"accepted: {what}: {list_names(taken, len(taken))}")
        if left := [name for name in names if name not in taken]:
            message = f"{what}: {list_names(left, len(left))}"
            mends = tuple(_mend_unlisted(switch, likeness, left, held, kept_of))
            if all(map(is_shown_whole, left)):
                mends += (f"to accept that: {_accept_line(request, accepted, switch, left)}",)
            yield Check(About.COMPARED, Verdict.REFUSED, message, mends[0], mends[1:])
    known = {*here, *(name for names in found.values() for name in names)}
    for secret, name in sorted(accepted):
        if found and secret == switch.secret and name not in known:
            message = f"--accept-differences names {quote(name)}, which is not a key of {of} in {source} or {to}"
            unlisted = sorted(known - here.keys())
            yield Check(About.COMPARED, Verdict.REFUSED, message, suggest(name, unlisted, "keys that are not listed"))
    if found.keys() == {Likeness.EQUAL}:
        count = pluralize(len(found[Likeness.EQUAL]), "other key")
        message = f"{of} has the same keys that are not listed in {source} and {to}: {count}"
        yield Check(About.COMPARED, Verdict.PASSED, message)


def _mend_unlisted(
    switch: Switch, likeness: Likeness, names: Sequence[str], held: set[str], kept_of: KeptOf
) -> Iterator[str]:
    """How to make unlisted keys the same, and why some cannot be removed.

    `held` are all keys in the new store.
    """
    if likeness is Likeness.MISSING:
        yield _migrate(switch, (switch.secret,))
    elif likeness is Likeness.DIFFERENT:
        yield _migrate(switch, (switch.secret,), "--on-conflict", "overwrite")
    else:
        kept, to = kept_of(switch, names), switch.destination.id
        removed = [name for name in names if name not in kept]
        if removed and not held - set(removed):
            yield f"{list_names(removed, len(removed))} is all that {quote(to)} has of it: copy other keys there first"
        elif removed:
            words = (*repeat_option("--remove", removed), "--store", to, "--apply")
            yield f"to remove them there: {command_line('put', switch.environment.name, switch.secret, *words)}"
        for why in dict.fromkeys(kept.values()):
            stay = [name for name in names if kept.get(name) == why]
            yield f"{list_names(stay, len(stay))} cannot be removed from {quote(to)}: {why}"


def find_kept(
    switch: Switch, names: Sequence[str], environments: Callable[[], Sequence[Environment]], stores: LiveStores
) -> dict[str, str]:
    """The properties in the new store that `put --remove` would not remove, each with the reason.

    `environments` returns all of the project; it may raise Refusal.
    """
    from compiler.live.readers import readers_in_project, readers_of_key  # noqa: PLC0415 - few stores have more keys

    store, inventory, kept = switch.destination, Inventory(switch.environment), dict[str, str]()
    if (remote := own_remote(switch.before, store)) is None:
        return dict.fromkeys(names, "it has no place there")
    try:
        readers = readers_in_project(store, remote, (switch.environment, *environments()), stores)
    except Refusal as error:
        why = f"who reads it is not known: {error}"
        return dict.fromkeys(names, f"{why}; {error.help}" if error.help else why)
    for name in names:
        if not is_shown_whole(name):
            kept[name] = "no line can name it; the store's own tools can"
        elif (cell := inventory.key_at(store, remote, name)) is not None:
            kept[name] = f"it is the key {quote(cell.key)} of {quote(cell.secret)}"
        elif why := readers_of_key(readers, name)[1]:
            kept[name] = why
    return kept


def _check_uncompared(keys: Sequence[KeyStatus], request: CutoverRequest) -> Iterator[Check]:
    """The keys that could not be compared, once for each reason."""
    by_reason: dict[str, list[KeyStatus]] = {}
    for each in keys:
        if each.likeness is Likeness.UNKNOWN:
            store = each.cell.serving
            said = _why_unknown(each)
            reason = said.message if said is not None else f"{store.id if store is not None else ''} does not give it"
            by_reason.setdefault(reason, []).append(each)
    for reason, unknown in by_reason.items():
        secrets = dict.fromkeys(each.cell.secret for each in unknown)
        names = [each.cell.key for each in unknown]
        of_several = f"{list_names(secrets, len(secrets))} not compared: {pluralize(len(names), 'key')}"
        of_one = f"{quote(next(iter(secrets)))} not compared: {name_keys(names, len(names))}"
        why = with_own_count(reason, len(names))
        message = f"keys of {of_one if len(secrets) == 1 else of_several}: {why}"
        if request.is_back or request.without_comparison:
            yield Check(About.COMPARED, Verdict.NOTED, message)
            continue
        without = request.again("--without-comparison")
        first = _why_unknown(unknown[0])
        mend = first.help if first is not None else None
        mend, more = (mend, (without,)) if mend else (without, ())
        yield Check(About.COMPARED, Verdict.UNANSWERED, message, mend, more)


def _why_unknown(status: KeyStatus) -> Diagnostic | None:
    """The first finding about a key in the present store."""
    return next(iter(status.present.found), None) if status.present is not None else None


def check_endings(
    verified: Verification, switches: Sequence[Switch], request: CutoverRequest, stores: LiveStores
) -> Iterator[Check]:
    """Whether a version in the new stores deletes itself, which would leave the Secret without updates."""
    for switch in switches:
        found = [(name, *end) for name, end in endings_of(verified, switch).items()]
        if not found:
            continue
        there, here = quote(switch.destination.id), quote(switch.source.id)
        versions = ", ".join(f"version {version} of {quote(name)}" for name, version, _ in found)
        first, of = min(ends for _, _, ends in found), quote(switch.secret)
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
