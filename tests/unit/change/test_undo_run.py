import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from compiler.change.apply import apply_plan, carry_out
from compiler.change.journal import runs
from compiler.change.plan import End, Kind, OnConflict, Options, Outcome, State
from compiler.change.run_files import run_lock
from compiler.change.undo import undo_run
from compiler.model.environment import Environment
from compiler.model.store import Place
from compiler.operations.migrate import migration
from compiler.refusal import Refusal
from compiler.stores.errors import Code
from tests.unit.changes import Listening
from tests.unit.conftest import Stores
from tests.unit.memory_store import MemoryStore


@pytest.fixture
def azure(stores: Stores) -> MemoryStore:
    assert stores.azure is not None
    return stores.azure


@pytest.fixture
def run_id(environment: Environment, stores: Stores, tmp_path: Path, listening: Listening) -> str:
    """A finished migration of one secret into the Key Vault."""
    assert stores.vault is not None
    stores.vault.seed("agents/jira", JIRA_TOKEN="t", JIRA_URL="u")
    setting = Options(root=tmp_path, stores=stores.live, applies=True)
    ended = carry_out(migration(environment, "azure", None, replace(setting, only=("jira",))), listening)
    listening.shown.clear()
    return ended.run


@pytest.fixture
def undo(
    environment: Environment, stores: Stores, tmp_path: Path, run_id: str, listening: Listening
) -> Callable[..., Outcome]:
    def invoke(
        command: str = "migrate", *, applies: bool = True, audit: Path | None = None, env: str = "prod"
    ) -> Outcome:
        setting = Options(root=tmp_path, stores=stores.live, applies=applies, audit=audit)
        return undo_run(command, run_id, replace(environment, name=env), setting, listening)

    return invoke


def test_it_is_shown_and_then_done_and_noted_in_the_runs_own_journal(
    undo: Callable[..., Outcome], azure: MemoryStore, tmp_path: Path, run_id: str, listening: Listening
) -> None:
    shown = undo(applies=False)
    assert (shown.end, [step.kind for step in shown.plan.steps]) == (End.SHOWN, [Kind.DELETE] * 2)
    assert azure.deleted == set()
    listening.results.clear()
    done = undo(audit=tmp_path / "audit")
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
        again = undo(applies=applies, audit=tmp_path / "audit")
        assert (again.end, again.run) == (End.UNDONE, "")
        assert {step.kind for step in again.plan.steps} == {Kind.KEEP}
    assert (tmp_path / "audit").read_text("utf-8") == written


@pytest.mark.parametrize(("command", "env"), [("put", "prod"), ("migrate", "staging")])
def test_the_run_of_another_command_or_environment_is_refused_with_the_line_to_use(
    undo: Callable[..., Outcome], azure: MemoryStore, run_id: str, command: str, env: str
) -> None:
    with pytest.raises(Refusal, match="belongs to `migrate prod`") as refused:
        undo(command, env=env)
    assert refused.value.help == f"run platform-secrets migrate prod --undo {run_id}"
    assert azure.deleted == set()


@pytest.mark.parametrize("forged", [{"keys": []}, {"kind": "delete", "versions": []}, {"destinations": []}])
def test_a_journal_whose_undo_could_not_be_judged_or_shown_is_refused(
    undo: Callable[..., Outcome], azure: MemoryStore, tmp_path: Path, forged: dict[str, object]
) -> None:
    (path,) = tmp_path.glob(".platform-secrets/runs/*.jsonl")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    changed = (line | (forged if forged.keys() <= line.keys() else {}) for line in lines)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in changed), "utf-8")
    for applies in (False, True):
        with pytest.raises(Refusal, match="does not tell what it wrote"):
            undo(applies=applies)
    assert azure.deleted == set()


def test_an_undo_that_can_take_nothing_back_of_a_run_stopped_after_a_recovery_says_so(
    undo: Callable[..., Outcome], azure: MemoryStore, tmp_path: Path
) -> None:
    (path,) = tmp_path.glob(".platform-secrets/runs/*.jsonl")
    line = {"type": "step", "store": "azure", "name": "agents-jira"}
    begun = {**line, "state": "started", "before": None, "after": None, "owes": True, "deleted": "v1"}
    with path.open("a") as file:
        file.writelines(f"{json.dumps(each)}\n" for each in (begun, {**line, "state": "recovered", "version": "v1"}))
    ended = undo()
    assert (ended.end, ended.run, {step.kind for step in ended.plan.steps}) == (End.STUCK, "", {Kind.REFUSE})
    assert azure.deleted == set()


