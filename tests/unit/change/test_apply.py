import errno
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from compiler.change.apply import apply_plan
from compiler.change.journal import Run, read_run
from compiler.change.operations import Put
from compiler.change.plan import Outcome, Plan, State, WriteResult
from compiler.change.run_log import AuditLog, RunLog
from tests.memory_store import MemoryStore
from tests.unit.changes import begin_journal, entries_of, plan_of, write_of

RUN = "20250131-120000-4fa1c2"


@dataclass
class Scene:
    """A store, and a run in `root` that writes into it."""

    root: Path
    opened: list[RunLog]
    store: MemoryStore = field(default_factory=MemoryStore)

    def write(self, name: str, **values: str) -> Put:
        return write_of(self.store, name, **values)

    def apply(self, plan: Plan, audit: AuditLog | None = None, **options: Any) -> Outcome:  # noqa: ANN401
        plan = replace(plan, stores={"azure": self.store})
        self.opened.append(begin_journal(self.root, RUN, plan, {}))
        return apply_plan(plan, RunLog(self.opened[-1].run, audit, {"azure": "tester"}), **options)

    @property
    def journal(self) -> Path:
        return journal_path(self.root)

    @property
    def run(self) -> Run:
        """What the journal says by now."""
        return read_run(self.journal)


@pytest.fixture
def opened() -> Iterator[list[RunLog]]:
    journals: list[RunLog] = []
    yield journals
    for journal in journals:
        journal.close()


@pytest.fixture
def scene(tmp_path: Path, opened: list[RunLog]) -> Scene:
    return Scene(tmp_path, opened)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def journal_path(tmp_path: Path) -> Path:
    return tmp_path / ".platform-secrets/runs" / f"{RUN}.jsonl"


def test_writes_are_made_read_back_and_noted(scene: Scene) -> None:
    seen = list[WriteResult]()
    scene.store.seed("b", KEPT="k", A="old")
    outcome = scene.apply(plan_of(scene.write("a", A="1"), scene.write("b", A="2")), report=seen.append)
    assert [(result.name, result.state, result.version) for result in outcome.results] == [
        ("a", State.DONE, "v1"),
        ("b", State.DONE, "v2"),
    ]
    assert scene.store.shown("b") == {"KEPT": "k", "A": "2"}
    assert sorted(result.name for result in seen) == ["a", "b"]
    run = scene.run
    assert {name: (e.state, e.before, e.after, e.kind) for name, e in entries_of(run).items()} == {
        "a": ("done", None, "v1", "create"),
        "b": ("done", "v1", "v2", "update"),
    }
    assert (run.ended, outcome.is_incomplete) == ("complete", False)


@pytest.mark.parametrize(("go_on", "state"), [(False, State.PENDING), (True, State.DONE)])
def test_a_failure_stops_what_has_not_begun_unless_asked_to_go_on(scene: Scene, state: State, *, go_on: bool) -> None:
    failed = threading.Event()

    def before(method: str, name: str) -> None:
        if (method, name) == ("write", "a"):
            raise scene.store.unavailable(name)
        if (method, name) == ("read", "b"):
            # Until the failure of the first is known, so that the third begins after it.
            assert failed.wait(10)

    scene.store.before = before
    names = ("b", "a", "c")
    outcome = scene.apply(
        plan_of(*(scene.write(name, A="1") for name in names)),
        continue_on_error=go_on,
        workers=2,
        report=lambda result: failed.set() if result.state is State.FAILED else None,
    )
    states = {result.name: result.state for result in outcome.results}
    assert (states["a"], states["b"]) == (State.FAILED, State.DONE)
    # The worker that failed takes no other: it would wait out the store's absence once more.
    assert states["c"] is state
    assert outcome.is_incomplete
    run = scene.run
    assert (run.ended, entries_of(run)["a"].maybe_stored) == ("incomplete", True)


def test_a_conflict_ends_one_and_the_rest_goes_on(scene: Scene) -> None:
    write = scene.write("a", A="1")
    scene.store.seed("a", A="theirs")
    outcome = scene.apply(plan_of(write, scene.write("b", A="2")))
    assert [(result.state, result.slipped) for result in outcome.results] == [
        (State.CONFLICT, ("v1",)),
        (State.DONE, ()),
    ]
    assert (outcome.has_differences, outcome.is_incomplete) == (True, False)
    assert scene.run.ended == "conflict"


@pytest.mark.parametrize("go_on", [False, True])
def test_what_cannot_be_noted_before_the_write_is_not_written_and_ends_the_run(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, *, go_on: bool
) -> None:
    monkeypatch.setattr(RunLog, "start", full)
    plan = plan_of(scene.write("a", A="1"), scene.write("b", A="1"))
    outcome = scene.apply(plan, workers=1, continue_on_error=go_on)
    assert scene.store.calls == []
    assert outcome.results[0].reason == "the journal cannot be written: No space left on device"
    assert [result.state for result in outcome.results] == [State.FAILED, State.PENDING]


