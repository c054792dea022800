"""Checks whether secrets can be switched: the destination holds every key, and both stores are equal.

Values are compared by a keyed hash under a random key of this run. What differs is named by key, never by value.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler.live.read_many import WORKERS, end_before, keep_command, run_of_later, version_of, when
from compiler.live.stores import AddressError
from compiler.model.diagnostic import Severity
from compiler.operations.cutover_checks import About, Check, Verdict, stated
from compiler.operations.references import references_of
from compiler.operations.verify import verify, with_own_count
from compiler.stores.secret_value.secret import Comparer
from compiler.text.wording import counted, listed, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from compiler.live.read_many import StoredVersion
    from compiler.live.stores import LiveStores
    from compiler.operations.cutover import Switch
    from compiler.operations.cutover_request import Commands
    from compiler.operations.references import Reference
    from compiler.operations.verify import KeyStatus, Verification
    from compiler.stores.interface import RemoteSecret


# How the present store says that it does not hold a key, as opposed to not answering for it.
_NOT_HELD = frozenset(
    {"missing-secret", "soft-deleted-secret", "disabled-secret", "missing-property", "not-json", "invalid-reference"}
)


class Likeness(StrEnum):
    """How the value of a key in the new store is to that in the present one."""

    EQUAL = "equal"
    DIFFERENT = "different"
    ONLY_THERE = "only-there"  # the present store does not hold it
    MISSING = "missing"  # the new store does not give it, which is among its own findings
    UNKNOWN = "unknown"  # the present store did not answer for it


@dataclass(frozen=True, slots=True)
class Compared:
    """One key of a switch, why it could not be compared where `likeness` is UNKNOWN, and what mends that.

    `versions` are those of the new store and of the present one where they hold different values.
    `is_deleted` where it is ONLY_THERE as the present store has it deleted, and can recover it.
    """

    switch: Switch
    key: str
    likeness: Likeness
    why: str = ""
    is_deleted: bool = False
    versions: tuple[StoredVersion, StoredVersion] | None = None
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """A version in the new store that deletes itself, at `ends`, before the one that serves the switch's secret now."""

    switch: Switch
    name: str
    version: str
    ends: datetime


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the new stores hold, as `verify` finds it, each key compared, and what does not stay there.

    `written` is when the present store last got a value of each switch, as far as it says.
    """

    found: Verification
    keys: tuple[Compared, ...]
    endings: tuple[Ending, ...] = ()
    written: Mapping[Switch, datetime] = field(default_factory=dict)

    def of(self, switch: Switch) -> tuple[Compared, ...]:
        return tuple(each for each in self.keys if each.switch is switch)


def compared(switches: Sequence[Switch], stores: LiveStores, workers: int = WORKERS) -> Comparison:
    """Reads each remote secret of both sides once. Neither store is changed."""
    there = [_references(each, is_destination=True) for each in switches]
    here = [_references(each, is_destination=False) for each in switches]
    found = verify(_flat(there), stores, workers=workers)
    present = verify(_flat(here), stores, workers=workers)
    comparer = Comparer()
    statuses = {id(status.reference): status for status in present.keys}
    keys: list[Compared] = []
    endings: dict[Ending, None] = {}
    written: dict[Switch, datetime] = {}
    for switch, new, old in zip(switches, there, here, strict=True):
        by_key = {reference.key: reference for reference in old}
        for reference in new:
            status = statuses.get(id(by_key.get(reference.key)))
            judged = _judged(switch, reference, status, found, present, comparer)
            remote = found.origins.get(reference)
            serving = present.origins.get(status.reference) if status is not None else None
            if judged.likeness is Likeness.DIFFERENT and remote is not None and serving is not None:
                judged = replace(judged, versions=_versions(switch, remote, serving, stores))
            keys.append(judged)
            date = (serving.attributes.created or serving.attributes.updated) if serving is not None else None
            if date is not None:
                written[switch] = max(date, written.get(switch, date))
            if remote is None:
                continue
            if (ends := end_before(switch.destination, remote, switch.source, serving)) is not None:
                endings[Ending(switch, remote.name, remote.version, ends)] = None
    return Comparison(found, tuple(keys), tuple(endings), written)


def _versions(
    switch: Switch, there: RemoteSecret, here: RemoteSecret, stores: LiveStores
) -> tuple[StoredVersion, StoredVersion]:
    new, old = switch.destination, switch.source
    return version_of(new.id, stores.address(new), there), version_of(old.id, stores.address(old), here)


def _references(switch: Switch, *, is_destination: bool) -> tuple[Reference, ...]:
    store = switch.destination if is_destination else switch.source
    return references_of(switch.environment, (switch.secret,), store)[0]


def _flat(groups: Iterable[tuple[Reference, ...]]) -> tuple[Reference, ...]:
    return tuple(reference for group in groups for reference in group)


def _judged(
    switch: Switch,
    reference: Reference,
    status: KeyStatus | None,
    found: Verification,
    present: Verification,
    comparer: Comparer,
) -> Compared:
    new = found.values.get(reference)
    old = present.values.get(status.reference) if status is not None else None
    if new is None:
        return Compared(switch, reference.key, Likeness.MISSING)
    if old is not None:
        likeness = Likeness.EQUAL if comparer.same(new, old) else Likeness.DIFFERENT
        return Compared(switch, reference.key, likeness)
    if status is not None and _NOT_HELD & set(status.rules):
        is_deleted = "soft-deleted-secret" in status.rules
        return Compared(switch, reference.key, Likeness.ONLY_THERE, is_deleted=is_deleted)
    if status is None or not status.found:
        return Compared(switch, reference.key, Likeness.UNKNOWN, f"{switch.source.id} does not give it")
    why = status.found[0]
    return Compared(switch, reference.key, Likeness.UNKNOWN, why.message, mend=why.help)


_MOST = 5
# What a copy of the values brings to the new store; the second are there, deleted.
_COPIED = frozenset({"missing-secret", "missing-property", "blank-value", "placeholder-value", "soft-deleted-secret"})
_DELETED = "soft-deleted-secret"


def one_place(switches: Sequence[Switch], stores: LiveStores) -> Iterator[Check]:
    """A refusal where both stores are one as seen from here: a comparison would find everything equal to itself."""
    for source, destination in dict.fromkeys((each.source, each.destination) for each in switches):
        try:
            same = stores.address(source).place_here == stores.address(destination).place_here
        except AddressError:
            continue
        if same and source.address != destination.address:
            message = f"{quoted(source.id)} and {quoted(destination.id)} are the same place, seen from this machine"
            mend = "unset VAULT_ADDR, which stands for both, or correct reachableAt"
            yield Check(About.COMPARED, Verdict.REFUSED, message, mend)


def verified(
    comparison: Comparison, switches: Sequence[Switch], commands: Commands, live: LiveStores
) -> Iterator[Check]:
    """Whether the new stores hold what the switched secrets need, as the cluster would read it."""
    found = comparison.found
    served = live.served(switches[0].environment.name) if switches else {}
    for said in dict.fromkeys(each.said for each in served.values() if each.said):
        yield Check(About.VERIFIED, Verdict.NOTED, said)
    for each in [each for each in found.diagnostics if each.severity is not Severity.ERROR][:_MOST]:
        yield Check(About.VERIFIED, Verdict.NOTED, stated(each), each.help)
    errors = [each for each in found.diagnostics if each.severity is Severity.ERROR]
    if not errors:
        stores = listed(dict.fromkeys(each.destination.id for each in switches))
        # A variable may stand for the address: people should see which server it was that answered.
        where = ", ".join(dict.fromkeys(seen.address for seen in found.seen))
        message = f"{stores} holds every key: {counted(len(found.keys), 'key')}, at {where}"
        yield Check(About.VERIFIED, Verdict.PASSED, message)
        return
    verdict = Verdict.REFUSED if found.answered else Verdict.UNANSWERED
    found_mends = _mends(found.keys, switches, commands, live)
    mends = {id(diagnostic): mend for status, mend in found_mends for diagnostic in status.found}
    for each in errors:
        mend = mends.get(id(each)) or each.help or commands.rule(each.rule)
        yield Check(About.VERIFIED, verdict, stated(each), mend)


def _mends(
    keys: Sequence[KeyStatus], switches: Sequence[Switch], commands: Commands, live: LiveStores
) -> Iterator[tuple[KeyStatus, str]]:
    """What brings each missing key: the undo of the run that deleted it, or one copy of all secrets there."""
    by_secret = {(each.destination, each.secret): each for each in switches}
    lacking = [status for status in keys if _COPIED & set(status.rules)]
    for status in lacking:
        reference = status.reference
        if _DELETED in status.rules:
            undo = commands.bring_back(live.address(reference.store).absolute, reference.remote_key)
            if undo is not None:
                yield status, undo
                continue
        switch = by_secret[status.reference.store, status.reference.secret]
        secrets = dict.fromkeys(each.reference.secret for each in lacking if each.reference.store is switch.destination)
        recover = ["--recover"] if any(_DELETED in each.rules for each in lacking) else []
        yield status, commands.migrate(switch.environment.name, secrets, switch.destination.id, *recover, "--apply")


def likenesses(
    comparison: Comparison, accepted: frozenset[tuple[str, str]], commands: Commands, *, is_back: bool
) -> Iterator[Check]:
    """Whether the values are the same in both stores, as far as both gave them."""
    for switch in dict.fromkeys(each.switch for each in comparison.keys):
        keys = comparison.of(switch)
        equal = [each.key for each in keys if each.likeness is Likeness.EQUAL]
        if len(equal) == len(keys):
            between = f"{quoted(switch.source.id)} and {quoted(switch.destination.id)}"
            message = f"{quoted(switch.secret)} is equal in {between}: {counted(len(equal), 'key')}"
            yield Check(About.COMPARED, Verdict.PASSED, message)
        yield from _differences(switch, keys, accepted, commands, is_back=is_back)
    yield from _unknown(comparison.keys, commands, is_back=is_back)


def endings(
    comparison: Comparison, accepted: Collection[str], commands: Commands, live: LiveStores, *, is_back: bool
) -> Iterator[Check]:
    """Whether what the new stores hold stays there: a version that deletes itself would leave the Secret as it is."""
    for switch in dict.fromkeys(each.switch for each in comparison.endings):
        found = [each for each in comparison.endings if each.switch is switch]
        there, here = quoted(switch.destination.id), quoted(switch.source.id)
        versions = ", ".join(f"version {each.version} of {quoted(each.name)}" for each in found)
        when = f"{min(each.ends for each in found):%Y-%m-%d %H:%M:%S} UTC"
        message = f"{versions} in {there} deletes itself on {when}, before what {here} holds of {quoted(switch.secret)}"
        store = live.open(switch.destination)
        stay = [f"to have it stay: {keep_command(store, each.name, each.version)}" for each in found]
        if is_back:
            yield Check(About.COMPARED, Verdict.NOTED, message, stay[0], tuple(stay[1:]))
        elif switch.secret in accepted:
            yield Check(About.COMPARED, Verdict.NOTED, f"accepted: {message}")
        else:
            accept = f"to accept that: {commands.accepting_ending(dict.fromkeys((*accepted, switch.secret)))}"
            yield Check(About.COMPARED, Verdict.REFUSED, message, stay[0], (*stay[1:], accept))


def _differences(
    switch: Switch,
    keys: Sequence[Compared],
    accepted: frozenset[tuple[str, str]],
    commands: Commands,
    *,
    is_back: bool,
) -> Iterator[Check]:
    of, here, there = quoted(switch.secret), quoted(switch.source.id), quoted(switch.destination.id)
    only = [each for each in keys if each.likeness is Likeness.ONLY_THERE]
    for what, found in (
        (f"values of {of} differ in {there} and {here}", [e for e in keys if e.likeness is Likeness.DIFFERENT]),
        (f"keys of {of} are in {there} and not in {here}", [each for each in only if not each.is_deleted]),
        (f"keys of {of} are in {there} and deleted in {here}", [each for each in only if each.is_deleted]),
    ):
        names = [each.key for each in found]
        if is_back and found and found[0].likeness is Likeness.ONLY_THERE:
            # That the store that is left lacks them is why one goes back.
            yield Check(About.COMPARED, Verdict.NOTED, f"{what}: {listed(names, len(names))}")
            continue
        taken = [name for name in names if (switch.secret, name) in accepted]
        left = [name for name in names if name not in taken]
        if taken:
            yield Check(About.COMPARED, Verdict.NOTED, f"accepted: {what}: {listed(taken, len(taken))}")
        if left:
            message = f"{what}: {listed(left, len(left))}"
            accept = f"to accept those of {there}: {_accepting(commands, switch, left, accepted)}"
            versions = found[0].versions
            if versions is None:
                yield Check(About.COMPARED, Verdict.REFUSED, message, accept)
                continue
            where = (switch.environment.name, (switch.secret,), switch.destination.id)
            over = commands.migrate(*where, "--on-conflict", "overwrite", "--apply")
            copy = f"to overwrite them with those of {here}: {over}"
            message = "; ".join(filter(None, (message, when(*versions, commands.writer_of))))
            run = run_of_later(*versions, commands.writer_of)
            undo = [f"to take back what {run.command} wrote: {run.undo} --apply"] if run is not None else []
            yield Check(About.COMPARED, Verdict.REFUSED, message, accept, (copy, *undo))


def _accepting(commands: Commands, switch: Switch, keys: Sequence[str], accepted: frozenset[tuple[str, str]]) -> str:
    earlier = [f"{secret}/{key}" for secret, key in sorted(accepted)]
    return commands.accepting([*earlier, *(f"{switch.secret}/{key}" for key in keys)])


def _unknown(keys: Sequence[Compared], commands: Commands, *, is_back: bool) -> Iterator[Check]:
    """What could not be compared: a store that does not answer is told once, and not for each secret."""
    by_reason: dict[str, list[Compared]] = {}
    for each in keys:
        if each.likeness is Likeness.UNKNOWN:
            by_reason.setdefault(each.why, []).append(each)
    for reason, unknown in by_reason.items():
        secrets = dict.fromkeys(each.switch.secret for each in unknown)
        names = [each.key for each in unknown]
        of_several = f"{listed(secrets, len(secrets))} not compared: {counted(len(names), 'key')}"
        of_one = f"{quoted(next(iter(secrets)))} not compared: {listed(names, len(names))}"
        why = with_own_count(reason, len(names))
        message = f"keys of {of_one if len(secrets) == 1 else of_several}: {why}"
        without = commands.again("--without-comparison")
        mend, more = (unknown[0].mend, (without,)) if unknown[0].mend else (without, ())
        if is_back or commands.request.without_comparison:
            yield Check(About.COMPARED, Verdict.NOTED, message)
        else:
            yield Check(About.COMPARED, Verdict.UNANSWERED, message, mend, more)
