from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from compiler.change.apply import carry_out
from compiler.change.journal import runs
from compiler.change.plan import End, Options, Outcome, RotationPhase
from compiler.model.environment import UNLIMITED, Environment, Lifetime
from compiler.operations.rotate import (
    NewValues,
    close_rotation,
    generated_values,
    open_rotation,
    target_of_rotation,
    undo_rotation,
)
from compiler.operations.rotate_live import Rotation
from compiler.operations.runs import list_runs
from compiler.refusal import Refusal
from compiler.stores.errors import Code, StoreError
from compiler.stores.secret_value import SecretValue
from tests.memory_store import MemoryStore
from tests.refusals import is_refused
from tests.unit.changes import Listening
from tests.unit.conftest import Stores

JIRA, AZURE_JIRA = "agents/jira", "agents-jira"


@dataclass
class Scene:
    """Jira's token in both stores of an environment, commands on it, and who hears of them."""

    environment: Environment
    stores: Stores
    options: Options
    listening: Listening

    @property
    def vault(self) -> MemoryStore:
        return self.stores.vault

    @property
    def azure(self) -> MemoryStore:
        return self.stores.azure

    def new_values(self, value: str) -> NewValues:
        target = target_of_rotation(self.environment, "jira", ("JIRA_TOKEN",))
        return NewValues(target, {"JIRA_TOKEN": SecretValue(value)}, self.options)

    def rotate(self, value: str = "new") -> Outcome:
        return carry_out(self.new_values(value).change(), self.listening)

    def unfollowed(self, environment: Environment | None = None) -> Rotation:
        """A rotation without a look at the cluster, of which nobody is told."""
        listener: Any = None
        return Rotation(environment or self.environment, self.options, None, listener)

    def silence(self, method: str) -> None:
        """The Key Vault does not answer this call any more."""
        self.azure.failures[method, AZURE_JIRA] = self.stores.failure(Code.UNAVAILABLE, AZURE_JIRA)


@pytest.fixture
def scene(environment: Environment, stores: Stores, tmp_path: Path, listening: Listening) -> Scene:
    stores.vault.seed(JIRA, JIRA_TOKEN="old", JIRA_URL="u")
    stores.azure.seed(AZURE_JIRA, JIRA_TOKEN="old", JIRA_URL="u")
    return Scene(environment, stores, Options(root=tmp_path, stores=stores.live, applies=True), listening)


def test_a_store_that_does_not_answer_is_named_and_the_others_go_on(scene: Scene) -> None:
    scene.silence("read")
    asked = scene.new_values("new")
    assert carry_out(asked.change(), scene.listening).end is End.APPLIED
    assert asked.kept == (
        "azure:agents-jira#JIRA_TOKEN keeps what it has: it is refused, so that it may hold the old value",
    )
    scene.vault.failures["read", JIRA] = scene.stores.failure(Code.UNAVAILABLE, JIRA)
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        scene.rotate("newer")


def test_stopped_between_two_stores_the_same_value_again_goes_everywhere(scene: Scene) -> None:
    scene.vault.failures["write", JIRA] = scene.stores.failure(Code.UNAVAILABLE, JIRA)
    assert scene.rotate().is_incomplete
    # The store in use comes last.
    assert (scene.vault.shown(JIRA)["JIRA_TOKEN"], scene.azure.shown(AZURE_JIRA)["JIRA_TOKEN"]) == ("old", "new")
    scene.vault.failures.clear()
    asked = scene.new_values("new")
    again = carry_out(asked.change(), scene.listening)
    assert (again.end, asked.kept, scene.vault.shown(JIRA)["JIRA_TOKEN"]) == (End.APPLIED, (), "new")
    assert len(scene.azure.versions[AZURE_JIRA]) == 2


def test_a_place_that_was_missed_gets_the_value_that_is_in_use_already(scene: Scene) -> None:
    scene.vault.seed(JIRA, JIRA_TOKEN="new", JIRA_URL="u")
    asked = scene.new_values("new")
    assert carry_out(asked.change(), scene.listening).end is End.APPLIED
    assert (asked.kept, scene.azure.shown(AZURE_JIRA)["JIRA_TOKEN"]) == ((), "new")


