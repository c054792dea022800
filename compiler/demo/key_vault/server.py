"""Serves the local vault over TLS, with faults, and keeps a log of requests without values."""

from __future__ import annotations

import re
import socket
import socketserver
import ssl
import struct
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compiler.demo.key_vault.faults import Fault, FaultKind, FaultScript
from compiler.demo.key_vault.http import BadRequestError, Reply, Request, read_request
from compiler.demo.key_vault.routes import answer, kind_of, permission_of
from compiler.demo.key_vault.rules import RefusedError
from compiler.demo.key_vault.throttle import Limits, RequestKind, Throttle

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedIOBase
    from pathlib import Path

    from compiler.demo.certificates import ServerCertificate
    from compiler.demo.key_vault.state import KeyVaultState
    from compiler.demo.key_vault.tokens import TokenIssuer

_BEFORE_HANDLING = frozenset({FaultKind.DROP_REQUEST, FaultKind.RESET})
_DROPPING = frozenset({FaultKind.DROP_REQUEST, FaultKind.DROP_REPLY})
_RESETTING = frozenset({FaultKind.RESET, FaultKind.RESET_REPLY})
_INSTEAD = frozenset({FaultKind.STATUS, FaultKind.HTML, FaultKind.REDIRECT, FaultKind.FORBID})
_THROTTLED = "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"


@dataclass(frozen=True)
class LoggedRequest:
    """One request as a proof needs it. `status` is None when no reply was sent; `time` is the vault's clock."""

    time: float
    method: str
    path: str
    kind: RequestKind
    status: int | None
    authorised: bool
    fault: FaultKind | None = None

    @property
    def writes(self) -> bool:
        return self.method != "GET"


class KeyVaultServer:
    """Serves one vault on 127.0.0.1 until it is closed. `lock` guards the state, faults, throttle and log."""

    def __init__(  # noqa: PLR0913 - the parts of a vault, each with its own module
        self,
        state: KeyVaultState,
        issuer: TokenIssuer,
        certificate: ServerCertificate,
        *,
        challenge: str,
        clock: Callable[[], float],
        limits: Limits,
        throttle_retry_after: str | None,
        port: int,
    ) -> None:
        self.state = state
        self.faults = FaultScript()
        self.throttle = Throttle(limits)
        self.throttle_retry_after = throttle_retry_after
        self.denied: dict[str, str] = {}
        self.log: list[LoggedRequest] = []
        self.lock = threading.RLock()
        self._issuer = issuer
        self._challenge = challenge
        self._clock = clock
        self._tcp = _TcpServer(port, _tls_context(certificate.certificate_file, certificate.key_file), self)
        self.port = self._tcp.server_address[1]
        self._thread = threading.Thread(target=self._tcp.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            # Of a server that never ran, shutdown would wait for ever.
            self._tcp.shutdown()
            self._thread.join()
        self._tcp.server_close()

    def handle(self, request: Request) -> tuple[Reply | None, Fault | None]:
        """The reply to one request and the fault that hit it; None for a reply that is never sent."""
        path = "/" + "/".join(request.path)
        refusal = self._issuer.fault_of(request.headers.get("authorization"))
        with self.lock:
            now = self._clock()
            fault = self.faults.next_for(request.method, path)
            reply = self._reply(request, refusal, fault, now)
            if fault is not None and fault.kind is FaultKind.ALTER:
                reply = replace(reply, body=re.sub(fault.old, fault.value, reply.text))
            sent = None if fault is not None and fault.kind in _RESETTING | _DROPPING else reply
            status = None if sent is None else sent.status
            entry = LoggedRequest(now, request.method, path, kind_of(request), status, refusal is None, _kind(fault))
            self.log.append(entry)
        return sent, fault

    def _reply(self, request: Request, refusal: str | None, fault: Fault | None, now: float) -> Reply:
        if fault is not None and (fault.kind in _INSTEAD or fault.kind in _BEFORE_HANDLING):
            return _fault_reply(fault)
        if refusal is not None:
            return self._unauthorised(refusal, has_token="authorization" in request.headers)
        if not self.throttle.admits(kind_of(request), now):
            return self._throttled()
        try:
            self._require_permission(permission_of(request))
            reply = answer(self.state, request, f"https://{request.headers.get('host', '')}")
        except RefusedError as error:
            return Reply(error.status, error.body())
        if fault is not None and fault.kind is FaultKind.LIE and request.method == "PUT":
            stored = self.state.stored(request.path[1])
            if stored is not None:
                stored.versions[-1].value = fault.value
        return _fault_reply(fault) if fault is not None and fault.kind is FaultKind.STATUS_AFTER else reply

    def _require_permission(self, permission: str) -> None:
        denied = self.denied.get(permission)
        if denied is not None:
            raise RefusedError(403, "Forbidden", _forbidden_message(denied, permission), denied)

    def _unauthorised(self, message: str, *, has_token: bool) -> Reply:
        header = self._challenge
        if has_token:
            header += f', error="invalid_token", error_description="{message}"'
        body = {"error": {"code": "Unauthorized", "message": message}}
        return Reply(401, body, (("WWW-Authenticate", header),))

    def _throttled(self) -> Reply:
        wait = self.throttle_retry_after
        body = {"error": {"code": "Throttled", "message": _THROTTLED}}
        return Reply(429, body, () if wait is None else (("Retry-After", wait),))


class _TcpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, context: ssl.SSLContext, vault: KeyVaultServer) -> None:
        self.context = context
        self.vault = vault
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Connection)

    def track(self, connection: socket.socket, *, is_open: bool) -> None:
        with self._open_lock:
            if is_open:
                self._open.add(connection)
            else:
                self._open.discard(connection)

    def server_close(self) -> None:
        with self._open_lock:
            for connection in self._open:
                # Wakes the thread that waits for this client's next request.
                _shut(connection)
        super().server_close()


