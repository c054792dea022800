from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from compiler.model.store_address import Provider, StoreAddress
from compiler.operations.change.apply import apply_plan
from compiler.operations.change.plan import Adopted, Kind, Options, Outcome, Plan, Result, State, Step, Write
from compiler.operations.change.read_back import other_bytes
from compiler.operations.change.undo import plan_undo, undo_command
from compiler.operations.change.version_loss import LossKind
from compiler.operations.runs.audit import AuditError, AuditLog
from compiler.operations.runs.entries import NotedKey, Run, RunEntry
from compiler.operations.runs.history import RunHistory, WritingRun
from compiler.operations.runs.journal import Journal, find_run
from compiler.operations.runs.run_log import UndoLog
from compiler.stores.errors import (
    Action,
    ConflictError,
    DisabledError,
    ForbiddenCause,
    ForbiddenError,
    StoreError,
    StoreLocation,
    UnavailableError,
    VersionGoneError,
)
from compiler.stores.interface import Dropped, Written
from tests.unit.operations.changes import plan_of
from tests.unit.operations.memory_store import MemoryStore

ID = "20250131-120000-4fa1c2"
PLACE = StoreLocation("https://memory", "a")
MEMORY = "https://memory"
KEYS = (NotedKey("jira", "KEY", "A"),)
OLDER, NEWER = WritingRun("older", "migrate"), WritingRun("newer", "put")


def run_of(**entries: RunEntry) -> Run:
    noted = {("azure", name): entry for name, entry in entries.items()}
    return Run(ID, Path("run"), "migrate", "prod", {"azure": MEMORY}, {}, noted, is_planned=True)


def updated(before: str = "v1", after: str | None = "v2", **rest: str) -> RunEntry:
    return RunEntry(Kind.UPDATE, before, recover=False, keys=KEYS, before=before, after=after, undo=rest.get("undo"))


def created(*, recover: bool = False) -> RunEntry:
    return RunEntry(Kind.RECOVER if recover else Kind.CREATE, None, recover=recover, keys=KEYS, after="v1")


def plan_for(run: Run, store: MemoryStore, history: RunHistory | None = None) -> Plan:
    return plan_undo(run, {"azure": store}, history)


def only(run: Run, store: MemoryStore, history: RunHistory | None = None) -> tuple[Step, Write | None]:
    """The only step of an undo and the write that it comes to, if any."""
    found = plan_for(run, store, history)
    (step,), write = found.steps, next(iter(found.writes), None)
    return step, write


def kinds(run: Run, store: MemoryStore) -> list[Kind]:
    return [step.kind for step in plan_for(run, store).steps]


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
    journal = journal_of(tmp_path, run)
    notes = UndoLog(journal, "prod", audit, {"azure": "tester"})
    try:
        return apply_plan(plan_for(run, store), {"azure": store}, notes, continue_on_error=True, workers=1, stop=stop)
    finally:
        journal.close()


def journal_of(tmp_path: Path, run: Run) -> Journal:
    """The journal of the run, begun with what it planned."""
    path = tmp_path / ".platform-secrets/runs" / f"{ID}.jsonl"
    if path.exists():
        return Journal(path, new=False)
    return Journal.begin(tmp_path, ID, plan_of(*(Write(*target, (), {}) for target in run.entries)), {})


