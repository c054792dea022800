"""A writing command that is killed at any point goes on by the same command, and its result is the undisturbed one."""

import json
import shlex
from pathlib import Path

import pytest

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
def test_killed_before_line_i_and_resumed_is_the_uninterrupted_result(
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
    assert ("resuming run" in done.err) == (turn >= PLANNED)
    if turn >= PLANNED:
        # It is one run, and undoing it takes back all of it.
        assert len(world.journals()) == 1
        assert writing.undo("--apply").code == 0
        assert active(world) == set()


def test_one_more_line_is_never_written(writing: Writing) -> None:
    assert killed(writing, LINES + 1) == 0


def test_a_resumed_run_does_not_overwrite_a_writer_who_came_since_whatever_was_asked(
    world: World, writing: Writing
) -> None:
    # One of the two writes is stored and the other one may be.
    assert killed(writing, LINES) == KILLED
    world.azure.seed(TOKEN, '{"GITHUB_TOKEN": "theirs"}')
    done = writing("--apply")
    assert done.code == 1
    assert world.azure_object(TOKEN) == {"GITHUB_TOKEN": "theirs"}
    # That run has ended: what the user asks for once more is a new plan, and it was told.
    assert json.loads(world.journals()[0].read_text("utf-8").splitlines()[-1])["state"] == "conflict"
    assert writing("--apply").code == 0
    assert writing.standing() == VALUES


@pytest.mark.parametrize("turn", [PLANNED, LINES])
@pytest.mark.parametrize("name", ["put", "restore"])
def test_another_value_than_the_stopped_run_wrote_is_a_conflict_by_key(
    world: World, tmp_path: Path, name: str, turn: int
) -> None:
    writing = Writing(world, tmp_path, name)
    assert killed(writing, turn) == KILLED
    is_written = turn == LINES
    writing.has({**VALUES, "GITHUB_TOKEN": "another"})
    report = writing("--apply", "--format", "json").report
    kinds = {step["key"]: step["kind"] for step in report["steps"]}
    if not is_written:
        # It wrote none, so none differs from what it wrote.
        assert (report["exitCode"], writing.standing()["GITHUB_TOKEN"]) == (0, "another")
        return
    assert (report["exitCode"], kinds) == (1, {"GITHUB_TOKEN": "conflict", "GITHUB_APP_KEY": "keep"})
    (step,) = [step for step in report["steps"] if step["kind"] == "conflict"]
    assert "the run already wrote a different value for it, version " in step["reason"]
    assert writing.standing() == VALUES
    assert writing("--apply").code == 0
    assert writing.standing()["GITHUB_TOKEN"] == "another"


def test_a_resumed_run_is_narrowed_to_what_it_planned(world: World, tmp_path: Path) -> None:
    writing = Writing(world, tmp_path, "migrate")
    world.put("agents/github", {"GITHUB_TOKEN": "token-1"})
    # One write: the plan is whole one line earlier.
    assert killed(writing, PLANNED - 1) == KILLED
    writing.has(VALUES)
    done = writing("--apply")
    assert (done.code, done.out.splitlines()[-1]) == (4, "incomplete; run the same command again to continue")
    assert "azure:github-app-key" in done.out.partition("left for the next one:")[2]
    assert world.azure.versions(PEM) == []
    assert writing("--apply").code == 0
    assert world.azure.value(PEM) == VALUES["GITHUB_APP_KEY"]


def test_a_put_whose_place_moved_meanwhile_does_not_say_that_it_is_done(world: World, tmp_path: Path) -> None:
    """The value that is given once more is in no place that anybody reads now."""
    writing = Writing(world, tmp_path, "put")
    world.serve_from("azure")
    assert killed(writing, PLANNED + 1) == KILLED
    catalogue = world.root / "environments/catalogue.yaml"
    moved = catalogue.read_text("utf-8").replace("azurekv: agents-github}", "azurekv: agents-github-2}")
    catalogue.write_text(moved.replace("name: github-app-key,", "name: github-app-key-2,"), "utf-8")
    done = writing("--apply")
    assert done.code == 4, done
    assert not [name for name in world.azure_versions() if name.endswith("-2")]
    assert writing("--apply").code == 0
    assert [name for name in world.azure_versions() if name.endswith("-2")]


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
    (journal,) = world.journals()
    shown = writing.undo()
    said = " ".join(shown.out.split())
    assert "the run was stopped while it wrote this" in said
    assert "compare its versions: " in said

    assert writing("--apply", *audit).code == 0
    lines = [json.loads(line) for line in (world.root / "audit.jsonl").read_text("utf-8").splitlines()]
    written = [line for line in lines if line["state"] == "written"]
    after = world.azure_versions()
    assert {(line["name"], line["action"], line["version"], tuple(line["properties"])) for line in written} == {
        (TOKEN, "create", *after[TOKEN], ("GITHUB_TOKEN",)),
        (PEM, "create", *after[PEM], ()),
    }
    assert len(written) == 2
    assert {line["run"] for line in lines} == {journal.stem}
    assert writing.undo("--apply").code == 0
    assert active(world) == set()


# run, plan, planned; the write's announcement, that it is recovered, that it is written, read back; end.
STARTED, RECOVERED, RECOVERING_LINES = 4, 5, 8


@pytest.fixture
def recovering(world: World, tmp_path: Path) -> Writing:
    """A migration that recovers one deleted secret, and nothing else."""
    world.azure.seed_deleted(TOKEN, json.dumps({"GITHUB_TOKEN": "old"}))
    writing = Writing(world, tmp_path, "migrate")
    world.azure.seed(PEM, VALUES["GITHUB_APP_KEY"])
    return writing


def conflict(writing: Writing, *options: str) -> list[str]:
    """Resumed, it stops at what it does not know to be its own, writes nothing and prints how to go on."""
    known = writing.world.azure_versions()
    done = writing.world.run(*writing.words, "--recover", "--apply", *options)
    assert done.code == 4, done
    assert "it is not known whether the run recovered it" in " ".join(done.out.split())
    assert writing.world.azure_object(TOKEN) == {"GITHUB_TOKEN": "old"}
    assert writing.world.azure_versions() == known
    (printed,) = {line.strip() for line in done.out.splitlines() if line.strip().startswith("platform-secrets ")}
    return shlex.split(printed)[1:]


@pytest.mark.parametrize("turn", range(1, RECOVERING_LINES + 1))
def test_a_recovery_killed_before_line_i_goes_on_unless_it_is_not_known_to_be_the_runs(
    recovering: Writing, turn: int
) -> None:
    words = (*recovering.words, "--recover")
    assert dying(recovering, words, turn, half=turn % 2 == 1) == KILLED
    if turn == RECOVERED:
        # Sent and answered, and not noted: somebody else may have recovered it.
        words = tuple(conflict(recovering))
        assert words[-3:] == ("--on-conflict", "overwrite", "--apply")
        done = recovering.world.run(*words)
    else:
        done = recovering.world.run(*words, "--apply")
    assert done.code == 0, done
    assert recovering.standing() == VALUES
    assert recovering.versions() == {TOKEN: 2, PEM: 1}


def test_one_more_line_of_a_recovery_is_never_written(recovering: Writing) -> None:
    assert dying(recovering, (*recovering.words, "--recover"), RECOVERING_LINES + 1) == 0


@pytest.mark.parametrize("turn", [STARTED, RECOVERED])
def test_what_somebody_else_recovered_while_the_run_was_stopped_is_not_overwritten(
    recovering: Writing, turn: int
) -> None:
    assert dying(recovering, (*recovering.words, "--recover"), turn) == KILLED
    if turn == STARTED:
        recovering.world.azure.state.recover(recovering.world.azure.url, TOKEN)
    # The undo of the run takes nothing away either.
    conflict(recovering)
    assert recovering.undo("--apply").code == (0 if turn == STARTED else 1)
    assert recovering.world.azure_object(TOKEN) == {"GITHUB_TOKEN": "old"}
