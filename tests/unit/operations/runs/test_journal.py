from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from compiler.operations.change.plan import Kind, Location, Options, Plan, Result, State, Step, Write
from compiler.operations.runs.journal import (
    Journal,
    JournalError,
    find_run,
    find_unfinished,
    identity_of,
    new_id,
    read_run,
    runs,
    runs_folder,
)
from compiler.stores.values.secret import Secret
from compiler.text.credential import looks_like_credential

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = "20250131-120000-4fa1c2", "20250131-120001-000000"
STEP = Step("github", "TOKEN", Kind.CREATE, Location("vault", "v", "TOKEN"), Location("azure", "a", "TOKEN"))
BARE = Step("github", "TOKEN", Kind.CREATE, None, None)


def plan() -> Plan:
    writes = (Write("a", (STEP,), {"TOKEN": Secret("sentinel")}), Write("b", (BARE,), {}, recover=True, deleted="v7"))
    return Plan("prod", "azure", "https://a", {"vault": "https://v"}, Options(), (STEP,), writes)


def begin(root: Path, run: str = FIRST, identity: dict[str, Any] | None = None) -> Journal:
    return Journal.begin(root, run, plan(), identity or {"environment": "prod"})


def test_an_id_tells_when_and_no_two_are_alike() -> None:
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", new_id())
    assert new_id() != new_id()
    assert not any(looks_like_credential(f"run {new_id()}") for _ in range(50))


def test_what_is_noted_comes_back(tmp_path: Path) -> None:
    journal = begin(tmp_path)
    journal.started("a", None)
    journal.written("a", None, "v1", ("v0",))
    journal.settled(Result("a", State.DONE, "v1"))
    journal.started("b", None)
    journal.settled(Result("b", State.FAILED, code="unavailable"), maybe_stored=True)
    journal.end("incomplete")
    journal.close()
    run = find_run(tmp_path, FIRST)
    assert (run.environment, run.destination, run.address) == ("prod", "azure", "https://a")
    assert (run.entries["a"].kind, run.entries["b"].kind, run.entries["a"].keys) == ("create", "update", ("TOKEN",))
    assert (run.entries["a"].state, run.entries["a"].after) == ("done", "v1")
    assert (run.entries["b"].state, run.entries["b"].maybe_stored) == ("failed", True)
    assert run.recovering == {"b": "v7"}
    assert (run.ended, run.is_resumable) == ("incomplete", True)
    assert "sentinel" not in run.path.read_text("utf-8")


def test_what_is_announced_is_on_the_disk_and_what_became_of_it_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, waits = begin(tmp_path), list[int]()
    monkeypatch.setattr(os, "fsync", waits.append)
    journal.started("a", None)
    assert len(waits) == 1
    journal.written("a", None, "v1", ())
    journal.settled(Result("a", State.DONE, "v1"))
    assert len(waits) == 1
    journal.end("complete")
    assert len(waits) == 2
    journal.close()


def test_a_deleted_version_that_nobody_told_is_none_to_write_over(tmp_path: Path) -> None:
    writes = (Write("a", (BARE,), {}, recover=True),)
    Journal.begin(tmp_path, FIRST, replace(plan(), writes=writes), {}).close()
    run = find_run(tmp_path, FIRST)
    assert (run.entries["a"].recover, run.recovering) == (True, {})


def test_a_run_that_goes_on_has_not_ended_and_one_that_was_undone_cannot_go_on(tmp_path: Path) -> None:
    journal = begin(tmp_path)
    journal.end("interrupted")
    journal.started("a", "v1")
    assert find_run(tmp_path, FIRST).ended is None
    journal.adopted("a", "v2")
    assert find_run(tmp_path, FIRST).entries["a"].after == "v2"
    journal.undo("a", "started")
    journal.close()
    run = find_run(tmp_path, FIRST)
    assert (run.entries["a"].undo, run.is_resumable) == ("started", False)


@pytest.mark.parametrize(("state", "resumable"), [("complete", False), ("conflict", False), ("interrupted", True)])
def test_what_is_left_to_resume(tmp_path: Path, state: str, resumable: bool) -> None:  # noqa: FBT001
    journal = begin(tmp_path)
    journal.end(state)
    journal.close()
    found = find_unfinished(tmp_path, {"environment": "prod"})
    assert (found is not None) is resumable


def test_a_plan_that_is_not_whole_is_nothing_to_resume(tmp_path: Path) -> None:
    journal = begin(tmp_path)
    journal.close()
    path = runs_folder(tmp_path) / f"{FIRST}.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]), "utf-8")
    assert find_unfinished(tmp_path, {"environment": "prod"}) is None


