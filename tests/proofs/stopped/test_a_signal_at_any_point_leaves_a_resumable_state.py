"""Ctrl-C and SIGTERM, as real signals, around each request of each live command, one of them or two in a row."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from compiler.stores.pacing import Limiter, RequestClass
from tests.commands import Done
from tests.proofs.conftest import World
from tests.proofs.stopped.conftest import NAMES, ready

# A thread that reads for a command that was stopped is not waited for: its socket goes with the process.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
WRITES = ("put", "restore", "migrate", "undo")
# Every way in which a command may say in one line what it leaves behind.
LEFT = {
    "put": ("nothing was written", "run the same command again"),
    "restore": ("nothing was written", "run the same command again"),
    "migrate": ("nothing was written", "run the same command again"),
    "undo": ("nothing was written", "run the same command again"),
    "verify": ("nothing was written",),
    "backup": ("no file was written", "the file is either unchanged or complete"),
}
# Around every request of one command that writes and of its undo, and of those that read. The others write by the same
# engine: every third or second request will do.
STRIDES = {("put", 1): 3, ("restore", 1): 3, ("backup", 2): 2}


class Signals:
    """Sends signals to this process around the request of a turn; every request passes the limiter."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._seen = 0
        self._plan: dict[tuple[int, str], int] = {}
        self._lock = threading.Lock()
        self.sent = 0
        real = Limiter.slot
        signals = self

        @contextmanager
        def slot(limiter: Limiter, kind: RequestClass, end: float) -> Iterator[None]:
            with real(limiter, kind, end):
                with signals._lock:
                    signals._seen += 1
                    turn = signals._seen
                signals._send(turn, "before")
                try:
                    yield
                finally:
                    signals._send(turn, "after")

        monkeypatch.setattr(Limiter, "slot", slot)

    def at(self, plan: dict[tuple[int, str], int]) -> None:
        self._plan, self._seen, self.sent = plan, 0, 0

    def _send(self, turn: int, when: str) -> None:
        if (number := self._plan.pop((turn, when), None)) is not None:
            self.sent += 1
            os.kill(os.getpid(), number)


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Signals:
    return Signals(monkeypatch)


def assert_told(command: str, done: Done) -> None:
    shown = [line for line in (done.out + done.err).splitlines() if line]
    assert "Traceback" not in done.out + done.err
    assert "internal error" not in done.err
    said = [line for line in shown if any(words in line for words in LEFT[command])]
    assert len(said) == 1, shown


def versions(world: World) -> dict[str, int]:
    return {name: len(found) for name, found in world.azure_versions().items()}


@pytest.mark.parametrize(
    ("command", "count", "when"),
    # While a command writes to stores, a second one is a kill, which has a proof of its own.
    [*((command, 1, "after") for command in LEFT), ("backup", 2, "before")],
)
def test_a_signal_around_any_request_ends_it_with_130_and_the_command_once_more_completes_it(
    world: World,
    commands: dict[str, tuple[str, ...]],
    signals: Signals,
    tmp_path: Path,
    command: str,
    count: int,
    when: str,
) -> None:
    kinds, turn, tries, stopped, is_sent = (signal.SIGINT, signal.SIGTERM), 1, 0, 0, True
    while is_sent:
        tries += 1
        argv = ready(world, commands, command)
        known = world.azure_versions()
        signals.at({(turn + more, when): kinds[(turn + more) % 2] for more in range(count)})
        done = world.run(*argv)
        is_sent = signals.sent > 0
        signals.at({})
        if is_sent and done.code == 130:
            stopped += 1
            assert_told(command, done)
            if "nothing was written" in done.out + done.err:
                assert world.azure_versions() == known
        else:
            # Too late to stop anything: all was done.
            assert done.code == 0, done.out + done.err
        again = world.run(*argv)
        assert again.code == 0, again.out + again.err
        if command in WRITES:
            assert versions(world) == dict.fromkeys(NAMES, 3 if command == "undo" else 1)
        if command == "backup":
            assert (tmp_path / "again.age").read_bytes().startswith(b"age-encryption.org/v1\n")
        turn += STRIDES.get((command, count), 1)
    # The last one sends none, and what comes during the last write's reading back has nothing left to stop.
    assert 2 * stopped >= tries - 1 > 1


@pytest.mark.parametrize(
    ("command", "number"),
    [*zip(LEFT, (signal.SIGINT, signal.SIGTERM) * 3, strict=True), ("put", signal.SIGTERM), ("restore", signal.SIGINT)],
)
def test_a_process_of_its_own_ends_with_130_and_one_line(
    world: World, commands: dict[str, tuple[str, ...]], command: str, number: signal.Signals
) -> None:
    argv = ready(world, commands, command)
    program = f"""
import os, signal, sys
from compiler.stores.pacing import Limiter
enter = Limiter._enter

def stopping(self, *given):
    Limiter._enter = enter
    os.kill(os.getpid(), {int(number)})
    return enter(self, *given)

Limiter._enter = stopping
from compiler.__main__ import run
run()
"""
    done = world.process(program, *argv)
    assert done.returncode == 130, done.stderr
    assert [line for line in done.stderr.splitlines() if "interrupted" in line] == [f"interrupted; {LEFT[command][0]}"]
    assert "Traceback" not in done.stderr
