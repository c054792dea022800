from collections.abc import Callable

import pytest

from compiler.stores.errors import Action, ConflictError, ForbiddenError, NotFoundError, VersionGoneError
from compiler.stores.interface import Attributes, RemoteSecret, StoreState
from compiler.stores.secret_value import SecretValue
from compiler.stores.vault.store import VaultStore
from tests.unit.stores.scripted_vault import (
    CAPABILITIES,
    CUT,
    NOTHING,
    TIME,
    Answer,
    ScriptedVault,
    data,
    denied,
    metadata,
    refused,
    version,
)

DATA, METADATA = "secret/data/github", "secret/metadata/github"
DELETE, UNDELETE = "secret/delete/github", "secret/undelete/github"
ABSENT = refused(404)
LATER = "2999-01-01T00:00:00Z"


@pytest.fixture
def vault(scripted_vault: ScriptedVault) -> ScriptedVault:
    scripted_vault.on("POST", CAPABILITIES, data())
    scripted_vault.on("GET", METADATA, ABSENT)
    return scripted_vault


@pytest.fixture
def store(vault: ScriptedVault) -> VaultStore:
    return vault.open()


def conflict(act: Callable[[], object], action: Action) -> ConflictError:
    with pytest.raises(ConflictError) as caught:
        act()
    error = caught.value
    assert error.place.name == "github"
    assert (error.action, error.remedy) == (action, "plan again")
    assert error.__context__ is None
    return error


def several(**states: str) -> Answer:
    """The metadata of versions `v1=…`: readable, later (deletes itself then), deleted or destroyed."""
    times = {"readable": "", "later": LATER, "deleted": TIME, "destroyed": ""}
    versions = {
        name.removeprefix("v"): {
            "created_time": TIME,
            "deletion_time": times[state],
            "destroyed": state == "destroyed",
        }
        for name, state in states.items()
    }
    newest = max(map(int, versions))
    return data(current_version=newest, versions=versions, created_time=TIME, updated_time=TIME)


def test_a_delete_names_the_version_so_that_a_later_one_is_not_touched(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, metadata(4))
    vault.on("POST", DELETE, CUT, NOTHING)
    store.soft_delete("github", "4")
    assert vault.bodies(DELETE) == [{"versions": [4]}] * 2


def test_what_is_deleted_already_is_left_so(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, metadata(4, deleted=True))
    store.soft_delete("github", "4")
    assert [path for path in vault.paths("POST") if "github" in path] == []


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (metadata(5), "5"),
        (metadata(5, deleted=True), "5"),
        (metadata(4, destroyed=True), "4"),
        (ABSENT, None),
    ],
)
def test_a_delete_of_what_is_not_the_newest_is_a_conflict(
    vault: ScriptedVault, store: VaultStore, answer: Answer, found: str | None
) -> None:
    vault.on("GET", METADATA, answer)
    error = conflict(lambda: store.soft_delete("github", "4"), Action.DELETE)
    assert error.found == found
    assert "version 4 was read" in error.reason
    assert [path for path in vault.paths("POST") if "github" in path] == []


def test_recovering_brings_back_the_newest_version_and_tells_it(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, metadata(4, deleted=True, custom_metadata={"a": "1"}))
    vault.on("POST", UNDELETE, CUT, NOTHING)
    vault.on("GET", DATA, version(4, A="x"))
    state = store.recover("github")
    assert (state.state, state.version, dict(state.attributes.tags)) == (StoreState.PRESENT, "4", {"a": "1"})
    assert vault.bodies(UNDELETE) == [{"versions": [4]}] * 2


