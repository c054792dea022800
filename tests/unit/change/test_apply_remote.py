from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from compiler.change.apply import write_remote
from compiler.change.journal import RunEntry, find_run, read_run
from compiler.change.operations import Delete, Operation, Put, Restore, holds, is_same
from compiler.change.plan import Kind, Location, State, Step, WriteResult
from compiler.change.run_log import RunLog, UndoLog
from compiler.model.provider import Provider
from compiler.stores.errors import Action, Code, ConflictError, NotFoundError, StoreError, StoreLocation
from compiler.stores.interface import Attributes, RemoteSecret, StoreState
from compiler.stores.secret_value import Comparer, JsonKind, SecretValue
from tests.memory_store import MemoryStore, secrets
from tests.refusals import is_refused
from tests.unit.change.undoing import ID, PROVIDERS, deletion, recovery, three
from tests.unit.changes import begin_journal, plan_of, unverified

RUN = "20250131-120000-4fa1c2"
PLACE = StoreLocation("https://memory", "a")


@dataclass
class Scene:
    """A store, and the log of a run in `root` that writes into it."""

    root: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    logs: list[RunLog] = field(default_factory=list)

    def move(self, write: Operation) -> WriteResult:
        self.logs.append(begin_journal(self.root, RUN, plan_of(write), {}))
        return write_remote(write, self.store, RunLog(self.logs[-1].run))

    @property
    def entry(self) -> RunEntry:
        return find_run(self.root, RUN).entries["azure", "a"]

    @property
    def noted(self) -> tuple[str, str | None]:
        return self.entry.state, self.entry.after


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    for log in made.logs:
        log.close()


def test_a_write_is_made_noted_and_read_back(scene: Scene) -> None:
    scene.store.seed("a", OLD="o")
    result = scene.move(Put("azure", "a", (), secrets(NEW="n"), base=scene.store.held["a"]))
    assert (result.state, result.version) == (State.DONE, "v2")
    assert scene.store.shown("a") == {"OLD": "o", "NEW": "n"}
    assert scene.store.calls[-1] == ("read", "a")
    assert scene.noted == ("written", "v2")


def test_a_version_that_the_store_says_is_not_as_sent_is_noted(scene: Scene) -> None:
    scene.store.failures["write", "a"] = unverified(scene.store, "a", "v9")
    result = scene.move(Put("azure", "a", (), secrets(NEW="n")))
    assert (result.state, result.version, result.code) == (State.UNVERIFIED, "v9", "unverified")
    assert scene.noted == ("written", "v9")


def test_a_refusal_is_a_conflict_where_somebody_else_wrote_and_a_failure_else() -> None:
    write = Delete("azure", "a", ())
    conflict = write.report_refusal(ConflictError(PLACE, Action.WRITE, "why", "plan again", found="2"))
    assert (conflict.state, conflict.slipped, conflict.code) == (State.CONFLICT, ("2",), "conflict")
    failure = write.report_refusal(NotFoundError(PLACE, Action.WRITE, "why", "create it"))
    assert (failure.state, failure.slipped, failure.reason, failure.remedy) == (State.FAILED, (), "why", "create it")


def test_a_secret_that_was_recovered_and_needs_no_change_is_kept_in_its_version(scene: Scene) -> None:
    deleted = scene.store.seed("a", SAME="s", OLD="o")
    scene.store.deleted.add("a")
    result = scene.move(Put("azure", "a", (), secrets(SAME="s"), recover=True, deleted=deleted))
    assert (result, scene.store.writes) == (WriteResult("azure", "a", State.KEPT, "v1"), [])
    assert scene.store.shown("a") == {"SAME": "s", "OLD": "o"}
    assert scene.noted == ("written", "v1")
    assert scene.entry.before == "v1"


def test_a_recovery_is_on_the_disk_before_the_write_that_follows_it(scene: Scene) -> None:
    deleted = scene.store.seed("a", OLD="o")
    scene.store.deleted.add("a")
    scene.store.silence("write", "a")
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        scene.move(Put("azure", "a", (), secrets(NEW="n"), recover=True, deleted=deleted))
    # Without it, the run that continues would not know that it may write over what is there again.
    assert scene.entry.recovered


def test_a_secret_that_was_recovered_and_cannot_be_read_may_have_been_changed(scene: Scene) -> None:
    deleted = scene.store.seed("a", SAME="s")
    scene.store.deleted.add("a")
    scene.store.failures["read", "a"] = StoreError(
        scene.store.place("a"), Action.READ, "it does not answer", "wait", Code.UNAVAILABLE
    )
    with pytest.raises(StoreError, check=is_refused(Code.UNFINISHED_WRITE)) as caught:
        scene.move(Put("azure", "a", (), secrets(SAME="s"), recover=True, deleted=deleted))
    assert (caught.value.maybe_done, caught.value.version, scene.store.deleted) == (True, deleted, set())
    assert (caught.value.reason, caught.value.remedy) == ("it is recovered, but it does not answer", "wait")


