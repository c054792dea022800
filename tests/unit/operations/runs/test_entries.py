from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compiler.operations.runs.entries import Run, take

PLAN: dict[str, Any] = {"type": "plan", "name": "a", "kind": "update", "before": "v1", "recover": False}
KEYS = [{"key": "TOKEN", "property": "token"}, {"key": "WHOLE", "property": None}]


def run_of(*lines: dict[str, Any]) -> Run:
    found = Run("id", Path("run"), "prod", "azure", "https://a", {})
    for line in ({**PLAN, "keys": KEYS}, {"type": "planned", "writes": 1}, *lines):
        take(found, line)
    return found


def step(state: str, **rest: object) -> dict[str, Any]:
    return {"type": "step", "name": "a", "state": state, **rest}


def test_a_plan_names_keys_and_properties() -> None:
    entry = run_of().entries["a"]
    assert (entry.keys, entry.properties, entry.planned_before) == (("TOKEN", "WHOLE"), ("token",), "v1")


@pytest.mark.parametrize(
    ("lines", "owes"),
    [
        ([], False),
        ([step("started", owes=True)], True),
        ([step("started", owes=True), step("written", after="v2", owes=False)], False),
        ([step("started", owes=True), step("written", after="v2", owes=True), step("done")], True),
        ([step("started", owes=True), step("failed", maybe_stored=False)], False),
        ([step("started", owes=True), step("failed", maybe_stored=True)], True),
        ([step("written", after="v2", owes=True), {"type": "audit", "name": "a"}], False),
        # A journal of an earlier release says nothing of it.
        ([step("started"), step("written", after="v2")], False),
    ],
)
def test_what_is_stored_is_owed_to_the_audit_file_until_it_is_there(lines: list[dict[str, Any]], owes: bool) -> None:  # noqa: FBT001
    assert run_of(*lines).entries["a"].owes is owes


def test_a_run_is_audited_once_it_had_an_audit_file() -> None:
    assert not run_of(step("started", owes=False)).is_audited
    assert run_of(step("started", owes=True), step("written", after="v2", owes=False)).is_audited


def test_an_undo_is_owed_on_its_own() -> None:
    undo = {"type": "undo", "name": "a", "version": None}
    entry = run_of(step("written", after="v2"), {**undo, "state": "started", "before": "v2", "owes": True}).entries["a"]
    assert (entry.owes, entry.undo_owes, entry.undo_before) == (False, True, "v2")
    done = run_of({**undo, "state": "started", "before": "v2", "owes": True}, {**undo, "state": "done", "owes": False})
    assert (done.entries["a"].undo_owes, done.entries["a"].undo_before) == (False, "v2")
