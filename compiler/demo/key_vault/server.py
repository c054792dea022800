"""Serves the local vault over TLS, with faults, and logs requests without values."""

from __future__ import annotations

import base64
import json
import re
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from io import BufferedIOBase
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from compiler.demo.certificates import ServerCertificate
from compiler.demo.key_vault.faults import Fault, FaultKind, FaultScript, Limits, RequestKind, Throttle, TokenIssuer
from compiler.demo.key_vault.state import (
    API_VERSIONS,
    KeyVaultState,
    RefusedRequestError,
    SecretBody,
    checked_name,
    checked_page_size,
    checked_version,
    parsed_body,
)

_MAX_LINE = 65_536
_MAX_BODY = 1_048_576
_REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class BadRequestError(Exception):
    """What came is not an HTTP/1.1 request that this server reads; the connection cannot be used any more."""


@dataclass(frozen=True)
class VaultRequest:
    """One request; header names are in lower case, `path` is split and unquoted, `target` is as it was sent."""

    method: str
    target: str
    path: tuple[str, ...]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class VaultReply:
    """One reply; `body` None sends none, and a str is sent as it is with `content_type`."""

    status: int
    body: dict[str, Any] | str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json; charset=utf-8"

    @property
    def text(self) -> str:
        """The body as it is sent."""
        return "" if self.body is None else self.body if isinstance(self.body, str) else json.dumps(self.body)

    def to_bytes(self) -> bytes:
        content = self.text.encode("utf-8")
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Status')}"]
        if self.body is not None:
            lines.append(f"Content-Type: {self.content_type}")
        lines.append(f"Content-Length: {len(content)}")
        lines.extend(f"{name}: {value}" for name, value in self.headers)
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def read_request(stream: BufferedIOBase) -> VaultRequest | None:
    """The next request of a connection, None when the client has closed it. Raises BadRequestError."""
    line = stream.readline(_MAX_LINE)
    if not line:
        return None
    method, target = _request_line(line)
    headers: dict[str, str] = {}
    while (line := stream.readline(_MAX_LINE)) not in (b"\r\n", b"\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise BadRequestError
        headers[name.strip().lower()] = value.strip()
    body = _body(stream, headers)
    # Not urlsplit: it takes what follows "//" for a host, and refuses some.
    path, _, query = target.partition("?")
    return VaultRequest(
        method=method,
        target=target,
        path=tuple(unquote(part) for part in path.split("/")[1:]),
        query=dict(parse_qsl(query, keep_blank_values=True)),
        headers=headers,
        body=body,
    )


def _request_line(line: bytes) -> tuple[str, str]:
    parts = line.decode("latin-1").split()
    if len(parts) != 3 or parts[2] != "HTTP/1.1" or not parts[1].startswith("/"):  # noqa: PLR2004
        raise BadRequestError
    return parts[0], parts[1]


def _body(stream: BufferedIOBase, headers: dict[str, str]) -> bytes:
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not re.fullmatch("[0-9]{1,9}", length) or int(length) > _MAX_BODY:
        raise BadRequestError
    body = stream.read(int(length))
    if len(body) != int(length):
        raise BadRequestError
    return body


def kind_of(request: VaultRequest) -> RequestKind:
    """A PUT makes a version and counts among the creates; everything else is "other"."""
    return "create" if request.method == "PUT" else "other"


def permission_of(request: VaultRequest) -> str:
    """The data permission a request needs, in the words of an access policy."""
    match request.method, _without_empty_end(request.path):
        case "GET", ("secrets" | "deletedsecrets",) | ("secrets", _, "versions"):
            return "list"
        case "GET", _:
            return "get"
        case "DELETE", ("deletedsecrets", _):
            return "purge"
        case "DELETE", _:
            return "delete"
        case "POST", (*_, "recover"):
            return "recover"
        case "PATCH", _:
            return "update"
        case _:
            return "set"


def answer(state: KeyVaultState, request: VaultRequest, base: str) -> VaultReply:
    """What Key Vault answers; raises RefusedError. `base` is the vault's URL as the client wrote it, for ids."""
    version = request.query.get("api-version")
    if version not in API_VERSIONS:
        raise RefusedRequestError(400, "BadParameter", "The specified version is not recognized. Consider using 7.6.")
    match request.method, _without_empty_end(request.path):
        case "PUT", ("secrets", name):
            body = _body_of(request, with_value=True)
            state.require_allowed(checked_name(name), None, body)
            return VaultReply(200, state.set(base, name, body))
        case "PATCH", ("secrets", name, *rest) if len(rest) <= 1:
            body = _body_of(request, with_value=False)
            state.require_allowed(checked_name(name), _version(rest), body)
            return VaultReply(200, state.update(base, name, _version(rest), body))
        case "DELETE", ("secrets", name):
            return VaultReply(200, state.delete(base, checked_name(name)))
        case "DELETE", ("deletedsecrets", name):
            state.purge(checked_name(name))
            return VaultReply(204)
        case "POST", ("deletedsecrets", name, "recover"):
            return VaultReply(200, state.recover(base, checked_name(name)))
        case "GET", path:
            return _read(state, path, request, base)
        case _:
            raise RefusedRequestError(
                405, "MethodNotAllowed", "The requested operation is not allowed on this resource."
            )


def _read(state: KeyVaultState, path: tuple[str, ...], request: VaultRequest, base: str) -> VaultReply:
    match path:
        case ("secrets",):
            return _page_path(state.list_secrets, request, base)
        case ("deletedsecrets",):
            return _page_path(state.list_deleted, request, base)
        case ("deletedsecrets", name):
            return VaultReply(200, state.get_deleted(base, checked_name(name)))
        case ("secrets", name, "versions"):
            checked = checked_name(name)
            return _page_path(lambda b, after, size: state.list_versions(b, checked, after, size), request, base)
        case ("secrets", name, *rest) if len(rest) <= 1:
            return VaultReply(200, state.get(base, checked_name(name), _version(rest)))
        case _:
            raise RefusedRequestError(404, "NotFound", "Resource not found.")


def _page_path(
    lister: Callable[[str, str, int], tuple[list[dict[str, Any]], str | None]],
    request: VaultRequest,
    base: str,
) -> VaultReply:
    size = checked_page_size(request.query.get("maxresults"))
    items, marker = lister(base, _after(request.query.get("$skiptoken")), size)
    link = None
    if marker is not None:
        path = "/".join(quote(part) for part in request.path)
        token = base64.urlsafe_b64encode(marker.encode()).decode()
        link = f"{base}/{path}?api-version={request.query['api-version']}&$skiptoken={token}&maxresults={size}"
    return VaultReply(200, {"value": items, "nextLink": link})


def _after(token: str | None) -> str:
    try:
        return "" if token is None else base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise RefusedRequestError(400, "BadParameter", "Invalid $skiptoken") from None


def _body_of(request: VaultRequest, *, with_value: bool) -> SecretBody:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RefusedRequestError(415, "UnsupportedMediaType", "The request body must be application/json.")
    return parsed_body(request.body, with_value=with_value)


def _version(rest: list[str]) -> str | None:
    return checked_version(rest[0]) if rest else None


def _without_empty_end(path: tuple[str, ...]) -> tuple[str, ...]:
    # The SDK asks for the newest version as /secrets/NAME/ with an empty version.
    return path[:-1] if len(path) > 1 and path[-1] == "" else path


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

    def date(self) -> tuple[str, str]:
        """The header of every reply that says what time it is there."""
        return "Date", formatdate(self._clock(), usegmt=True)

    def handle(self, request: VaultRequest) -> tuple[VaultReply | None, Fault | None]:
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

    def _reply(self, request: VaultRequest, refusal: str | None, fault: Fault | None, now: float) -> VaultReply:
        if fault is not None and (fault.kind in _INSTEAD or fault.kind in _BEFORE_HANDLING):
            return _fault_reply(fault)
        if refusal is not None:
            return self._unauthorised(refusal, has_token="authorization" in request.headers)
        if not self.throttle.admits(kind_of(request), now):
            return self._throttled()
        try:
            self._require_permission(permission_of(request))
            reply = answer(self.state, request, f"https://{request.headers.get('host', '')}")
        except RefusedRequestError as error:
            return VaultReply(error.status, error.body())
        if fault is not None and fault.kind is FaultKind.LIE and request.method == "PUT":
            stored = self.state.stored(request.path[1])
            if stored is not None:
                stored.versions[-1].value = fault.value
        return _fault_reply(fault) if fault is not None and fault.kind is FaultKind.STATUS_AFTER else reply

    def _require_permission(self, permission: str) -> None:
        denied = self.denied.get(permission)
        if permission == "update" and denied is None:
            # A role has a right of its own for what lies beside a value, an access policy has not.
            denied = self.denied.get("set")
            permission = permission if denied == "ForbiddenByRbac" else "set"
        if denied is not None:
            raise RefusedRequestError(403, "Forbidden", _forbidden_message(denied, permission), denied)

    def _unauthorised(self, message: str, *, has_token: bool) -> VaultReply:
        header = self._challenge
        if has_token:
            header += f', error="invalid_token", error_description="{message}"'
        body = {"error": {"code": "Unauthorized", "message": message}}
        return VaultReply(401, body, (("WWW-Authenticate", header),))

    def _throttled(self) -> VaultReply:
        wait = self.throttle_retry_after
        body = {"error": {"code": "Throttled", "message": _THROTTLED}}
        return VaultReply(429, body, () if wait is None else (("Retry-After", wait),))


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
            content = replace(reply, headers=(*reply.headers, self.server.vault.date())).to_bytes()
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


def _fault_reply(fault: Fault) -> VaultReply:
    if fault.kind is FaultKind.HTML:
        return VaultReply(fault.page, "<html><body>Sign in to the proxy</body></html>", content_type="text/html")
    if fault.kind is FaultKind.REDIRECT:
        return VaultReply(fault.status, None, (("Location", fault.location),))
    if fault.kind is FaultKind.FORBID:
        return VaultReply(
            403, RefusedRequestError(403, "Forbidden", _forbidden_message(fault.inner, "get"), fault.inner).body()
        )
    headers = () if fault.retry_after is None else (("Retry-After", fault.retry_after),)
    code = "Throttled" if fault.status == 429 else "InternalError"  # noqa: PLR2004
    return VaultReply(fault.status, {"error": {"code": code, "message": "A scripted failure."}}, headers)


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