def test_a_run_whose_end_cannot_be_noted_tells_what_it_did_and_can_go_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunLog, "end", full)
    outcome = scene.apply(plan_of(scene.write("a", A="1")))
    assert (outcome.results[0].state, outcome.is_incomplete) == (State.DONE, True)
    assert outcome.unrecorded == "the journal cannot be written: No space left on device"
    assert scene.run.ended is None


class TestADefect:
    """An exception that nothing expected must not leave the run without an end."""

    def break_at(self, store: MemoryStore, method: str, name: str) -> None:
        def before(called: str, of: str) -> None:
            if (called, of) == (method, name):
                raise KeyError("s3ntinel")

        store.before = before

    @pytest.mark.parametrize(("method", "stored"), [("write", False), ("read", True)])
    def test_the_run_gets_its_end_and_can_go_on(self, scene: Scene, method: str, *, stored: bool) -> None:
        self.break_at(scene.store, method, "n1")
        outcome = scene.apply(plan_of(*(scene.write(f"n{n}", A="1") for n in range(50))), workers=1)
        assert isinstance(outcome.defect, KeyError)
        assert [result.state for result in outcome.results] == [State.DONE, State.FAILED, *[State.PENDING] * 48]
        assert outcome.results[1].code == "defect"
        assert outcome.is_incomplete
        run = scene.run
        assert run.ended == "incomplete"
        # It may have come after the request: then an undo waits, and going on finds out.
        assert entries_of(run)["n1"].maybe_stored
        assert ("n1" in scene.store.versions) is stored
        assert "s3ntinel" not in scene.journal.read_text("utf-8")

    def test_the_others_finish_what_they_have_begun(self, scene: Scene) -> None:
        both = threading.Barrier(2, timeout=10)
        broken = threading.Event()

        def before(name: str) -> None:
            both.wait()
            if name == "a":
                broken.set()
                raise KeyError
            assert broken.wait(10)

        scene.store.before_each("write", before)
        outcome = scene.apply(plan_of(scene.write("a", A="1"), scene.write("b", A="1")), workers=2)
        assert [result.state for result in outcome.results] == [State.FAILED, State.DONE]
        assert entries_of(scene.run)["b"].state == "done"


def test_a_stop_finishes_what_is_under_way_and_is_noted(scene: Scene) -> None:
    stop = threading.Event()
    scene.store.before = lambda _method, _name: stop.set()
    writes = [scene.write(f"n{number}", A="1") for number in range(50)]
    outcome = scene.apply(plan_of(*writes), workers=1, stop=stop)
    assert outcome.interrupted
    assert outcome.is_incomplete
    assert [result.state for result in outcome.results] == [State.DONE, *[State.PENDING] * 49]
    assert scene.run.ended == "interrupted"


def test_whoever_does_not_wait_for_that_leaves_no_half_item_either(scene: Scene) -> None:
    def impatient(_result: WriteResult) -> None:
        raise KeyboardInterrupt

    writes = [scene.write(f"n{number}", A="1") for number in range(50)]
    outcome = scene.apply(plan_of(*writes), workers=1, report=impatient)
    assert outcome.interrupted
    assert outcome.count(State.DONE) + outcome.count(State.PENDING) == 50
    assert set(scene.store.versions) == {result.name for result in outcome.results if result.state is State.DONE}
    assert scene.run.ended == "interrupted"


def test_what_an_interrupt_breaks_is_no_defect(scene: Scene) -> None:
    broken = RuntimeError("release unlocked lock")
    broken.__context__ = KeyboardInterrupt()

    def impatient(_result: WriteResult) -> None:
        raise broken

    outcome = scene.apply(plan_of(scene.write("a", A="1")), workers=1, report=impatient)
    assert (outcome.interrupted, outcome.defect) == (True, None)
    assert scene.run.ended == "interrupted"