class _Connection(socketserver.BaseRequestHandler):
    """Answers the requests of one client, one after another; a thread of its own."""

    server: _TcpServer

    def handle(self) -> None:
        raw: socket.socket = self.request
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(30.0)
        try:
            tls = self.server.context.wrap_socket(raw, server_side=True)
        except OSError:
            # A client that does not trust the certificate, or one that speaks no TLS.
            return
        self.server.track(tls, is_open=True)
        try:
            with tls, tls.makefile("rb") as stream:
                self._serve(tls, stream)
        except (OSError, BadRequestError):
            return
        finally:
            self.server.track(tls, is_open=False)

    def _serve(self, tls: ssl.SSLSocket, stream: BufferedIOBase) -> None:
        while (request := read_request(stream)) is not None:
            reply, fault = self.server.vault.handle(request)
            if fault is not None and fault.kind is FaultKind.DELAY:
                time.sleep(fault.seconds)
            if reply is None:
                if fault is not None and fault.kind in _RESETTING:
                    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            content = reply.to_bytes()
            if fault is not None and fault.kind is FaultKind.TRUNCATE_REPLY:
                tls.sendall(content[: len(content) // 2])
                return
            tls.sendall(content)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _tls_context(certificate_file: Path, key_file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate_file, key_file)
    return context


def _kind(fault: Fault | None) -> FaultKind | None:
    return None if fault is None else fault.kind


def _fault_reply(fault: Fault) -> Reply:
    if fault.kind is FaultKind.HTML:
        return Reply(fault.page, "<html><body>Sign in to the proxy</body></html>", content_type="text/html")
    if fault.kind is FaultKind.REDIRECT:
        return Reply(fault.status, None, (("Location", fault.location),))
    if fault.kind is FaultKind.FORBID:
        return Reply(403, RefusedError(403, "Forbidden", _forbidden_message(fault.inner, "get"), fault.inner).body())
    headers = () if fault.retry_after is None else (("Retry-After", fault.retry_after),)
    code = "Throttled" if fault.status == 429 else "InternalError"  # noqa: PLR2004
    return Reply(fault.status, {"error": {"code": code, "message": "A scripted failure."}}, headers)


def _forbidden_message(inner: str, permission: str) -> str:
    match inner:
        case "ForbiddenByRbac":
            return f"Caller is not authorized to perform action on resource. Action: 'secrets/{permission}'"
        case "ForbiddenByFirewall":
            return "Client address is not authorized and caller is not a trusted service. Client address: 127.0.0.1"
        case _:
            return (
                f"The user, group or application 'appid=a' does not have secrets {permission} permission on key vault"
            )
