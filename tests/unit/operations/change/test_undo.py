from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from compiler.operations.change.plan import Options, Outcome, Plan, Result, State
from compiler.operations.change.read_back import other_bytes
from compiler.operations.change.undo import UndoKind, apply_undo, plan_undo
from compiler.operations.runs.audit import AuditError, AuditLog
from compiler.operations.runs.entries import Entry, Run
from compiler.operations.runs.history import RunHistory
from compiler.operations.runs.journal import Journal
from compiler.operations.runs.notes import Notes
from compiler.stores.errors import (
    Action,
    ConflictError,
    DisabledError,
    ForbiddenCause,
    ForbiddenError,
    Place,
    StoreError,
    UnavailableError,
    VersionGoneError,
)
from compiler.stores.interface import Written
from tests.unit.operations.memory_store import MemoryStore

ID = "20250131-120000-4fa1c2"
PLACE = Place("https://memory", "a")


def run_of(**entries: Entry) -> Run:
    return Run(ID, Path("run"), "prod", "azure", "https://memory", {}, dict(entries), is_planned=True)


def updated(before: str = "v1", after: str | None = "v2", **rest: str) -> Entry:
    return Entry("update", before, recover=False, keys=("A",), before=before, after=after, undo=rest.get("undo"))


def created(*, recover: bool = False) -> Entry:
    return Entry("update" if recover else "create", None, recover=recover, keys=("A",), after="v1")


def kinds(run: Run, store: MemoryStore) -> list[UndoKind]:
    return [step.kind for step in plan_undo(run, store)]


def two_versions() -> MemoryStore:
    store = MemoryStore()
    store.seed("a", A="old")
    store.seed("a", A="new")
    return store


