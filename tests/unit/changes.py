"""Plans and whoever shows them, for tests of what changes stores."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiler.change.compare import plan_change
from compiler.change.journal import Run, RunEntry, new_run
from compiler.change.operations import Operation, Put
from compiler.change.plan import End, Kind, Location, Note, NoteKind, Outcome, Plan, Step, Target, WriteResult
from compiler.change.run_log import RunLog
from compiler.live.observation import read_all
from compiler.stores.errors import Action, UnverifiedError
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.secret_value import SecretValue
from tests.memory_store import MemoryStore, secrets

ADDRESS = "https://memory"


def plan_of(*writes: Operation, command: str = "migrate", **rest: Any) -> Plan:  # noqa: ANN401 - any field of a plan
    """A plan with one store, `azure`, at an address without a server, whose steps are those of its writes."""
    steps = rest.pop("steps", tuple(step for write in writes for step in write.steps))
    stores = rest.pop("stores", {"azure": MemoryStore(ADDRESS)})
    return Plan(command, "prod", stores, steps=steps, writes=writes, **rest)


def begin_journal(root: Path, run_id: str, plan: Plan, identity: Mapping[str, Any]) -> RunLog:
    """The log of a run that begins, without an audit file."""
    return RunLog(new_run(root, run_id, plan, identity), begins=plan)


def outcome_of(
    *results: WriteResult,
    plan: Plan | None = None,
    run: str = "run-1",
    **rest: Any,  # noqa: ANN401
) -> Outcome:
    """The outcome of a run that was applied."""
    return Outcome(plan if plan is not None else plan_of(), End.APPLIED, run, results, **rest)


def loss_of(store: str, name: str, *versions: str, **rest: Any) -> Note:  # noqa: ANN401 - any field of a note
    """A note that the store drops `versions`, unless `kind` says otherwise."""
    kind = rest.pop("kind", NoteKind.DROPS_VERSIONS)
    return Note(kind, "", Location(store, name, None), versions=versions, **rest)


def unverified(store: MemoryStore, name: str, version: str) -> UnverifiedError:
    """The store's own word that it holds something else than was sent."""
    return UnverifiedError(
        store.place(name), Action.WRITE, "it is a different value", "check it by hand", version=version
    )


def puts(plan: Plan) -> tuple[Put, ...]:
    """The writes of a plan that only sets values."""
    found = tuple(write for write in plan.writes if isinstance(write, Put))
    assert len(found) == len(plan.writes)
    return found


def keys_of(write: Operation) -> list[str]:
    """The properties that a write sets; none for a whole value."""
    assert isinstance(write, Put)
    return [] if isinstance(write.content, SecretValue) else list(write.content)


def write_over(target: Target, before: str | None = None) -> Put:
    """A write at `target` over the version `before`, where there is one."""
    base = RemoteSecret(target[1], before, {}, Attributes()) if before is not None else None
    return Put(*target, (), {}, base=base)


def step_of(
    key: str,
    value: str | SecretValue | None = "value",
    place: str = "azure:remote",
    *,
    origin: RemoteSecret | None = None,
    whole: bool = False,
) -> Step:
    """A step that is to bring `value` to the property of its key at `place`, as a store and a remote name."""
    store, _, name = place.partition(":")
    source = Location("from", origin.name, key) if origin is not None else None
    given = SecretValue(value) if isinstance(value, str) else value
    destination = Location(store, name, None if whole else key)
    return Step("secret", key, Kind.UPDATE, source, destination, value=given, origin=origin)


def planned(
    store: MemoryStore | dict[str, MemoryStore],
    *steps: Step,
    **rest: Any,  # noqa: ANN401
) -> Plan:
    """The plan of `steps` for one store, `azure`, or for several by their ids; `rest` is the rest of the draft."""
    stores = store if isinstance(store, dict) else {"azure": store}
    readings = read_all((stores[step.place.store], step.place.name) for step in steps if step.destination is not None)
    ages = {name: rest.pop(name, default) for name, default in (("used", {}), ("limits", {}), ("since_of", None))}
    draft = Plan(rest.pop("command", "migrate"), "prod", stores, steps=steps, **rest)
    return plan_change(draft, readings, **ages)


def write_of(store: MemoryStore, name: str, at: str = "azure", /, **values: str) -> Put:
    """A write upon what `store` holds now, which the plan knows as the store `at`."""
    base = store.versions[name][-1] if name in store.versions and name not in store.deleted else None
    deleted = store.versions[name][-1].version if name in store.deleted else None
    steps = tuple(
        Step("secret", key, Kind.CREATE, Location("vault", "v", key), Location(at, name, key)) for key in values
    )
    recover = name in store.deleted
    return Put(at, name, steps, secrets(**values), base=base, recover=recover, deleted=deleted)


def entries_of(run: Run) -> dict[str, RunEntry]:
    """What the journal of a run of one store says, by name."""
    return {name: entry for (_, name), entry in run.entries.items()}


@dataclass
class Listening:
    """A listener that remembers; `answer` is what a person says."""

    answer: bool = True
    waited: list[str] = field(default_factory=list)
    shown: list[Plan] = field(default_factory=list)
    asked: list[Plan] = field(default_factory=list)
    results: list[WriteResult] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def waits(self, holder: str) -> None:
        self.waited.append(holder)

    def shows(self, plan: Plan) -> None:
        self.shown.append(plan)

    def agrees(self, plan: Plan) -> bool:
        self.asked.append(plan)
        return self.answer

    @contextmanager
    def applying(self, plan: Plan) -> Iterator[tuple[threading.Event, Callable[[WriteResult], None]]]:
        assert plan is not None
        yield self.stop, self.results.append
