from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compiler.operations.change.plan import Kind
from compiler.operations.runs.entries import RecordedKey, Run, take

A = ("azure", "a")
PLAN: dict[str, Any] = {
    "type": "plan",
    "store": "azure",
    "name": "a",
    "kind": "update",
    "before": "v1",
    "recover": False,
}
KEYS = [
    {"secret": "jira", "key": "TOKEN", "property": "token"},
    {"secret": "gitlab", "key": "WHOLE", "property": None},
]


def run_of(*lines: dict[str, Any]) -> Run:
    found = Run("id", Path("run"), "put", "prod", {"azure": "https://a"}, {})
    for line in ({**PLAN, "keys": KEYS}, {"type": "planned", "writes": 1}, *lines):
        take(found, line)
    return found


def step(state: str, **rest: object) -> dict[str, Any]:
    return {"type": "step", "store": "azure", "name": "a", "state": state, **rest}


def test_a_plan_names_keys_and_properties() -> None:
    entry = run_of().entries[A]
    assert entry.keys == (RecordedKey("jira", "TOKEN", "token"), RecordedKey("gitlab", "WHOLE", None))
    assert (entry.kind, entry.properties, entry.planned_before) == (Kind.UPDATE, ("token",), "v1")


@pytest.mark.parametrize(
    ("lines", "owes"),
    [
        ([], False),
        ([step("started", owes=True)], True),
        ([step("started", owes=True), step("written", after="v2", owes=False)], False),
        ([step("started", owes=True), step("written", after="v2", owes=True), step("done")], True),
        ([step("started", owes=True), step("failed", maybe_stored=False)], False),
        ([step("started", owes=True), step("failed", maybe_stored=True)], True),
        ([step("written", after="v2", owes=True), {"type": "audit", "store": "azure", "name": "a"}], False),
        # A journal of an earlier release says nothing of it.
        ([step("started"), step("written", after="v2")], False),
    ],
)
def test_what_is_stored_is_owed_to_the_audit_file_until_it_is_there(lines: list[dict[str, Any]], owes: bool) -> None:  # noqa: FBT001
    assert run_of(*lines).entries[A].owes is owes


def test_a_run_is_audited_once_it_had_an_audit_file() -> None:
    assert not run_of(step("started", owes=False)).is_audited
    assert run_of(step("started", owes=True), step("written", after="v2", owes=False)).is_audited


def test_an_undo_is_owed_on_its_own() -> None:
    undo = {"type": "undo", "store": "azure", "name": "a", "version": None}
    entry = run_of(step("written", after="v2"), {**undo, "state": "started", "before": "v2", "owes": True}).entries[A]
    assert (entry.owes, entry.undo_owes, entry.undo_before) == (False, True, "v2")
    done = run_of({**undo, "state": "started", "before": "v2", "owes": True}, {**undo, "state": "done", "owes": False})
    assert (done.entries[A].undo_owes, done.entries[A].undo_before) == (False, "v2")


def test_a_line_without_a_store_is_of_the_only_one_of_the_first_format() -> None:
    found = Run("id", Path("run"), "migrate", "prod", {"azure": "https://a"}, {})
    bare = {key: value for key, value in PLAN.items() if key != "store"}
    take(found, {**bare, "keys": KEYS}, "azure")
    take(found, {"type": "step", "name": "a", "state": "written", "after": "v2"}, "azure")
    assert found.entries[A].after == "v2"
    with pytest.raises(LookupError):
        take(found, {"type": "step", "name": "a", "state": "done"})


def test_what_was_to_be_recovered_and_is_not_written_is_known_by_store_and_name() -> None:
    recovered = {**PLAN, "kind": "recover", "before": None, "recover": True, "deleted": "v1", "keys": KEYS}
    found = Run("id", Path("run"), "restore", "prod", {"azure": "https://a"}, {})
    take(found, recovered)
    assert (found.entries[A].kind, found.recovering) == (Kind.RECOVER, {A: "v1"})
    take(found, step("written", after="v2"))
    assert found.recovering == {}


@pytest.mark.parametrize("line", [{"kind": "conjure"}, {"keys": [{"key": "TOKEN"}]}, {"keys": None}])
def test_a_plan_of_another_shape_is_no_plan(line: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        take(run_of(), {**PLAN, "keys": KEYS, **line})