def undo(
    tmp_path: Path,
    run: Run,
    store: MemoryStore,
    audit: AuditLog | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    plan = Plan("prod", "azure", "https://memory", {}, Options(), (), ())
    path = tmp_path / ".platform-secrets/runs" / f"{ID}.jsonl"
    journal = Journal(path, new=False) if path.exists() else Journal.begin(tmp_path, ID, plan, {})
    try:
        return apply_undo(plan_undo(run, store), store, Notes(journal, "prod", audit, "tester"), stop)
    finally:
        journal.close()


def test_an_update_is_restored_and_a_create_or_recovery_deleted(tmp_path: Path) -> None:
    store = two_versions()
    store.seed("b", A="x")
    store.seed("c", A="x")
    run = run_of(a=updated(), b=created(), c=created(recover=True))
    assert kinds(run, store) == [UndoKind.RESTORE, UndoKind.DELETE, UndoKind.DELETE]
    with AuditLog(tmp_path / "audit") as audit:
        outcome = undo(tmp_path, run, store, audit)
    assert [(result.state, result.version) for result in outcome.results] == [
        (State.DONE, "v3"),
        (State.DONE, "v1"),
        (State.DONE, "v1"),
    ]
    assert store.shown("a") == {"A": "old"}
    assert store.deleted == {"b", "c"}
    assert audited(tmp_path) == [
        ("a", "restore", "writing", "v2", None),
        ("a", "restore", "written", "v2", "v3"),
        ("b", "delete", "writing", "v1", None),
        ("b", "delete", "written", "v1", "v1"),
        ("c", "delete", "writing", "v1", None),
        ("c", "delete", "written", "v1", "v1"),
    ]


def test_what_a_store_does_not_show_as_it_was_is_not_put_back(tmp_path: Path) -> None:
    store = two_versions()
    store.restore = lambda _earlier, _base: Written(store.seed("a", A="other"))  # type: ignore[assignment,method-assign]
    (result,) = undo(tmp_path, run_of(a=updated()), store).results
    assert (result.state, result.version) == (State.UNVERIFIED, "v3")
    assert result.reason == "reading version v3 back showed other bytes than were to be there"
    # A second undo does not take it for done.
    lines = map(json.loads, (tmp_path / ".platform-secrets/runs" / f"{ID}.jsonl").read_text("utf-8").splitlines())
    assert [line["state"] for line in lines if line["type"] == "undo"] == ["started", "done", "started"]
    (step,) = plan_undo(run_of(a=updated(undo="started")), store)
    assert step.kind is UndoKind.REFUSE


def test_what_a_store_says_is_not_as_it_was_is_told_and_not_done(tmp_path: Path) -> None:
    store = two_versions()
    store.failures["restore", "a"] = other_bytes(store, "a", "v3")
    with AuditLog(tmp_path / "audit") as audit:
        (result,) = undo(tmp_path, run_of(a=updated()), store, audit).results
    assert (result.state, result.version) == (State.UNVERIFIED, "v3")
    assert audited(tmp_path) == [("a", "restore", "writing", "v2", None), ("a", "restore", "written", "v2", "v3")]


def audited(tmp_path: Path) -> list[tuple[str, str, str, str | None, str | None]]:
    lines = map(json.loads, (tmp_path / "audit").read_text("utf-8").splitlines())
    return [(line["name"], line["action"], line["state"], line["before"], line["version"]) for line in lines]


@pytest.mark.parametrize(
    ("raised", "state"),
    [
        (ConflictError(PLACE, Action.WRITE, "r", "m", expected=None, found=None), "failed"),
        (ForbiddenError(PLACE, Action.WRITE, "r", "m", cause=ForbiddenCause.ROLE, permission="p"), "failed"),
        (UnavailableError(PLACE, Action.WRITE, "r", "m"), "unknown"),
    ],
)
@pytest.mark.parametrize("method", ["restore", "soft_delete"])
def test_what_was_not_put_back_has_no_line_that_says_so(
    tmp_path: Path, method: str, raised: StoreError, state: str
) -> None:
    store = two_versions()
    store.seed("b", A="x")

    def before(called: str, _name: str) -> None:
        if called == method:
            raise raised

    store.before = before
    with AuditLog(tmp_path / "audit") as audit:
        undo(tmp_path, run_of(a=updated(), b=created()), store, audit)
    name = "a" if method == "restore" else "b"
    assert [stage for of, _, stage, *_ in audited(tmp_path) if of == name] == ["writing", state]
    assert [stage for of, _, stage, *_ in audited(tmp_path) if of != name] == ["writing", "written"]


def test_the_line_before_an_undo_is_there_before_the_store_is_asked(tmp_path: Path) -> None:
    store, seen = two_versions(), list[int]()

    def before(method: str, _name: str) -> None:
        if method == "restore":
            seen.append(len(audited(tmp_path)))

    store.before = before
    with AuditLog(tmp_path / "audit") as audit:
        undo(tmp_path, run_of(a=updated()), store, audit)
    assert seen == [1]


def test_an_undo_that_cannot_be_announced_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise AuditError("the audit file cannot be written: full")

    store = two_versions()
    with AuditLog(tmp_path / "audit") as audit:
        monkeypatch.setattr(audit, "record", full)
        outcome = undo(tmp_path, run_of(a=updated()), store, audit)
    assert (outcome.results[0].code, len(store.versions["a"])) == ("unnoted", 2)


def test_a_defect_ends_an_undo_with_what_is_done_told(tmp_path: Path) -> None:
    store = two_versions()
    store.seed("b", A="x")
    store.seed("c", A="x")

    def before(method: str, name: str) -> None:
        if (method, name) == ("soft_delete", "b"):
            raise KeyError("s3ntinel")

    store.before = before
    outcome = undo(tmp_path, run_of(a=updated(), b=created(), c=created()), store)
    assert [result.state for result in outcome.results] == [State.DONE, State.FAILED, State.PENDING]
    assert isinstance(outcome.defect, KeyError)
    assert outcome.is_incomplete
    assert "s3ntinel" not in str(outcome.results)


def test_what_an_interrupt_breaks_is_no_defect(tmp_path: Path) -> None:
    broken = RuntimeError("release unlocked lock")
    broken.__context__ = KeyboardInterrupt()

    def before(method: str, _name: str) -> None:
        if method == "restore":
            raise broken

    store = two_versions()
    store.before = before
    with pytest.raises(RuntimeError):
        undo(tmp_path, run_of(a=updated()), store)


def test_a_run_that_wrote_nothing_has_nothing_to_undo() -> None:
    store = MemoryStore()
    assert plan_undo(run_of(a=updated(after=None)), store) == ()
    assert store.calls == []


def test_what_was_undone_before_is_done() -> None:
    store = two_versions()
    store.seed("b", A="x")
    store.deleted.add("b")
    run = run_of(a=updated(undo="done"), b=created(), c=created())
    assert kinds(run, store) == [UndoKind.DONE, UndoKind.DONE, UndoKind.DONE]


def test_an_undo_that_was_stopped_before_it_could_note_its_version_is_done() -> None:
    store = two_versions()
    store.seed("a", A="old")
    assert kinds(run_of(a=updated(undo="started")), store) == [UndoKind.DONE]
    assert kinds(run_of(a=updated()), store) == [UndoKind.REFUSE]
    store.seed("a", A="theirs")
    assert kinds(run_of(a=updated(undo="started")), store) == [UndoKind.REFUSE]


def test_a_stopped_undo_of_what_the_run_had_made_is_no_writer() -> None:
    store = two_versions()
    entry = created()
    entry.undo = "started"
    (step,) = plan_undo(run_of(a=entry), store)
    assert (step.kind, "somebody wrote since" in step.reason) == (UndoKind.REFUSE, True)


def test_the_same_goes_for_a_whole_value() -> None:
    store = MemoryStore()
    for value in ("old", "new", "old"):
        store.seed_whole("a", value)
    assert kinds(run_of(a=updated(undo="started")), store) == [UndoKind.DONE]


def test_runs_on_one_secret_are_undone_newest_first() -> None:
    store = two_versions()
    store.seed("a", A="newest")
    older, newer = run_of(a=updated()), run_of(a=updated("v2", "v3"))
    history = RunHistory(runs={("a", "v2"): "older", ("a", "v3"): "newer"})
    (step,) = plan_undo(older, store, history)
    assert (step.kind, step.remedy) == (UndoKind.REFUSE, "undo that run first, with --undo newer")
    assert step.reason == "version v3 stands there, and the run's is v2: the run newer wrote since"
    (step,) = plan_undo(newer, store, history)
    assert step.kind is UndoKind.RESTORE
    store.seed("a", A="new")
    # What the newer one's undo wrote is what the older one had written.
    history.again["a", "v4"] = "v2"
    (step,) = plan_undo(older, store, history)
    assert (step.kind, step.version) == (UndoKind.RESTORE, "v4")
    assert step.earlier is not None
    assert step.earlier.version == "v1"
    assert kinds(older, store) == [UndoKind.REFUSE]


def test_a_secret_that_a_run_made_and_a_newer_one_changed_is_deleted_when_both_are_undone() -> None:
    store = two_versions()
    store.seed("a", A="old")
    history = RunHistory(again={("a", "v3"): "v1"})
    (step,) = plan_undo(run_of(a=created()), store, history)
    assert (step.kind, step.version) == (UndoKind.DELETE, "v3")


def test_the_number_of_an_undos_version_proves_nothing_where_its_value_is_another() -> None:
    # A Vault counts from 1 again where somebody ended the secret for good.
    store = two_versions()
    store.seed("a", A="theirs")
    history = RunHistory(again={("a", "v3"): "v2"}, runs={("a", "v2"): "this"})
    (step,) = plan_undo(run_of(a=updated()), store, history)
    assert (step.kind, step.remedy) == (UndoKind.REFUSE, "decide by hand which one is right")
    assert "somebody wrote since" in step.reason
    del store.versions["a"][1]
    (step,) = plan_undo(run_of(a=updated()), store, history)
    assert (step.kind, step.current) == (UndoKind.REFUSE, None)
    assert step.reason == "version v3 cannot be compared with the run's, v2: it is evicted"


def test_another_writers_version_is_not_covered_again_by_way_of_a_newer_undo() -> None:
    store = two_versions()
    store.seed("a", A="new")
    entry = updated()
    entry.slipped = ("v0",)
    (step,) = plan_undo(run_of(a=entry), store, RunHistory(again={("a", "v3"): "v2"}))
    assert (step.kind, step.remedy) == (UndoKind.REFUSE, "put that version back by hand")


def test_an_undo_that_was_stopped_notes_its_version_when_it_is_run_again(tmp_path: Path) -> None:
    store = two_versions()
    store.seed("a", A="old")
    assert undo(tmp_path, run_of(a=updated(undo="started")), store).results[0].state is State.KEPT
    path = tmp_path / ".platform-secrets/runs" / f"{ID}.jsonl"
    line = json.loads(path.read_text("utf-8").splitlines()[-1])
    assert (line["type"], line["name"], line["state"], line["version"]) == ("undo", "a", "done", "v3")
    # What was noted is not noted again.
    lines = len(path.read_text("utf-8").splitlines())
    undo(tmp_path, run_of(a=updated(undo="done")), store)
    assert len(path.read_text("utf-8").splitlines()) == lines


def test_a_begun_write_over_what_an_undo_put_back_was_not_stored() -> None:
    store = two_versions()
    store.seed("a", A="old")
    assert plan_undo(run_of(a=begun("v1", "update")), store, RunHistory(again={("a", "v3"): "v1"})) == ()


def test_where_somebody_wrote_since_it_is_refused(tmp_path: Path) -> None:
    store = two_versions()
    store.seed("a", A="theirs")
    store.seed("b", A="x")
    store.seed("b", A="theirs")
    run = run_of(a=updated(), b=created())
    steps = plan_undo(run, store)
    assert [step.kind for step in steps] == [UndoKind.REFUSE, UndoKind.REFUSE]
    assert "version v3 stands there, and the run's is v2" in steps[0].reason
    outcome = undo(tmp_path, run, store)
    assert outcome.count(State.CONFLICT) == 2
    assert {method for method, _ in store.calls} == {"read"}


def test_an_earlier_version_that_is_gone_or_cannot_be_read_is_refused() -> None:
    store = two_versions()
    del store.versions["a"][0]
    (step,) = plan_undo(run_of(a=updated()), store)
    assert (step.kind, step.reason) == (UndoKind.REFUSE, "the value before the run cannot be read: it is evicted")

    def before(method: str, name: str) -> None:
        if method == "read_version":
            raise UnavailableError(store.place(name), Action.READ, "no answer", "wait")

    store.before = before
    (step,) = plan_undo(run_of(a=updated()), store)
    assert (step.kind, step.reason) == (UndoKind.REFUSE, "no answer")


def test_an_update_whose_secret_is_gone_is_refused() -> None:
    (step,) = plan_undo(run_of(a=updated()), MemoryStore())
    assert (step.kind, step.reason) == (UndoKind.REFUSE, "it is not there")


@pytest.mark.parametrize("failing", ["restore", "soft_delete"])
def test_a_failure_leaves_one_and_the_rest_goes_on(tmp_path: Path, failing: str) -> None:
    store = two_versions()
    store.seed("b", A="x")

    def before(method: str, name: str) -> None:
        if method == failing:
            raise UnavailableError(store.place(name), Action.WRITE, "no answer", "wait")

    store.before = before
    outcome = undo(tmp_path, run_of(a=updated(), b=created()), store)
    assert (outcome.count(State.FAILED), outcome.count(State.DONE)) == (1, 1)


def test_a_writer_after_the_plan_of_the_undo_is_a_conflict(tmp_path: Path) -> None:
    store = two_versions()

    def before(method: str, _name: str) -> None:
        if method == "restore":
            store.seed("a", A="theirs")

    store.before = before
    assert undo(tmp_path, run_of(a=updated()), store).results[0].state is State.CONFLICT
    assert store.shown("a") == {"A": "theirs"}


def test_a_stop_finishes_the_step_and_leaves_the_rest_for_later(tmp_path: Path) -> None:
    store, stop = two_versions(), threading.Event()
    store.seed("b", A="x")

    def before(method: str, _name: str) -> None:
        if method == "restore":
            stop.set()

    store.before = before
    outcome = undo(tmp_path, run_of(a=updated(), b=created()), store, stop=stop)
    assert outcome.interrupted
    assert [result.state for result in outcome.results] == [State.DONE, State.PENDING]
    assert store.deleted == set()


def test_what_cannot_be_noted_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "undo", full)
    store = two_versions()
    assert undo(tmp_path, run_of(a=updated()), store).results[0].state is State.FAILED
    assert len(store.versions["a"]) == 2


