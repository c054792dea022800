import threading
import time
from datetime import UTC, datetime

import pytest

from compiler.change.plan import Note, NoteKind, Write, losses_of
from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, ForbiddenError, StoreError
from compiler.stores.interface import Attributes, Dropped, Limit, RemoteSecret
from tests import providers
from tests.refusals import is_refused
from tests.unit.changes import loss_of
from tests.unit.memory_store import MemoryStore

TEN = Dropped(("1",), 10)


@pytest.fixture
def vault() -> MemoryStore:
    return MemoryStore(StoreAddress(providers.VAULT, "https://vault:8200", mount="team/kv"))


def write(name: str, replaces: str | None = "10") -> Write:
    """A write of a secret whose current version is `replaces`, or of a deleted one that is recovered before."""
    if replaces is None:
        return Write("kv", name, (), {})
    if int(replaces) % 2:
        return Write("kv", name, (), {}, recover=True, deleted=replaces)
    return Write("kv", name, (), {}, base=RemoteSecret(name, replaces, {}, Attributes()))


def found(vault: MemoryStore, name: str = "a", replaces: str | None = "10") -> Note:
    (loss,) = losses_of([write(name, replaces)], {"kv": vault})
    return loss


def test_each_loss_has_the_versions_and_the_command_that_keeps_them_in_the_order_of_the_writes(
    vault: MemoryStore,
) -> None:
    vault.drops = {"a": TEN, "c": Dropped(("3", "4"), 2)}
    remedy = "bao kv metadata put -mount=team/kv -max-versions={} {}"
    assert losses_of([write(name) for name in ("c", "b", "a")], {"kv": vault}) == (
        loss_of(
            "kv",
            "c",
            "3",
            "4",
            keeps=2,
            remedy=remedy.format(4, "c"),
        ),
        loss_of(
            "kv",
            "a",
            "1",
            keeps=10,
            remedy=remedy.format(20, "a"),
        ),
    )


@pytest.mark.parametrize(
    ("versions", "replaces", "kind"),
    [
        (("1",), "1", NoteKind.DROPS_WAY_BACK),
        (("1", "2"), "2", NoteKind.DROPS_WAY_BACK),
        (("1",), "2", NoteKind.DROPS_VERSIONS),
        (("1",), None, NoteKind.DROPS_VERSIONS),
    ],
)
def test_the_version_that_is_replaced_is_the_worst_loss(
    vault: MemoryStore, versions: tuple[str, ...], replaces: str | None, kind: NoteKind
) -> None:
    vault.drops = {"a": Dropped(versions, 1)}
    assert found(vault, replaces=replaces).kind is kind


def test_the_command_is_one_for_a_shell_and_for_the_namespace() -> None:
    vault = MemoryStore(StoreAddress(providers.VAULT, "https://vault", mount="kv", vault_namespace="team a"))
    vault.drops = {"a b": TEN}
    assert found(vault, "a b").remedy == "bao kv metadata put '-namespace=team a' -mount=kv -max-versions=20 'a b'"


def test_a_store_that_keeps_all_is_not_asked() -> None:
    azure = MemoryStore()
    azure.drops = {"a": TEN}
    assert losses_of([write("a")], {"kv": azure}) == ()
    assert azure.calls == []


def test_what_may_not_be_asked_is_told_as_unknown(vault: MemoryStore) -> None:
    vault.failures["dropped_by_write", "a"] = ForbiddenError(
        vault.place("a"), Action.DESCRIBE, "no policy", "add one", permission="read"
    )
    assert found(vault) == loss_of(
        "kv",
        "a",
        kind=NoteKind.LOSS_UNKNOWN,
        remedy="no policy; add one",
    )


def test_a_version_that_will_delete_itself_is_named_with_the_lines_that_have_it_stay(vault: MemoryStore) -> None:
    vault.drops = {"a": Dropped(("9",), 1, 90, (Limit.NAME, Limit.MOUNT))}
    dropped, itself = losses_of([write("a")], {"kv": vault})
    assert (dropped.kind, dropped.lives, dropped.date) == (NoteKind.DROPS_VERSIONS, None, None)
    assert (itself.kind, itself.versions, itself.lives) == (NoteKind.DELETES_ITSELF, (), 90)
    assert itself.date is not None
    assert abs((itself.date - datetime.now(UTC)).total_seconds() - 90) < 30
    assert itself.remedy == (
        "bao write team/kv/config delete_version_after=0s"
        " && bao kv metadata put -mount=team/kv -delete-version-after=0s a"
    )


def test_the_metadata_of_new_names_are_no_loss_where_they_may_not_be_read(vault: MemoryStore) -> None:
    for name in "ab":
        vault.failures["dropped_by_write", name] = ForbiddenError(
            vault.place(name), Action.DESCRIBE, "no policy", "add one", permission="read"
        )
    assert losses_of([write("a", None), write("b", None)], {"kv": vault}, {("kv", "a"), ("kv", "b")}, workers=1) == ()
    # Each refusal is asked about at length: one is enough to know.
    assert vault.calls == [("dropped_by_write", "a")]


def test_a_store_that_is_gone_ends_the_plan(vault: MemoryStore) -> None:
    gone = StoreError(vault.place("a"), Action.DESCRIBE, "no answer", "wait", Code.UNAVAILABLE)
    vault.failures["dropped_by_write", "a"] = gone
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        losses_of([write("a"), write("b")], {"kv": vault})


def test_no_more_are_asked_about_at_once_than_there_are_workers(vault: MemoryStore) -> None:
    lock, both = threading.Lock(), threading.Barrier(2, timeout=10)
    under_way, most = 0, 0

    def before(_method: str, name: str) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        if name in {"a", "b"}:
            both.wait()
        time.sleep(0.01)
        with lock:
            under_way -= 1

    vault.before = before
    assert losses_of([write(name) for name in "abcdefgh"], {"kv": vault}, workers=2) == ()
    assert most == 2


def test_after_a_failure_nothing_more_is_asked_and_nothing_waited_for(vault: MemoryStore) -> None:
    begun, over, was_over = threading.Event(), threading.Event(), list[bool]()

    def before(_method: str, name: str) -> None:
        if name == "a":
            assert begun.wait(10)
            raise StoreError(vault.place("a"), Action.DESCRIBE, "no answer", "wait", Code.UNAVAILABLE)
        begun.set()
        was_over.append(over.wait(5))

    vault.before = before
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        losses_of([write(name) for name in "abcdefgh"], {"kv": vault}, workers=2)
    over.set()
    for thread in threading.enumerate():
        if thread.name.startswith("ask-many"):
            thread.join(10)
    # The second one, and at most one that the first one's thread took.
    assert was_over in ([True], [True, True])
