from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from compiler.live.ages import AgeState, KeyAge
from compiler.live.stores import LiveStores
from compiler.model.environment import Environment
from compiler.model.inventory import Cell
from compiler.operations.causes import next_rotation, next_step
from compiler.operations.due import DueKey, DueList, ages_of, due_list, values_of
from compiler.operations.references import cells_to_read
from compiler.operations.status import Status
from compiler.operations.status_live import with_values
from compiler.operations.status_wait import with_ages
from compiler.operations.verify import verify
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.interface import Attributes, RemoteSecret, SecretWriter
from tests.memory_store import MemoryStore, secrets
from tests.platforms import environment_of, write_agents_project
from tests.unit.operations.status_world import World

# Which keys need a new value and by when, of what the stores in use hold.

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
BORROWER = """\
  bot:
    description: Takes a value of another entry
    target: agent-bot-secrets
    syncWave: -49
    keys: {BOT_TOKEN: {from: jira/JIRA_TOKEN}}
"""


@pytest.fixture
def limited(world: World) -> World:
    """The tokens of both secrets have a limit of 90 days and an owner; a third secret takes that of jira."""
    world.bench.change(
        "catalogue", "{description: Token, variants: [pat]}", "{description: T, variants: [pat], rotate: 90d}"
    )
    world.bench.change("catalogue", "{description: Token}", "{description: T, maxAge: 90d, owner: agents}")
    world.bench.write("catalogue", world.bench.text("catalogue") + BORROWER)
    world.bench.write("prod", "secrets: {bot: {}}\n")
    written(world, github=NOW - timedelta(days=30), jira=NOW - timedelta(days=80))
    return world


def written(world: World, **dates: datetime | None) -> None:
    for secret, created in dates.items():
        versions = world.bench.vault.versions[f"agents/{secret}"]
        attributes = replace(versions[-1].attributes, created=created)
        # As a Vault numbers them.
        versions[-1] = replace(versions[-1], version=str(len(versions)), attributes=attributes)


def aged(world: World, *, compares: bool = False) -> Status:
    stores = world.bench.live()
    status, found = with_values(world.status(), stores, compares=compares)
    return with_ages(status, found, stores, NOW)


def due_until(status: Status, until: datetime) -> DueList:
    return due_list(status.environment, status.keys, until)


def keys(found: list[DueKey] | tuple[DueKey, ...]) -> list[tuple[str, str, AgeState]]:
    return [(each.secret, each.key, each.age.state) for each in found]


def test_the_most_urgent_key_of_a_secret_comes_first_with_its_owner(limited: World) -> None:
    jira = aged(limited).rows[1].keys
    assert keys(jira) == [("jira", "JIRA_TOKEN", AgeState.IN_TIME), ("jira", "JIRA_URL", AgeState.NO_LIMIT)]
    assert [(each.owner, each.has_limit) for each in jira] == [("agents", True), (None, False)]
    assert jira[0].age.due == NOW + timedelta(days=10)


def test_the_other_store_is_not_asked_for_what_is_due(limited: World) -> None:
    status = aged(limited)
    assert limited.bench.azure.reads == []
    assert all(row.keys for row in status.rows)
    assert aged(limited, compares=True).rows[1].values.likeness != status.rows[1].values.likeness


def test_a_value_that_several_secrets_have_is_due_once_under_its_own_name(limited: World) -> None:
    status = aged(limited)
    assert [each.key for each in status.rows[2].keys] == ["BOT_TOKEN"]
    assert keys(values_of(status.environment, status.keys)) == [
        ("jira", "JIRA_TOKEN", AgeState.IN_TIME),
        ("github", "GITHUB_TOKEN", AgeState.IN_TIME),
        ("jira", "JIRA_URL", AgeState.NO_LIMIT),
    ]


