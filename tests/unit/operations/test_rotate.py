from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from compiler.change.apply import carry_out
from compiler.change.journal import runs
from compiler.change.plan import End, Kind, Options, RotationPhase
from compiler.model.catalogue import UNLIMITED, Lifetime
from compiler.model.environment import Environment
from compiler.operations.put import Target
from compiler.operations.rotate import (
    NewValues,
    close_rotation,
    generated_values,
    open_rotation,
    target_of_rotation,
    undo_rotation,
)
from compiler.operations.rotate_live import Rotation, begin_overlap
from compiler.refusal import Refusal
from compiler.stores.errors import Code, StoreError
from compiler.stores.interface import ROTATION
from compiler.stores.secret_value import SecretValue
from tests.memory_store import MemoryStore
from tests.refusals import is_refused
from tests.unit.changes import Listening
from tests.unit.conftest import Stores

JIRA = "agents/jira"


@pytest.fixture
def target(environment: Environment) -> Target:
    return target_of_rotation(environment, "jira", ("JIRA_TOKEN",))


@pytest.fixture
def options(tmp_path: Path, stores: Stores) -> Options:
    vault, azure = ends(stores)
    vault.seed(JIRA, JIRA_TOKEN="old", JIRA_URL="u")
    azure.seed("agents-jira", JIRA_TOKEN="old", JIRA_URL="u")
    return Options(root=tmp_path, stores=stores.live, applies=True)


def ends(stores: Stores) -> tuple[MemoryStore, MemoryStore]:
    return stores.vault, stores.azure


def rotation(target: Target, options: Options, value: str, *, is_generated: bool = False) -> NewValues:
    return NewValues(target, {"JIRA_TOKEN": SecretValue(value)}, options, is_generated=is_generated)


def unfollowed(environment: Environment, options: Options) -> Rotation:
    """A rotation without a look at the cluster, of which nobody is told."""
    listener: Any = None
    return Rotation(environment, options, None, listener)


def test_a_random_value_of_a_run_that_was_stopped_is_kept_and_goes_everywhere(
    target: Target, options: Options, stores: Stores, listening: Listening
) -> None:
    vault, azure = ends(stores)
    azure.failures["write", "agents-jira"] = stores.failure(Code.UNAVAILABLE, "agents-jira")
    first = carry_out(rotation(target, options, "random-1", is_generated=True).change(), listening)
    assert first.is_incomplete
    azure.failures.clear()
    held = vault.shown(JIRA)["JIRA_TOKEN"]
    again = carry_out(rotation(target, options, "random-2", is_generated=True).change(), listening)
    assert (again.end, listening.resumed) == (End.APPLIED, [first.run])
    new = vault.shown(JIRA)["JIRA_TOKEN"]
    assert azure.shown("agents-jira")["JIRA_TOKEN"] == new
    assert held in ("old", new)


def test_a_run_that_ended_before_its_tag_was_set_gets_it(
    target: Target, options: Options, stores: Stores, listening: Listening
) -> None:
    vault, _ = ends(stores)
    done = carry_out(rotation(target, options, "new").change(), listening)
    vault.set_tags(JIRA, vault.versions[JIRA][-1].version, {ROTATION: None})
    found = open_rotation(options, target.environment, "jira", ["JIRA_TOKEN"])
    assert found is not None
    assert (found.id, found.phase) == (done.run, None)
    begin_overlap(found, target.environment, options)
    assert vault.versions[JIRA][-1].attributes.tags[ROTATION] == found.id
    assert [run.phase for run in runs(options.root)] == [RotationPhase.WRITTEN]
    close_rotation(unfollowed(target.environment, options), found.id)
    assert open_rotation(options, target.environment, "jira", None) is None


