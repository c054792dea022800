"""Signals and kills in the middle of a compile: every values file new or every one old, and no stray for long."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compiler.edit.new_project import project_files
from compiler.model.files import is_temporary
from tests.commands import Done
from tests.own_process import COMPILE, OwnProcesses, processes_with

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.heavy
# Sends itself a signal around step TURN of those that change the folder.
PROGRAM = """
import os, signal, sys
os.chdir(sys.argv.pop(1))
steps = 0

def stepping(original):
    def call(*arguments, **named):
        global steps
        steps += 1
        mine = steps
        if (mine, "before") == (TURN, HOW):
            os.kill(os.getpid(), NUMBER)
        try:
            return original(*arguments, **named)
        finally:
            if (mine, "after") == (TURN, HOW):
                os.kill(os.getpid(), NUMBER)
    return call

import compiler.stages.files
for name in ("link", "fsync", "replace", "unlink"):
    setattr(os, name, stepping(getattr(os, name)))
from compiler.__main__ import run
run()
"""
# Six syncs and three links, six replacements, one sync of the folder, and up to two removals a file.
TURNS = (1, 2, 9, 10, 12, 15, 16, 23)
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The three are caught alike: one of them comes at every turn, the others at the first, one in the middle and the last.
FEW = (TURNS[0], TURNS[4], TURNS[-1])
INTERRUPTED = 130
SAID = "interrupted; either all values files were written or none; run the command again\n"


class Folder:
    """The project's chart folder, with what it holds before and after the compile that is interrupted."""

    def __init__(self, project: Path, run: Callable[..., Done], processes: OwnProcesses) -> None:
        self.project, self.run, self.path = project, run, project / "chart"
        self._processes = processes
        base = project / "environments/base.yaml"
        assert run("compile").code == 0
        self.old = self.held()
        for number in range(3):
            (project / f"environments/more-{number}.yaml").write_text(
                "secrets: {global: {use: [azure-openai]}}\n", "utf-8"
            )
        base.write_text(base.read_text("utf-8").replace("refreshInterval: 1h", "refreshInterval: 2h"), "utf-8")
        assert run("compile").code == 0
        self.new = self.held()
        assert not self.old.items() & self.new.items()

    def reset(self) -> None:
        for path in self.path.glob("values-*.yaml"):
            path.unlink()
        for name, text in self.old.items():
            (self.path / name).write_bytes(text)

    def held(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.path.glob("values-*.yaml")}

    def strays(self) -> list[str]:
        return [path.name for path in self.path.iterdir() if path.name.startswith(".") and path.name != ".helmignore"]

    def stopped(self, turn: int, how: str, number: signal.Signals) -> subprocess.CompletedProcess[str]:
        """A compile that sends itself a signal."""
        program = PROGRAM.replace("TURN", str(turn)).replace("HOW", repr(how)).replace("NUMBER", str(int(number)))
        variables = {"PATH": os.environ["PATH"]}
        return self._processes.run(program, str(self.project), "compile", "--quiet", variables=variables)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=self.project,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture(scope="module")
def own_processes() -> Iterator[OwnProcesses]:
    with processes_with(COMPILE) as processes:
        yield processes


@pytest.fixture
def folder(project: Path, run: Callable[..., Done], own_processes: OwnProcesses) -> Folder:
    return Folder(project, run, own_processes)


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("number", STOPS)
def test_a_signal_around_any_step_leaves_all_or_none_and_no_stray(
    folder: Folder, number: signal.Signals, how: str
) -> None:
    seen = []
    for turn in TURNS if number == signal.SIGTERM else FEW:
        folder.reset()
        done = folder.stopped(turn, how, number)
        assert (done.returncode, done.stderr) == (INTERRUPTED, SAID), turn
        assert folder.held() in (folder.old, folder.new), turn
        assert folder.strays() == [], turn
        seen.append(folder.held() == folder.new)
    # Early ones undo, and those in the last tidying-up have nothing left to undo.
    assert (seen[0], seen[-1]) == (False, True)


@pytest.mark.parametrize("number", [*STOPS, signal.SIGKILL])
def test_a_signal_at_any_moment(folder: Folder, run: Callable[..., Done], number: signal.Signals) -> None:
    chance = random.Random(int(number))  # noqa: S311 - when, not what
    for _ in range(3):
        folder.reset()
        process = folder.start("-m", "compiler", "compile", "--quiet")
        time.sleep(chance.uniform(0.05, 0.4))
        process.send_signal(number)
        process.communicate(timeout=60)
        if number != signal.SIGKILL:
            assert folder.held() in (folder.old, folder.new)
            assert folder.strays() == []
        assert run("compile", "--quiet").code == 0
        assert (folder.held(), folder.strays()) == (folder.new, [])


@pytest.mark.parametrize("turn", TURNS)
def test_what_a_kill_leaves_is_ignored_by_git_and_removed_by_the_next_compile(folder: Folder, turn: int) -> None:
    folder.reset()
    assert folder.stopped(turn, "after", signal.SIGKILL).returncode == -signal.SIGKILL
    strays = folder.strays()
    assert strays
    assert all(is_temporary(name) for name in strays)
    for ignored in ((ROOT / ".gitignore").read_text("utf-8"), project_files("shop", "shop", "vault", {})[".gitignore"]):
        assert ignored_by_git(folder.project, ignored, strays) == sorted(f"chart/{name}" for name in strays)
    assert folder.run("compile", "--quiet").code == 0
    assert (folder.held(), folder.strays()) == (folder.new, [])
    assert folder.run("compile", "--quiet").code == 0


def ignored_by_git(project: Path, patterns: str, names: list[str]) -> list[str]:
    git = shutil.which("git") or ""
    (project / ".gitignore").write_text(patterns, "utf-8")
    subprocess.run([git, "init", "--quiet"], cwd=project, check=True)
    found = subprocess.run(
        [git, "check-ignore", *(f"chart/{name}" for name in names)],
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(found.stdout.split())


def test_two_compiles_at_once_do_not_take_each_others_files(folder: Folder) -> None:
    for _ in range(3):
        folder.reset()
        both = [folder.start("-m", "compiler", "compile", "--quiet") for _ in range(2)]
        assert [(process.communicate(timeout=60), process.returncode) for process in both] == [((b"", b""), 0)] * 2
        assert (folder.held(), folder.strays()) == (folder.new, [])
