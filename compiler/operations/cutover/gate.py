"""Decides from what the stores hold whether a switch may be made, and names the command that opens the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.operations.cutover.check import About, Check, Verdict, stated
from compiler.operations.cutover.comparison import Likeness
from compiler.operations.live.lasting import keep_command
from compiler.operations.live.later import run_of_later, when
from compiler.operations.live.stores import AddressError
from compiler.operations.verify.findings import with_own_count
from compiler.text.wording import counted, listed, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from compiler.operations.cutover.commands import Commands
    from compiler.operations.cutover.comparison import Compared, Comparison
    from compiler.operations.cutover.trial import Switch
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.verify.verify import KeyStatus

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
