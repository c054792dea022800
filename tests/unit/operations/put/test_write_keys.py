from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

import pytest

from compiler.model.place import Place
from compiler.operations.change.read_back import other_bytes
from compiler.operations.put.set_keys import ChangePlan, Wanted, plan_changes
from compiler.operations.put.write_keys import Outcome, State, write_keys
from compiler.operations.runs.audit import AuditError, AuditLog
from compiler.stores.errors import (
    Action,
    ForbiddenError,
    OutcomeUnknownError,
    UnavailableError,
    UnfinishedWriteError,
    VersionGoneError,
)
from compiler.stores.values.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from compiler.model.environment import Environment
    from compiler.operations.runs.audit import AuditEntry
    from compiler.stores.errors import StoreError
    from tests.unit.operations.conftest import Stores

NAMES = ("one", "two", "three")


@pytest.fixture
def plan(environment: Environment, stores: Stores) -> ChangePlan:
    """A write of two properties to each of three remote secrets."""
    store = environment.stores["vault"]
    keys = [(name, key) for name in NAMES for key in ("A", "B")]
    return plan_changes(
        [Wanted("jira", key, store, Place(name, key), Secret(f"{name}-{key}")) for name, key in keys], stores.live
    )


def states(outcomes: list[Outcome]) -> list[State]:
    return [outcome.state for outcome in outcomes]


def noted(path: Path) -> list[tuple[str, str, str | None]]:
    lines = map(json.loads, path.read_text("utf-8").splitlines())
    return [(line["name"], line["state"], line["version"]) for line in lines]


def written(name: str, version: str) -> list[tuple[str, str, str | None]]:
    return [(name, "writing", None), (name, "written", version)]


def done(plan: ChangePlan, path: Path) -> list[Outcome]:
    with AuditLog(path) as audit:
        return list(write_keys(plan, "prod", "put", audit, "run-1"))


def test_each_remote_secret_is_written_once_and_noted(plan: ChangePlan, stores: Stores, tmp_path: Path) -> None:
    outcomes = done(plan, tmp_path / "audit")
    assert states(outcomes) == [State.WRITTEN] * 3
    assert stores.vault is not None
    assert stores.vault.writes == list(NAMES)
    assert noted(tmp_path / "audit") == [*written("one", "v1"), *written("two", "v1"), *written("three", "v1")]
    lines = [json.loads(line) for line in (tmp_path / "audit").read_text("utf-8").splitlines()]
    assert lines[0]["properties"] == ["A", "B"]
    assert (lines[0]["who"], lines[0]["action"], lines[0]["before"]) == ("tester", "put", None)
    assert {line["run"] for line in lines} == {"run-1"}


def test_a_line_says_what_the_write_rests_upon(environment: Environment, stores: Stores, tmp_path: Path) -> None:
    assert stores.vault is not None
    stores.vault.hold("one", {"A": Secret("old")})
    store = environment.stores["vault"]
    done(plan_changes([Wanted("jira", "A", store, Place("one", "A"), Secret("new"))], stores.live), tmp_path / "audit")
    lines = [json.loads(line) for line in (tmp_path / "audit").read_text("utf-8").splitlines()]
    assert [(line["before"], line["version"]) for line in lines] == [("v1", None), ("v1", "v2")]


