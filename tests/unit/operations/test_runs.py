"""The runs of a folder and of an audit file: real ones, of both formats, and whatever else may stand in such files."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from compiler.operations.runs import PastWrites, list_runs
from compiler.refusal import Refusal
from tests.unit.change.test_journal import LINES

RECORDED = Path(__file__).parents[1] / "cli/recorded"
FIRST = "20250131-120000-4fa1c2"
LINE: dict[str, Any] = {
    "time": "2025-01-31T12:00:00.000+00:00",
    "run": FIRST,
    "state": "writing",
    "who": "ada",
    "action": "create",
    "environment": "prod",
    "store": "https://vault",
    "name": "team/a",
    "properties": ["TOKEN"],
    "before": None,
    "version": None,
}


def lines(*found: object) -> str:
    return "".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in found)


def journal(root: Path, text: str, run: str = FIRST) -> None:
    folder = root / ".platform-secrets/runs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{run}.jsonl").write_text(text, "utf-8")


def audited(root: Path, text: str) -> tuple[tuple[PastWrites, ...], dict[str, str]]:
    (root / "audit").write_text(text, "utf-8")
    return list_runs(root, audit=str(root / "audit"))


@pytest.mark.parametrize(
    ("name", "state", "undo"),
    [
        ("complete", "complete", "platform-secrets migrate dev --undo 20261128-110140-d14850"),
        ("undone", "undone", None),
        ("undo-unrecorded", "partly undone", "platform-secrets put dev --undo 20261128-110140-1d4ea3"),
        ("retired", "complete", "platform-secrets retire dev --undo 20261128-110140-df5c49"),
        ("rotated", "complete, synced, not closed", "platform-secrets rotate dev --undo 20261128-170905-bc7427"),
    ],
)
def test_a_recorded_run_is_listed_with_its_end_and_its_undo(
    tmp_path: Path, name: str, state: str, undo: str | None
) -> None:
    (path,) = (RECORDED / name).glob("*.jsonl")
    (tmp_path / ".platform-secrets/runs").mkdir(parents=True)
    shutil.copy2(path, tmp_path / ".platform-secrets/runs")
    (run,), unread = list_runs(tmp_path, audit=str(RECORDED / name / "audit"))
    assert (run.run, run.state, run.undo, run.secrets) == (path.stem, state, undo, ("github",))
    assert (run.environment, run.planned, run.written, unread) == ("dev", 1, 1, {})
    # The journal says who began it, and an older one leaves that to the audit file.
    assert run.who == ("ada@laptop" if name == "rotated" else "tester")


def test_a_rotation_that_is_closed_has_no_undo(tmp_path: Path) -> None:
    (path,) = (RECORDED / "rotated").glob("*.jsonl")
    closed = lines({"type": "phase", "time": "2026-11-28T17:10:00.000+00:00", "phase": "closed"})
    journal(tmp_path, path.read_text("utf-8") + closed, path.stem)
    (run,), _ = list_runs(tmp_path)
    assert (run.state, run.undo) == ("complete, closed", None)


def test_a_journal_is_read(tmp_path: Path) -> None:
    journal(tmp_path, lines(*LINES))
    (run,), _ = list_runs(tmp_path)
    assert (run.command, run.environment, run.secrets) == ("migrate", "prod", ("github", "gitlab"))
    assert (run.state, run.planned, run.written, run.who) == ("partly undone", 3, 2, "")
    assert run.began == datetime(2025, 1, 31, 12, tzinfo=UTC)
    assert run.undo == f"platform-secrets migrate prod --undo {FIRST}"


def test_a_run_that_was_stopped_before_its_first_write_has_nothing_to_undo(tmp_path: Path) -> None:
    journal(tmp_path, lines(*LINES[:3]))
    (run,), _ = list_runs(tmp_path)
    assert (run.state, run.written, run.undo) == ("stopped before the first write", 0, None)
    journal(tmp_path, lines(*LINES[:7]))
    (run,), _ = list_runs(tmp_path)
    assert (run.state, run.written, run.undo is None) == ("stopped, or still running", 1, False)


def test_a_write_of_which_only_the_begin_is_recorded_is_not_counted_as_written(tmp_path: Path) -> None:
    begun = next(number for number, line in enumerate(LINES) if line.get("state") == "started")
    journal(tmp_path, lines(*LINES[: begun + 1]))
    (run,), _ = list_runs(tmp_path)
    assert (run.state, run.written) == ("stopped, or still running, 1 not known", 0)
    # The store may have it: the undo looks.
    assert run.undo == f"platform-secrets migrate prod --undo {FIRST}"


def test_the_newest_run_comes_first_with_its_environment(tmp_path: Path) -> None:
    for number, environment in enumerate(("prod", "dev", "prod")):
        head = {**LINES[0], "environment": environment}
        journal(tmp_path, lines(head, *LINES[1:]), f"2025013{number}-120000-4fa1c2")
    runs, _ = list_runs(tmp_path)
    assert [(each.run, each.environment) for each in runs] == [
        ("20250132-120000-4fa1c2", "prod"),
        ("20250131-120000-4fa1c2", "dev"),
        ("20250130-120000-4fa1c2", "prod"),
    ]
    # There is no 32nd day: the run is there all the same.
    assert runs[0].began is None


def test_a_run_of_another_machine_is_known_by_the_audit_file(tmp_path: Path) -> None:
    other = {**LINE, "name": "team/b"}
    (run,), unread = audited(
        tmp_path,
        lines(
            *(LINE, {**LINE, "state": "written", "version": "1"}),
            *(other, {**other, "name": "team/c"}, {**other, "name": "team/c", "state": "failed"}),
        ),
    )
    assert (run.command, run.undo, run.who, run.secrets) == (None, None, "ada", ("team/a", "team/b", "team/c"))
    assert (run.state, run.planned, run.written) == ("by the audit file, 1 failed, 1 not known", 3, 1)
    assert unread == {}


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "[]",
        "null",
        '{"run": "' + FIRST,
        {},
        {**LINE, "run": 1},
        {**LINE, "run": "../../etc/passwd"},
        {**LINE, "state": ["writing"]},
        {**LINE, "state": "done"},
        {**LINE, "who": None},
        {**LINE, "environment": {}},
        {name: value for name, value in LINE.items() if name != "store"},
        "[" * 10_000,
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
def test_a_broken_line_is_counted_and_named_and_the_others_count(tmp_path: Path, broken: object) -> None:
    runs, unread = audited(tmp_path, lines(LINE, broken, {**LINE, "state": "written"}))
    assert [each.written for each in runs] == [1]
    assert unread == {str(tmp_path / "audit"): "1 line is not a line of an audit file: 2"}


def test_of_many_broken_lines_the_first_are_named(tmp_path: Path) -> None:
    _, unread = audited(tmp_path, lines(*["x"] * 9))
    assert [*unread.values()] == ["9 lines are not lines of an audit file: 1, 2, 3, 4, 5, …"]


def test_a_broken_journal_is_named_and_the_others_are_listed(tmp_path: Path) -> None:
    journal(tmp_path, "{}\n", "99999999-999999-aaaaaa")
    journal(tmp_path, lines({**LINES[0], "command": "put x; rm -rf /"}, *LINES[1:]), "20250131-120001-000000")
    journal(tmp_path, lines(*LINES))
    runs, unread = list_runs(tmp_path)
    assert [each.run for each in runs] == [FIRST]
    assert {name.rpartition("/")[2]: why.endswith("cannot be read") for name, why in unread.items()} == {
        "99999999-999999-aaaaaa.jsonl": True,
        "20250131-120001-000000.jsonl": True,
    }


def test_an_audit_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(RECORDED / "complete/audit")
    for name in ("gone", "link", ".", "a\0b"):
        with pytest.raises(Refusal, match="cannot be read"):
            list_runs(tmp_path, audit=str(tmp_path / name))
