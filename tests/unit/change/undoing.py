"""Runs as their journals tell of them, to plan the undo of, and a store with what they wrote."""

from pathlib import Path

from compiler.change.journal import Run, RunEntry, RunHistory
from compiler.change.plan import Kind, Plan, Step, Write
from compiler.change.undo import plan_undo
from compiler.live.read_many import PastRun
from compiler.stores.errors import StoreLocation
from tests.unit.memory_store import MemoryStore

ID = "20250131-120000-4fa1c2"
PLACE = StoreLocation("https://memory", "a")
MEMORY = "https://memory"
KEYS = (("jira", "KEY", "A"),)
OLDER, NEWER = PastRun("older", "migrate", "prod"), PastRun("newer", "put", "staging")


def run_of(**entries: RunEntry) -> Run:
    found = {("azure", name): entry for name, entry in entries.items()}
    return Run(ID, Path("run"), "migrate", "prod", {"azure": MEMORY}, {}, found, is_planned=True)


def updated(before: str = "v1", after: str | None = "v2", **rest: str) -> RunEntry:
    return RunEntry(Kind.UPDATE, before, recover=False, keys=KEYS, before=before, after=after, undo=rest.get("undo"))


def created(*, recover: bool = False) -> RunEntry:
    return RunEntry(Kind.RECOVER if recover else Kind.CREATE, None, recover=recover, keys=KEYS, after="v1")


def plan_for(run: Run, store: MemoryStore, history: RunHistory | None = None) -> Plan:
    return plan_undo(run, {"azure": store}, history)


def only(run: Run, store: MemoryStore, history: RunHistory | None = None) -> tuple[Step, Write | None]:
    """The only step of an undo and the write that it comes to, if any."""
    found = plan_for(run, store, history)
    (step,), write = found.steps, next(iter(found.writes), None)
    return step, write


def kinds(run: Run, store: MemoryStore) -> list[Kind]:
    return [step.kind for step in plan_for(run, store).steps]


def two_versions() -> MemoryStore:
    store = MemoryStore()
    store.seed("a", A="old")
    store.seed("a", A="new")
    return store


def begun(before: str | None, kind: str = "create") -> RunEntry:
    return RunEntry(Kind(kind), before, recover=False, keys=KEYS, before=before, state="started", maybe_stored=True)
