import json
from pathlib import Path

import pytest

from compiler.change.apply import write_remote
from compiler.change.journal import RunEntry, read_run
from compiler.change.plan import Kind, State, Write, WriteResult
from compiler.change.run_log import AuditLog, RunLog, UndoLog
from compiler.model.provider import Provider
from compiler.stores.errors import Action, Code, ConflictError, StoreError, StoreLocation
from compiler.stores.interface import StoreState
from tests.unit.change.undoing import ID, PROVIDERS, deletion, recovery, three
from tests.unit.changes import begin_journal, plan_of
from tests.unit.memory_store import MemoryStore, secrets

VAULT, AZURE = PROVIDERS
PLACE = StoreLocation("https://memory", "a")


def deleting(tmp_path: Path, store: MemoryStore, write: Write) -> WriteResult:
    journal = begin_journal(tmp_path, ID, plan_of(write, command="retire"), {})
    try:
        with AuditLog(tmp_path / "audit") as audit:
            return write_remote(write, store, RunLog(journal.run, audit, {"azure": "ada"}))
    finally:
        journal.close()


def recovering(tmp_path: Path, store: MemoryStore, write: Write) -> WriteResult:
    journal = RunLog(read_run(tmp_path / ".platform-secrets/runs" / f"{ID}.jsonl"))
    with AuditLog(tmp_path / "audit") as audit:
        result = write_remote(write, store, UndoLog(journal.run, audit, {"azure": "ada"}))
    journal.close()
    return result


