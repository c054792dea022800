"""Real OpenBao servers for tests that seal one, audit it, or need its data after a restart.

Where VAULT_BINARY names a program of HashiCorp's Vault, each server of the tests is one of these.
"""

from __future__ import annotations

import json
import os
import shlex
import ssl
import tempfile
import urllib.request
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pytest

from compiler.demo import local_openbao
from compiler.demo.local_key_vault import CertificateAuthority
from compiler.demo.local_openbao import LocalOpenBao, LocalOpenBaoError, free_port

_AUDIT = "audit.log"
_LOOPBACK = "127.0.0.1"
VAULT_BINARY = os.environ.get("VAULT_BINARY", "")


def _as_openbao(binary: str) -> str:
    """A program that starts a Vault as OpenBao is started, which has its variables under another prefix."""
    program = Path(tempfile.mkdtemp()) / "vault"
    line = f'VAULT_DEV_ROOT_TOKEN_ID="$BAO_DEV_ROOT_TOKEN_ID" exec {shlex.quote(binary)} "$@"'
    program.write_text(f"#!/bin/sh\n{line}\n", "utf-8")
    program.chmod(0o700)
    return str(program)


if VAULT_BINARY:
    _PROGRAM = _as_openbao(VAULT_BINARY)
    local_openbao._binary = lambda: _PROGRAM


def skip_without_namespaces(server: LocalOpenBao) -> None:
    """Skip a test that makes a namespace where the server, a Vault's community edition, ignores them."""
    if server.call("GET", "sys/health").get("enterprise") is False:
        pytest.skip("this Vault has no namespaces")


def await_kv(server: LocalOpenBao, mount: str) -> None:
    """Wait until a new KV version 2 mount has upgraded itself: it answers 400 until that is done."""

    def is_ready() -> bool:
        try:
            server.call("GET", f"{mount}/config")
        except LocalOpenBaoError:
            return False
        return True

    server.await_that(is_ready)


def log_of(server: LocalOpenBao) -> str:
    return (server.folder / "openbao.log").read_text(encoding="utf-8", errors="replace")


@dataclass
class AuditedOpenBao(LocalOpenBao):
    """A server in memory that remembers what is asked of it."""

    @classmethod
    def start_audited(cls, folder: Path) -> Self:
        path = str(folder / _AUDIT)
        if VAULT_BINARY:
            # OpenBao takes one from its configuration alone, and a Vault by the API alone.
            server = cls.start_dev(folder)
            server.call("PUT", "sys/audit/own", {"type": "file", "options": {"file_path": path}})
            return server
        config = folder / "audit.hcl"
        config.write_text(f'audit "file" "own" {{ options {{ file_path = {json.dumps(path)} }} }}\n', encoding="utf-8")
        return cls.start_dev(folder, f"-config={config}")

    def mark(self) -> int:
        """The end of what was asked until now."""
        return (self.folder / _AUDIT).stat().st_size

    def requests(self, mark: int = 0) -> list[tuple[str, str]]:
        """The path and the operation of each request that was answered, since a mark, oldest first."""
        with (self.folder / _AUDIT).open("rb") as file:
            file.seek(mark)
            entries = [json.loads(line) for line in file]
        asked = (entry["request"] for entry in entries if entry["type"] == "response")
        return [(request["path"], request["operation"]) for request in asked]


@dataclass
class RaftOpenBao(LocalOpenBao):
    """A server on disk, with TLS by an own authority. `unseal_key` is what `unseal` needs; every server has its own."""

    unseal_key: str = field(default="", repr=False)

    @classmethod
    def start_raft(cls, folder: Path) -> Self:
        """Start, initialise and unseal a server with raft storage below `folder`."""
        server = cls.start_new(folder)
        server.initialise()
        return server

    @classmethod
    def start_new(cls, folder: Path) -> Self:
        """Start a server such as `start_raft` does, which nobody has initialised yet."""
        ports = free_port(), free_port()
        certificate, key = CertificateAuthority.create(folder).issue((_LOOPBACK, "localhost"), file_stem="openbao")
        (folder / "raft").mkdir(exist_ok=True)
        config = folder / "openbao.json"
        config.write_text(json.dumps(_raft_config(folder, ports, certificate, key)), encoding="utf-8")
        server = cls(f"https://{_LOOPBACK}:{ports[0]}", "", folder, (f"-config={config}",))
        server.start()
        server.await_status(501)
        return server

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))

    def open(self, request: urllib.request.Request, seconds: float) -> bytes:
        with urllib.request.urlopen(request, timeout=seconds, context=self._trust) as reply:  # noqa: S310
            return bytes(reply.read())

    def initialise(self) -> None:
        """Make the keys of a new server, unseal it, and mount KV version 2 at `secret`."""
        keys = self.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self.token, self.unseal_key = keys["root_token"], keys["keys"][0]
        self.unseal()
        self.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        await_kv(self, "secret")

    def seal(self) -> None:
        self.call("PUT", "sys/seal")

    def unseal(self) -> None:
        """Unseal and wait until the server is the active one."""
        self.call("PUT", "sys/unseal", {"key": self.unseal_key})
        self.await_status(200)

    def await_sealed(self) -> None:
        """Wait until a server that was started again answers, which is sealed."""
        self.await_status(503)


def _raft_config(folder: Path, ports: tuple[int, int], certificate: Path, key: Path) -> dict[str, Any]:
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