def begun(before: str | None, kind: str = "create") -> Entry:
    return Entry(kind, before, recover=False, keys=("A",), before=before, state="started", maybe_stored=True)


def test_while_it_is_open_what_the_run_stored_nothing_is_undone(tmp_path: Path) -> None:
    store = two_versions()
    store.seed("b", A="x")
    run = run_of(a=updated(), b=begun(None))
    steps = plan_undo(run, store)
    assert [step.kind for step in steps] == [UndoKind.REFUSE, UndoKind.REFUSE]
    assert "version v1 may be its own" in steps[1].reason
    assert all("run the same migration again" in step.remedy for step in steps)
    assert undo(tmp_path, run, store).count(State.CONFLICT) == 2
    assert {method for method, _ in store.calls} == {"read", "read_version"}


def test_what_cannot_be_settled_any_more_stops_nothing_else() -> None:
    store = two_versions()
    store.seed("b", A="x")
    run = run_of(a=updated(), b=begun(None))
    run.ended = "conflict"
    steps = plan_undo(run, store)
    assert [step.kind for step in steps] == [UndoKind.RESTORE, UndoKind.REFUSE]
    assert steps[1].remedy == "decide by hand whose it is"


def test_a_begun_write_that_the_store_does_not_show_needs_no_undo() -> None:
    store = two_versions()
    store.seed("c", A="x")
    store.deleted.add("c")
    run = run_of(a=begun("v2", "update"), b=begun(None), c=begun(None), d=updated(after=None))
    assert plan_undo(run, store) == ()


