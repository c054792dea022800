from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from compiler.change.apply import carry_out
from compiler.change.journal import runs
from compiler.change.plan import End, Kind, Options, Outcome, RotationPhase
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

    def new_values(self, value: str, *, is_generated: bool = False) -> NewValues:
        target = target_of_rotation(self.environment, "jira", ("JIRA_TOKEN",))
        return NewValues(target, {"JIRA_TOKEN": SecretValue(value)}, self.options, is_generated=is_generated)

    def rotate(self, value: str = "new", *, is_generated: bool = False) -> Outcome:
        return carry_out(self.new_values(value, is_generated=is_generated).change(), self.listening)

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


def test_a_random_value_of_a_run_that_was_stopped_is_kept_and_goes_everywhere(scene: Scene) -> None:
    scene.silence("write")
    first = scene.rotate("random-1", is_generated=True)
    assert first.is_incomplete
    scene.azure.failures.clear()
    held = scene.vault.shown(JIRA)["JIRA_TOKEN"]
    again = scene.rotate("random-2", is_generated=True)
    assert (again.end, scene.listening.resumed) == (End.APPLIED, [first.run])
    new = scene.vault.shown(JIRA)["JIRA_TOKEN"]
    assert scene.azure.shown(AZURE_JIRA)["JIRA_TOKEN"] == new
    assert held in ("old", new)


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


def test_a_rotation_that_is_not_whole_is_not_closed(scene: Scene) -> None:
    scene.silence("write")
    done = scene.rotate()
    assert open_rotation(scene.options, scene.environment, "jira", None) is None
    with pytest.raises(Refusal, match="is not complete"):
        close_rotation(scene.unfollowed(), done.run)


def test_what_nobody_can_go_on_with_is_closed_and_stays_so(scene: Scene) -> None:
    scene.silence("write")
    done = scene.rotate()
    jira = replace(scene.environment.secrets["jira"], store=scene.environment.stores["azure"])
    switched = replace(scene.environment, secrets={**scene.environment.secrets, "jira": jira})
    found = scene.unfollowed(switched)
    close_rotation(found, done.run)
    assert found.run_in_place.phase is RotationPhase.CLOSED
    scene.azure.failures.clear()
    again = scene.rotate("newer")
    assert (again.end, scene.listening.resumed) == (End.APPLIED, [])


@pytest.mark.parametrize("is_written", [False, True])
def test_another_writers_value_is_not_taken_for_the_random_one(scene: Scene, *, is_written: bool) -> None:
    read_back = Event()

    def before(method: str, name: str) -> None:
        if (method, name, scene.vault.writes) == ("read", JIRA, [JIRA]):
            read_back.set()

    def refuse(method: str, name: str) -> None:
        if method == "write" and (not is_written or read_back.wait(5)):
            raise scene.stores.failure(Code.INVALID_VALUE, name)

    scene.vault.before, scene.azure.before = (before, refuse) if is_written else (refuse, refuse)
    first = scene.rotate("random-1", is_generated=True)
    assert first.is_incomplete
    assert scene.vault.shown(JIRA)["JIRA_TOKEN"] == ("random-1" if is_written else "old")
    scene.vault.seed(JIRA, JIRA_TOKEN="theirs", JIRA_URL="u")
    scene.vault.before = scene.azure.before = lambda _method, _name: None
    again = scene.rotate("random-2", is_generated=True)
    assert again.end is End.BLOCKED
    assert (scene.vault.shown(JIRA)["JIRA_TOKEN"], scene.azure.shown(AZURE_JIRA)["JIRA_TOKEN"]) == ("theirs", "old")


def test_the_old_value_that_came_back_is_not_taken_for_the_random_one(scene: Scene) -> None:
    def refuse(method: str, _name: str) -> None:
        if method == "read" and scene.vault.writes:
            raise KeyboardInterrupt

    scene.vault.before = refuse
    scene.silence("write")
    scene.rotate("random-1", is_generated=True)
    scene.vault.before = lambda _method, _name: None
    scene.azure.failures.clear()
    (run,) = runs(scene.options.root)
    run.entries["vault", JIRA].after = None
    scene.vault.seed(JIRA, JIRA_TOKEN="old", JIRA_URL="u")
    again = scene.new_values("random-2", is_generated=True)
    (step,) = [each for each in again._plan(run).steps if each.place.store == "vault"]
    assert step.kind is not Kind.KEEP


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
        check=helps(f"end: platform-secrets rotate prod --confirm-revoked {done.run}; then"),
    ):
        undo_rotation(done.run, world, scene.options, scene.listening)
    assert undo_rotation(done.run, scene.environment, scene.options, scene.listening).end is End.APPLIED


def test_a_rotation_that_is_not_whole_goes_on_where_its_old_value_died(scene: Scene) -> None:
    world = living(scene.environment, Lifetime(overlap="none"))
    scene.silence("write")
    done = replace(scene, environment=world).rotate()
    with pytest.raises(Refusal, check=helps("end: platform-secrets rotate prod jira JIRA_TOKEN;")):
        undo_rotation(done.run, world, scene.options, scene.listening)


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


def test_an_undo_leaves_a_run_open_that_may_have_stored_its_value(scene: Scene) -> None:
    for store, name in ((scene.vault, JIRA), (scene.azure, AZURE_JIRA)):
        store.failures["write", name] = scene.stores.failure(Code.UNAVAILABLE, name)
    done = scene.rotate()
    for store, name in ((scene.vault, JIRA), (scene.azure, AZURE_JIRA)):
        store.seed(name, JIRA_TOKEN="theirs or the run's", JIRA_URL="u")
    assert undo_rotation(done.run, scene.environment, scene.options, scene.listening).end is End.STUCK
    (run,) = runs(scene.options.root)
    assert run.is_resumable


def test_a_key_that_the_catalogue_no_longer_has_is_still_to_be_revoked(scene: Scene) -> None:
    scene.rotate()
    (run,) = runs(scene.options.root)
    catalogue = scene.environment.catalogue
    for entries in ({}, {"jira": replace(catalogue.entries["jira"], keys={})}):
        gone = replace(scene.environment, catalogue=replace(catalogue, entries=entries))
        found = scene.unfollowed(gone)
        found.set_run(run)
        assert (found.revocations, found.has_way_back) == ([("JIRA_TOKEN", UNLIMITED)], True)