def test_a_deleted_version_that_the_store_did_not_tell_is_compared_with_none(scene: Scene) -> None:
    scene.store.seed("a", OLD="o")
    scene.store.deleted.add("a")
    assert scene.move(Put("azure", "a", (), secrets(NEW="n"), recover=True)).state is State.DONE
    assert scene.store.shown("a") == {"OLD": "o", "NEW": "n"}


def test_what_came_back_as_properties_is_replaced_by_a_whole_value(scene: Scene) -> None:
    deleted = scene.store.seed("a", OLD="o")
    scene.store.deleted.add("a")
    assert scene.move(Put("azure", "a", (), SecretValue("pem"), recover=True, deleted=deleted)) == WriteResult(
        "azure", "a", State.DONE, "v2"
    )


def test_a_whole_value_that_came_back_the_same_is_kept(scene: Scene) -> None:
    deleted = scene.store.seed_whole("a", "pem")
    scene.store.deleted.add("a")
    result = scene.move(Put("azure", "a", (), SecretValue("pem"), recover=True, deleted=deleted))
    assert (result, scene.store.writes) == (WriteResult("azure", "a", State.KEPT, "v1"), [])


@pytest.mark.parametrize("content", [secrets(A="1"), SecretValue("pem")], ids=["properties", "whole"])
def test_attributes_go_with_the_write(scene: Scene, content: dict[str, SecretValue] | SecretValue) -> None:
    attributes = Attributes(content_type="application/x-pem-file", tags={"team": "one"})
    scene.move(Put("azure", "a", (), content, attributes=attributes))
    assert scene.store.held["a"].attributes == attributes


def test_another_version_than_the_deleted_one_is_refused_with_both_named(scene: Scene) -> None:
    scene.store.seed("a", OLD="o")
    scene.store.hold("a", secrets(OLD="theirs"))
    scene.store.deleted.add("a")
    with pytest.raises(ConflictError) as caught:
        scene.move(Put("azure", "a", (), secrets(NEW="n"), recover=True, deleted="v1"))
    assert (caught.value.found, scene.store.writes) == ("v2", [])
    assert str(caught.value) == (
        f'cannot write "a" in {scene.store.address.absolute}: another writer changed it: '
        "version v1 was soft-deleted, the current version is v2; run the command again for a new plan"
    )


def test_what_is_not_as_meant_is_told_with_its_versions_and_the_way_out(scene: Scene) -> None:
    scene.store.slipped = ("v0", "v0b")
    reason = "another writer's version v0, v0b came in between and was replaced by this one"
    remedy = "compare the two versions by hand"
    assert scene.move(Put("azure", "a", (), secrets(NEW="n"))) == WriteResult(
        "azure", "a", State.CONFLICT, "v1", ("v0", "v0b"), "conflict", reason, remedy
    )
    # The undo must not put the version before this one back: it is not what the run had read.
    entry = scene.entry
    assert entry.slipped == ("v0", "v0b")


def test_what_came_right_after_is_told_with_both_versions(scene: Scene) -> None:
    scene.store.before_each("read", lambda name: scene.store.hold(name, secrets(NEW="another")))
    reason = "another writer wrote version v2 right after version v1"
    remedy = "run the command again for a new plan"
    assert scene.move(Put("azure", "a", (), secrets(NEW="n"))) == WriteResult(
        "azure", "a", State.CONFLICT, "v1", ("v2",), "conflict", reason, remedy
    )


def test_other_bytes_are_told_with_the_version_that_has_them(scene: Scene) -> None:
    scene.store.lies = True
    reason = "version v1 reads back with a different value than was written"
    remedy = "check that version by hand, and do not trust this address"
    assert scene.move(Put("azure", "a", (), secrets(NEW="n"))) == WriteResult(
        "azure", "a", State.UNVERIFIED, "v1", (), "unverified", reason, remedy
    )