def test_a_begun_write_that_cannot_be_looked_at_is_refused() -> None:
    store = two_versions()

    def before(_method: str, name: str) -> None:
        raise DisabledError(store.place(name), Action.READ, "it is disabled", "enable it")

    store.before = before
    (step,) = plan_undo(run_of(a=begun(None)), store)
    assert (step.kind, step.reason, step.remedy) == (UndoKind.REFUSE, "it is disabled", "enable it")


@pytest.mark.parametrize("kind", ["create", "update"])
def test_where_another_writers_version_is_covered_neither_is_taken_away(kind: str) -> None:
    store = MemoryStore()
    for value in ("theirs", "ours"):
        store.seed("a", A=value)
    entry = Entry(kind, "v0", recover=False, keys=("A",), before="v0", after="v2", slipped=("v1",))
    (step,) = plan_undo(run_of(a=entry), store)
    assert step.kind is UndoKind.REFUSE
    assert "another writer's version v1 is covered by the run's, v2" in step.reason


Told = tuple[str, str, tuple[str, ...], str | None, str, str]
SETTLE = "run the same migration again, which finds out, and then undo it"


def told(run: Run, store: MemoryStore, history: RunHistory | None = None) -> list[Told]:
    """What each step of a plan says."""
    steps = plan_undo(run, store, history)
    return [(step.name, str(step.kind), step.keys, step.version, step.reason, step.remedy) for step in steps]


