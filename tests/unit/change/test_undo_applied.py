import json
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from compiler.change.apply import apply_plan, carry_out
from compiler.change.journal import Run, find_run, runs
from compiler.change.plan import End, Kind, OnConflict, Options, Outcome, State
from compiler.change.run_files import run_lock
from compiler.change.run_log import AuditError, AuditLog, UndoLog
from compiler.change.undo import undo_run
from compiler.model.environment import Environment
from compiler.model.store import Place
from compiler.operations.migrate import migration
from compiler.refusal import Refusal
from compiler.stores.errors import Action, Code, ConflictError, ForbiddenError, StoreError
from compiler.stores.interface import Written
from tests.memory_store import MemoryStore
from tests.unit.change.undoing import (
    ID,
    PLACE,
    Past,
    created,
    kinds,
    only,
    plan_for,
    run_of,
    two_versions,
    updated,
)
from tests.unit.changes import Listening
from tests.unit.conftest import Stores

# An undo that is applied: what comes into the stores, the journal and the audit file.


def undo(run: Run, store: MemoryStore, audit: AuditLog | None = None, stop: threading.Event | None = None) -> Outcome:
    """Undoes a run whose journal is still there."""
    with closing(UndoLog(run, audit, {"azure": "tester"})) as run_log:
        return apply_plan(plan_for(run, store), run_log, continue_on_error=True, workers=1, stop=stop)


