"""What `runs` prints: each run with the line that undoes it, and that line is one that the program takes."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Done
from tests.unit.change.test_journal import LINES
from tests.unit.operations.test_runs import LINE, RECORDED, journal, lines

Run = Callable[..., Done]


@pytest.fixture
def folder(project: Path) -> Path:
    (project / ".platform-secrets/runs").mkdir(parents=True)
    return project


def test_a_run_is_shown_with_its_undo(run: Run, folder: Path) -> None:
    (path,) = (RECORDED / "rotated").glob("*.jsonl")
    shutil.copy2(path, folder / ".platform-secrets/runs")
    first, second = run("runs").out.splitlines()
    assert first.startswith(
        '20261128-170905-bc7427: rotate dev of "github"; complete, synced, not closed; 1 of 1 remote secret written'
    )
    assert "; by ada@laptop; " in first
    assert second == "  to undo it: platform-secrets rotate dev --undo 20261128-170905-bc7427"
    # The printed line is pasted: the command finds the run, and asks its store.
    _, *words = shlex.split(second.partition(": ")[2])
    assert "there is no run" not in run(*words).err


def test_without_runs_it_says_so(run: Run, project: Path) -> None:
    assert run("runs", "prod") == Done(0, "no runs\n", "")


def test_without_runs_of_an_environment_it_names_those_that_have_some(run: Run, folder: Path) -> None:
    journal(folder, lines(*LINES[:3]), "20250101-120000-4fa1c2")
    assert run("runs", "prd") == Done(0, 'no runs of this environment, but of "prod"\n', "")


def test_the_newest_are_shown_and_the_rest_is_counted(run: Run, folder: Path) -> None:
    for number in range(25):
        journal(folder, lines(*LINES[:3]), f"20250101-1200{number:02}-4fa1c2")
    found = run("runs").out.splitlines()
    assert found[0].startswith("20250101-120024-4fa1c2: migrate prod")
    assert found[20:] == ["5 older runs not shown; `--all` shows them"]
    assert len(run("runs", "--all").out.splitlines()) == 25


def test_broken_lines_and_hostile_names_are_told_on_one_line_each(run: Run, folder: Path) -> None:
    hostile = {**LINE, "name": "a\n\x1b[31mb\u202e", "who": "eve\nroot"}
    (folder / "audit").write_text(lines(hostile, "x"), "utf-8")
    done = run("runs", "--audit", "audit")
    first, second = done.out.splitlines()
    assert (done.code, second) == (0, "warning: audit: 1 line is not a line of an audit file: 2")
    assert "\x1b" not in first
    assert "\u202e" not in first
    assert run("runs", "--audit", "gone").code == 2
