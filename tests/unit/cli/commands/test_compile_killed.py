"""Signals and kills in the middle of a compile: every values file new or every one old, and no stray for long."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.edit.new_project import project_files
from compiler.model.files import is_temporary
from tests.commands import RunCommand
from tests.own_process import COMPILE, OwnProcesses, processes_with
from tests.platforms import BASE, CATALOGUE

ROOT = Path(__file__).resolve().parents[4]
pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("hangups")]
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
# Says that it is there, by its process id, and waits until it is to begin.
# Six syncs and three links, six replacements, one sync of the folder, and up to two removals a file.
TURNS = (1, 2, 9, 10, 12, 15, 16, 23)
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The three are caught alike: one of them comes at every turn, the others at the first, one in the middle and the last.
FEW = (TURNS[0], TURNS[4], TURNS[-1])
VARIABLES = {"PATH": os.environ["PATH"]}
INTERRUPTED = 130
SAID = "interrupted; either all values files were written or none; run the command again\n"


class Folder:
    """The project's chart folder, with what it holds before and after the compile that is interrupted."""

    def __init__(self, project: Path, run: RunCommand, processes: OwnProcesses) -> None:
        self.project, self.run, self.path = project, run, project / "chart"
        self._processes = processes
        # Small inputs: a compile is then what it does to the folder, more than the reading of a catalogue.
        self._write("base", BASE)
        self._write("catalogue", CATALOGUE)
        self._add("dev", "prod", "staging")
        assert run("compile").code == 0
        self.old = self.held()
        self._write("base", BASE.replace("refreshInterval: 1h", "refreshInterval: 2h"))
        self._add("more-0", "more-1", "more-2")
        assert run("compile").code == 0
        self.new = self.held()
        assert (len(self.old), len(self.new)) == (3, 6)
        assert not self.old.items() & self.new.items()

    def _add(self, *environments: str) -> None:
        for name in environments:
            self._write(name, f"stores: {{vault: {{prefix: {name}/}}}}\n")

    def _write(self, name: str, text: str) -> None:
        (self.project / f"environments/{name}.yaml").write_text(text, "utf-8")

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
        return self._processes.run(program, str(self.project), "compile", "--quiet", variables=VARIABLES)


@pytest.fixture(scope="module")
def own_processes(hangups: None) -> Iterator[OwnProcesses]:
    with processes_with(COMPILE) as processes:
        yield processes


@pytest.fixture
def folder(project: Path, run: RunCommand, own_processes: OwnProcesses) -> Folder:
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