def undos(tmp_path: Path) -> list[dict[str, str | None]]:
    """What the journal says of undoing, line by line."""
    lines = (tmp_path / ".platform-secrets/runs" / f"{ID}.jsonl").read_text("utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["type"] == "undo"]


def test_an_update_is_restored_and_a_create_or_recovery_deleted(tmp_path: Path) -> None:
    store = two_versions()
    store.seed("b", A="x")
    store.seed("c", A="x")
    run = run_of(tmp_path, a=updated(), b=created(), c=created(recover=True))
    assert kinds(run, store) == [Kind.UPDATE, Kind.DELETE, Kind.DELETE]
    with AuditLog(tmp_path / "audit") as audit:
        outcome = undo(run, store, audit)
    assert [(result.state, result.version) for result in outcome.results] == [
        (State.DONE, "v3"),
        (State.DONE, "v1"),
        (State.DONE, "v1"),
    ]
    assert store.shown("a") == {"A": "old"}
    assert store.deleted == {"b", "c"}
    assert [(line["name"], line["state"], line["version"]) for line in undos(tmp_path)] == [
        ("a", "started", None),
        ("a", "done", "v3"),
        ("b", "started", None),
        ("b", "done", None),
        ("c", "started", None),
        ("c", "done", None),
    ]
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
    (result,) = undo(run_of(tmp_path, a=updated()), store).results
    assert (result.state, result.version) == (State.UNVERIFIED, "v3")
    assert result.reason == "version v3 reads back with a different value than was written"
    # A second undo does not take it for done.
    assert [line["state"] for line in undos(tmp_path)] == ["started", "done", "started"]
    step, _write = only(find_run(tmp_path, ID), store)
    assert step.kind is Kind.REFUSE


def audited(tmp_path: Path) -> list[tuple[str, str, str, str | None, str | None]]:
    lines = map(json.loads, (tmp_path / "audit").read_text("utf-8").splitlines())
    return [(line["name"], line["action"], line["state"], line["before"], line["version"]) for line in lines]


@pytest.mark.parametrize(
    ("raised", "state"),
    [
        (ConflictError(PLACE, Action.WRITE, "r", "m", found=None), "failed"),
        (ForbiddenError(PLACE, Action.WRITE, "r", "m", permission="p"), "failed"),
        (StoreError(PLACE, Action.WRITE, "r", "m", Code.UNAVAILABLE), "unknown"),
    ],
)
@pytest.mark.parametrize("method", ["restore", "soft_delete"])
def test_what_was_not_put_back_has_no_line_that_says_so(
    tmp_path: Path, method: str, raised: StoreError, state: str
) -> None:
    store = two_versions()
    store.seed("b", A="x")
    store.failures |= {(method, name): raised for name in "ab"}
    with AuditLog(tmp_path / "audit") as audit:
        undo(run_of(tmp_path, a=updated(), b=created()), store, audit)
    name = "a" if method == "restore" else "b"
    assert [stage for of, _, stage, *_ in audited(tmp_path) if of == name] == ["writing", state]
    assert [stage for of, _, stage, *_ in audited(tmp_path) if of != name] == ["writing", "written"]


def test_an_undo_whose_audit_file_is_full_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise AuditError("the audit file cannot be written: full")

    store = two_versions()
    with AuditLog(tmp_path / "audit") as audit:
        monkeypatch.setattr(audit, "record", full)
        outcome = undo(run_of(tmp_path, a=updated()), store, audit)
    assert ([result.code for result in outcome.results], len(store.versions["a"])) == (["unrecorded"], 2)
    assert (outcome.results[0].reason, outcome.is_incomplete) == ("the audit file cannot be written: full", True)


@pytest.mark.parametrize(("past", "method"), [(updated(), "read"), (created(), "describe")])
def test_what_was_put_back_and_cannot_be_looked_at_is_compared_by_the_next_undo(
    tmp_path: Path, past: Past, method: str
) -> None:
    store = two_versions() if method == "read" else MemoryStore()
    if method == "describe":
        store.seed("a", A="x")
    run = run_of(tmp_path, a=past)
    plan = plan_for(run, store)
    store.silence(method, "a")
    with closing(UndoLog(run)) as run_log:
        outcome = apply_plan(plan, run_log, continue_on_error=True)
    assert [result.state for result in outcome.results] == [State.FAILED]
    # An undo that is noted as done would be taken for that unseen.
    assert find_run(tmp_path, ID).entries["azure", "a"].undo == "started"


@pytest.fixture
def azure(stores: Stores) -> MemoryStore:
    return stores.azure


@pytest.fixture
def run_id(environment: Environment, stores: Stores, tmp_path: Path, listening: Listening) -> str:
    """A finished migration of one secret into the Key Vault."""
    stores.vault.seed("agents/jira", JIRA_TOKEN="t", JIRA_URL="u")
    setting = Options(root=tmp_path, stores=stores.live, applies=True)
    ended = carry_out(migration(environment, "azure", None, replace(setting, only=("jira",))), listening)
    listening.shown.clear()
    return ended.run


@pytest.fixture
def undo_by_id(
    environment: Environment, stores: Stores, tmp_path: Path, run_id: str, listening: Listening
) -> Callable[..., Outcome]:
    def invoke(
        command: str = "migrate", *, applies: bool = True, audit: Path | None = None, env: str = "prod"
    ) -> Outcome:
        setting = Options(root=tmp_path, stores=stores.live, applies=applies, audit=audit)
        return undo_run(command, run_id, replace(environment, name=env), setting, listening)

    return invoke


def test_it_is_shown_and_then_done_and_noted_in_the_runs_own_journal(
    undo_by_id: Callable[..., Outcome], azure: MemoryStore, tmp_path: Path, run_id: str, listening: Listening
) -> None:
    shown = undo_by_id(applies=False)
    assert (shown.end, [step.kind for step in shown.plan.steps]) == (End.SHOWN, [Kind.DELETE] * 2)
    assert azure.deleted == set()
    listening.results.clear()
    done = undo_by_id(audit=tmp_path / "audit")
    assert [result.state for result in done.results] == [State.DONE]
    assert azure.deleted == {"agents-jira"}
    assert listening.shown == [shown.plan, done.plan]
    assert (done.end, done.run, listening.results) == (End.APPLIED, run_id, list(done.results))
    (run,) = runs(tmp_path)
    assert [entry.undo for entry in run.entries.values()] == ["done"]
    assert run.ended == "complete"
    lines = [json.loads(line) for line in (tmp_path / "audit").read_text("utf-8").splitlines()]
    assert [(line["action"], line["state"], line["who"], line["environment"]) for line in lines] == [
        ("delete", "writing", "tester", "prod"),
        ("delete", "written", "tester", "prod"),
    ]
    written = (tmp_path / "audit").read_text("utf-8")
    for applies in (False, True):
        again = undo_by_id(applies=applies, audit=tmp_path / "audit")
        assert (again.end, again.run) == (End.UNDONE, "")
        assert {step.kind for step in again.plan.steps} == {Kind.KEEP}
    assert (tmp_path / "audit").read_text("utf-8") == written


@pytest.mark.parametrize(("command", "env"), [("put", "prod"), ("migrate", "staging")])
def test_the_run_of_another_command_or_environment_is_refused_with_the_line_to_use(
    undo_by_id: Callable[..., Outcome], azure: MemoryStore, run_id: str, command: str, env: str
) -> None:
    with pytest.raises(Refusal, match="belongs to `migrate prod`") as refused:
        undo_by_id(command, env=env)
    assert refused.value.help == f"run platform-secrets migrate prod --undo {run_id}"
    assert azure.deleted == set()


@pytest.mark.parametrize("forged", [{"keys": []}, {"kind": "delete", "versions": []}, {"destinations": []}])
def test_a_journal_whose_undo_could_not_be_judged_or_shown_is_refused(
    undo_by_id: Callable[..., Outcome], azure: MemoryStore, tmp_path: Path, forged: dict[str, object]
) -> None:
    (path,) = tmp_path.glob(".platform-secrets/runs/*.jsonl")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    changed = (line | (forged if forged.keys() <= line.keys() else {}) for line in lines)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in changed), "utf-8")
    for applies in (False, True):
        with pytest.raises(Refusal, match="does not record what it wrote"):
            undo_by_id(applies=applies)
    assert azure.deleted == set()