def test_a_store_that_does_not_answer_is_named_and_the_others_go_on(
    target: Target, options: Options, stores: Stores, listening: Listening
) -> None:
    vault, azure = ends(stores)
    azure.failures["read", "agents-jira"] = stores.failure(Code.UNAVAILABLE, "agents-jira")
    asked = rotation(target, options, "new")
    assert carry_out(asked.change(), listening).end is End.APPLIED
    assert asked.kept == (
        "azure:agents-jira#JIRA_TOKEN keeps what it has: it is refused, so that it may hold the old value",
    )
    vault.failures["read", JIRA] = stores.failure(Code.UNAVAILABLE, JIRA)
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        carry_out(rotation(target, options, "newer").change(), listening)


def test_a_rotation_that_is_not_whole_is_not_closed(
    target: Target, options: Options, stores: Stores, listening: Listening
) -> None:
    _, azure = ends(stores)
    azure.failures["write", "agents-jira"] = stores.failure(Code.UNAVAILABLE, "agents-jira")
    done = carry_out(rotation(target, options, "new").change(), listening)
    assert open_rotation(options, target.environment, "jira", None) is None
    with pytest.raises(Refusal, match="is not complete"):
        close_rotation(unfollowed(target.environment, options), done.run)


def test_what_nobody_can_go_on_with_is_closed_and_stays_so(
    target: Target, options: Options, stores: Stores, listening: Listening
) -> None:
    vault, azure = ends(stores)
    azure.failures["write", "agents-jira"] = stores.failure(Code.UNAVAILABLE, "agents-jira")
    done = carry_out(rotation(target, options, "new").change(), listening)
    environment = target.environment
    jira = replace(environment.secrets["jira"], store=environment.stores["azure"])
    switched = replace(environment, secrets={**environment.secrets, "jira": jira})
    found = unfollowed(switched, options)
    close_rotation(found, done.run)
    assert found.run_in_place.phase is RotationPhase.CLOSED
    assert vault.versions[JIRA][-1].attributes.tags == {}
    azure.failures.clear()
    again = carry_out(rotation(target, options, "newer").change(), listening)
    assert (again.end, listening.resumed) == (End.APPLIED, [])


def test_a_rotation_is_recorded_as_closed_before_its_tag_goes(
    target: Target, options: Options, stores: Stores, listening: Listening
) -> None:
    vault, _ = ends(stores)
    done = carry_out(rotation(target, options, "new").change(), listening)
    vault.failures["set_tags", JIRA] = stores.failure(Code.UNAVAILABLE, JIRA)
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        close_rotation(unfollowed(target.environment, options), done.run)
    (run,) = runs(options.root)
    assert run.phase is RotationPhase.CLOSED


def test_a_value_that_is_kept_beside_a_new_one_is_kept_after_a_stop_too(
    environment: Environment, options: Options, stores: Stores, listening: Listening
) -> None:
    vault, azure = ends(stores)
    azure.seed("agents-jira", JIRA_TOKEN="old", JIRA_URL="theirs")
    azure.failures["write", "agents-jira"] = stores.failure(Code.UNAVAILABLE, "agents-jira")
    target = target_of_rotation(environment, "jira", ("JIRA_TOKEN", "JIRA_URL"))
    values = {"JIRA_TOKEN": SecretValue("new"), "JIRA_URL": SecretValue("v")}
    carry_out(NewValues(target, values, options).change(), listening)
    azure.failures.clear()
    assert carry_out(NewValues(target, values, options).change(), listening).end is End.APPLIED
    assert vault.shown(JIRA) == {"JIRA_TOKEN": "new", "JIRA_URL": "v"}
    assert azure.shown("agents-jira") == {"JIRA_TOKEN": "new", "JIRA_URL": "theirs"}


def test_a_random_value_whose_tag_was_not_written_any_more_goes_everywhere_too(
    target: Target, options: Options, stores: Stores, listening: Listening
) -> None:
    vault, azure = ends(stores)
    azure.failures["write", "agents-jira"] = stores.failure(Code.UNAVAILABLE, "agents-jira")
    carry_out(rotation(target, options, "random-1", is_generated=True).change(), listening)
    azure.failures.clear()
    written = vault.versions[JIRA][-1]
    vault.versions[JIRA][-1] = replace(written, attributes=replace(written.attributes, tags={}))
    again = carry_out(rotation(target, options, "random-2", is_generated=True).change(), listening)
    assert again.end is End.APPLIED
    assert vault.shown(JIRA)["JIRA_TOKEN"] == azure.shown("agents-jira")["JIRA_TOKEN"]


