"""Runs as their journals tell of them, to plan the undo of, and stores with what they wrote or deleted."""

from dataclasses import replace
from pathlib import Path

from compiler.change.journal import Run, RunEntry, RunHistory
from compiler.change.plan import Kind, Location, Plan, Step, Write
from compiler.change.undo import plan_undo
from compiler.live.read_many import PastRun
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores.errors import StoreLocation
from compiler.stores.interface import StoreState
from tests import providers
from tests.unit.memory_store import MemoryStore

ID = "20250131-120000-4fa1c2"
PLACE = StoreLocation("https://memory", "a")
MEMORY = "https://memory"
KEYS = (("jira", "KEY", "A"),)
DELETING = Step("jira", "KEY", Kind.DELETE, None, Location("azure", "a", "A"))
PROVIDERS = (providers.VAULT, providers.KEY_VAULT)
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


def three(provider: Provider) -> MemoryStore:
    store = MemoryStore(StoreAddress(provider, "https://memory"))
    for value in ("1", "2", "3"):
        store.seed("a", A=value)
    return store


def deletion(store: MemoryStore) -> Write:
    """The deletion of all versions of `a` that can be read."""
    states = store.version_states("a")
    readable = tuple(version for version, state in states.items() if state is StoreState.PRESENT)
    others = tuple(version for version in states if version not in readable)
    return Write("azure", "a", (DELETING,), {}, base=store.versions["a"][-1], versions=readable, others=others)


def recovery(*versions: str) -> Write:
    return Write("azure", "a", (DELETING,), {}, recover=True, versions=versions)


def deleted(*versions: str, state: str = "done", **rest: object) -> RunEntry:
    """A deletion that the run recorded; with another `state` one that it only began."""
    newest = versions[-1]
    after = newest if state == "done" else None
    entry = RunEntry(Kind.DELETE, newest, recover=False, keys=KEYS, before=newest, after=after, state=state)
    entry.versions, entry.maybe_stored = versions, state == "started"
    for name, value in rest.items():
        setattr(entry, name, value)
    return entry


def deleting_run(entry: RunEntry) -> Run:
    return replace(run_of(a=entry), command="retire")