def test_an_undo_that_can_take_nothing_back_of_a_run_stopped_after_a_recovery_says_so(
    undo_by_id: Callable[..., Outcome], azure: MemoryStore, tmp_path: Path
) -> None:
    (path,) = tmp_path.glob(".platform-secrets/runs/*.jsonl")
    line = {"type": "step", "store": "azure", "name": "agents-jira"}
    begun = {**line, "state": "started", "before": None, "after": None, "deleted": "v1"}
    with path.open("a") as file:
        file.writelines(f"{json.dumps(each)}\n" for each in (begun, {**line, "state": "recovered", "version": "v1"}))
    ended = undo_by_id()
    assert (ended.end, ended.run, {step.kind for step in ended.plan.steps}) == (End.STUCK, "", {Kind.REFUSE})
    assert azure.deleted == set()


def test_a_store_that_is_elsewhere_now_is_not_written_to(
    undo_by_id: Callable[..., Outcome], azure: MemoryStore
) -> None:
    address = azure.address.absolute
    azure.address = MemoryStore("https://elsewhere").address
    with pytest.raises(Refusal) as refused:
        undo_by_id()
    assert str(refused.value) == 'the store "azure" has another address than in the run'
    assert refused.value.help == f"the run names {address}: if you know that it was there, set it back"
    assert azure.deleted == set()