MEANT = secrets(OLD="o", NEW="n") | {"N": SecretValue("1.10", JsonKind.NUMBER)}


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        (MEANT, State.DONE),
        (MEANT | secrets(MORE="m"), State.UNVERIFIED),
        (secrets(NEW="n"), State.UNVERIFIED),
        (secrets(OLD="o"), State.UNVERIFIED),
        (MEANT | secrets(OLD="x"), State.UNVERIFIED),
        (MEANT | secrets(NEW="x"), State.UNVERIFIED),
        (MEANT | {"N": SecretValue("1.1", JsonKind.NUMBER)}, State.UNVERIFIED),
        (MEANT | secrets(N="1.10"), State.UNVERIFIED),
    ],
)
def test_every_property_must_be_there_as_meant_and_no_other(
    scene: Scene, changed: dict[str, SecretValue], state: State
) -> None:
    scene.store.hold("a", {name: MEANT[name] for name in ("OLD", "N")})
    write = Put("azure", "a", (), secrets(NEW="n"), base=scene.store.held["a"])

    def before(name: str) -> None:
        newest = scene.store.versions[name].pop()
        scene.store.hold(name, changed)
        assert scene.store.versions[name][-1].version == newest.version

    scene.store.before_each("read", before)
    assert scene.move(write).state is state


def deleting(store: MemoryStore, name: str = "a") -> Operation:
    """The write by which an undo deletes what its run made."""
    step = Step("jira", "KEY", Kind.DELETE, None, Location("azure", name, "KEY"))
    return Delete("azure", name, (step,), base=store.held[name])


def putting_back(store: MemoryStore) -> Operation:
    """The write by which an undo puts the version before the newest back."""
    step = Step("jira", "KEY", Kind.UPDATE, None, Location("azure", "a", "KEY"))
    return Restore(
        "azure",
        "a",
        (step,),
        base=store.held["a"],
        earlier=store.versions["a"][-2],
        attributes=store.versions["a"][-2].attributes,
    )


def test_a_deletion_is_made_noted_and_looked_at(scene: Scene) -> None:
    scene.store.seed("a", KEY="x")
    assert scene.move(deleting(scene.store)) == WriteResult("azure", "a", State.DONE, "v1")
    assert scene.store.deleted == {"a"}
    assert scene.store.calls[-2:] == [("soft_delete", "a"), ("describe", "a")]
    assert scene.noted == ("written", "v1")


