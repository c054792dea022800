from __future__ import annotations

import pytest

from compiler.operations.change.plan import (
    Kind,
    Location,
    OnConflict,
    Options,
    Outcome,
    Plan,
    Result,
    State,
    Step,
    Write,
)
from compiler.stores.values.secret import SecretValue
from tests.unit.operations.changes import plan_of


def plan(*kinds: Kind, on_conflict: OnConflict = OnConflict.FAIL) -> Plan:
    steps = tuple(Step("github", "KEY", kind, None, None) for kind in kinds)
    return plan_of(steps=steps, options=Options(on_conflict=on_conflict))


@pytest.mark.parametrize(
    ("kind", "clean", "blocked"),
    [
        (Kind.CREATE, True, False),
        (Kind.UPDATE, True, False),
        (Kind.KEEP, True, False),
        (Kind.CONFLICT, False, True),
        (Kind.REFUSE, False, True),
        (Kind.MISSING, False, True),
    ],
)
def test_what_stops_a_plan(kind: Kind, clean: bool, blocked: bool) -> None:  # noqa: FBT001
    found = plan(Kind.KEEP, kind)
    assert (found.is_clean, found.is_blocked) == (clean, blocked)


def test_a_conflict_that_is_skipped_stops_nothing_and_is_not_clean() -> None:
    found = plan(Kind.CONFLICT, on_conflict=OnConflict.SKIP)
    assert (found.is_clean, found.is_blocked) == (False, False)


@pytest.mark.parametrize(
    ("state", "incomplete", "differs"),
    [
        (State.DONE, False, False),
        (State.KEPT, False, False),
        (State.CONFLICT, False, True),
        (State.UNVERIFIED, False, True),
        (State.FAILED, True, False),
        (State.PENDING, True, False),
    ],
)
def test_what_became_of_a_run(state: State, incomplete: bool, differs: bool) -> None:  # noqa: FBT001
    outcome = Outcome("run", (Result("azure", "a", State.DONE), Result("azure", "b", state)))
    assert (outcome.is_incomplete, outcome.has_differences) == (incomplete, differs)
    assert Outcome("run", (), interrupted=True).is_incomplete


def test_a_place_is_shown_with_its_property_or_without_and_no_value_ever() -> None:
    assert str(Location("vault", "agents/jira", "TOKEN")) == "vault:agents/jira#TOKEN"
    assert str(Location("azure", "pem", None)) == "azure:pem"
    assert "sentinel" not in repr(Write("azure", "a", (), {"KEY": SecretValue("sentinel")}, SecretValue("sentinel")))
