from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.operations.change.plan import Options, Plan, Result, State, Write
from compiler.operations.change.write_remote import Mover, refusal
from compiler.operations.runs.journal import Journal, read_run
from compiler.operations.runs.notes import Notes
from compiler.stores.errors import Action, ConflictError, NotFoundError, Place, UnavailableError
from compiler.stores.values.secret import Secret
from tests.unit.operations.memory_store import MemoryStore, secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RUN = "20250131-120000-4fa1c2"
PLACE = Place("https://memory", "a")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def move(tmp_path: Path, store: MemoryStore) -> Iterator[Callable[[Write], Result]]:
    journals: list[Journal] = []

    def moved(write: Write) -> Result:
        plan = Plan("prod", "azure", store.address.absolute, {}, Options(), (), (write,))
        journals.append(Journal.begin(tmp_path, RUN, plan, {}))
        return Mover(store, Notes(journals[-1], "prod")).move(write)

    yield moved
    for journal in journals:
        journal.close()


def noted(tmp_path: Path) -> tuple[str, str | None]:
    entry = read_run(tmp_path / ".platform-secrets/runs" / f"{RUN}.jsonl").entries["a"]
    return entry.state, entry.after


def test_a_write_is_made_noted_and_read_back(
    tmp_path: Path, store: MemoryStore, move: Callable[[Write], Result]
) -> None:
    store.seed("a", OLD="o")
    result = move(Write("a", (), secrets(NEW="n"), base=store.held["a"]))
    assert (result.state, result.version) == (State.DONE, "v2")
    assert store.shown("a") == {"OLD": "o", "NEW": "n"}
    assert store.calls[-1] == ("read", "a")
    assert noted(tmp_path) == ("written", "v2")


def test_a_whole_value_is_written_as_one(store: MemoryStore, move: Callable[[Write], Result]) -> None:
    result = move(Write("a", (), {}, whole=Secret("pem")))
    assert result.state is State.DONE
    assert store.held["a"].whole is not None
    assert store.held["a"].whole.reveal() == "pem"


def test_other_bytes_than_were_sent_are_found(store: MemoryStore, move: Callable[[Write], Result]) -> None:
    store.lies = True
    result = move(Write("a", (), secrets(NEW="n")))
    assert (result.state, result.code) == (State.UNVERIFIED, "unverified")
    assert "other bytes" in result.reason


def test_a_version_that_came_in_between_is_a_conflict(store: MemoryStore, move: Callable[[Write], Result]) -> None:
    store.slipped = ("v0",)
    covered = move(Write("a", (), secrets(NEW="n")))
    assert (covered.state, covered.slipped) == (State.CONFLICT, ("v0",))


def test_what_somebody_wrote_right_after_is_named(store: MemoryStore, move: Callable[[Write], Result]) -> None:
    def before(method: str, name: str) -> None:
        if method == "read" and len(store.versions[name]) == 1:
            store.hold(name, secrets(NEW="another"))

    store.before = before
    result = move(Write("a", (), secrets(NEW="n")))
    assert (result.state, result.version, result.slipped) == (State.CONFLICT, "v1", ("v2",))


def test_a_deleted_secret_comes_back_and_only_what_it_lacks_is_written(
    store: MemoryStore, move: Callable[[Write], Result]
) -> None:
    version = store.seed("a", SAME="s", OLD="o")
    store.deleted.add("a")
    result = move(Write("a", (), secrets(SAME="s"), recover=True, deleted=version))
    assert (result.state, store.writes) == (State.KEPT, [])
    assert store.shown("a") == {"SAME": "s", "OLD": "o"}


def test_a_store_that_refuses_leaves_the_write_begun_and_not_written(
    tmp_path: Path, store: MemoryStore, move: Callable[[Write], Result]
) -> None:
    store.failures["write", "a"] = UnavailableError(PLACE, Action.WRITE, "no answer", "wait")
    with pytest.raises(UnavailableError):
        move(Write("a", (), secrets(NEW="n")))
    assert noted(tmp_path) == ("planned", None)


def test_a_refusal_is_a_conflict_where_somebody_else_wrote_and_a_failure_else() -> None:
    write = Write("a", (), {})
    conflict = refusal(write, ConflictError(PLACE, Action.WRITE, "why", "plan again", expected="1", found="2"))
    assert (conflict.state, conflict.slipped, conflict.code) == (State.CONFLICT, ("2",), "conflict")
    failure = refusal(write, NotFoundError(PLACE, Action.WRITE, "why", "create it"))
    assert (failure.state, failure.slipped, failure.reason, failure.remedy) == (State.FAILED, (), "why", "create it")