def entry(tmp_path: Path) -> RunEntry:
    return read_run(tmp_path / ".platform-secrets/runs" / f"{ID}.jsonl").entries["azure", "a"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_deleted_is_recorded_and_comes_back_as_it_was(tmp_path: Path, provider: Provider) -> None:
    store = three(provider)
    before, write = store.version_states("a"), deletion(store)
    assert deleting(tmp_path, store, write) == WriteResult("azure", "a", State.DONE, "v3")
    assert set(store.version_states("a").values()) == {StoreState.SOFT_DELETED}
    found = entry(tmp_path)
    assert (found.kind, found.versions, found.before, found.after) == (Kind.DELETE, tuple(before), "v3", "v3")

    assert recovering(tmp_path, store, recovery(*before)) == WriteResult("azure", "a", State.DONE, "v3")
    assert store.version_states("a") == before
    assert (entry(tmp_path).undo, entry(tmp_path).undone_as, entry(tmp_path).undo_before) == ("done", None, None)
    lines = [json.loads(line) for line in (tmp_path / "audit").read_text("utf-8").splitlines()]
    assert [tuple(line[name] for name in ("action", "state", "properties", "before", "version")) for line in lines] == [
        ("delete", "writing", ["A"], "v3", None),
        ("delete", "written", ["A"], "v3", "v3"),
        ("recover", "writing", ["A"], "v3", None),
        ("recover", "written", ["A"], "v3", "v3"),
    ]


def test_what_was_deleted_before_stays_deleted(tmp_path: Path) -> None:
    store = three(VAULT)
    store.gone["a"] = {"v1"}
    write = deletion(store)
    assert (write.versions, write.others) == (("v2", "v3"), ("v1",))
    assert deleting(tmp_path, store, write).state is State.DONE
    assert recovering(tmp_path, store, recovery(*write.versions)).state is State.DONE
    assert store.version_states("a")["v1"] is StoreState.SOFT_DELETED


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_store_that_only_says_that_it_deleted_is_found_out(tmp_path: Path, provider: Provider) -> None:
    store = three(provider)
    store.lies = True
    result = deleting(tmp_path, store, deletion(store))
    versions = "versions v1, v2, v3" if provider is VAULT else "version v3"
    assert (result.state, result.version) == (State.UNVERIFIED, "v3")
    assert result.reason == f"the store reported it as deleted, but {versions} can still be read"


def test_a_store_that_only_says_that_it_recovered_is_found_out(tmp_path: Path) -> None:
    store = three(VAULT)
    deleting(tmp_path, store, deletion(store))
    store.lies = True
    result = recovering(tmp_path, store, recovery("v1", "v2", "v3"))
    assert (result.state, result.code) == (State.UNVERIFIED, "unverified")
    assert result.reason == "the store reported it as recovered, but versions v1, v2, v3 cannot be read"


@pytest.mark.parametrize("lost", ["v1", "v2"], ids=["deleted before", "deleted by this write"])
def test_a_version_that_is_lost_on_the_way_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    store = three(VAULT)
    store.gone["a"] = {"v1"}
    write, real = deletion(store), store.version_states
    destroyed = StoreState.DESTROYED
    monkeypatch.setattr(store, "delete_versions", lambda *_: store.gone["a"].update(("v2", "v3")))
    monkeypatch.setattr(store, "version_states", lambda name: {**real(name), lost: destroyed})
    result = deleting(tmp_path, store, write)
    assert result.state is State.UNVERIFIED
    assert result.reason == f"version {lost} cannot be recovered any more, and was only to be deleted"


def test_a_vault_that_forgets_the_name_has_destroyed_it_and_a_key_vault_may_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for provider, state in ((VAULT, State.UNVERIFIED), (AZURE, State.DONE)):
        store = three(provider)
        write = deletion(store)
        monkeypatch.setattr(store, "version_states", lambda _name: {})
        (tmp_path / provider.id).mkdir()
        assert deleting(tmp_path / provider.id, store, write).state is state


def test_a_version_that_comes_in_between_stays_and_is_told(tmp_path: Path) -> None:
    store = three(VAULT)
    write = deletion(store)

    def before(method: str, name: str) -> None:
        if method == "version_states" and name in store.deleted:
            store.before = lambda _method, _name: None
            store.hold("a", secrets(A="theirs"))

    store.before = before
    result = deleting(tmp_path, store, write)
    assert (result.state, result.version, result.slipped) == (State.CONFLICT, "v3", ("v4",))
    assert result.reason == "another writer wrote version v4, which stays; versions v1, v2, v3 were deleted"
    assert store.shown("a") == {"A": "theirs"}


def test_a_version_that_a_key_vault_deleted_along_is_told_and_recorded_for_the_undo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = three(AZURE)
    write = deletion(store)

    def delete(name: str, _versions: object) -> None:
        store.hold(name, secrets(A="theirs"))
        store.deleted.add(name)

    monkeypatch.setattr(store, "delete_versions", delete)
    result = deleting(tmp_path, store, write)
    assert (result.state, result.slipped, result.remedy) == (State.CONFLICT, ("v4",), "undo this run")
    assert entry(tmp_path).slipped == ("v4",)
    assert recovering(tmp_path, store, recovery("v3", "v4")).state is State.UNVERIFIED


def test_another_version_beside_those_that_came_back_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = three(VAULT)
    deleting(tmp_path, store, deletion(store))

    def recover_all(*_: object) -> None:
        store.gone["a"].clear()
        store.deleted.clear()

    monkeypatch.setattr(store, "recover_versions", recover_all)
    result = recovering(tmp_path, store, recovery("v2", "v3"))
    assert (result.state, result.slipped) == (State.CONFLICT, ("v1",))
    assert result.reason == "another writer wrote or recovered version v1 meanwhile"


def test_a_deletion_that_is_refused_records_nothing_as_deleted(tmp_path: Path) -> None:
    store = three(VAULT)
    write = deletion(store)
    store.hold("a", secrets(A="theirs"))
    with pytest.raises(ConflictError):
        deleting(tmp_path, store, write)
    assert entry(tmp_path).after is None
    assert [json.loads(line)["state"] for line in (tmp_path / "audit").read_text("utf-8").splitlines()] == [
        "writing",
        "failed",
    ]


def test_a_store_that_falls_silent_after_the_deletion_leaves_it_recorded_and_failed(tmp_path: Path) -> None:
    store = three(VAULT)
    write = deletion(store)

    def before(method: str, name: str) -> None:
        if method == "version_states" and name in store.deleted:
            raise StoreError(PLACE, Action.DESCRIBE, "no answer", "wait", Code.UNAVAILABLE)

    store.before = before
    result = deleting(tmp_path, store, write)
    assert (result.state, result.version, result.code) == (State.FAILED, "v3", "unavailable")
    assert result.reason == "it cannot be read back: no answer"
    assert entry(tmp_path).after == "v3"