def test_what_may_be_read_stays_until_a_person_says_that_it_is_another_store_which_the_journal_keeps(
    environment: Environment, stores: Stores, azure: MemoryStore, tmp_path: Path, run_id: str, listening: Listening
) -> None:
    store = replace(environment.stores["azure"], address="https://agents.example.com")
    places = {key.key.name: Place("agents-jira", key.key.name) for key in environment.secrets["jira"].keys}
    keys = tuple(key._replace(place=places[key.key.name]) for key in environment.secrets["jira"].keys)
    secrets = {"jira": replace(environment.secrets["jira"], store=store, keys=keys)}
    staging = replace(environment, name="staging", stores={"azure": store}, secrets=secrets)
    setting = Options(root=tmp_path, stores=stores.live, applies=True, environments=lambda: (staging,))
    kept = undo_run("migrate", run_id, environment, setting, listening)
    assert (kept.end, {step.kind for step in kept.plan.steps}) == (End.STUCK, {Kind.REFUSE})
    assert kept.plan.steps[0].reason == 'it may be read by "staging/jira", in what may be the same store'
    assert azure.deleted == set()
    with pytest.raises(Refusal, match='nobody is seen to read a store "qa/azure"'):
        undo_run("migrate", run_id, environment, replace(setting, not_the_same=("qa/azure",)), listening)
    done = undo_run("migrate", run_id, environment, replace(setting, not_the_same=("staging/azure",)), listening)
    assert (done.end, azure.deleted) == (End.APPLIED, {"agents-jira"})
    (journal,) = (tmp_path / ".platform-secrets/runs").glob("*.jsonl")
    said = [line for line in map(json.loads, journal.read_text("utf-8").splitlines()) if line["type"] == "not-the-same"]
    assert [line["stores"] for line in said] == [["staging/azure"]]


def test_a_store_that_the_environment_has_no_more_is_named(
    environment: Environment, stores: Stores, tmp_path: Path, run_id: str, listening: Listening
) -> None:
    without = replace(environment, stores={"vault": environment.stores["vault"]})
    with pytest.raises(Refusal, match='no store "azure"'):
        undo_run("migrate", run_id, without, Options(root=tmp_path, stores=stores.live), listening)


def test_what_another_command_noted_before_this_one_had_the_lock_counts(
    undo_by_id: Callable[..., Outcome], azure: MemoryStore, tmp_path: Path, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*given: Any) -> AbstractContextManager[object]:  # noqa: ANN401
        noted = {"type": "undo", "store": "azure", "name": "agents-jira", "state": "done", "version": None}
        with (tmp_path / ".platform-secrets/runs" / f"{run_id}.jsonl").open("a") as file:
            file.write(json.dumps(noted) + "\n")
        return run_lock(*given)

    monkeypatch.setattr("compiler.change.undo.run_lock", late)
    assert {step.kind for step in undo_by_id().plan.steps} == {Kind.KEEP}
    assert azure.deleted == set()


@pytest.mark.parametrize("applies", [False, True])
def test_a_run_that_a_newer_one_wrote_over_is_left_to_that_one(
    undo_by_id: Callable[..., Outcome],
    environment: Environment,
    stores: Stores,
    azure: MemoryStore,
    tmp_path: Path,
    listening: Listening,
    *,
    applies: bool,
) -> None:
    stores.vault.seed("agents/jira", JIRA_TOKEN="newer", JIRA_URL="u")
    options = Options(("jira",), on_conflict=OnConflict.OVERWRITE, root=tmp_path, stores=stores.live, applies=True)
    newer = carry_out(migration(environment, "azure", None, options), listening)
    refused = undo_by_id(applies=applies).plan.steps
    remedy = f"undo that run first: platform-secrets migrate prod --undo {newer.run}"
    assert {(step.kind, step.remedy) for step in refused} == {(Kind.REFUSE, remedy)}
    assert azure.deleted == set()


def test_others_see_which_run_is_undone_and_it_waits_for_them(
    undo_by_id: Callable[..., Outcome],
    azure: MemoryStore,
    tmp_path: Path,
    run_id: str,
    listening: Listening,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("compiler.change.undo.run_lock", partial(run_lock, patience=0.2))
    with run_lock(tmp_path, "put, run one"), pytest.raises(Refusal, match="put, run one"):
        undo_by_id()
    assert (len(listening.waited), azure.deleted) == (1, set())
    holders: list[str] = []
    azure.before = lambda _method, _name: holders.append((tmp_path / ".platform-secrets/lock").read_text("ascii"))
    undo_by_id()
    assert holders[-1] == f"migrate, undo of run {run_id} (process {os.getpid()})\n"