def test_what_is_due_later_is_left_out_and_what_has_no_limit_counted(limited: World) -> None:
    status = aged(limited)
    soon = due_until(status, NOW + timedelta(days=10))
    assert (keys(soon.keys), soon.without_limit, soon.is_pressing) == (
        [("jira", "JIRA_TOKEN", AgeState.IN_TIME)],
        1,
        False,
    )
    assert due_until(status, NOW + timedelta(days=9)).keys == ()
    assert len(due_until(status, NOW + timedelta(days=60)).keys) == 2


def test_what_is_overdue_or_may_be_is_listed_whatever_the_date(limited: World) -> None:
    written(limited, github=None, jira=NOW - timedelta(days=91))
    found = due_until(aged(limited), NOW)
    assert keys(found.keys) == [
        ("jira", "JIRA_TOKEN", AgeState.OVERDUE),
        ("github", "GITHUB_TOKEN", AgeState.NOT_KNOWN),
    ]
    assert found.is_pressing
    written(limited, jira=NOW)
    assert due_until(aged(limited), NOW).is_pressing


def test_a_silent_store_leaves_every_limited_key_not_known(limited: World) -> None:
    limited.bench.silent.add("vault")
    status = aged(limited)
    assert status.silent == ("vault",)
    assert {each.age.state for each in due_until(status, NOW).keys} == {AgeState.NOT_KNOWN}


def test_the_secret_that_is_overdue_for_longest_is_rotated_next(limited: World) -> None:
    assert next_step(aged(limited)).commands == ()
    written(limited, github=NOW - timedelta(days=100), jira=NOW - timedelta(days=200))
    status = aged(limited)
    # Of the value that `bot` takes, the holder is named.
    assert tuple(next_rotation(status)) == ("platform-secrets rotate prod jira JIRA_TOKEN",)
    assert next_step(status).commands == ("platform-secrets rotate prod jira JIRA_TOKEN",)


def test_the_next_step_of_a_move_comes_before_a_rotation(limited: World) -> None:
    written(limited, jira=NOW - timedelta(days=200))
    limited.bench.write("prod", "moves: {to: azure, steps: [[all]]}\n")
    commands = next_step(aged(limited, compares=True)).commands
    assert [each.split()[1] for each in commands] == ["cutover", "rotate"]


# Which stores are asked for the age of which references, and what is said of a key that was not read.

ENTRIES = """\
  bot:
    description: Takes a value of another entry
    target: agent-bot-secrets
    syncWave: -49
    keys: {BOT_TOKEN: {from: jira/JIRA_TOKEN}}
"""
NAME = "agents/jira"


class SharedKey:
    """An environment over stores in memory, in which one key of `jira` has a limit of 90 days, and a key takes it."""

    def __init__(self, root: Path) -> None:
        write_agents_project(root, entries=ENTRIES)
        catalogue = root / "environments/catalogue.yaml"
        text = catalogue.read_text("utf-8").replace("{description: Token}", "{description: Token, rotate: 90d}")
        catalogue.write_text(text, "utf-8")
        (root / "environments/prod.yaml").write_text("secrets: {bot: {}}\n", "utf-8")
        self.environment: Environment = environment_of(root)
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
    world = SharedKey(tmp_path)
    store = world.store()
    add(store, 200, JIRA_TOKEN="token-1", JIRA_URL="u")
    add(store, 5, JIRA_TOKEN="token-1", JIRA_URL="other")
    found = world.ages()
    assert found["jira/JIRA_TOKEN"] == found["bot/BOT_TOKEN"]
    assert found["bot/BOT_TOKEN"].state is AgeState.OVERDUE
    assert found["jira/JIRA_URL"] == KeyAge(AgeState.NO_LIMIT)
    assert [call for call in store.calls if call[0] == "read_version"] == [("read_version", NAME)]


def test_what_was_not_read_is_not_known_and_says_why(tmp_path: Path) -> None:
    world = SharedKey(tmp_path)
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
    world = SharedKey(tmp_path)
    add(world.store(), 200, JIRA_URL="u")
    assert world.ages()["jira/JIRA_TOKEN"] == KeyAge(AgeState.NOT_KNOWN, why="it has no value")
