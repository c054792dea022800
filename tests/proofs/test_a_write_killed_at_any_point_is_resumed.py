"""A writing command that is killed at any point is completed by the same command, and its runs are undone."""

import json
from pathlib import Path

import pytest

from tests.commands import Done
from tests.proofs.conftest import World
from tests.proofs.writing import COMMANDS, NAMES, PEM, TOKEN, VALUES, Writing

# Every line of the journal stands between two effects, so dying around each of them is dying at every step. With HALF
# a part of the line is on the disk already.
DYING = """
import os, signal, sys
from compiler.cli.main import main
from compiler.change import run_files

append, seen = run_files.LineFile.append, 0

def dying(self, line, **given):
    global seen
    seen += 1
    if seen == TURN:
        if HALF:
            os.write(self._descriptor, b'{"type":"st')
        os.kill(os.getpid(), signal.SIGKILL)
    append(self, line, **given)

run_files.LineFile.append = dying
sys.exit(main(sys.argv[1:]))
"""
# run, two plans, planned, three for each write, end.
LINES = 11
# The first line of which the whole plan is noted before it.
PLANNED = 5
KILLED = -9


def killed(writing: Writing, turn: int, *, half: bool = False) -> int:
    return dying(writing, writing.over, turn, half=half)


def dying(writing: Writing, words: tuple[str, ...], turn: int, *, half: bool = False) -> int:
    program = DYING.replace("TURN", str(turn)).replace("HALF", str(half))
    return writing.world.process(program, *words, "--apply").returncode


def active(world: World) -> set[str]:
    return {name for name in NAMES if world.azure.state._secrets[name].phase == "active"}


@pytest.mark.parametrize(
    ("name", "turn"),
    # Every line of one command. Of the others, which the same engine writes for: the last of the plan, the first after
    # it, and the last.
    [("migrate", turn) for turn in range(1, LINES + 1)]
    + [(name, turn) for name in ("put", "restore") for turn in (PLANNED - 1, PLANNED, LINES)],
)
def test_killed_before_line_i_and_run_again_is_the_uninterrupted_result(
    world: World, tmp_path: Path, name: str, turn: int
) -> None:
    writing = Writing(world, tmp_path, name)
    assert killed(writing, turn, half=turn % 2 == 1) == KILLED
    before = world.azure_versions()
    done = writing("--apply")
    assert done.code == 0, done
    assert writing.standing() == VALUES
    assert writing.versions() == {TOKEN: 1, PEM: 1}
    after = world.azure_versions()
    assert all(after[name] == versions for name, versions in before.items())
    again = writing("--apply")
    assert (again.code, world.azure_versions()) == (0, after)
    # Undone newest first, all comes back but what the killed run stored and could not record.
    left = set[str]()
    for journal in sorted(world.journals(), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        undone = world.run(name, "prod", "--undo", journal.stem, "--quiet", "--apply")
        if "cannot be read" in undone.err:
            # It was killed within the first line, and wrote nothing.
            continue
        left |= undone_names(undone)
        assert (undone.code == 0) == (not undone_names(undone)), undone
    assert active(world) == left


def test_one_more_line_is_never_written(writing: Writing) -> None:
    assert killed(writing, LINES + 1) == 0


STORED = """
import os, signal, sys
from compiler.cli.main import main
from compiler.change.run_log import RunLog

def dying(self, *_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

RunLog.record_version = dying
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_after_a_write_and_before_any_note_of_it_neither_undo_nor_audit_forgets_it(
    world: World, tmp_path: Path, name: str
) -> None:
    writing = Writing(world, tmp_path, name)
    audit = ("--audit", str(world.root / "audit.jsonl"))
    assert world.process(STORED, *writing.over, "--apply", *audit).returncode == KILLED
    assert any(versions for versions in world.azure_versions().values())
    shown = writing.undo()
    said = " ".join(shown.out.split())
    assert "the run was stopped while it wrote this" in said
    assert "compare its versions: " in said

    assert undone_names(writing.undo("--apply")) != set()
    lines = [json.loads(line) for line in (world.root / "audit.jsonl").read_text("utf-8").splitlines()]
    assert {line["state"] for line in lines} == {"writing"}
    assert writing("--apply").code == 0
    assert writing.standing() == VALUES


def undone_names(done: Done) -> set[str]:
    """The remote secrets that an undo leaves, as it is not known who wrote them."""
    said = " ".join(done.out.split())
    return {name for name in NAMES if f"/secrets/{name}" in said}


# run, plan, planned; the write's announcement, that it is recovered, that it is written, read back; end.
RECOVERING_LINES = 8


@pytest.fixture
def recovering(world: World, tmp_path: Path) -> Writing:
    """A migration that recovers one deleted secret, and nothing else."""
    world.azure.seed_deleted(TOKEN, json.dumps({"GITHUB_TOKEN": "old"}))
    writing = Writing(world, tmp_path, "migrate")
    world.azure.seed(PEM, VALUES["GITHUB_APP_KEY"])
    return writing


@pytest.mark.parametrize("turn", range(1, RECOVERING_LINES + 1))
def test_a_recovery_killed_before_line_i_is_completed_by_the_same_command(recovering: Writing, turn: int) -> None:
    words = (*recovering.over, "--recover")
    assert dying(recovering, words, turn, half=turn % 2 == 1) == KILLED
    done = recovering.world.run(*words, "--apply")
    assert done.code == 0, done
    assert recovering.standing() == VALUES
    assert recovering.versions() == {TOKEN: 2, PEM: 1}


def test_one_more_line_of_a_recovery_is_never_written(recovering: Writing) -> None:
    assert dying(recovering, (*recovering.words, "--recover"), RECOVERING_LINES + 1) == 0