def test_a_plan_says_what_is_written_and_why_not() -> None:
    store = two_versions()
    for name in ("changed", "covered", "unread"):
        store.seed(name, A="old")
        store.seed(name, A="new")
    store.seed("changed", A="theirs")
    for name in ("made", "gone"):
        store.seed(name, A="x")
    store.deleted.add("gone")
    store.failures["read", "unread"] = DisabledError(store.place("unread"), Action.READ, "it is disabled", "enable it")
    covered = updated()
    covered.slipped = ("v0", "v0b")
    entries = {"a": updated(), "made": created(), "gone": created(), "again": updated(undo="done")}
    run = run_of(**entries, changed=updated(), covered=covered, unread=updated())
    somebody = "version v3 stands there, and the run's is v2: somebody wrote since"
    another = "another writer's version v0, v0b is covered by the run's, v2"
    assert told(run, store) == [
        ("a", "restore", ("A",), "v2", "", ""),
        ("made", "delete", ("A",), "v1", "", ""),
        ("gone", "done", ("A",), "v1", "it is deleted already", ""),
        ("again", "done", ("A",), "v2", "it was undone before", ""),
        ("changed", "refuse", ("A",), "v3", somebody, "decide by hand which one is right"),
        ("covered", "refuse", ("A",), "v2", another, "put that version back by hand"),
        ("unread", "refuse", ("A",), "v2", "it is disabled", "enable it"),
    ]