def test_a_random_value_of_a_stopped_run_is_named_as_another_value(scene: Scene) -> None:
    scene.vault.failures["write", JIRA] = scene.stores.failure(Code.UNAVAILABLE, JIRA)
    scene.rotate("random-1")
    scene.vault.failures.clear()
    asked = scene.new_values("random-2")
    carry_out(asked.change(), scene.listening)
    assert asked.kept == ("azure:agents-jira#JIRA_TOKEN keeps what it has: it holds another value",)


def test_a_rotation_that_is_not_whole_can_be_closed(scene: Scene) -> None:
    scene.silence("write")
    done = scene.rotate()
    assert open_rotation(scene.options, scene.environment, "jira", None) is None
    found = scene.unfollowed()
    close_rotation(found, done.run)
    assert found.run_in_place.phase is RotationPhase.CLOSED


def living(environment: Environment, lifetime: Lifetime) -> Environment:
    """The environment with this lifetime of jira's token."""
    entry = environment.catalogue.entries["jira"]
    token = replace(entry.keys["JIRA_TOKEN"], lifetime=lifetime)
    entry = replace(entry, keys={**entry.keys, "JIRA_TOKEN": token})
    secrets = {**environment.secrets, "jira": replace(environment.secrets["jira"], entry=entry)}
    entries = {**environment.catalogue.entries, "jira": entry}
    return replace(environment, secrets=secrets, catalogue=replace(environment.catalogue, entries=entries))


def helps(line: str) -> Callable[[Refusal], bool]:
    """Whether the help of a refusal has this line."""
    return lambda refusal: line in (refusal.help or "")


def test_each_character_of_an_alphabet_is_as_likely_as_another(environment: Environment) -> None:
    world = living(environment, Lifetime(issuer="self", length=1000, alphabet="a" * 90 + "bc"))
    made = generated_values(target_of_rotation(world, "jira", ("JIRA_TOKEN",)))["JIRA_TOKEN"].reveal()
    assert all(250 < made.count(each) < 420 for each in "abc")


def test_a_value_that_died_does_not_come_back(scene: Scene) -> None:
    world = living(scene.environment, Lifetime(overlap="none"))
    done = replace(scene, environment=world).rotate()
    (listed,), _ = list_runs(scene.options.root)
    assert listed.undo is None
    with pytest.raises(
        Refusal,
        match="the old value stopped working when the new one was created",
        check=helps(f"end it: platform-secrets rotate prod --confirm-revoked {done.run}; then"),
    ):
        undo_rotation(done.run, world, scene.options, scene.listening)
    assert undo_rotation(done.run, scene.environment, scene.options, scene.listening).end is End.APPLIED


def test_an_undo_that_was_begun_before_the_catalogue_forbade_it_is_finished(scene: Scene) -> None:
    done = scene.rotate()
    scene.silence("restore")
    undo_rotation(done.run, scene.environment, scene.options, scene.listening)
    assert (scene.vault.shown(JIRA)["JIRA_TOKEN"], scene.azure.shown(AZURE_JIRA)["JIRA_TOKEN"]) == ("old", "new")
    scene.azure.failures.clear()
    world = living(scene.environment, Lifetime(overlap="none"))
    with pytest.raises(Refusal, check=helps(f"--undo {done.run} --apply; then")):
        close_rotation(scene.unfollowed(world), done.run)
    assert undo_rotation(done.run, world, scene.options, scene.listening).end is End.APPLIED
    assert scene.azure.shown(AZURE_JIRA)["JIRA_TOKEN"] == "old"


def test_a_key_that_the_catalogue_no_longer_has_is_still_to_be_revoked(scene: Scene) -> None:
    scene.rotate()
    (run,) = runs(scene.options.root)
    catalogue = scene.environment.catalogue
    for entries in ({}, {"jira": replace(catalogue.entries["jira"], keys={})}):
        gone = replace(scene.environment, catalogue=replace(catalogue, entries=entries))
        found = scene.unfollowed(gone)
        found.set_run(run)
        assert (found.revocations, found.has_way_back) == ([("JIRA_TOKEN", UNLIMITED)], True)
