"""Plans the undo of a run: restores the earlier values and deletes what the run created.

Only where the run's version is still the current one, so that no later write is lost.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.operations.change.plan import WRITING, Adopted, Kind, Location, Options, Plan, Step, Write
from compiler.operations.change.undo_delete import doubt_of_deletion, judge_recovery
from compiler.operations.change.undo_verdict import Verdict
from compiler.operations.change.version_loss import NextWrite, losses_of
from compiler.operations.live.read_many import read_many
from compiler.operations.live.version_states import version_states
from compiler.operations.runs.complete_audit import RESTORE, owed_by, owed_by_undo
from compiler.operations.runs.history import RunHistory
from compiler.stores.errors import DisabledError, NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import Use
from compiler.stores.values.secret import Comparer
from compiler.text.command_line import command_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.operations.change.plan import Target
    from compiler.operations.live.later import PastRun
    from compiler.operations.live.read_many import Reading
    from compiler.operations.live.version_states import States
    from compiler.operations.runs.entries import Run, RunEntry
    from compiler.stores.interface import RemoteSecret, SecretWriter

_BY_HAND = "compare the versions and keep the right one by hand"


def plan_undo(
    run: Run, stores: Mapping[str, SecretWriter], history: RunHistory | None = None, workers: int = 16
) -> Plan:
    """The plan that undoes `run`, from reading stores. Raises the StoreError of a store that cannot be used at all.

    `stores` are open, by their ids in the run. `history` knows the versions that other runs and their undos wrote:
    several runs that wrote one secret are undone newest first.
    While it is unknown whether a write of the run was stored, nothing is undone: resuming the run settles that, and a
    run that is partly undone cannot be resumed.
    """
    touched = {target: entry for target, entry in run.entries.items() if entry.after is not None or entry.maybe_stored}
    deleted = {target for target, entry in touched.items() if entry.kind is Kind.DELETE}
    for (store_id, name), entry in touched.items():
        stores[store_id].expect({name: {_use(entry)}})
    readings = read_many([(stores[store], name) for store, name in touched.keys() - deleted], workers)
    states = version_states([(stores[store], name) for store, name in deleted], workers)
    verdicts: dict[Target, Verdict] = {}
    is_open = False
    for target, entry in touched.items():
        store, name = stores[target[0]], target[1]
        one = _OneUndo(run, entry, target, store, history or RunHistory())
        if target in deleted:
            verdict = one.judge_deletion(states[store, name])
        else:
            reading = readings[store, name]
            verdict = one.judge(reading) if entry.after is not None else one.doubt(reading)
        if verdict is not None:
            verdicts[target] = verdict
            is_open = is_open or entry.after is None
    if is_open and run.is_resumable:
        verdicts = {target: _waiting(run, verdict) for target, verdict in verdicts.items()}
    return _plan(run, verdicts, stores, workers)


def _use(entry: RunEntry) -> Use:
    """What the undo of `entry` does with its remote secret."""
    if entry.kind is Kind.DELETE:
        return Use.RECOVER_VERSIONS
    return Use.DELETE if _deletes(entry) else Use.UPDATE


def _deletes(entry: RunEntry) -> bool:
    return entry.recover or entry.kind is Kind.CREATE


def _plan(run: Run, verdicts: Mapping[Target, Verdict], stores: Mapping[str, SecretWriter], workers: int) -> Plan:
    steps: list[Step] = []
    writes: list[Write] = []
    # First what the run owes the audit file: once a part is undone, the run cannot be resumed to record it.
    adopted = list(owed_by(run))
    for target, verdict in verdicts.items():
        entry, why = run.entries[target], (verdict.reason, verdict.remedy)
        own = tuple(
            Step(key.secret, key.key, verdict.kind, None, Location(*target, key.property), *why) for key in entry.keys
        )
        steps += own
        if verdict.kind in WRITING:
            recover, versions = bool(verdict.versions), verdict.versions
            base, earlier = verdict.current, verdict.earlier
            writes.append(Write(*target, own, {}, base=base, recover=recover, earlier=earlier, versions=versions))
        elif verdict.owed is not None:
            adopted.append(verdict.owed)
        elif verdict.kind is Kind.KEEP and verdict.current is not None:
            # An earlier undo was stopped before it recorded this version; the undo of an older run needs the record.
            owed = Adopted(*target, verdict.current.version, entry.properties, RESTORE, entry.after, is_undo=True)
            adopted.append(owed)
    rewritten = [NextWrite(w.store, stores[w.store], w.name, w.before) for w in writes if w.earlier is not None]
    return Plan(
        command=run.command,
        environment=run.environment,
        destinations=run.destinations,
        sources={},
        options=Options(),
        steps=tuple(steps),
        writes=tuple(writes),
        adopted=tuple(adopted),
        losses=losses_of(rewritten, workers),
    )


class _OneUndo:
    """Judges the undo of one remote secret."""

    def __init__(self, run: Run, entry: RunEntry, target: Target, store: SecretWriter, history: RunHistory) -> None:
        self._run = run
        self._entry = entry
        self._target = target
        self._name = target[1]
        self._store = store
        self._history = history
        self._deletes = _deletes(entry)

    def judge(self, reading: Reading) -> Verdict:
        entry = self._entry
        if entry.undo == "done":
            return self._kept("it is already undone", None if self._deletes else entry.undone_as)
        if self._deletes and isinstance(reading, SoftDeletedError | NotFoundError):
            return self._kept("it is already deleted", None)
        if isinstance(reading, StoreError):
            return Verdict(Kind.REFUSE, reading.reason, self._way_back(reading))
        original = self._original(reading.version)
        # What an earlier undo wrote is the run's own where the run recovered it: its version is then the run's.
        if entry.after not in {reading.version, original}:
            return self._foreign(reading, self._history.runs.get((self._address, self._name, original)))
        if self._is_of_another_time(reading):
            reason = f"its version {reading.version} is not the run's, which was made at another time"
            return Verdict(Kind.REFUSE, reason, "check which server answers at that address, then compare by hand")
        if (unlike := self._unlike(reading)) is not None:
            return unlike
        if entry.slipped:
            # The version right before the run's is the other writer's, not the one that the run had read.
            reason = f"the run's version {entry.after} replaced another writer's version {', '.join(entry.slipped)}"
            return Verdict(Kind.REFUSE, reason, "restore that version by hand")
        if self._deletes:
            why = "the run recovered it" if entry.recover else "the run created it"
            return Verdict(Kind.DELETE, why, current=reading)
        return self._restoration(reading)

    def doubt(self, reading: Reading) -> Verdict | None:
        """Judges a write that was started and never recorded; None where the store shows that it was not stored."""
        if isinstance(reading, SoftDeletedError | NotFoundError):
            return None
        if isinstance(reading, StoreError):
            return Verdict(Kind.REFUSE, reading.reason, reading.remedy)
        if self._original(reading.version) in {self._entry.before, self._entry.planned_before}:
            return None
        reason = (
            f"the run was stopped while it wrote this: version {reading.version} may be the run's or another writer's"
        )
        return Verdict(Kind.REFUSE, reason, self._way_to_settle)

    def judge_deletion(self, states: States) -> Verdict | None:
        """Judges the undo of a deletion; None where it was started, and the store shows that it did not come about.

        Once the run cannot settle a doubt any more, bringing back what it may have deleted loses nothing.
        """
        if self._entry.after is None:
            doubt = doubt_of_deletion(self._entry, states, _settle(self._run))
            if doubt is None or self._run.is_resumable:
                return doubt
        return judge_recovery(self._entry, self._target, states)

    @property
    def _way_to_settle(self) -> str:
        """How to find out whether a write was stored."""
        return _settle(self._run) if self._run.is_resumable else "compare the versions by hand"

    def _way_back(self, error: StoreError) -> str:
        """The remedy of `error`; of what a run of this project deleted, the undo of that run."""
        retired = self._history.retired.get((self._address, self._name))
        if retired is None or not isinstance(error, SoftDeletedError):
            return error.remedy
        return _undo_first(retired)

    def _kept(self, reason: str, version: str | None) -> Verdict:
        """Nothing is left to undo; `version` is the one that an earlier undo wrote, None where it deleted."""
        return Verdict(Kind.KEEP, reason, owed=owed_by_undo(self._target, self._entry, version))

    @property
    def _address(self) -> str:
        return self._store.address.absolute

    def _original(self, version: str) -> str:
        return self._history.original(self._address, self._name, version)

    def _foreign(self, current: RemoteSecret, other: PastRun | None) -> Verdict:
        """The current version is not the run's: its own undo wrote it, or the run `other`, or an unknown writer."""
        if self._entry.undo == "started" and not self._deletes:
            # That undo was stopped before it could note the new version.
            verdict = self._restoration(current)
            if verdict.earlier is None:
                return verdict
            if _same(current, verdict.earlier):
                return replace(self._kept("it is already undone", current.version), current=current)
        return self._changed(current, other)

    def _is_of_another_time(self, current: RemoteSecret) -> bool:
        """Whether the current version has the number of the run's and is not it.

        A Vault counts from 1 again after a secret's metadata was deleted, and behind an address, a tunnel's for one,
        may stand another server than then.
        """
        entry = self._entry
        # What the run recovered and found as it was to be has no other time than that of its recovery.
        made = entry.made or (entry.recovered_made if entry.recover and entry.after == entry.deleted else None)
        created = current.attributes.created
        if made is None or created is None or current.version != entry.after:
            return False
        return created.isoformat() != made

    def _restoration(self, current: RemoteSecret) -> Verdict:
        before = self._entry.before or self._entry.planned_before or ""
        try:
            earlier = self._store.read_version(self._name, before)
        except (VersionGoneError, DisabledError) as error:
            reason = f"the value before the run, version {before}, cannot be read: {error.reason}"
            return Verdict(Kind.REFUSE, reason, "restore it from a backup")
        except StoreError as error:
            return Verdict(Kind.REFUSE, error.reason, error.remedy)
        return Verdict(Kind.UPDATE, f"version {before} is restored", current=current, earlier=earlier)

    def _unlike(self, current: RemoteSecret) -> Verdict | None:
        """Why a version that an undo is recorded to have written does not hold the run's value; None where it does."""
        after = self._entry.after
        if current.version == after or after is None:
            return None
        try:
            own = self._store.read_version(self._name, after)
        except StoreError as error:
            reason = f"version {current.version} cannot be compared with the run's version {after}: {error.reason}"
            return Verdict(Kind.REFUSE, reason, _BY_HAND)
        # Vault counts from 1 again after a secret's metadata was deleted: only the value proves a version.
        return None if _same(current, own) else self._changed(current, None)

    def _changed(self, current: RemoteSecret, other: PastRun | None) -> Verdict:
        reason = f"the current version is {current.version}, the run wrote version {self._entry.after}"
        if other is None:
            return Verdict(Kind.REFUSE, f"{reason}: another writer changed it since", _BY_HAND)
        return Verdict(Kind.REFUSE, f"{reason}: the run {other.id} wrote it since", _undo_first(other))


def undo_command(command: str, environment: str, run: str) -> str:
    """The command line that plans the undo of a run of `command`."""
    return command_line(command, environment, "--undo", run)


def _undo_first(run: PastRun) -> str:
    return f"undo that run first: {run.undo}"


def _settle(run: Run) -> str:
    return f"run the same {run.command} again to settle that, then undo it"


def _waiting(run: Run, verdict: Verdict) -> Verdict:
    if verdict.kind not in WRITING:
        return verdict
    waiting = replace(verdict, kind=Kind.REFUSE, reason="the outcome of another of its writes is unknown", current=None)
    return replace(waiting, remedy=_settle(run), earlier=None)


def _same(one: RemoteSecret, other: RemoteSecret) -> bool:
    comparer = Comparer()
    if one.whole is not None and other.whole is not None:
        return comparer.same(one.whole, other.whole)
    return one.properties.keys() == other.properties.keys() and all(
        comparer.same(value, other.properties[key]) for key, value in one.properties.items()
    )
