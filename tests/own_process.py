"""A program text in a process of its own, forked from one that has imported the modules of a command already.

That takes most of the time of a command that is killed in its first second, most of all the clients of the stores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]
# Reads a line for each program, forks, and answers with how the child ended and what it printed. The child leaves the
# loop and ends as any program does: its threads are waited for, and its standard streams are flushed.
PARENT = """
import importlib, json, os, selectors, signal, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
program = None
for line in iter(sys.stdin.readline, ""):
    asked = json.loads(line)
    pipes = [os.pipe(), os.pipe()]
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os.environ.clear()
        os.environ.update(asked["variables"])
        for number, opened in enumerate((os.open(os.devnull, os.O_RDONLY), pipes[0][1], pipes[1][1])):
            os.dup2(opened, number)
            os.close(opened)
        for reads, _ in pipes:
            os.close(reads)
        sys.argv = ["-c", *asked["argv"]]
        program = asked["program"]
        break
    said = {}
    with selectors.DefaultSelector() as waiting:
        for reads, writes in pipes:
            os.close(writes)
            said[reads] = b""
            waiting.register(reads, selectors.EVENT_READ)
        while waiting.get_map():
            for key, _ in waiting.select():
                data = os.read(key.fd, 65536)
                said[key.fd] += data
                if not data:
                    waiting.unregister(key.fd)
                    os.close(key.fd)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([code, *(text.decode() for text in said.values())]), flush=True)
if program is not None:
    exec(compile(program, "<string>", "exec"), globals())
"""
COMPILE = (
    "compiler.__main__",
    *(f"compiler.cli.commands.{name}" for name in ("compile", "diff", "verify")),
    *("compiler.pipeline", "compiler.render.text"),
)
LIVE = (
    "compiler.__main__",
    *(f"compiler.cli.commands.{name}" for name in ("backup", "migrate", "put", "restore", "verify")),
    *("compiler.stores.azure_key_vault.store", "compiler.stores.vault.store"),
    *("azure.identity", "azure.keyvault.secrets", "hvac", "pyrage"),
)


@dataclass
class OwnProcesses:
    """Starts them until it is stopped."""

    _parent: subprocess.Popen[str]

    @classmethod
    def start(cls, modules: tuple[str, ...]) -> Self:
        variables = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", PARENT, json.dumps(modules)]
        return cls(subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))

    def run(self, program: str, *argv: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a program text with these arguments and no other variables; a minute is the most that it may take."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        asked = {"program": program, "argv": argv, "variables": dict(variables)}
        self._parent.stdin.write(json.dumps(asked) + "\n")
        self._parent.stdin.flush()
        return subprocess.CompletedProcess(argv, *json.loads(self._parent.stdout.readline()))

    def stop(self) -> None:
        self._parent.communicate(timeout=10)