def test_a_plan_that_waits_says_for_what_and_holds_nothing_to_write() -> None:
    store = two_versions()
    store.seed("b", A="x")
    run = run_of(a=updated(), b=begun(None))
    waiting = "another write of the run is not settled yet"
    stopped = "the run was stopped while it wrote this: version v1 may be its own or another writer's"
    assert told(run, store) == [
        ("a", "refuse", ("A",), "v2", waiting, SETTLE),
        ("b", "refuse", ("A",), "v1", stopped, SETTLE),
    ]
    assert {(step.current, step.earlier) for step in plan_undo(run, store)} == {(None, None)}


@pytest.mark.parametrize(
    ("error", "reason", "remedy"),
    [
        (
            DisabledError(PLACE, Action.READ, "it is disabled", "enable it"),
            "the value before the run cannot be read: it is disabled",
            "restore it from a backup",
        ),
        (
            VersionGoneError(PLACE, Action.READ, "it is evicted", "use another", "v1"),
            "the value before the run cannot be read: it is evicted",
            "restore it from a backup",
        ),
        (UnavailableError(PLACE, Action.READ, "no answer", "wait"), "no answer", "wait"),
    ],
)
def test_a_value_before_the_run_that_cannot_be_read_is_told_with_the_way_out(
    error: StoreError, reason: str, remedy: str
) -> None:
    store = two_versions()
    store.failures["read_version", "a"] = error
    assert told(run_of(a=updated()), store) == [("a", "refuse", ("A",), "v2", reason, remedy)]


def test_what_a_newer_undo_wrote_and_cannot_be_compared_is_told_with_both_versions() -> None:
    store = two_versions()
    store.seed("a", A="theirs")
    history = RunHistory(again={("a", "v3"): "v2"})
    somebody = "version v3 stands there, and the run's is v2: somebody wrote since"
    remedy = "decide by hand which one is right"
    assert told(run_of(a=updated()), store, history) == [("a", "refuse", ("A",), "v3", somebody, remedy)]
    del store.versions["a"][1]
    unlike = "version v3 cannot be compared with the run's, v2: it is evicted"
    assert told(run_of(a=updated()), store, history) == [("a", "refuse", ("A",), "v3", unlike, remedy)]


def test_what_is_put_back_is_what_the_run_saw_last() -> None:
    store = MemoryStore()
    for value in ("planned", "seen", "ours"):
        store.seed("a", A=value)
    entry = Entry("update", "v1", recover=False, keys=("A",), before="v2", after="v3")
    (step,) = plan_undo(run_of(a=entry), store)
    assert step.earlier is not None
    assert step.earlier.version == "v2"
    entry.before = None
    (step,) = plan_undo(run_of(a=entry), store)
    assert step.earlier is not None
    assert step.earlier.version == "v1"


