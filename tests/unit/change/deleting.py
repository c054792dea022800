"""A Vault and a Key Vault in memory with a secret of three versions, and the deletion of it as a run."""

from pathlib import Path

from compiler.change.journal import Run, RunEntry
from compiler.change.plan import Kind, Location, Step, Write
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores.interface import VersionState
from tests import providers
from tests.unit.memory_store import MemoryStore

ID = "20250131-120000-4fa1c2"
KEYS = (("jira", "KEY", "A"),)
STEP = Step("jira", "KEY", Kind.DELETE, None, Location("azure", "a", "A"))
PROVIDERS = (providers.VAULT, providers.KEY_VAULT)


def three(provider: Provider) -> MemoryStore:
    store = MemoryStore(StoreAddress(provider, "https://memory"))
    for value in ("1", "2", "3"):
        store.seed("a", A=value)
    return store


def deletion(store: MemoryStore) -> Write:
    """The deletion of all versions of `a` that can be read."""
    states = store.version_states("a")
    readable = tuple(version for version, state in states.items() if state is VersionState.READABLE)
    others = tuple(version for version in states if version not in readable)
    return Write("azure", "a", (STEP,), {}, base=store.versions["a"][-1], versions=readable, others=others)


def recovery(*versions: str) -> Write:
    return Write("azure", "a", (STEP,), {}, recover=True, versions=versions)


def deleted(*versions: str, state: str = "done", **rest: object) -> RunEntry:
    """A deletion that the run recorded; with another `state` one that it only began."""
    newest = versions[-1]
    after = newest if state == "done" else None
    entry = RunEntry(Kind.DELETE, newest, recover=False, keys=KEYS, before=newest, after=after, state=state)
    entry.versions, entry.maybe_stored = versions, state == "started"
    for name, value in rest.items():
        setattr(entry, name, value)
    return entry


def run_of(entry: RunEntry, address: str = "https://memory") -> Run:
    return Run(ID, Path("run"), "retire", "prod", {"azure": address}, {}, {("azure", "a"): entry}, is_planned=True)
