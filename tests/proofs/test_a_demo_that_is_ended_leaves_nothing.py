"""A demo that is interrupted, hung up, terminated or killed at any step leaves no process, port or file."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from compiler.demo.story import CHAPTERS
from tests.proofs.conftest import ALL_PROOFS

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("hangups")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)
# Each signal once; in `make proofs` each at every step. 0 is the start of the servers.
ONCE = [(number, step) for step, number in enumerate(SIGNALS)]
ALL = [(number, step) for number in SIGNALS for step in range(len(CHAPTERS) + 1)]


@dataclass(frozen=True)
class Started:
    """A demo in a process of its own."""

    process: subprocess.Popen[bytes]
    folder: Path

    def await_step(self, step: int) -> str:
        """What it printed up to the title of the step; 0 is the start of the servers."""
        seen = b""
        title = f"\n{step}. ".encode() if step else b"The demo starts"
        assert self.process.stdout is not None
        while title not in seen:
            # No more than that: what is not read stops the demo soon, however late a busy machine lets us end it.
            more = os.read(self.process.stdout.fileno(), 16)
            assert more, seen
            seen += more
        return seen.decode()

    def left(self) -> list[str]:
        """The processes that began in the test's folder, and the files of the demo."""
        found = [str(path) for path in (self.folder / "tmp").iterdir()]
        for path in Path("/proc").glob("[0-9]*/cwd"):
            try:
                here = str(path.readlink())
            except OSError:
                continue
            if here.startswith(str(self.folder)) and path.parent.name not in (str(os.getpid()), "self"):
                found.append(f"{path.parent.name} in {here}")
        return found


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="there is no /proc to see processes in")
@pytest.mark.parametrize(
    ("number", "step"),
    ALL if ALL_PROOFS else ONCE,
    ids=lambda each: each.name if isinstance(each, signal.Signals) else str(each),
)
def test_nothing_is_left(number: signal.Signals, step: int, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    variables = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")}
    command = [sys.executable, "-m", "compiler", "demo", "--no-pause"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=variables, cwd=tmp_path, pipesize=4096
    )
    started = Started(process, tmp_path)
    seen = started.await_step(step)
    # Its folder, itself, the process of the servers, OpenBao, and a program of the story where one is running.
    assert step == 0 or len(started.left()) in (4, 5)
    process.send_signal(number)
    rest = process.communicate(timeout=60)[0].decode()
    ends = time.monotonic() + 60
    while started.left() and time.monotonic() < ends:
        time.sleep(0.02)
    assert started.left() == []
    if number is not signal.SIGKILL:
        assert "interrupted; nothing is left of the demo\n" in rest, rest
        assert process.returncode == 130
    for port in re.findall(r"(?:127\.0\.0\.1|localhost):([0-9]+)", seen + rest):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port))) != 0