def test_recovering_what_is_there_changes_nothing(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, metadata(4))
    state = store.recover("github")
    assert (state.state, state.version) == (StoreState.PRESENT, "4")
    assert vault.bodies(UNDELETE) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [(ABSENT, "it is absent, not soft-deleted"), (metadata(4, destroyed=True), "it is destroyed, not soft-deleted")],
)
def test_what_cannot_be_recovered_is_told_with_what_it_is(
    vault: ScriptedVault, store: VaultStore, answer: Answer, words: str
) -> None:
    vault.on("GET", METADATA, answer)
    with pytest.raises(NotFoundError) as caught:
        store.recover("github")
    assert (caught.value.reason, caught.value.action) == (words, Action.RECOVER)
    assert vault.bodies(UNDELETE) == []


def test_a_deletion_takes_all_versions_that_can_be_read_in_one_request(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, several(v9="later", v10="readable", v7="destroyed", v8="deleted"))
    vault.on("POST", DELETE, CUT, NOTHING)
    store.delete_versions("github", ["9", "10"])
    assert vault.bodies(DELETE) == [{"versions": [9, 10]}] * 2


@pytest.mark.parametrize(
    ("answer", "words", "found"),
    [
        (several(v1="readable", v2="readable", v3="readable"), "versions 1, 2, 3", "3"),
        (several(v1="readable", v2="deleted"), "version 1", "1"),
        (several(v1="deleted", v2="destroyed"), "none can", None),
        (ABSENT, "none can", None),
    ],
    ids=["one more", "one fewer", "one is destroyed", "absent"],
)
def test_a_deletion_of_other_versions_than_were_planned_is_a_conflict(
    vault: ScriptedVault, store: VaultStore, answer: Answer, words: str, found: str | None
) -> None:
    vault.on("GET", METADATA, answer)
    error = conflict(lambda: store.delete_versions("github", ["1", "2"]), Action.DELETE)
    assert error.reason == f"another writer changed it: versions 1, 2 could be read before, and now {words}"
    assert error.found == found
    assert vault.bodies(DELETE) == []


def test_versions_that_are_all_deleted_already_are_left_so(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, several(v1="destroyed", v2="deleted", v3="deleted"))
    store.delete_versions("github", ["2", "3"])
    assert vault.bodies(DELETE) == []


def test_whoever_may_not_see_the_versions_deletes_none(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, denied())
    with pytest.raises(ForbiddenError) as caught:
        store.delete_versions("github", ["1"])
    assert caught.value.permission == f"read on {METADATA}"
    assert vault.bodies(DELETE) == []


def test_exactly_the_deleted_versions_are_brought_back(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, several(v1="deleted", v2="deleted", v3="readable", v4="deleted"))
    vault.on("POST", UNDELETE, CUT, NOTHING)
    store.recover_versions("github", ["2", "3", "4"])
    assert vault.bodies(UNDELETE) == [{"versions": [2, 4]}] * 2


def test_versions_that_can_all_be_read_are_back(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, several(v1="deleted", v2="readable"))
    store.recover_versions("github", ["2"])
    assert vault.bodies(UNDELETE) == []


def test_nothing_is_brought_back_below_another_writers_version(vault: ScriptedVault, store: VaultStore) -> None:
    vault.on("GET", METADATA, several(v1="deleted", v2="readable"))
    assert conflict(lambda: store.recover_versions("github", ["1"]), Action.RECOVER).found == "2"
    assert vault.bodies(UNDELETE) == []


@pytest.mark.parametrize("answer", [several(v2="destroyed"), several(v3="deleted"), ABSENT])
def test_a_version_that_is_lost_for_good_is_told(vault: ScriptedVault, store: VaultStore, answer: Answer) -> None:
    vault.on("GET", METADATA, answer)
    with pytest.raises(VersionGoneError) as caught:
        store.recover_versions("github", ["2"])
    assert (caught.value.version, caught.value.action) == ("2", Action.RECOVER)
    assert caught.value.reason == "version 2 is destroyed or evicted for good"
    assert vault.bodies(UNDELETE) == []


def test_nothing_that_vault_tells_of_a_secret_keeps_it_from_being_deleted(store: VaultStore) -> None:
    assert store.check_deletion(RemoteSecret("github", "1", {"A": SecretValue("x")}, Attributes())) == ()