def test_a_write_that_cannot_be_announced_is_not_done_and_ends_them(
    plan: ChangePlan, stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stores.vault is not None
    record, turn = AuditLog.record, count()

    def full(self: AuditLog, entry: AuditEntry) -> None:
        if next(turn) == 2:
            raise AuditError("the audit file cannot be written: no space left on device")
        record(self, entry)

    monkeypatch.setattr(AuditLog, "record", full)
    outcomes = done(plan, tmp_path / "audit")
    assert states(outcomes) == [State.WRITTEN, State.FAILED]
    assert outcomes[1].reason == "the audit file cannot be written: no space left on device"
    assert stores.vault.writes == ["one"]


def test_a_write_that_cannot_be_noted_is_the_last_and_told_as_done(
    plan: ChangePlan, stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stores.vault is not None
    record, turn = AuditLog.record, count()

    def full(self: AuditLog, entry: AuditEntry) -> None:
        if next(turn) == 1:
            raise AuditError("the audit file cannot be written: no space left on device")
        record(self, entry)

    monkeypatch.setattr(AuditLog, "record", full)
    (outcome,) = done(plan, tmp_path / "audit")
    assert (outcome.state, outcome.version, outcome.is_stored) == (State.UNNOTED, "v1", True)
    assert outcome.reason.startswith("the write was done but not noted: the audit file cannot be written")
    assert noted(tmp_path / "audit") == [("one", "writing", None)]


def test_a_whole_value_is_written_as_one(environment: Environment, stores: Stores) -> None:
    assert stores.azure is not None
    store = environment.stores["azure"]
    planned = plan_changes([Wanted("github", "K", store, Place("key", None), Secret("pem"))], stores.live)
    (outcome,) = write_keys(planned, "prod", "put", None, "run-1")
    assert outcome.state is State.WRITTEN
    assert stores.azure.held["key"].whole is not None


def test_another_writer_in_between_is_a_conflict_and_the_rest_goes_on(
    plan: ChangePlan, stores: Stores, tmp_path: Path
) -> None:
    assert stores.vault is not None
    stores.vault.hold("two", {"A": Secret("theirs")})
    outcomes = done(plan, tmp_path / "audit")
    assert states(outcomes) == [State.WRITTEN, State.CONFLICT, State.WRITTEN]
    assert stores.vault.held["two"].properties.keys() == {"A"}
    conflict: list[tuple[str, str, str | None]] = [("two", "writing", None), ("two", "failed", None)]
    assert noted(tmp_path / "audit") == [*written("one", "v1"), *conflict, *written("three", "v1")]


@pytest.mark.parametrize("kind", [UnavailableError, OutcomeUnknownError])
def test_a_failure_ends_the_writes_and_a_doubtful_one_is_noted_without_a_version(
    plan: ChangePlan, stores: Stores, tmp_path: Path, kind: type[StoreError]
) -> None:
    assert stores.vault is not None
    stores.vault.failures["write", "two"] = stores.failure(kind, "two")
    outcomes = done(plan, tmp_path / "audit")
    assert states(outcomes) == [State.WRITTEN, State.FAILED]
    assert outcomes[1].reason == "it is refused"
    assert noted(tmp_path / "audit") == [*written("one", "v1"), ("two", "writing", None), ("two", "unknown", None)]


def test_a_refused_write_is_noted_as_not_stored(plan: ChangePlan, stores: Stores, tmp_path: Path) -> None:
    assert stores.vault is not None
    error = ForbiddenError.__new__(ForbiddenError)
    error.reason, error.remedy = "no permission", "ask for it"
    stores.vault.failures["write", "one"] = error
    assert states(done(plan, tmp_path / "audit")) == [State.FAILED]
    assert noted(tmp_path / "audit") == [("one", "writing", None), ("one", "failed", None)]


def test_ctrl_c_in_a_write_notes_that_it_may_be_stored(plan: ChangePlan, stores: Stores, tmp_path: Path) -> None:
    assert stores.vault is not None
    stores.vault.failures["write", "two"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        done(plan, tmp_path / "audit")
    assert noted(tmp_path / "audit") == [*written("one", "v1"), ("two", "writing", None), ("two", "unknown", None)]


def test_proof_15_a_store_that_keeps_other_bytes_is_found(plan: ChangePlan, stores: Stores) -> None:
    assert stores.vault is not None
    stores.vault.lies = True
    outcomes = list(write_keys(plan, "prod", "put", None, "run-1"))
    assert states(outcomes) == [State.UNVERIFIED] * 3
    assert outcomes[0].reason == "reading version v1 back showed other bytes than were to be there"


def test_a_version_that_cannot_be_read_back_is_unverified(plan: ChangePlan, stores: Stores) -> None:
    assert stores.vault is not None
    gone = VersionGoneError.__new__(VersionGoneError)
    gone.reason, gone.remedy = "it is gone", "look"
    stores.vault.failures["read_version", "one"] = gone
    first, *rest = write_keys(plan, "prod", "put", None, "run-1")
    assert first.state is State.UNVERIFIED
    assert first.is_stored
    assert first.reason == "reading back: it is gone"
    assert states(rest) == [State.WRITTEN] * 2


def test_a_version_that_the_store_says_is_not_as_sent_is_stored_noted_and_told(
    plan: ChangePlan, stores: Stores, tmp_path: Path
) -> None:
    assert stores.vault is not None
    stores.vault.failures["write", "one"] = other_bytes(stores.vault, "one", "v9")
    first, *rest = done(plan, tmp_path / "audit")
    assert (first.state, first.version, first.is_stored) == (State.UNVERIFIED, "v9", True)
    assert first.remedy.startswith("look at that version")
    assert states(rest) == [State.WRITTEN] * 2
    assert noted(tmp_path / "audit")[:2] == written("one", "v9")


def test_a_version_after_which_something_was_left_undone_is_told_and_the_rest_written(
    plan: ChangePlan, stores: Stores, tmp_path: Path
) -> None:
    assert stores.vault is not None
    left = UnfinishedWriteError(stores.vault.place("one"), Action.WRITE, "its tags are not", "write them", "v9")
    stores.vault.failures["write", "one"] = left
    first, *rest = done(plan, tmp_path / "audit")
    assert (first.state, first.version, first.reason) == (State.UNVERIFIED, "v9", "its tags are not")
    assert states(rest) == [State.WRITTEN] * 2
    assert noted(tmp_path / "audit")[:2] == written("one", "v9")


def test_another_writers_version_below_ours_is_told(plan: ChangePlan, stores: Stores) -> None:
    assert stores.vault is not None
    stores.vault.slipped = ("theirs",)
    outcomes = list(write_keys(plan, "prod", "put", None, "run-1"))
    assert states(outcomes) == [State.SLIPPED] * 3
    assert "theirs" in outcomes[0].reason
