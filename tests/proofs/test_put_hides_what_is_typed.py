import os
import pty
import select
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tests.proofs.conftest import World

ROOT = Path(__file__).resolve().parents[2]
# Not pty.fork: the test's process has threads. A session's leader takes a terminal only when it asks for it.
TAKE = "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
RUN = "from compiler.__main__ import run; run()"
BECOME = "os.execv(sys.argv[1], sys.argv[1:])"


class Terminal:
    """A command on a terminal of its own, which it is to TAKE; it shows what a person would see."""

    def __init__(self, command: list[str], variables: dict[str, str]) -> None:
        self._descriptor, inside = pty.openpty()
        self._process = subprocess.Popen(command, env=variables, stdin=inside, stdout=inside, stderr=inside)
        os.close(inside)
        self.shown = ""

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + 30
        while text not in self.shown:
            assert time.monotonic() < end, self.shown
            if select.select([self._descriptor], [], [], 0.1)[0]:
                self.shown += os.read(self._descriptor, 4096).decode()

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def end(self) -> int:
        try:
            while chunk := os.read(self._descriptor, 4096):
                self.shown += chunk.decode()
        except OSError:
            # Linux tells the end of a terminal this way.
            pass
        os.close(self._descriptor)
        return self._process.wait(30)


def words(world: World) -> list[str]:
    return ["--root", str(world.root), "put", "prod", "jira"]


def put(world: World) -> Terminal:
    return Terminal([str(world.processes.command), TAKE + RUN, *words(world)], {"PATH": os.defpath, **world.variables})


def test_what_is_typed_is_not_shown_and_is_written_after_a_yes(world: World) -> None:
    terminal = put(world)
    terminal.wait_for("JIRA_TOKEN: ")
    terminal.type("s3ntinel-token\n")
    terminal.wait_for("JIRA_URL: ")
    terminal.type("\n")
    terminal.wait_for("[y/N] ")
    assert "jira: JIRA_TOKEN\r\nplan: 1 key to create" in terminal.shown
    terminal.type("y\n")
    assert terminal.end() == 0
    assert ": 1 of 1 done and verified" in terminal.shown
    assert "s3ntinel" not in terminal.shown
    assert world.get("agents/jira") == {"JIRA_TOKEN": "s3ntinel-token"}


def test_ctrl_c_at_a_prompt_writes_nothing(world: World) -> None:
    terminal = put(world)
    terminal.wait_for("JIRA_TOKEN: ")
    terminal.type("s3ntinel-token\n")
    terminal.wait_for("JIRA_URL: ")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert terminal.shown.endswith("interrupted; nothing was written\r\n")
    assert "s3ntinel" not in terminal.shown
    world.put("agents/jira", {"x": "y"})
    assert world.vault_versions("agents/jira") == 1


def test_ctrl_z_at_a_prompt_ends_it_as_the_shell_would_show_the_rest(world: World) -> None:
    # A shell without line editing: what it shows of what is typed is the terminal's own echo.
    variables = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "PS1": "ready> ", **world.variables}
    terminal = Terminal([sys.executable, "-c", TAKE + BECOME, "/bin/sh", "-i"], variables)
    terminal.wait_for("ready> ")
    terminal.type(f"{shlex.join([sys.executable, '-m', 'compiler', *words(world)])}\n")
    terminal.wait_for("JIRA_TOKEN: ")
    terminal.type("\x1a")
    terminal.wait_for("cannot be suspended")
    terminal.wait_for("ready> ")
    terminal.type("exit 0\n")
    assert terminal.end() == 0
    assert "Stopped" not in terminal.shown