def test_a_store_that_is_elsewhere_now_is_not_written_to(undo: Callable[..., Outcome], azure: MemoryStore) -> None:
    address = azure.address.absolute
    azure.address = MemoryStore("https://elsewhere").address
    with pytest.raises(Refusal) as refused:
        undo()
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


def test_what_changed_since_stays_and_the_rest_is_taken_back(
    environment: Environment, stores: Stores, azure: MemoryStore, tmp_path: Path, listening: Listening
) -> None:
    assert stores.vault is not None
    stores.vault.seed("agents/jira", JIRA_TOKEN="t", JIRA_URL="u")
    stores.vault.seed("agents/github", GITHUB_TOKEN="t")
    setting = Options(root=tmp_path, stores=stores.live, applies=True)
    ended = carry_out(migration(environment, "azure", None, replace(setting, only=("jira", "github"))), listening)
    azure.seed("agents-jira", JIRA_TOKEN="theirs")
    undone = undo_run("migrate", ended.run, environment, setting, listening)
    assert not undone.plan.is_clean
    assert [result.state for result in undone.results] == [State.DONE]
    assert azure.deleted == {"agents-github"}
    assert azure.shown("agents-jira") == {"JIRA_TOKEN": "theirs"}


def test_what_another_command_noted_before_this_one_had_the_lock_counts(
    undo: Callable[..., Outcome], azure: MemoryStore, tmp_path: Path, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*given: Any) -> AbstractContextManager[object]:  # noqa: ANN401
        noted = {"type": "undo", "store": "azure", "name": "agents-jira", "state": "done", "version": None}
        with (tmp_path / ".platform-secrets/runs" / f"{run_id}.jsonl").open("a") as file:
            file.write(json.dumps(noted) + "\n")
        return run_lock(*given)

    monkeypatch.setattr("compiler.change.undo.run_lock", late)
    assert {step.kind for step in undo().plan.steps} == {Kind.KEEP}
    assert azure.deleted == set()


@pytest.mark.parametrize("applies", [False, True])
def test_a_run_that_a_newer_one_wrote_over_is_left_to_that_one(
    undo: Callable[..., Outcome],
    environment: Environment,
    stores: Stores,
    azure: MemoryStore,
    tmp_path: Path,
    listening: Listening,
    *,
    applies: bool,
) -> None:
    assert stores.vault is not None
    stores.vault.seed("agents/jira", JIRA_TOKEN="newer", JIRA_URL="u")
    options = Options(("jira",), on_conflict=OnConflict.OVERWRITE, root=tmp_path, stores=stores.live, applies=True)
    newer = carry_out(migration(environment, "azure", None, options), listening)
    refused = undo(applies=applies).plan.steps
    remedy = f"undo that run first: platform-secrets migrate prod --undo {newer.run}"
    assert {(step.kind, step.remedy) for step in refused} == {(Kind.REFUSE, remedy)}
    assert azure.deleted == set()


