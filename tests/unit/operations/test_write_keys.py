from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from compiler.model.place import Place
from compiler.operations.audit import AuditLog
from compiler.operations.set_keys import ChangePlan, Wanted, plan_changes
from compiler.operations.write_keys import Outcome, State, write_keys
from compiler.stores.errors import ForbiddenError, OutcomeUnknownError, UnavailableError, VersionGoneError
from compiler.stores.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from compiler.model.environment import Environment
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


def noted(path: Path) -> list[tuple[str, str | None]]:
    return [(line["name"], line["version"]) for line in map(json.loads, path.read_text("utf-8").splitlines())]


def done(plan: ChangePlan, path: Path) -> list[Outcome]:
    with AuditLog(path) as audit:
        return list(write_keys(plan, "prod", "put", audit))


def test_each_remote_secret_is_written_once_and_noted(plan: ChangePlan, stores: Stores, tmp_path: Path) -> None:
    outcomes = done(plan, tmp_path / "audit")
    assert states(outcomes) == [State.WRITTEN] * 3
    assert stores.vault is not None
    assert stores.vault.writes == list(NAMES)
    assert noted(tmp_path / "audit") == [("one", "1"), ("two", "2"), ("three", "3")]
    first = json.loads((tmp_path / "audit").read_text("utf-8").splitlines()[0])
    assert first["properties"] == ["A", "B"]
    assert (first["who"], first["action"]) == ("tester", "put")


def test_a_whole_value_is_written_as_one(environment: Environment, stores: Stores) -> None:
    assert stores.azure is not None
    store = environment.stores["azure"]
    planned = plan_changes([Wanted("github", "K", store, Place("key", None), Secret("pem"))], stores.live)
    (outcome,) = write_keys(planned, "prod", "put", None)
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
    assert [name for name, _ in noted(tmp_path / "audit")] == ["one", "three"]


@pytest.mark.parametrize("kind", [UnavailableError, OutcomeUnknownError])
def test_a_failure_ends_the_writes_and_a_doubtful_one_is_noted_without_a_version(
    plan: ChangePlan, stores: Stores, tmp_path: Path, kind: type[StoreError]
) -> None:
    assert stores.vault is not None
    stores.vault.failures["write", "two"] = stores.failure(kind, "two")
    outcomes = done(plan, tmp_path / "audit")
    assert states(outcomes) == [State.WRITTEN, State.FAILED]
    assert outcomes[1].reason == "it is refused"
    assert noted(tmp_path / "audit") == [("one", "1"), ("two", None)]


def test_a_refused_write_is_not_noted(plan: ChangePlan, stores: Stores, tmp_path: Path) -> None:
    assert stores.vault is not None
    error = ForbiddenError.__new__(ForbiddenError)
    error.reason, error.remedy = "no permission", "ask for it"
    stores.vault.failures["write", "one"] = error
    assert states(done(plan, tmp_path / "audit")) == [State.FAILED]
    assert noted(tmp_path / "audit") == []


def test_ctrl_c_in_a_write_notes_that_it_may_be_stored(plan: ChangePlan, stores: Stores, tmp_path: Path) -> None:
    assert stores.vault is not None
    stores.vault.failures["write", "two"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        done(plan, tmp_path / "audit")
    assert noted(tmp_path / "audit") == [("one", "1"), ("two", None)]


def test_proof_15_a_store_that_keeps_other_bytes_is_found(plan: ChangePlan, stores: Stores) -> None:
    assert stores.vault is not None
    stores.vault.lies = True
    outcomes = list(write_keys(plan, "prod", "put", None))
    assert states(outcomes) == [State.UNVERIFIED] * 3
    assert "another value" in outcomes[0].reason


def test_a_version_that_cannot_be_read_back_is_unverified(plan: ChangePlan, stores: Stores) -> None:
    assert stores.vault is not None
    gone = VersionGoneError.__new__(VersionGoneError)
    gone.reason, gone.remedy = "it is gone", "look"
    stores.vault.failures["read_version", "one"] = gone
    first, *rest = write_keys(plan, "prod", "put", None)
    assert first.state is State.UNVERIFIED
    assert first.is_stored
    assert first.reason == "reading back: it is gone"
    assert states(rest) == [State.WRITTEN] * 2


def test_another_writers_version_below_ours_is_told(plan: ChangePlan, stores: Stores) -> None:
    assert stores.vault is not None
    stores.vault.slipped = ("theirs",)
    outcomes = list(write_keys(plan, "prod", "put", None))
    assert states(outcomes) == [State.SLIPPED] * 3
    assert "theirs" in outcomes[0].reason
