"""Keeps commands of this project ready for shells and tests: each is a fork of a process that has imported its modules.

Importing is most of the time of a short command, and a page has a hundred of them. A command is a program on a shell's
PATH: a small client that passes its arguments, folder, variables and open files to the process with the modules, and
ends as the command ends. No command sees what another one left behind.
"""

from __future__ import annotations

import array
import atexit
import gc
import marshal
import os
import pkgutil
import select
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Command = Callable[[], object]

# Packages that the program imports when it reads a project or opens a store: a tenth of a second or more.
LATE = ("azure.identity", "azure.keyvault.secrets", "hvac", "jsonschema")
SOCKET = ".socket"
# Of private modules and without the site's packages, as their public ones take longer to import than all else here.
# What it sends is of a form that only a process of the same Python reads.
CLIENT = """
import _signal, _socket, array, marshal, os, sys
passed_on = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)
_signal.pthread_sigmask(_signal.SIG_BLOCK, passed_on)  # until there is somebody to pass them on to
server = _socket.socket(_socket.AF_UNIX)
server.connect({socket!r})
umask = os.umask(0)
os.umask(umask)
asked = marshal.dumps((*sys.argv[1:2], sys.argv[2:], os.getcwd(), umask, dict(os.environb)))
rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", (0, 1, 2)))
server.sendmsg([len(asked).to_bytes(4, "big")], [rights])
server.sendall(asked)
child = int.from_bytes(server.recv(4), "big")
for number in passed_on:
    _signal.signal(number, lambda number, _: os.kill(child, number))
_signal.pthread_sigmask(_signal.SIG_UNBLOCK, passed_on)
code = int.from_bytes(server.recv(4), "big", signed=True)
if code < 0:
    if code != -_signal.SIGKILL:
        _signal.signal(-code, _signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


@contextmanager
def ready_commands(folder: Path, commands: Mapping[str, str], modules: Sequence[str] = ()) -> Iterator[None]:
    """Has each command, by its function (`compiler.__main__:run`), as a program in `folder` during the `with` block.

    It imports `modules`, or the whole program. The folder has a socket, so that its path must be short.
    """
    client, address = folder / ".client.py", folder / SOCKET
    client.write_text(CLIENT.format(socket=str(address)), "utf-8")
    for name in commands:
        words = shlex.join((sys.executable, "-I", "-S", str(client), name))
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {words} "$@"\n', "utf-8")
        program.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        named = (f"{name}={function}" for name, function in commands.items())
        start = [sys.executable, "-m", "scripts.ready_commands", str(listener.fileno()), ",".join(modules), *named]
        variables = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
        # It ends when this process closes its standard input, or ends.
        server = subprocess.Popen(start, env=variables, stdin=subprocess.PIPE, pass_fds=[listener.fileno()])
    try:
        yield
    finally:
        server.communicate(timeout=10)


def run_ready(program: Path, argv: Sequence[str], variables: Mapping[str, str], files: tuple[int, int, int]) -> int:
    """Runs a program in this folder, with `files` as its streams; returns its exit code, of a signal negative."""
    umask = os.umask(0)
    os.umask(umask)
    environment = {os.fsencode(key): os.fsencode(value) for key, value in variables.items()}
    asked = marshal.dumps((program.name, list(argv), str(Path.cwd()), umask, environment))
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(str(program.parent / SOCKET))
        socket.send_fds(server, [len(asked).to_bytes(4, "big")], files)
        server.sendall(asked)
        answer = _receive(server, 8)
    _child, code = answer[:4], answer[4:]
    if not code:
        raise ConnectionResetError(f"{program.name} was not run")
    return int.from_bytes(code, "big", signed=True)


def import_all(commands: Mapping[str, str], modules: Iterable[str]) -> dict[str, Command]:
    """Imports `modules`, or the whole program, and returns the functions of `commands`."""
    program = (each.name for each in pkgutil.walk_packages([str(ROOT / "compiler")], "compiler."))
    for name in modules or (*program, *LATE):
        import_module(name)
    found: dict[str, Command] = {}
    for name, function in commands.items():
        module_name, _, attribute = function.partition(":")
        found[name] = getattr(import_module(module_name), attribute)
    # Its pages stay shared with the forks.
    gc.freeze()
    return found


def serve(listener: socket.socket, commands: Mapping[str, Command]) -> Command | None:
    """Serves until standard input ends; in a command's process it returns the command, for the caller to run.

    So a command ends as in any process: its threads are waited for, and its streams are flushed.
    """
    clients: dict[int, socket.socket] = {}
    ended, ends = socket.socketpair()
    ends.setblocking(False)
    signal.set_wakeup_fd(ends.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    awaited: list[int | socket.socket] = [0, ended, listener]
    while True:
        ready = select.select(awaited, [], [])[0]
        if 0 in ready:
            return None
        if ended in ready:
            ended.recv(4096)
            _tell_who_waits(clients)
        if listener in ready:
            client, _ = listener.accept()
            asked, files = _receive_request(client)
            child = os.fork()
            if child == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (listener, ended, ends, client, *clients.values()):
                    each.close()
                return _become_command(asked, files, commands)
            with suppress(BrokenPipeError):  # of one that was killed meanwhile
                client.sendall(child.to_bytes(4, "big"))
            clients[child] = client
            for descriptor in files:
                os.close(descriptor)


def _tell_who_waits(clients: dict[int, socket.socket]) -> None:
    for child in tuple(clients):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            with clients.pop(child) as client, suppress(BrokenPipeError):
                client.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))


def _receive_request(client: socket.socket) -> tuple[bytes, array.array[int]]:
    length, rights, _, _ = client.recvmsg(4, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    return _receive(client, int.from_bytes(length, "big")), array.array("i", rights[0][2])


def _receive(stream: socket.socket, count: int) -> bytes:
    """So many bytes, or what came until the end; a signal ends a wait for all of them with a part."""
    found = b""
    while len(found) < count and (more := stream.recv(count - len(found))):
        found += more
    return found


def _become_command(asked: bytes, files: array.array[int], commands: Mapping[str, Command]) -> Command:
    """Makes this process the command's: its files, folder, umask, variables and arguments."""
    for descriptor, own in zip(files, (0, 1, 2), strict=True):
        os.dup2(descriptor, own)
        os.close(descriptor)
    name, argv, folder, umask, variables = marshal.loads(asked)  # noqa: S302 - of the client above
    os.chdir(folder)
    os.umask(umask)
    os.environb.clear()
    os.environb.update(variables)
    sys.argv = [name, *argv]
    return commands[name]


@dataclass
class ShortEnd:
    """Ends this process with `code` after its threads and exit functions.

    Otherwise it would take apart, and so copy, the memory that it shares with its parent.
    """

    code: int | None = None

    def __call__(self) -> None:
        if self.code is None:
            return
        # Of a stream that cannot be flushed, and of the code for that, the interpreter's own end has to say.
        with suppress(OSError, ValueError):
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(self.code)


def main(descriptor: str, modules: str, *named: str) -> None:
    end = ShortEnd()
    # The first to be registered is the last to run.
    atexit.register(end)
    commands = import_all(dict(each.split("=", 1) for each in named), [each for each in modules.split(",") if each])
    command = serve(socket.socket(fileno=int(descriptor)), commands)
    try:
        code = command() if command is not None else None
    except SystemExit as ended:
        code = ended.code
    if code is None or isinstance(code, int):
        end.code = code or 0
    sys.exit(code)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])