def undos(tmp_path: Path) -> list[dict[str, str | None]]:
    """What the journal says of undoing, line by line."""
    lines = (tmp_path / ".platform-secrets/runs" / f"{ID}.jsonl").read_text("utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["type"] == "undo"]


def test_an_update_is_restored_and_a_create_or_recovery_deleted(tmp_path: Path) -> None:
    store = two_versions()
    store.seed("b", A="x")
    store.seed("c", A="x")
    run = run_of(a=updated(), b=created(), c=created(recover=True))
    assert kinds(run, store) == [Kind.UPDATE, Kind.DELETE, Kind.DELETE]
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
    assert result.reason == "version v3 reads back with a different value than was written"
    # A second undo does not take it for done.
    assert [line["state"] for line in undos(tmp_path)] == ["started", "done", "started"]
    step, _write = only(run_of(a=updated(undo="started")), store)
    assert step.kind is Kind.REFUSE


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


def test_a_run_that_wrote_nothing_has_nothing_to_undo() -> None:
    store = MemoryStore()
    assert plan_for(run_of(a=updated(after=None)), store).steps == ()
    assert store.calls == []


def test_what_was_undone_before_is_done() -> None:
    store = two_versions()
    store.seed("b", A="x")
    store.deleted.add("b")
    run = run_of(a=updated(undo="done"), b=created(), c=created())
    assert kinds(run, store) == [Kind.KEEP, Kind.KEEP, Kind.KEEP]


def test_an_undo_that_was_stopped_before_it_could_note_its_version_is_done() -> None:
    store = two_versions()
    store.seed("a", A="old")
    stopped = plan_for(run_of(a=updated(undo="started")), store)
    assert [(step.kind, step.reason) for step in stopped.steps] == [(Kind.KEEP, "it is already undone")]
    # Its version is noted now, for the undo of an older run.
    assert stopped.adopted == (Adopted("azure", "a", "v3", ("A",), "restore", "v2"),)
    assert kinds(run_of(a=updated()), store) == [Kind.REFUSE]
    store.seed("a", A="theirs")
    assert kinds(run_of(a=updated(undo="started")), store) == [Kind.REFUSE]


def test_a_stopped_undo_of_what_the_run_had_made_is_no_writer() -> None:
    store = two_versions()
    entry = created()
    entry.undo = "started"
    step, _write = only(run_of(a=entry), store)
    assert (step.kind, "another writer changed it since" in step.reason) == (Kind.REFUSE, True)


def test_the_same_goes_for_a_whole_value() -> None:
    store = MemoryStore()
    for value in ("old", "new", "old"):
        store.seed_whole("a", value)
    assert kinds(run_of(a=updated(undo="started")), store) == [Kind.KEEP]


def test_runs_on_one_secret_are_undone_newest_first() -> None:
    store = two_versions()
    store.seed("a", A="newest")
    older, newer = run_of(a=updated()), run_of(a=updated("v2", "v3"))
    history = RunHistory(runs={(MEMORY, "a", "v2"): OLDER, (MEMORY, "a", "v3"): NEWER})
    step, write = only(older, store, history)
    # The newer one may be another command's: its own line undoes it.
    assert (step.kind, write) == (Kind.REFUSE, None)
    assert step.remedy == f"undo that run first: {undo_command('put', 'prod', 'newer')}"
    assert step.reason == "the current version is v3, the run wrote version v2: the run newer wrote it since"
    step, write = only(newer, store, history)
    assert step.kind is Kind.UPDATE
    store.seed("a", A="new")
    # What the newer one's undo wrote is what the older one had written.
    history.again[MEMORY, "a", "v4"] = "v2"
    step, write = only(older, store, history)
    assert write is not None
    assert (step.kind, write.before) == (Kind.UPDATE, "v4")
    assert write.earlier is not None
    assert write.earlier.version == "v1"
    assert kinds(older, store) == [Kind.REFUSE]


def test_a_secret_that_a_run_made_and_a_newer_one_changed_is_deleted_when_both_are_undone() -> None:
    store = two_versions()
    store.seed("a", A="old")
    step, write = only(run_of(a=created()), store, RunHistory(again={(MEMORY, "a", "v3"): "v1"}))
    assert write is not None
    assert (step.kind, write.kind, write.before) == (Kind.DELETE, Kind.DELETE, "v3")


def test_the_number_of_an_undos_version_proves_nothing_where_its_value_is_another() -> None:
    # A Vault counts from 1 again where somebody ended the secret for good.
    store = two_versions()
    store.seed("a", A="theirs")
    history = RunHistory(again={(MEMORY, "a", "v3"): "v2"}, runs={(MEMORY, "a", "v2"): OLDER})
    step, write = only(run_of(a=updated()), store, history)
    assert (step.kind, step.remedy) == (Kind.REFUSE, "compare the versions and keep the right one by hand")
    assert "another writer changed it since" in step.reason
    del store.versions["a"][1]
    step, write = only(run_of(a=updated()), store, history)
    assert (step.kind, write) == (Kind.REFUSE, None)
    assert step.reason == "version v3 cannot be compared with the run's version v2: it is evicted"


def test_another_writers_version_is_not_covered_again_by_way_of_a_newer_undo() -> None:
    store = two_versions()
    store.seed("a", A="new")
    entry = updated()
    entry.slipped = ("v0",)
    step, _write = only(run_of(a=entry), store, RunHistory(again={(MEMORY, "a", "v3"): "v2"}))
    assert (step.kind, step.remedy) == (Kind.REFUSE, "restore that version by hand")


def test_an_undo_that_was_stopped_notes_its_version_when_it_is_run_again(tmp_path: Path) -> None:
    store = two_versions()
    store.seed("a", A="old")
    outcome = undo(tmp_path, run_of(a=updated(undo="started")), store)
    assert (outcome.results, len(store.versions["a"])) == ((), 3)
    (line,) = undos(tmp_path)
    assert (line["name"], line["state"], line["version"]) == ("a", "done", "v3")
    # What was noted is not noted again.
    undo(tmp_path, run_of(a=updated(undo="done")), store)
    assert len(undos(tmp_path)) == 1


def test_a_begun_write_over_what_an_undo_put_back_was_not_stored() -> None:
    store = two_versions()
    store.seed("a", A="old")
    assert plan_for(run_of(a=begun("v1", "update")), store, RunHistory(again={(MEMORY, "a", "v3"): "v1"})).steps == ()


def test_where_somebody_wrote_since_it_is_refused(tmp_path: Path) -> None:
    store = two_versions()
    store.seed("a", A="theirs")
    store.seed("b", A="x")
    store.seed("b", A="theirs")
    run = run_of(a=updated(), b=created())
    plan = plan_for(run, store)
    assert [step.kind for step in plan.steps] == [Kind.REFUSE, Kind.REFUSE]
    assert "the current version is v3, the run wrote version v2" in plan.steps[0].reason
    assert (plan.writes, plan.is_clean) == ((), False)
    assert undo(tmp_path, run, store).results == ()
    assert {method for method, _ in store.calls} == {"read"}


def test_an_earlier_version_that_is_gone_or_cannot_be_read_is_refused() -> None:
    store = two_versions()
    del store.versions["a"][0]
    step, _ = only(run_of(a=updated()), store)
    assert (step.kind, step.reason) == (
        Kind.REFUSE,
        "the value before the run, version v1, cannot be read: it is evicted",
    )

    def before(method: str, name: str) -> None:
        if method == "read_version":
            raise UnavailableError(store.place(name), Action.READ, "no answer", "wait")

    store.before = before
    step, _write = only(run_of(a=updated()), store)
    assert (step.kind, step.reason) == (Kind.REFUSE, "no answer")


def test_an_update_whose_secret_is_gone_is_refused() -> None:
    step, _write = only(run_of(a=updated()), MemoryStore())
    assert (step.kind, step.reason) == (Kind.REFUSE, "it is not there")


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


def begun(before: str | None, kind: str = "create") -> RunEntry:
    return RunEntry(Kind(kind), before, recover=False, keys=KEYS, before=before, state="started", maybe_stored=True)


def test_while_it_is_open_what_the_run_stored_nothing_is_undone(tmp_path: Path) -> None:
    store = two_versions()
    store.seed("b", A="x")
    run = run_of(a=updated(), b=begun(None))
    steps = plan_for(run, store).steps
    assert [step.kind for step in steps] == [Kind.REFUSE, Kind.REFUSE]
    assert "version v1 may be the run's" in steps[1].reason
    assert all("run the same migrate again" in step.remedy for step in steps)
    assert undo(tmp_path, run, store).results == ()
    assert {method for method, _ in store.calls} == {"read", "read_version"}


def test_what_cannot_be_settled_any_more_stops_nothing_else() -> None:
    store = two_versions()
    store.seed("b", A="x")
    run = run_of(a=updated(), b=begun(None))
    run.ended = "conflict"
    steps = plan_for(run, store).steps
    assert [step.kind for step in steps] == [Kind.UPDATE, Kind.REFUSE]
    assert steps[1].remedy == "compare the versions by hand"


def test_a_begun_write_that_the_store_does_not_show_needs_no_undo() -> None:
    store = two_versions()
    store.seed("c", A="x")
    store.deleted.add("c")
    run = run_of(a=begun("v2", "update"), b=begun(None), c=begun(None), d=updated(after=None))
    assert plan_for(run, store).steps == ()


def test_a_begun_write_that_cannot_be_looked_at_is_refused() -> None:
    store = two_versions()

    def before(_method: str, name: str) -> None:
        raise DisabledError(store.place(name), Action.READ, "it is disabled", "enable it")

    store.before = before
    step, _write = only(run_of(a=begun(None)), store)
    assert (step.kind, step.reason, step.remedy) == (Kind.REFUSE, "it is disabled", "enable it")


@pytest.mark.parametrize("kind", ["create", "update"])
def test_where_another_writers_version_is_covered_neither_is_taken_away(kind: str) -> None:
    store = MemoryStore()
    for value in ("theirs", "ours"):
        store.seed("a", A=value)
    entry = RunEntry(Kind(kind), "v0", recover=False, keys=KEYS, before="v0", after="v2", slipped=("v1",))
    step, _write = only(run_of(a=entry), store)
    assert step.kind is Kind.REFUSE
    assert "the run's version v2 replaced another writer's version v1" in step.reason


Told = tuple[str, str, str, str, str]
SETTLE = "run the same migrate again to settle that, then undo it"


def told(run: Run, store: MemoryStore, history: RunHistory | None = None) -> list[Told]:
    """What each step of a plan says."""
    return [
        (step.destination.name, step.key, str(step.kind), step.reason, step.remedy)
        for step in plan_for(run, store, history).steps
        if step.destination is not None
    ]


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
    somebody = "the current version is v3, the run wrote version v2: another writer changed it since"
    another = "the run's version v2 replaced another writer's version v0, v0b"
    assert told(run, store) == [
        ("a", "KEY", "update", "version v1 is restored", ""),
        ("made", "KEY", "delete", "the run created it", ""),
        ("gone", "KEY", "keep", "it is already deleted", ""),
        ("again", "KEY", "keep", "it is already undone", ""),
        ("changed", "KEY", "refuse", somebody, "compare the versions and keep the right one by hand"),
        ("covered", "KEY", "refuse", another, "restore that version by hand"),
        ("unread", "KEY", "refuse", "it is disabled", "enable it"),
    ]
    assert [(write.target, write.kind, write.before) for write in plan_for(run, store).writes] == [
        (("azure", "a"), Kind.UPDATE, "v2"),
        (("azure", "made"), Kind.DELETE, "v1"),
    ]


def test_a_plan_is_of_the_run_that_it_undoes_and_of_no_options() -> None:
    plan = plan_for(run_of(a=updated()), two_versions())
    assert (plan.command, plan.environment, plan.destinations) == ("migrate", "prod", {"azure": MEMORY})
    assert (plan.sources, plan.options) == ({}, Options())


def test_a_plan_that_waits_says_for_what_and_holds_nothing_to_write() -> None:
    store = two_versions()
    store.seed("b", A="x")
    run = run_of(a=updated(), b=begun(None))
    waiting = "the outcome of another of its writes is unknown"
    stopped = "the run was stopped while it wrote this: version v1 may be the run's or another writer's"
    assert told(run, store) == [
        ("a", "KEY", "refuse", waiting, SETTLE),
        ("b", "KEY", "refuse", stopped, SETTLE),
    ]
    assert plan_for(run, store).writes == ()


@pytest.mark.parametrize(
    ("error", "reason", "remedy"),
    [
        (
            DisabledError(PLACE, Action.READ, "it is disabled", "enable it"),
            "the value before the run, version v1, cannot be read: it is disabled",
            "restore it from a backup",
        ),
        (
            VersionGoneError(PLACE, Action.READ, "it is evicted", "use another", "v1"),
            "the value before the run, version v1, cannot be read: it is evicted",
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
    assert told(run_of(a=updated()), store) == [("a", "KEY", "refuse", reason, remedy)]


def test_what_a_newer_undo_wrote_and_cannot_be_compared_is_told_with_both_versions() -> None:
    store = two_versions()
    store.seed("a", A="theirs")
    history = RunHistory(again={(MEMORY, "a", "v3"): "v2"})
    somebody = "the current version is v3, the run wrote version v2: another writer changed it since"
    remedy = "compare the versions and keep the right one by hand"
    assert told(run_of(a=updated()), store, history) == [("a", "KEY", "refuse", somebody, remedy)]
    del store.versions["a"][1]
    unlike = "version v3 cannot be compared with the run's version v2: it is evicted"
    assert told(run_of(a=updated()), store, history) == [("a", "KEY", "refuse", unlike, remedy)]


def test_what_is_put_back_is_what_the_run_saw_last() -> None:
    store = MemoryStore()
    for value in ("planned", "seen", "ours"):
        store.seed("a", A=value)
    entry = RunEntry(Kind.UPDATE, "v1", recover=False, keys=KEYS, before="v2", after="v3")
    for before, expected in (("v2", "v2"), (None, "v1")):
        entry.before = before
        _, write = only(run_of(a=entry), store)
        assert write is not None
        assert write.earlier is not None
        assert write.earlier.version == expected


@pytest.mark.parametrize(("planned", "before"), [("v1", "v2"), ("v2", "v1"), ("v2", None)])
def test_a_begun_write_is_not_stored_where_either_version_before_it_stands(planned: str, before: str | None) -> None:
    entry = RunEntry(Kind.UPDATE, planned, recover=False, keys=KEYS, before=before, state="started", maybe_stored=True)
    assert plan_for(run_of(a=entry), two_versions()).steps == ()


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
    assert kinds(run_of(a=updated(undo="started")), store) == [Kind.REFUSE]


def test_properties_are_taken_for_the_runs_own_only_where_there_are_no_others() -> None:
    for values in ({"A": "old", "B": "more"}, {"B": "old"}, {}):
        store = two_versions()
        store.seed("a", **values)
        assert kinds(run_of(a=updated(undo="started")), store) == [Kind.REFUSE]
    store = two_versions()
    store.seed_whole("a", "old")
    assert kinds(run_of(a=updated(undo="started")), store) == [Kind.REFUSE]


def test_the_journal_tells_what_was_undone_and_by_which_version(tmp_path: Path) -> None:
    store = two_versions()
    store.seed("b", A="x")
    undo(tmp_path, run_of(a=updated(), b=created()), store)
    assert [(line["name"], line["state"], line["version"]) for line in undos(tmp_path)] == [
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
    outcome = undo(tmp_path, run_of(a=updated(), b=created()), store)
    assert outcome.results == (Result("azure", "b", State.FAILED, None, (), "unavailable", "no answer", "wait"),)
    assert outcome.is_incomplete


def test_while_something_is_open_what_the_run_made_stays_too() -> None:
    store = MemoryStore()
    store.seed("a", A="x")
    store.seed("b", A="x")
    waiting = "the outcome of another of its writes is unknown"
    assert told(run_of(a=created(), b=begun(None)), store)[0] == ("a", "KEY", "refuse", waiting, SETTLE)


def test_a_begun_write_that_cannot_be_looked_at_is_told_by_its_name() -> None:
    store = two_versions()
    store.failures["read", "a"] = DisabledError(store.place("a"), Action.READ, "it is disabled", "enable it")
    assert told(run_of(a=begun(None)), store) == [("a", "KEY", "refuse", "it is disabled", "enable it")]


def test_every_key_of_a_run_is_a_step_and_every_remote_secret_one_write() -> None:
    store, entry = two_versions(), updated()
    entry.keys = (NotedKey("jira", "KEY", "A"), NotedKey("slack", "OTHER", "B"), NotedKey("gitlab", "PEM", None))
    found = plan_for(run_of(a=entry), store)
    assert [(step.secret, step.key, str(step.destination)) for step in found.steps] == [
        ("jira", "KEY", "azure:a#A"),
        ("slack", "OTHER", "azure:a#B"),
        ("gitlab", "PEM", "azure:a"),
    ]
    assert [write.steps for write in found.writes] == [found.steps]


def test_a_run_over_two_stores_is_undone_in_each(tmp_path: Path) -> None:
    one, two = two_versions(), MemoryStore("https://two")
    two.seed("a", A="new")
    run = run_of(a=updated())
    run.entries["vault", "a"] = created()
    run.destinations = {"azure": MEMORY, "vault": "https://two"}
    stores = {"azure": one, "vault": two}
    # A version of the one says nothing of the other's, whatever its number.
    history = RunHistory(runs={("https://two", "a", "v2"): NEWER}, again={("https://two", "a", "v2"): "v9"})
    plan = plan_undo(run, stores, history)
    assert [(write.target, write.kind) for write in plan.writes] == [
        (("azure", "a"), Kind.UPDATE),
        (("vault", "a"), Kind.DELETE),
    ]
    journal = journal_of(tmp_path, run)
    outcome = apply_plan(plan, stores, UndoLog(journal, "prod"), continue_on_error=True)
    journal.close()
    assert [(result.store, result.state) for result in outcome.results] == [
        ("azure", State.DONE),
        ("vault", State.DONE),
    ]
    assert (one.shown("a"), one.deleted, two.deleted) == ({"A": "old"}, set(), {"a"})
    assert [entry.undo for entry in find_run(tmp_path, ID).entries.values()] == ["done", "done"]


def test_a_store_that_lies_about_a_deletion_is_found_and_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    store.seed("a", A="x")
    with monkeypatch.context() as lying:
        lying.setattr(store, "soft_delete", lambda _name, _version: None)
        (result,) = undo(tmp_path, run_of(a=created()), store).results
    assert (result.state, result.version) == (State.UNVERIFIED, "v1")
    assert [line["state"] for line in undos(tmp_path)] == ["started", "done", "started"]
    entry = created()
    entry.undo = "started"
    (result,) = undo(tmp_path, run_of(a=entry), store).results
    assert (result.state, store.deleted) == (State.DONE, {"a"})


@pytest.mark.parametrize(("entry", "method"), [(updated(), "read"), (created(), "describe")])
def test_what_was_put_back_and_cannot_be_looked_at_is_compared_by_the_next_undo(
    tmp_path: Path, entry: RunEntry, method: str
) -> None:
    store = two_versions() if method == "read" else MemoryStore()
    if method == "describe":
        store.seed("a", A="x")
    plan, journal = plan_for(run_of(a=entry), store), journal_of(tmp_path, run_of(a=entry))
    store.failures[method, "a"] = UnavailableError(PLACE, Action.READ, "no answer", "wait")
    outcome = apply_plan(plan, {"azure": store}, UndoLog(journal, "prod"), continue_on_error=True)
    journal.close()
    assert [result.state for result in outcome.results] == [State.FAILED]
    # An undo that is noted as done would be taken for that unseen.
    assert find_run(tmp_path, ID).entries["azure", "a"].undo == "started"


def test_an_undo_costs_versions_where_it_writes_one() -> None:
    store = MemoryStore(StoreAddress(Provider.VAULT, "https://vault", mount="kv"))
    for name in ("a", "c"):
        store.seed(name, A="old")
        store.seed(name, A="new")
    store.seed("b", A="x")
    store.seed("c", A="theirs")
    store.drops = dict.fromkeys("abc", Dropped(("1",), 10))
    run = run_of(a=updated(), b=created(), c=updated())
    assert kinds(run, store) == [Kind.UPDATE, Kind.DELETE, Kind.REFUSE]
    assert [(loss.store, loss.name) for loss in plan_for(run, store).losses] == [("azure", "a")]
    store.drops = {"a": Dropped(("v1", "v2"), 10)}
    # The version that the undo replaces is among those that its write drops.
    assert [loss.kind for loss in plan_for(run_of(a=updated()), store).losses] == [LossKind.WAY_BACK]


def test_what_a_run_owes_the_audit_file_is_told_before_a_part_of_it_is_undone(tmp_path: Path) -> None:
    store, entry = two_versions(), updated()
    entry.owes = True
    with AuditLog(tmp_path / "audit") as audit:
        undo(tmp_path, run_of(a=entry), store, audit)
    assert audited(tmp_path) == [
        ("a", "update", "written", "v1", "v2"),
        ("a", "restore", "writing", "v2", None),
        ("a", "restore", "written", "v2", "v3"),
    ]


def test_a_command_line_that_undoes_names_the_command_the_environment_and_the_run() -> None:
    assert undo_command("restore", "prod", ID) == f"platform-secrets restore prod --undo {ID}"


@pytest.mark.parametrize(("undo_", "is_stored"), [("done", True), ("started", True), ("started", False)])
def test_what_an_earlier_undo_owes_the_audit_file_is_told_once_there_is_one(
    tmp_path: Path,
    undo_: str,
    is_stored: bool,  # noqa: FBT001
) -> None:
    store, entry = two_versions(), updated(undo=undo_)
    if is_stored:
        store.seed("a", A="old")
    entry.undo_owes, entry.undo_before, entry.undone_as = True, "v2", "v3" if undo_ == "done" else None
    with AuditLog(tmp_path / "audit") as audit:
        undo(tmp_path, run_of(a=entry), store, audit)
    announced = [] if is_stored else [("a", "restore", "writing", "v2", None)]
    assert audited(tmp_path) == [*announced, ("a", "restore", "written", "v2", "v3")]
    assert len(store.versions["a"]) == 3


def test_an_undo_that_was_stopped_is_refused_where_the_value_before_the_run_is_gone() -> None:
    store = two_versions()
    store.seed("a", A="old")
    del store.versions["a"][0]
    step, _ = only(run_of(a=updated(undo="started")), store)
    assert (step.kind, step.remedy) == (Kind.REFUSE, "restore it from a backup")
