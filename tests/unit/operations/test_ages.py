"""Which stores are asked for the age of which references, and what is said of a key that was not read."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from compiler.live.ages import AgeState, KeyAge
from compiler.live.stores import LiveStores
from compiler.model.environment import Environment
from compiler.model.inventory import Cell
from compiler.operations.due import ages_of
from compiler.operations.references import cells_to_read
from compiler.operations.verify import verify
from compiler.pipeline import compile_project
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.interface import Attributes, RemoteSecret, SecretWriter
from tests.agents_project import write_agents_project
from tests.unit.memory_store import MemoryStore, secrets

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
ENTRIES = """\
  bot:
    description: Takes a value of another entry
    target: agent-bot-secrets
    syncWave: -49
    keys: {BOT_TOKEN: {from: jira/JIRA_TOKEN}}
"""
NAME = "agents/jira"


class World:
    """An environment over stores in memory, in which one key of `jira` has a limit of 90 days, and a key takes it."""

    def __init__(self, root: Path) -> None:
        write_agents_project(root, entries=ENTRIES)
        catalogue = root / "environments/catalogue.yaml"
        text = catalogue.read_text("utf-8").replace("{description: Token}", "{description: Token, rotate: 90d}")
        catalogue.write_text(text, "utf-8")
        (root / "environments/prod.yaml").write_text("secrets: {bot: {}}\n", "utf-8")
        result = compile_project(root, ["prod"])
        assert result.project is not None, [each.message for each in result.diagnostics]
        self.environment: Environment = result.project.environments[0]
        self.references: tuple[Cell, ...] = cells_to_read(self.environment)[0]
        self.stores: dict[str, MemoryStore] = {}

    def open(self, address: object, _environ: Mapping[str, str]) -> SecretWriter:
        found: SecretWriter = self.stores[address.provider.id]  # type: ignore[attr-defined]
        return found

    def store(self) -> MemoryStore:
        store = self.environment.stores["vault"]
        with LiveStores({}) as stores:
            made = MemoryStore(stores.address(store))
        self.stores[store.provider.id] = made
        return made

    def ages(self) -> dict[str, KeyAge]:
        with LiveStores({}, self.open) as stores:
            ages = ages_of(verify(self.references, stores, now=NOW), stores, NOW)
        return {f"{each.secret}/{each.key}": age for each, age in ages.items()}


def add(store: MemoryStore, days: int, **values: str) -> None:
    versions = store.versions.setdefault(NAME, [])
    made = Attributes(created=NOW - timedelta(days=days))
    versions.append(RemoteSecret(NAME, str(len(versions) + 1), secrets(**values), made))


def test_a_value_that_two_keys_have_is_judged_once_by_its_holders_limit(tmp_path: Path) -> None:
    world = World(tmp_path)
    store = world.store()
    add(store, 200, JIRA_TOKEN="token-1", JIRA_URL="u")
    add(store, 5, JIRA_TOKEN="token-1", JIRA_URL="other")
    found = world.ages()
    assert found["jira/JIRA_TOKEN"] == found["bot/BOT_TOKEN"]
    assert found["bot/BOT_TOKEN"].state is AgeState.OVERDUE
    assert found["jira/JIRA_URL"] == KeyAge(AgeState.NO_LIMIT)
    assert [call for call in store.calls if call[0] == "read_version"] == [("read_version", NAME)]


def test_what_was_not_read_is_not_known_and_says_why(tmp_path: Path) -> None:
    world = World(tmp_path)
    store = world.store()
    found = world.ages()
    assert found["jira/JIRA_TOKEN"].state is found["bot/BOT_TOKEN"].state is AgeState.NOT_KNOWN
    assert found["jira/JIRA_TOKEN"].why == '"agents/jira" is not in "vault"'
    assert found["jira/JIRA_URL"] == KeyAge(AgeState.NO_LIMIT)
    silent = StoreError(
        StoreLocation("https://vault"), Action.READ, "it does not answer", "run again", Code.UNAVAILABLE
    )
    store.failures = {("read", NAME): silent, ("read", "agents/github"): silent}
    assert "it does not answer" in world.ages()["jira/JIRA_TOKEN"].why
    assert not [call for call in store.calls if call[0] != "read" and call[1]]


def test_a_key_that_is_missing_from_what_was_read_is_not_known(tmp_path: Path) -> None:
    world = World(tmp_path)
    add(world.store(), 200, JIRA_URL="u")
    assert world.ages()["jira/JIRA_TOKEN"] == KeyAge(AgeState.NOT_KNOWN, why="it has no value")
