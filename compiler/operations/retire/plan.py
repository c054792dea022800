"""Plans a retirement: reads both sides once, compares them, and deletes only what the serving stores hold too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.operations.change.access import refuse_denied
from compiler.operations.change.plan import Kind, Location, Options, Plan, Step, Write
from compiler.operations.change.resume import narrowed
from compiler.operations.change.run import Planned
from compiler.operations.live.read_many import WORKERS, read_many
from compiler.operations.live.readers import read_by, way_out
from compiler.operations.live.version_states import version_states
from compiler.operations.retire.judge import Judging, Sides
from compiler.stores.errors import SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import RemoteSecret, Use
from compiler.stores.values.secret import Comparer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.operations.change.plan import Target
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.retire.candidates import Candidates, Remote
    from compiler.operations.runs.entries import Run
    from compiler.stores.interface import SecretReader, SecretWriter

COMMAND = "retire"


def plan_retirement(
    candidates: Candidates, stores: LiveStores, *, run: Run | None = None, workers: int = WORKERS
) -> Planned:
    """The plan that deletes the free ones of `candidates`, without a writing request; `run` narrows it to that run.

    Raises AddressError, and the StoreError of a store that cannot be used at all.
    """
    writer = stores.open(candidates.store)
    writer.expect({remote.name: {Use.DELETE_VERSIONS} for remote in candidates.free})
    sides = _read(candidates, writer, stores, workers)
    steps = [step for remote in candidates.read if candidates.only for step in _read_by(remote, candidates)]
    writes: list[Write] = []
    gone: dict[Target, str] = {}
    comparer = Comparer()
    for remote in candidates.free:
        judging = Judging(remote, sides, comparer)
        own = judging.steps()
        steps += own
        target = (candidates.store.id, remote.name)
        reading = sides.readings[writer, remote.name]
        if any(step.kind is Kind.DELETE for step in own) and isinstance(reading, RemoteSecret):
            versions, others, made = judging.readable, judging.deleted, judging.made
            writes.append(Write(*target, own, {}, base=reading, versions=versions, others=others, made=made))
        elif not judging.readable and judging.deleted:
            gone[target] = judging.deleted[-1]
    plan = Plan(
        command=COMMAND,
        environment=candidates.environment,
        destinations={candidates.store.id: writer.address.absolute},
        sources={name: each.address.absolute for name, each in sides.serving.items()},
        options=Options(candidates.only),
        steps=tuple(steps),
        writes=tuple(writes),
        skipped=candidates.skipped,
    )
    # What the caller may do is not asked again of a run that goes on: refused, it would be ended.
    plan = narrowed(plan, run, gone) if run is not None else refuse_denied(plan, {candidates.store.id: writer})
    if plan.writes:
        plan = replace(plan, who={candidates.store.id: writer.whoami().subject})
    return Planned(plan, {candidates.store.id: writer})


def _read(candidates: Candidates, writer: SecretWriter, stores: LiveStores, workers: int) -> Sides:
    serving = {
        store.id: stores.open(store)
        for remote in candidates.free
        for store in (*(key.serving for key in remote.keys), *(each for _, each, _ in remote.mains))
    }
    wanted: list[tuple[SecretReader, str]] = [(writer, remote.name) for remote in candidates.free]
    for remote in candidates.free:
        wanted += [(serving[key.serving.id], key.there.remote_key) for key in remote.keys if key.there is not None]
        wanted += [(serving[store.id], name) for _, store, name in remote.mains]
    readings = read_many(wanted, workers)
    asked = [(writer, each.name) for each in candidates.free if _may_have_versions(readings[writer, each.name])]
    states = version_states(asked, workers)
    return Sides(candidates.environment, candidates.store, writer, serving, readings, states)


def _may_have_versions(reading: RemoteSecret | StoreError) -> bool:
    if isinstance(reading, StoreError):
        return isinstance(reading, SoftDeletedError | VersionGoneError)
    return True


def _read_by(remote: Remote, candidates: Candidates) -> Iterator[Step]:
    """Of a secret that was named: it is not in silence that it stays."""
    reason, other = read_by(remote.readers, "still read by"), way_out(remote.readers)
    remedy = "switch whoever reads it to another store first" + (f"; {other}" if other else "")
    for key in remote.keys:
        place = Location(candidates.store.id, remote.name, key.property)
        yield Step(key.secret, key.key, Kind.REFUSE, None, place, reason, remedy)