@pytest.mark.parametrize("is_written", [False, True])
def test_another_writers_value_is_not_taken_for_the_random_one(
    target: Target, options: Options, stores: Stores, listening: Listening, *, is_written: bool
) -> None:
    vault, azure = ends(stores)
    read_back = Event()

    def before(method: str, name: str) -> None:
        if (method, name, vault.writes) == ("read", JIRA, [JIRA]):
            read_back.set()

    def refuse(method: str, name: str) -> None:
        if method == "write" and (not is_written or read_back.wait(5)):
            raise stores.failure(Code.INVALID_VALUE, name)

    vault.before, azure.before = (before, refuse) if is_written else (refuse, refuse)
    first = carry_out(rotation(target, options, "random-1", is_generated=True).change(), listening)
    assert first.is_incomplete
    assert vault.shown(JIRA)["JIRA_TOKEN"] == ("random-1" if is_written else "old")
    tags = vault.versions[JIRA][-1].attributes.tags
    vault.seed(JIRA, JIRA_TOKEN="theirs", JIRA_URL="u")
    vault.set_tags(JIRA, vault.versions[JIRA][-1].version, tags)
    vault.before = azure.before = lambda _method, _name: None
    again = carry_out(rotation(target, options, "random-2", is_generated=True).change(), listening)
    assert again.end is End.BLOCKED
    assert (vault.shown(JIRA)["JIRA_TOKEN"], azure.shown("agents-jira")["JIRA_TOKEN"]) == ("theirs", "old")


def test_the_old_value_that_came_back_is_not_taken_for_the_random_one(
    target: Target, options: Options, stores: Stores, listening: Listening
) -> None:
    vault, azure = ends(stores)

    def refuse(method: str, _name: str) -> None:
        if method == "read" and vault.writes:
            raise KeyboardInterrupt

    vault.before = refuse
    azure.failures["write", "agents-jira"] = stores.failure(Code.UNAVAILABLE, "agents-jira")
    carry_out(rotation(target, options, "random-1", is_generated=True).change(), listening)
    vault.before = lambda _method, _name: None
    azure.failures.clear()
    (run,) = runs(options.root)
    run.entries["vault", JIRA].after = None
    tags = vault.versions[JIRA][-1].attributes.tags
    assert tags[ROTATION] == run.id
    vault.seed(JIRA, JIRA_TOKEN="old", JIRA_URL="u")
    vault.set_tags(JIRA, vault.versions[JIRA][-1].version, tags)
    again = rotation(target, options, "random-2", is_generated=True)
    (step,) = [each for each in again._plan(run, run.id).steps if each.place.store == "vault"]
    assert step.kind is not Kind.KEEP


def test_each_character_of_an_alphabet_is_as_likely_as_another(environment: Environment) -> None:
    entry = environment.catalogue.entries["jira"]
    life = Lifetime(issuer="self", length=1000, alphabet="a" * 90 + "bc")
    token = replace(entry.keys["JIRA_TOKEN"], lifetime=life)
    secret = replace(environment.secrets["jira"], entry=replace(entry, keys={**entry.keys, "JIRA_TOKEN": token}))
    world = replace(environment, secrets={**environment.secrets, "jira": secret})
    made = generated_values(target_of_rotation(world, "jira", ("JIRA_TOKEN",)))["JIRA_TOKEN"].reveal()
    assert all(250 < made.count(each) < 420 for each in "abc")