@pytest.mark.parametrize(("planned", "before"), [("v1", "v2"), ("v2", "v1"), ("v2", None)])
def test_a_begun_write_is_not_stored_where_either_version_before_it_stands(planned: str, before: str | None) -> None:
    entry = Entry("update", planned, recover=False, keys=("A",), before=before, state="started", maybe_stored=True)
    assert plan_undo(run_of(a=entry), two_versions()) == ()


@pytest.mark.parametrize("other", [None, "theirs"])
def test_a_whole_value_is_taken_for_the_runs_own_only_where_it_is_the_same(other: str | None) -> None:
    # An undo of the run is noted as begun; what stands there now is of another shape or another value.
    store = MemoryStore()
    for value in ("old", "new"):
        store.seed_whole("a", value)
    if other is None:
        store.seed("a", A="old")
    else:
        store.seed_whole("a", other)
    assert kinds(run_of(a=updated(undo="started")), store) == [UndoKind.REFUSE]


def test_properties_are_taken_for_the_runs_own_only_where_there_are_no_others() -> None:
    for values in ({"A": "old", "B": "more"}, {"B": "old"}, {}):
        store = two_versions()
        store.seed("a", **values)
        assert kinds(run_of(a=updated(undo="started")), store) == [UndoKind.REFUSE]
    store = two_versions()
    store.seed_whole("a", "old")
    assert kinds(run_of(a=updated(undo="started")), store) == [UndoKind.REFUSE]


def test_the_journal_tells_what_was_undone_and_by_which_version(tmp_path: Path) -> None:
    store = two_versions()
    store.seed("b", A="x")
    undo(tmp_path, run_of(a=updated(), b=created()), store)
    text = (tmp_path / ".platform-secrets/runs" / f"{ID}.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["name"], line["state"], line["version"]) for line in lines if line["type"] == "undo"] == [
        ("a", "started", None),
        ("a", "done", "v3"),
        ("b", "started", None),
        ("b", "done", None),
    ]


def test_each_result_says_why(tmp_path: Path) -> None:
    store = two_versions()
    store.seed("a", A="theirs")
    store.seed("b", A="x")
    store.failures["soft_delete", "b"] = UnavailableError(store.place("b"), Action.DELETE, "no answer", "wait")
    reason = "version v3 stands there, and the run's is v2: somebody wrote since"
    remedy = "decide by hand which one is right"
    assert undo(tmp_path, run_of(a=updated(), b=created()), store).results == (
        Result("a", State.CONFLICT, "v3", (), "refused", reason, remedy),
        Result("b", State.FAILED, None, (), "unavailable", "no answer", "wait"),
    )


def test_while_something_is_open_what_the_run_made_stays_too() -> None:
    store = MemoryStore()
    store.seed("a", A="x")
    store.seed("b", A="x")
    waiting = "another write of the run is not settled yet"
    assert told(run_of(a=created(), b=begun(None)), store)[0] == ("a", "refuse", ("A",), "v1", waiting, SETTLE)


def test_a_begun_write_that_cannot_be_looked_at_is_told_by_its_name() -> None:
    store = two_versions()
    store.failures["read", "a"] = DisabledError(store.place("a"), Action.READ, "it is disabled", "enable it")
    assert told(run_of(a=begun(None)), store) == [("a", "refuse", ("A",), None, "it is disabled", "enable it")]


def test_each_result_is_reported_and_a_stop_that_nobody_gave_is_none(tmp_path: Path) -> None:
    store, seen = two_versions(), list[Result]()
    store.seed("b", A="x")
    plan = Plan("prod", "azure", "https://memory", {}, Options(), (), ())
    journal = Journal.begin(tmp_path, ID, plan, {})
    steps = plan_undo(run_of(a=updated(), b=created()), store)
    outcome = apply_undo(steps, store, Notes(journal, "prod"), threading.Event(), seen.append)
    journal.close()
    assert tuple(seen) == outcome.results
    assert [result.state for result in seen] == [State.DONE, State.DONE]
    assert not outcome.interrupted
