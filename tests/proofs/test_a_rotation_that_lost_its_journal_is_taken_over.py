"""A rotation whose machine is gone is taken over from every step, and the take-over itself is killed at every step."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compiler.stores.interface import ROTATION
from tests.commands import Done
from tests.proofs.conftest import World
from tests.proofs.test_a_rotation_is_followed_to_its_end import LINES, OLD, PLACES, held, tags
from tests.proofs.test_a_write_killed_at_any_point_is_resumed import DYING, KILLED, PLANNED

NEW = "n3w-s3ntinel"
# Dies before a request to a store, or before a line of the journal.
DYING_AT = """
import os, signal, sys
from compiler.change import run_files
from compiler.cli.main import main
from compiler.stores.pacing import Limiter

enter, append, seen = Limiter._enter, run_files.LineFile.append, 0

def step():
    global seen
    seen += 1
    if seen == TURN:
        os.kill(os.getpid(), signal.SIGKILL)

def entering(self, *given):
    step()
    return enter(self, *given)

def adding(self, *given, **more):
    step()
    append(self, *given, **more)

Limiter._enter, run_files.LineFile.append = entering, adding
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def there(world: World, tmp_path: Path) -> Path:
    """Another machine with the same project, whose stores hold the old value."""
    world.put(PLACES["vault"], OLD)
    world.azure.seed(PLACES["azure"], json.dumps(OLD), tags={"team": "x"})
    return Path(shutil.copytree(world.root, tmp_path / "there"))


def begin(world: World) -> tuple[str, ...]:
    """The command that rotates the token in both stores."""
    value = world.private("value", NEW)
    return ("rotate", "prod", "jira", "JIRA_TOKEN", "--without-cluster", "--from-file", str(value), "--apply")


def lose(world: World) -> None:
    """The disk of the machine that began it is gone."""
    shutil.rmtree(world.root / ".platform-secrets")


def on(world: World, root: Path, *words: str) -> Done:
    return world.run("--root", str(root), *words)


def known(world: World, root: Path) -> list[dict[str, Any]]:
    """The rotations that only the stores know."""
    runs = on(world, root, "runs", "prod", "--stores", "--format", "json").report["runs"]
    return [each for each in runs if each["takeOver"] is not None]


def taken(world: World, root: Path) -> tuple[str, Done]:
    """The run that the stores know, once its line is pasted and applied."""
    (row,) = known(world, root)
    assert row["takeOver"].endswith(f" rotate prod jira --take-over {row['run']}")
    return row["run"], on(world, root, "rotate", "prod", "jira", "--take-over", row["run"], "--apply")


@pytest.mark.parametrize("turn", range(PLANNED, LINES + 1))
def test_killed_at_any_step_it_goes_on_and_goes_back_elsewhere(world: World, there: Path, turn: int) -> None:
    killed = world.process(DYING.replace("TURN", str(turn)).replace("HALF", "0"), *begin(world))
    assert killed.returncode == KILLED
    lose(world)
    if not known(world, there):
        # Before the first write there is nothing to take over.
        assert (held(world), turn <= PLANNED + 1) == (("old", "old"), True)
        return
    run, done = taken(world, there)
    assert done.code == 0, done
    is_waiting = "is to get the new one" in done.out
    assert is_waiting is (held(world) != (NEW, NEW))
    more = ("--apply",) if is_waiting else ()
    went_on = on(world, there, "rotate", "prod", "jira", "JIRA_TOKEN", "--without-cluster", *more)
    assert (went_on.code, held(world)) == (0, (NEW, NEW)), went_on
    assert (world.vault_versions(PLACES["vault"]), len(world.azure_versions()[PLACES["azure"]])) == (2, 2)
    if turn % 2:
        assert on(world, there, "rotate", "prod", "--undo", run, "--apply").code == 0
        assert held(world) == ("old", "old")
    else:
        assert on(world, there, "rotate", "prod", "--confirm-revoked", run, "--without-cluster").code == 0
        assert held(world) == (NEW, NEW)
    assert tags(world) == ({}, {"team": "x"})
    assert NEW not in done.out + done.err + went_on.out + went_on.err


def test_a_take_over_that_is_killed_at_any_step_is_repeated(world: World, there: Path) -> None:
    assert world.run(*begin(world)).code == 0
    lose(world)
    (row,) = known(world, there)
    words = ("rotate", "prod", "jira", "--take-over", row["run"], "--apply")
    for turn in range(1, 100):
        shutil.rmtree(there / ".platform-secrets", ignore_errors=True)
        variables = {"HOME": str(there), **world.variables}
        died = world.processes.run(
            DYING_AT.replace("TURN", str(turn)), "--root", str(there), *words, variables=variables
        ).returncode
        again = on(world, there, *words)
        is_held = "is here" in again.err
        assert (again.code, is_held) in {(0, False), (1, True)}, (turn, again)
        if died == 0:
            break
        if turn % 5 == 0 or is_held:
            shown = on(world, there, "rotate", "prod", "--undo", row["run"])
            assert (shown.code, "2 keys to update, in 2 remote secrets" in shown.out) == (0, True), shown
    else:
        pytest.fail("it never came to its end")
    assert turn > 10
    assert on(world, there, "rotate", "prod", "--undo", row["run"], "--apply").code == 0
    assert (held(world), tags(world)) == (("old", "old"), ({}, {"team": "x"}))


def test_two_machines_at_once_write_each_place_once(world: World, there: Path) -> None:
    """The first one sleeps between its two writes; the second one takes over and goes on; the first one wakes up."""
    # One after the other: the fourth line after the plan announces the second write.
    program = DYING.replace("TURN", str(PLANNED + 3)).replace("HALF", "0").replace("SIGKILL", "SIGSTOP")
    program = program.replace("append, seen", "apply.apply_plan.__kwdefaults__['workers'] = 1\nappend, seen")
    program = program.replace("import run_files", "import apply, run_files")
    variables = {"PATH": os.defpath, "HOME": str(world.root), **world.variables}
    command = [sys.executable, "-c", program, "--root", str(world.root), *begin(world)]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
        try:
            os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WNOWAIT)
            assert held(world) == (NEW, "old")
            run, done = taken(world, there)
            assert done.code == 0, done
            went_on = on(world, there, "rotate", "prod", "jira", "JIRA_TOKEN", "--without-cluster", "--apply")
            assert (went_on.code, held(world)) == (0, (NEW, NEW)), went_on
            first.send_signal(signal.SIGCONT)
            out, err = first.communicate(timeout=60)
        finally:
            first.kill()
    assert (first.returncode, f"has taken the rotation {run} over" in " ".join(out.split())) == (1, True), out + err
    assert (world.vault_versions(PLACES["vault"]), len(world.azure_versions()[PLACES["azure"]])) == (2, 2)
    for words in (begin(world), ("rotate", "prod", "--undo", run, "--apply")):
        refused = world.run(*words)
        assert (refused.code, held(world)) == (1, (NEW, NEW)), refused
    assert [each[ROTATION] for each in tags(world)] == [run, run]
    assert on(world, there, "rotate", "prod", "--undo", run, "--apply").code == 0
    assert (held(world), tags(world)) == (("old", "old"), ({}, {"team": "x"}))