def living(environment: Environment, lifetime: Lifetime) -> Environment:
    """The environment with this lifetime of jira's token."""
    entry = environment.catalogue.entries["jira"]
    token = replace(entry.keys["JIRA_TOKEN"], lifetime=lifetime)
    entry = replace(entry, keys={**entry.keys, "JIRA_TOKEN": token})
    secrets = {**environment.secrets, "jira": replace(environment.secrets["jira"], entry=entry)}
    entries = {**environment.catalogue.entries, "jira": entry}
    return replace(environment, secrets=secrets, catalogue=replace(environment.catalogue, entries=entries))


def test_a_value_that_died_does_not_come_back(environment: Environment, options: Options, listening: Listening) -> None:
    world = living(environment, Lifetime(overlap="none"))
    target = target_of_rotation(world, "jira", ("JIRA_TOKEN",))
    done = carry_out(rotation(target, options, "new").change(), listening)
    with pytest.raises(Refusal, match="the old value stopped working when the new one was created"):
        undo_rotation(done.run, world, options, listening)
    assert undo_rotation(done.run, environment, options, listening).end is End.APPLIED


def test_an_undo_that_could_not_read_one_place_leaves_the_tag_there_until_it_can(
    target: Target, options: Options, stores: Stores, listening: Listening
) -> None:
    vault, azure = ends(stores)
    done = carry_out(rotation(target, options, "new").change(), listening)
    azure.failures["read", "agents-jira"] = stores.failure(Code.FORBIDDEN, "agents-jira")
    undo_rotation(done.run, target.environment, options, listening)
    assert (vault.shown(JIRA)["JIRA_TOKEN"], azure.shown("agents-jira")["JIRA_TOKEN"]) == ("old", "new")
    assert azure.versions["agents-jira"][-1].attributes.tags[ROTATION] == done.run
    azure.failures.clear()
    undo_rotation(done.run, target.environment, options, listening)
    assert azure.shown("agents-jira")["JIRA_TOKEN"] == "old"
    for store, name in ((vault, JIRA), (azure, "agents-jira")):
        assert ROTATION not in store.versions[name][-1].attributes.tags


def test_an_undo_leaves_a_run_open_that_may_have_stored_its_value(
    target: Target, options: Options, stores: Stores, listening: Listening
) -> None:
    vault, azure = ends(stores)
    for store, name in ((vault, JIRA), (azure, "agents-jira")):
        store.failures["write", name] = stores.failure(Code.UNAVAILABLE, name)
    done = carry_out(rotation(target, options, "new").change(), listening)
    for store, name in ((vault, JIRA), (azure, "agents-jira")):
        store.seed(name, JIRA_TOKEN="theirs or the run's", JIRA_URL="u")
    assert undo_rotation(done.run, target.environment, options, listening).end is End.STUCK
    (run,) = runs(options.root)
    assert run.is_resumable


def test_a_key_that_the_catalogue_no_longer_has_is_still_to_be_revoked(
    target: Target, options: Options, listening: Listening
) -> None:
    carry_out(rotation(target, options, "new").change(), listening)
    (run,) = runs(options.root)
    catalogue = target.environment.catalogue
    for entries in ({}, {"jira": replace(catalogue.entries["jira"], keys={})}):
        gone = replace(target.environment, catalogue=replace(catalogue, entries=entries))
        found = unfollowed(gone, options)
        found.set_run(run)
        assert (found.revocations, found.has_way_back) == ([("JIRA_TOKEN", UNLIMITED)], True)


def test_the_old_value_goes_into_its_key_in_every_store(
    environment: Environment, options: Options, stores: Stores, listening: Listening
) -> None:
    vault, _ = ends(stores)
    world = living(environment, Lifetime(overlap="previous", previous_key="JIRA_URL"))
    target = target_of_rotation(world, "jira", ("JIRA_TOKEN",))
    done = carry_out(rotation(target, options, "new").change(), listening)
    assert [(step.key, step.kind) for step in done.plan.steps if step.place.store == "vault"] == [
        ("JIRA_TOKEN", Kind.UPDATE),
        ("JIRA_URL", Kind.UPDATE),
    ]
    assert vault.shown(JIRA) == {"JIRA_TOKEN": "new", "JIRA_URL": "old"}
