"""A program text in a process of its own, forked from one that has imported the modules of a command already.

That takes most of the time of a command that is killed in its first second, most of all the clients of the stores.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.ready_commands import ready_commands, run_ready

# By the wall: a busy machine gives a process of ten seconds a minute and more.
SECONDS = 300
# What every command imports, one package late.
ANY = (
    *("compiler.__main__", "compiler.pipeline", "compiler.render.formats", "compiler.cli.terminal.contents"),
    "jsonschema",
)
COMPILE = (*ANY, *(f"compiler.cli.commands.{name}" for name in ("compile", "diff", "verify")))
LIVE = (
    *ANY,
    *(
        f"compiler.cli.commands.{name}"
        for name in ("backup", "cutover", "migrate", "put", "restore", "retire", "rotate", "verify")
    ),
    *("compiler.stores.azure_key_vault.store", "compiler.stores.vault.store"),
    *("azure.identity", "azure.keyvault.secrets", "hvac", "pyrage"),
)


def _read_all(descriptor: int) -> str:
    with os.fdopen(descriptor, encoding="utf-8") as file:
        return file.read()


@dataclass(frozen=True)
class OwnProcesses:
    """Starts them by `command`, which runs its first argument."""

    command: Path

    def run(self, program: str, *argv: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a program text with these arguments and no other variables; it may take five minutes."""
        words, ends = [program, *argv], [os.pipe(), os.pipe()]
        # Pipes, as a program may limit the size of files.
        with ThreadPoolExecutor(2) as pool:
            outputs = [pool.submit(_read_all, reading) for reading, _ in ends]
            with (
                Path(os.devnull).open() as nothing,
                os.fdopen(ends[0][1], "w") as out,
                os.fdopen(ends[1][1], "w") as err,
            ):
                code = run_ready(self.command, words, variables, (nothing.fileno(), out.fileno(), err.fileno()))
            return subprocess.CompletedProcess(words, code, *(output.result() for output in outputs))

    def start(self, program: str, *argv: str, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start what `run` waits for, with pipes for its input and both of its outputs."""
        return subprocess.Popen(
            [self.command, program, *argv],
            env=dict(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@contextmanager
def processes_with(modules: tuple[str, ...]) -> Iterator[OwnProcesses]:
    """Own processes that have imported `modules`, for the length of the `with` block."""
    with _ready("own-process", "tests.own_process:run_program_text", modules) as command:
        yield OwnProcesses(command)


@contextmanager
def program_with(modules: tuple[str, ...]) -> Iterator[Path]:
    """The program itself as a file to start, with `modules` imported, for the length of the `with` block."""
    with _ready("platform-secrets", "compiler.__main__:run", modules) as command:
        yield command


@contextmanager
def _ready(name: str, function: str, modules: tuple[str, ...]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder, ready_commands(Path(folder), {name: function}, modules):
        yield Path(folder) / name


def run_program_text() -> None:
    signal.alarm(SECONDS)
    name, program, *argv = sys.argv
    sys.argv = [name, *argv]
    exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - of the test
