"""Runs a strict Key Vault on this machine: a TLS server with its URL, CA file and credential."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from compiler.demo.certificates import CertificateAuthority
from compiler.demo.key_vault.faults import Fault, Limits, LocalAccessToken, LocalCredential, TokenIssuer
from compiler.demo.key_vault.server import KeyVaultServer, LoggedRequest
from compiler.demo.key_vault.state import Delays, KeyVaultState, Policy, SecretBody, SecretVersion
from compiler.start import leave_no_core

SERVER_NAMES = ("localhost", "127.0.0.1", "*.vault.azure.net")
_TENANT = "22222222-2222-4222-8222-222222222222"


@dataclass(frozen=True)
class VaultOptions:
    """How the vault is: everything but its secrets. `resource` None is the public cloud's."""

    clock: Callable[[], float] = time.time
    limits: Limits = field(default_factory=Limits)
    delays: Delays = field(default_factory=Delays)
    purge_protection: bool = False
    policy: Policy = field(default_factory=Policy)
    throttle_retry_after: str | None = None
    server_names: tuple[str, ...] = SERVER_NAMES
    expired_certificate: bool = False
    resource: str | None = None
    port: int = 0


class LocalKeyVault:
    """A vault for the length of a `with` block; everything it holds is in memory and gone afterwards."""

    def __init__(self, options: VaultOptions | None = None) -> None:
        self._options = options or VaultOptions()
        self._folder = tempfile.TemporaryDirectory(prefix="local-key-vault-")
        folder = Path(self._folder.name)
        authority = CertificateAuthority.create(folder)
        certificate = authority.issue(self._options.server_names, expired=self._options.expired_certificate)
        self.ca_file = authority.ca_file
        clock, policy = self._options.clock, self._options.policy
        self.resource = self._options.resource or "https://vault.azure.net"
        self.issuer = TokenIssuer(self.resource, clock)
        challenge = f'Bearer authorization="https://login.microsoftonline.com/{_TENANT}", resource="{self.resource}"'
        try:
            self.server = KeyVaultServer(
                KeyVaultState(
                    clock, self._options.delays, purge_protection=self._options.purge_protection, policy=policy
                ),
                self.issuer,
                certificate,
                challenge=challenge,
                clock=clock,
                limits=self._options.limits,
                throttle_retry_after=self._options.throttle_retry_after,
                port=self._options.port,
            )
        except OSError:
            self._folder.cleanup()
            raise
        self.url = f"https://localhost:{self.server.port}"

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.server.close()
        self._folder.cleanup()

    def issue_token(self, *, lifetime: float = 3_600.0, caller: dict[str, str] | None = None) -> LocalAccessToken:
        return self.issuer.issue(lifetime=lifetime, caller=caller)

    def credential(self, *, lifetime: float = 3_600.0, caller: dict[str, str] | None = None) -> LocalCredential:
        return LocalCredential(self.issuer, lifetime=lifetime, caller=caller)

    def environ(self, *, lifetime: float = 3_600.0, caller: dict[str, str] | None = None) -> dict[str, str]:
        """The variables with which any command of this program reaches this vault, with a token of its own."""
        return {
            "AZURE_KEYVAULT_EMULATOR": "1",
            "AZURE_KEYVAULT_CACERT": str(self.ca_file),
            "AZURE_KEYVAULT_TOKEN": self.issue_token(lifetime=lifetime, caller=caller).token,
        }

    def add_fault(self, fault: Fault) -> None:
        with self.server.lock:
            self.server.faults.add(fault)

    def clear_faults(self) -> None:
        with self.server.lock:
            self.server.faults.clear()

    def deny(self, permission: str, inner: str) -> None:
        """Refuse a permission (`get`, `list`, `set`, `delete`, `recover`, `purge`) with 403 and this innererror."""
        with self.server.lock:
            self.server.denied[permission] = inner

    def set_policy(self, policy: Policy) -> None:
        """Deny from now on what `policy` does, and nothing else by policy."""
        with self.server.lock:
            self.server.state.policy = policy

    def throttle_between(self, start: float, end: float) -> None:
        with self.server.lock:
            self.server.throttle.close_between(start, end)

    def seed(
        self,
        name: str,
        value: str,
        *,
        content_type: str | None = None,
        tags: dict[str, str] | None = None,
        enabled: bool = True,
        expires: int | None = None,
        not_before: int | None = None,
    ) -> str:
        """Store a version without a request, and return its id."""
        body = SecretBody(value, content_type, tags, enabled, expires, not_before)
        with self.server.lock:
            stored = self.server.state.set(self.url, name, body)
        return str(stored["id"]).rpartition("/")[2]

    def seed_certificate(self, name: str, value: str = "certificate and key") -> None:
        with self.server.lock:
            self.server.state.add_certificate(name, value)

    def seed_deleted(self, name: str, value: str) -> str:
        """Store a version and delete the secret softly, without a request."""
        version = self.seed(name, value)
        with self.server.lock:
            self.server.state.delete(self.url, name)
        return version

    def versions(self, name: str) -> list[SecretVersion]:
        """The versions of a secret in any phase, oldest first; empty when there is none."""
        with self.server.lock:
            stored = self.server.state.stored(name)
            return [] if stored is None else list(stored.versions)

    def value(self, name: str) -> str:
        return self.versions(name)[-1].value

    def requests(self) -> list[LoggedRequest]:
        with self.server.lock:
            return list(self.server.log)

    def forget_requests(self) -> None:
        with self.server.lock:
            self.server.log.clear()


def main(arguments: list[str]) -> int:
    """Serve until interrupted or terminated; prints what to export, and the URL as the last line."""
    parser = argparse.ArgumentParser(prog="python -m compiler.demo.local_key_vault", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--no-limits", action="store_true", help="admit any number of requests")
    parser.add_argument("--require-expiry", action="store_true", help="deny a secret without an expiry date")
    parser.add_argument("--max-validity", type=int, metavar="DAYS", help="deny an expiry date that is further ahead")
    parser.add_argument("--min-validity", type=int, metavar="DAYS", help="deny an expiry date that is nearer")
    parser.add_argument("--require-content-type", action="store_true", help="deny a secret without a content type")
    parsed = parser.parse_args(arguments)
    ended = threading.Event()
    # By name, since a shell starts a background program with interrupts ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    limits = Limits(None, None) if parsed.no_limits else Limits()
    policy = Policy(parsed.require_expiry, parsed.max_validity, parsed.min_validity, parsed.require_content_type)
    try:
        local = LocalKeyVault(VaultOptions(port=parsed.port, limits=limits, policy=policy))
    except OSError as error:
        parser.exit(1, f"cannot listen on port {parsed.port}: {error.strerror}; name another with --port\n")
    with local as vault:
        for name, value in vault.environ(lifetime=86_400.0).items():
            # For `eval`: these values are made here and need no quotes.
            sys.stdout.write(f"export {name}={value}\n")
        sys.stdout.write(f"# {vault.url}\n")
        sys.stdout.flush()
        ended.wait()
    return 0


if __name__ == "__main__":
    leave_no_core()
    sys.exit(main(sys.argv[1:]))