def test_a_write_of_an_earlier_part_is_noted_as_the_runs(scene: Scene) -> None:
    write = scene.write("a", A="1")
    assert scene.apply(plan_of(write, stored={("azure", "a"): "v7"})).results
    lines = scene.journal.read_text("utf-8")
    assert '"after":"v7","adopted":true' in lines


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_as_many_secrets_are_written_at_once_as_there_are_workers_and_no_more(
    scene: Scene, workers: int | None
) -> None:
    expected = 16 if workers is None else workers
    writes = 2 * expected + 8
    lock, full, at_once = threading.Lock(), threading.Event(), list[int]()
    running = 0

    def before(_name: str) -> None:
        nonlocal running
        with lock:
            running += 1
            at_once.append(running)
            if running == expected:
                full.set()
        assert full.wait(10)
        # One more than there may be would come now.
        time.sleep(0.02)
        with lock:
            running -= 1

    scene.store.before_each("write", before)
    options: dict[str, Any] = {} if workers is None else {"workers": workers}
    outcome = scene.apply(plan_of(*(scene.write(f"n{n}", A="1") for n in range(writes))), **options)
    assert outcome.count(State.DONE) == writes
    assert max(at_once) == expected


def test_of_two_defects_the_first_is_told(scene: Scene) -> None:
    both, told = threading.Barrier(2, timeout=10), threading.Event()

    def before(name: str) -> None:
        both.wait()
        assert name == "a" or told.wait(10)
        raise KeyError(name)

    scene.store.before_each("write", before)
    outcome = scene.apply(
        plan_of(scene.write("a", A="1"), scene.write("b", A="1")),
        workers=2,
        report=lambda _result: told.set(),
    )
    assert isinstance(outcome.defect, KeyError)
    assert outcome.defect.args == ("a",)
    assert {(result.state, result.remedy) for result in outcome.results} == {
        (State.FAILED, "run the same command again: what is equal is kept")
    }


def test_a_defect_that_cannot_even_be_noted_is_told_all_the_same(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    defect = KeyError("x")
    scene.store.failures["write", "a"] = defect
    monkeypatch.setattr(RunLog, "record_result", full)
    outcome = scene.apply(plan_of(scene.write("a", A="1"), scene.write("b", A="1")), workers=1)
    assert (outcome.defect, [result.state for result in outcome.results]) == (defect, [State.FAILED, State.PENDING])
    # It was begun: what became of it is found out when the run goes on.
    assert entries_of(scene.run)["a"].maybe_stored


def test_a_write_that_was_stored_and_could_not_be_noted_stays_open(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunLog, "record_version", full)
    outcome = scene.apply(plan_of(scene.write("a", A="1")))
    assert (outcome.results[0].code, list(scene.store.versions)) == ("unrecorded", ["a"])
    entry = entries_of(scene.run)["a"]
    assert (entry.after, entry.maybe_stored) == (None, True)


@pytest.mark.parametrize(("room", "stored"), [(0, None), (1, "v1")])
def test_an_audit_file_that_is_full_stops_the_run_at_that_write(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, room: int, stored: str | None
) -> None:
    lines, write = list[bytes](), AuditLog._write

    def fill(log: AuditLog, data: bytes) -> None:
        if len(lines) == room:
            full()
        lines.append(data)
        write(log, data)

    with AuditLog(scene.root / "audit") as audit, monkeypatch.context() as patched:
        patched.setattr(AuditLog, "_write", fill)
        outcome = scene.apply(plan_of(scene.write("a", A="1"), scene.write("b", A="1")), audit, workers=1)
    assert [result.state for result in outcome.results] == [State.FAILED, State.PENDING]
    assert outcome.results[0].reason == "the audit file cannot be written: no space left on device"
    assert (entries_of(scene.run)["a"].after, list(scene.store.versions)) == (stored, ["a"] if stored else [])
    assert scene.run.ended == "incomplete"


def test_what_can_neither_be_announced_nor_noted_is_a_failure_and_no_defect(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunLog, "start", full)
    monkeypatch.setattr(RunLog, "record_result", full)
    outcome = scene.apply(plan_of(scene.write("a", A="1")))
    assert (outcome.results[0].code, outcome.defect, scene.store.calls) == ("unrecorded", None, [])


def test_every_result_is_reported_however_long_it_takes(scene: Scene) -> None:
    seen = list[WriteResult]()
    scene.store.before_each("write", lambda _name: time.sleep(0.1))
    writes = (scene.write(name, A="1") for name in ("a", "b", "c"))
    outcome = scene.apply(plan_of(*writes), workers=1, report=seen.append, stop=threading.Event())
    assert (outcome.run, tuple(seen)) == (RUN, outcome.results)
    # A stop that could come and did not is none.
    assert not outcome.interrupted


def test_a_write_of_an_earlier_part_that_cannot_be_noted_is_told_with_the_rest(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunLog, "record_found", full)
    outcome = scene.apply(plan_of(scene.write("b", A="1"), stored={("azure", "a"): "v1"}))
    assert outcome.unrecorded == f"the journal cannot be written: {os.strerror(errno.ENOSPC)}"
    assert ([result.state for result in outcome.results], outcome.is_incomplete) == ([State.DONE], True)
    assert scene.run.ended == "incomplete"