def test_the_newest_of_the_same_identity_counts(tmp_path: Path) -> None:
    for run, identity in ((FIRST, {"environment": "prod"}), (SECOND, {"environment": "dev"})):
        begin(tmp_path, run, identity).close()
    (runs_folder(tmp_path) / "20990101-000000-000000.jsonl").write_text("broken\n")
    (runs_folder(tmp_path) / "notes.jsonl").write_text("not a run\n")
    found = find_unfinished(tmp_path, {"environment": "prod"})
    assert found is not None
    assert found.id == FIRST
    assert find_unfinished(tmp_path, {"environment": "qa"}) is None


@pytest.mark.parametrize("name", ["nobody", "../../etc/passwd", SECOND, FIRST + "\n"])
def test_a_run_that_is_none_is_refused_with_those_there_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(JournalError) as caught:
        find_run(tmp_path, name)
    assert caught.value.help == "the newest runs: there are none in this folder"
    begin(tmp_path).close()
    with pytest.raises(JournalError) as caught:
        find_run(tmp_path, name)
    assert FIRST in caught.value.help


@pytest.mark.parametrize("content", ["", "{}\n", "[]\n", '{"type": "run", "format": 1}\n'])
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(content)
    with pytest.raises(JournalError, match="cannot be read"):
        read_run(path)


def test_another_format_and_a_step_of_nothing_are_refused(tmp_path: Path) -> None:
    begin(tmp_path).close()
    path = runs_folder(tmp_path) / f"{FIRST}.jsonl"
    text = path.read_text("utf-8")
    path.write_text(text + json.dumps({"type": "step", "name": "nobody", "state": "done"}) + "\n")
    with pytest.raises(JournalError, match="cannot be read"):
        find_run(tmp_path, FIRST)
    path.write_text(text.replace('"format":1', '"format":2'))
    with pytest.raises(JournalError, match="another format"):
        find_run(tmp_path, FIRST)


@pytest.mark.parametrize("odd", [{}, [], ["v1"], 7, True])
@pytest.mark.parametrize(
    ("type_", "field"),
    [("plan", "before"), ("plan", "deleted"), ("step", "before"), ("step", "after"), ("undo", "version")],
)
def test_what_is_no_version_does_not_pass_for_one(tmp_path: Path, type_: str, field: str, odd: object) -> None:
    journal = begin(tmp_path)
    journal.started("a", None)
    journal.written("a", None, "v1", ())
    journal.undo("a", "done", "v2")
    journal.close()
    path = runs_folder(tmp_path) / f"{FIRST}.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    changed = [{**line, field: odd} if line["type"] == type_ else line for line in lines]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in changed), "utf-8")
    with pytest.raises(JournalError, match="cannot be read"):
        read_run(path)


def test_a_line_of_a_later_release_is_passed_over(tmp_path: Path) -> None:
    begin(tmp_path).close()
    path = runs_folder(tmp_path) / f"{FIRST}.jsonl"
    path.write_text(path.read_text("utf-8") + json.dumps({"type": "remark"}) + "\n")
    assert find_run(tmp_path, FIRST).is_planned


def test_a_journal_is_never_begun_over_another(tmp_path: Path) -> None:
    begin(tmp_path).close()
    with pytest.raises(FileExistsError):
        begin(tmp_path)


def test_an_identity_tells_where_what_and_how() -> None:
    one = identity_of({"only": []}, "prod", "https://a", None)
    assert one == identity_of({"only": []}, "prod", "https://a", None)
    assert one != identity_of({"only": ["github"]}, "prod", "https://a", None)
    assert one != identity_of({"only": []}, "prod", "https://a", "vault")


def test_another_writers_versions_are_remembered_past_later_lines(tmp_path: Path) -> None:
    journal = begin(tmp_path)
    journal.written("a", None, "v2", ("v1",))
    journal.settled(Result("a", State.CONFLICT, "v2", ("v1",), "conflict"))
    journal.close()
    assert find_run(tmp_path, FIRST).entries["a"].slipped == ("v1",)


def test_the_version_that_an_undo_wrote_comes_back(tmp_path: Path) -> None:
    journal = begin(tmp_path)
    journal.written("a", None, "v1", ())
    journal.undo("a", "started")
    assert find_run(tmp_path, FIRST).entries["a"].undone_as is None
    journal.undo("a", "done", "v2")
    # An undo once more, which finds it done.
    journal.undo("a", "started")
    journal.close()
    assert find_run(tmp_path, FIRST).entries["a"].undone_as == "v2"


def test_all_runs_are_read_newest_first_but_for_those_that_cannot_be(tmp_path: Path) -> None:
    assert list(runs(tmp_path)) == []
    for name in (FIRST, SECOND):
        begin(tmp_path, name).close()
    (runs_folder(tmp_path) / "20250131-120002-000000.jsonl").write_text("{}", "utf-8")
    (runs_folder(tmp_path) / "notes.jsonl").write_text("{}", "utf-8")
    assert [run.id for run in runs(tmp_path)] == [SECOND, FIRST]