def test_others_see_which_run_is_undone_and_it_waits_for_them(
    undo: Callable[..., Outcome],
    azure: MemoryStore,
    tmp_path: Path,
    run_id: str,
    listening: Listening,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("compiler.change.undo.run_lock", partial(run_lock, patience=0.2))
    with run_lock(tmp_path, "put, run one"), pytest.raises(Refusal, match="put, run one"):
        undo()
    assert (len(listening.waited), azure.deleted) == (1, set())
    holders: list[str] = []
    azure.before = lambda _method, _name: holders.append((tmp_path / ".platform-secrets/lock").read_text("ascii"))
    undo()
    assert holders[-1] == f"migrate, undo of run {run_id} (process {os.getpid()})\n"


def test_an_undo_that_is_told_to_stop_starts_nothing(
    undo: Callable[..., Outcome], azure: MemoryStore, listening: Listening
) -> None:
    listening.stop.set()
    ended = undo()
    assert (ended.interrupted, azure.deleted) == (True, set())


def test_a_store_that_fails_once_does_not_keep_the_rest_from_being_undone(
    environment: Environment,
    stores: Stores,
    azure: MemoryStore,
    tmp_path: Path,
    listening: Listening,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert stores.vault is not None
    stores.vault.seed("agents/jira", JIRA_TOKEN="t", JIRA_URL="u")
    stores.vault.seed("agents/github", GITHUB_TOKEN="t")
    setting = Options(root=tmp_path, stores=stores.live, applies=True)
    ended = carry_out(migration(environment, "azure", None, replace(setting, only=("jira", "github"))), listening)
    assert apply_plan.__kwdefaults__ is not None
    monkeypatch.setitem(apply_plan.__kwdefaults__, "workers", 1)
    first, second = (result.name for result in ended.results)
    azure.failures["soft_delete", first] = stores.failure(Code.UNAVAILABLE, first)
    undone = undo_run("migrate", ended.run, environment, setting, listening)
    assert [result.state for result in undone.results] == [State.FAILED, State.DONE]
    assert azure.deleted == {second}


FIRST = "20250131-120000-4fa1c2"


@pytest.fixture
def first_format(tmp_path: Path, azure: MemoryStore) -> Callable[..., None]:
    """The journal of a migration that an earlier release was stopped in, after its first write of two."""

    def noted(*more: dict[str, object]) -> None:
        place = {"kind": "create", "before": None, "recover": False, "deleted": None}
        where = {"source": "vault:agents/jira#JIRA_TOKEN", "kind": "create"}
        options = {"only": [], "allProperties": False, "onConflict": "fail", "recover": False, "stringify": False}
        address = azure.address.absolute
        lines: list[dict[str, object]] = [
            {
                "type": "run",
                "format": 1,
                "run": FIRST,
                "environment": "prod",
                "destination": {"store": "azure", "address": address},
                "sources": {"vault": "https://vault"},
                "identity": {"environment": "prod", "address": address, "from": None, "options": options},
            },
            {
                "type": "plan",
                "name": "agents-jira",
                "keys": [{"secret": "jira", "key": "JIRA_TOKEN", "property": "JIRA_TOKEN", **where}],
                **place,
            },
            {
                "type": "plan",
                "name": "agents-github",
                "keys": [{"secret": "github", "key": "GITHUB_TOKEN", "property": "GITHUB_TOKEN", **where}],
                **place,
            },
            {"type": "planned", "writes": 2},
            {"type": "step", "name": "agents-jira", "state": "started", "before": None},
            {"type": "step", "name": "agents-jira", "state": "written", "before": None, "after": "v1", "slipped": []},
            {"type": "step", "name": "agents-jira", "state": "done", "code": None, "maybe_stored": False},
            *more,
        ]
        path = tmp_path / ".platform-secrets/runs" / f"{FIRST}.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text("".join(f"{json.dumps({'time': '2025-01-31', **line})}\n" for line in lines), "utf-8")
        azure.seed("agents-jira", JIRA_TOKEN="t")

    return noted


def test_a_run_that_an_earlier_release_noted_is_undone(
    first_format: Callable[..., None],
    environment: Environment,
    stores: Stores,
    azure: MemoryStore,
    tmp_path: Path,
    listening: Listening,
) -> None:
    first_format({"type": "end", "state": "incomplete"})
    setting = Options(root=tmp_path, stores=stores.live, applies=True)
    ended = undo_run("migrate", FIRST, environment, setting, listening)
    assert [(step.secret, step.key, step.kind) for step in ended.plan.steps] == [("jira", "JIRA_TOKEN", Kind.DELETE)]
    assert [result.state for result in ended.results] == [State.DONE]
    assert azure.deleted == {"agents-jira"}
    again = undo_run("migrate", FIRST, environment, setting, listening)
    assert {step.kind for step in again.plan.steps} == {Kind.KEEP}


def test_a_run_that_an_earlier_release_was_stopped_in_goes_on_and_is_undone(
    first_format: Callable[..., None],
    environment: Environment,
    stores: Stores,
    azure: MemoryStore,
    tmp_path: Path,
    listening: Listening,
) -> None:
    assert stores.vault is not None
    first_format({"type": "step", "name": "agents-github", "state": "started", "before": None})
    stores.vault.seed("agents/jira", JIRA_TOKEN="t")
    stores.vault.seed("agents/github", GITHUB_TOKEN="t")
    setting = Options(root=tmp_path, stores=stores.live, applies=True, continue_on_error=True)
    ended = carry_out(migration(environment, "azure", None, setting), listening)
    assert (ended.end, listening.resumed) == (End.APPLIED, [FIRST])
    assert azure.writes == ["agents-github"]
    assert [run.id for run in runs(tmp_path)] == [FIRST]
    undone = undo_run("migrate", FIRST, environment, setting, listening)
    assert undone.count(State.DONE) == 2
    assert azure.deleted == {"agents-jira", "agents-github"}