def test_a_store_that_lies_about_a_deletion_is_found(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.store.seed("a", KEY="x")
    monkeypatch.setattr(scene.store, "soft_delete", lambda _name, _version: None)
    result = scene.move(deleting(scene.store))
    reason = "the store reported it as deleted, but it still exists"
    remedy = "check it by hand, and do not trust this address"
    assert result == WriteResult("azure", "a", State.UNVERIFIED, "v1", (), "unverified", reason, remedy)


def test_what_somebody_wrote_right_after_a_deletion_is_theirs_and_no_lie(scene: Scene) -> None:
    scene.store.seed("a", KEY="x")

    def before(name: str) -> None:
        scene.store.deleted.clear()
        scene.store.hold(name, secrets(KEY="theirs"))

    scene.store.before_each("describe", before)
    result = scene.move(deleting(scene.store))
    assert (result.state, result.version, result.slipped) == (State.CONFLICT, "v1", ("v2",))
    assert result.reason == "another writer wrote version v2 right after version v1"


@pytest.mark.parametrize(("kind", "method"), [("write", "read"), ("restore", "read"), ("delete", "describe")])
def test_what_is_stored_and_cannot_be_read_back_is_a_failure_with_its_version(
    scene: Scene, kind: str, method: str
) -> None:
    scene.store.seed("a", KEY="old")
    scene.store.seed("a", KEY="new")
    write = {
        "write": Put("azure", "a", (), secrets(KEY="newer"), base=scene.store.held["a"]),
        "restore": putting_back(scene.store),
        "delete": deleting(scene.store),
    }[kind]
    scene.store.silence(method, "a")
    version = "v2" if kind == "delete" else "v3"
    reason = "it cannot be read back: no answer"
    assert scene.move(write) == WriteResult("azure", "a", State.FAILED, version, (), "unavailable", reason, "wait")
    assert scene.noted == ("written", version)


VAULT, AZURE = PROVIDERS


def delete_of_run(tmp_path: Path, store: MemoryStore, write: Operation) -> WriteResult:
    journal = begin_journal(tmp_path, ID, plan_of(write, command="retire"), {})
    try:
        return write_remote(write, store, RunLog(journal.run))
    finally:
        journal.close()


def recovering(tmp_path: Path, store: MemoryStore, write: Operation) -> WriteResult:
    with closing(UndoLog(read_run(tmp_path / ".platform-secrets/runs" / f"{ID}.jsonl"))) as journal:
        return write_remote(write, store, journal)


def entry(tmp_path: Path) -> RunEntry:
    return read_run(tmp_path / ".platform-secrets/runs" / f"{ID}.jsonl").entries["azure", "a"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_deleted_is_recorded_and_comes_back_as_it_was(tmp_path: Path, provider: Provider) -> None:
    store = three(provider)
    before, write = store.version_states("a"), deletion(store)
    assert delete_of_run(tmp_path, store, write) == WriteResult("azure", "a", State.DONE, "v3")
    assert set(store.version_states("a").values()) == {StoreState.SOFT_DELETED}
    found = entry(tmp_path)
    assert (found.kind, found.versions, found.before, found.after) == (Kind.DELETE, tuple(before), "v3", "v3")

    assert recovering(tmp_path, store, recovery(*before)) == WriteResult("azure", "a", State.DONE, "v3")
    assert store.version_states("a") == before
    assert (entry(tmp_path).undo, entry(tmp_path).undone_as, entry(tmp_path).undo_before) == ("done", None, None)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_store_that_only_says_that_it_deleted_is_found_out(tmp_path: Path, provider: Provider) -> None:
    store = three(provider)
    store.lies = True
    result = delete_of_run(tmp_path, store, deletion(store))
    versions = "versions v1, v2, v3" if provider is VAULT else "version v3"
    assert (result.state, result.version) == (State.UNVERIFIED, "v3")
    assert result.reason == f"the store reported it as deleted, but {versions} can still be read"


def test_a_store_that_only_says_that_it_recovered_is_found_out(tmp_path: Path) -> None:
    store = three(VAULT)
    delete_of_run(tmp_path, store, deletion(store))
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
    result = delete_of_run(tmp_path, store, write)
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
        assert delete_of_run(tmp_path / provider.id, store, write).state is state


def test_a_version_that_comes_in_between_stays_and_is_told(tmp_path: Path) -> None:
    store = three(VAULT)
    write = deletion(store)

    def before(method: str, name: str) -> None:
        if method == "version_states" and name in store.deleted:
            store.before = lambda _method, _name: None
            store.hold("a", secrets(A="theirs"))

    store.before = before
    result = delete_of_run(tmp_path, store, write)
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
    result = delete_of_run(tmp_path, store, write)
    assert (result.state, result.slipped, result.remedy) == (State.CONFLICT, ("v4",), "undo this run")
    assert entry(tmp_path).slipped == ("v4",)
    assert recovering(tmp_path, store, recovery("v3", "v4")).state is State.UNVERIFIED


def test_another_version_beside_those_that_came_back_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = three(VAULT)
    delete_of_run(tmp_path, store, deletion(store))

    def recover_all(*_: object) -> None:
        store.gone["a"].clear()
        store.deleted.clear()

    monkeypatch.setattr(store, "recover_versions", recover_all)
    result = recovering(tmp_path, store, recovery("v2", "v3"))
    assert (result.state, result.slipped) == (State.CONFLICT, ("v1",))
    assert result.reason == "another writer wrote or recovered version v1 meanwhile"


def test_a_store_that_falls_silent_after_the_deletion_leaves_it_recorded_and_failed(tmp_path: Path) -> None:
    store = three(VAULT)
    write = deletion(store)

    def before(method: str, name: str) -> None:
        if method == "version_states" and name in store.deleted:
            raise store.unavailable(name)

    store.before = before
    result = delete_of_run(tmp_path, store, write)
    assert (result.state, result.version, result.code) == (State.FAILED, "v3", "unavailable")
    assert result.reason == "it cannot be read back: no answer"
    assert entry(tmp_path).after == "v3"


COMPARER = Comparer()


def remote(whole: str | None = None, **properties: SecretValue) -> RemoteSecret:
    return RemoteSecret("a", "1", properties, Attributes(), SecretValue(whole) if whole is not None else None)


def number(text: str) -> SecretValue:
    return SecretValue(text, JsonKind.NUMBER)


def test_a_whole_value_is_compared_as_one() -> None:
    base = remote("old", A=SecretValue("x"))
    for write in (
        Put("azure", "a", (), SecretValue("new"), base=base),
        Restore("azure", "a", (), earlier=remote("new"), base=base, attributes=remote("new").attributes),
    ):
        assert is_same(remote("new"), write.expected_content)
        assert not is_same(remote("old"), write.expected_content)
        assert not is_same(remote(A=SecretValue("x")), write.expected_content)


def test_a_property_is_held_by_name_kind_and_text() -> None:
    found = remote(A=SecretValue("x"))
    assert holds(found, "A", SecretValue("x"), COMPARER)
    assert not holds(found, "A", number("x"), COMPARER)
    assert not holds(found, "B", SecretValue("x"), COMPARER)
