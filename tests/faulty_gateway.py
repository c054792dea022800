"""Runs a gateway before a local HTTP store that fails as networks do; a rule picks the fault of each request."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import urlsplit

_LOOPBACK: Final = "127.0.0.1"
_HOP_BY_HOP: Final = frozenset({"connection", "transfer-encoding", "content-length", "date", "server"})


class QuietHandler(BaseHTTPRequestHandler):
    """The base of local servers' request handlers: HTTP/1.1 with kept connections, no waits, no output.

    Has no `do_…` methods: each server's handler adds its own.
    """

    protocol_version = "HTTP/1.1"
    # Two small writes without this wait 40 ms for each other.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        del format, args


@dataclass(frozen=True)
class ReceivedRequest:
    """A request that arrived. `with_token` tells whether it carried a Vault token; the token itself is not kept."""

    method: str
    path: str
    with_token: bool


@dataclass(frozen=True)
class GatewayFault:
    """What happens to one request: an own reply (`status`), or a connection cut before or after the store handled it.

    With a `rewrite`, the store's reply goes through it: how a store that lies is made.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    drop_before: bool = False
    drop_after: bool = False
    rewrite: Callable[[bytes], bytes] | None = None


Rule = Callable[[ReceivedRequest], GatewayFault | None]


class FaultyGateway:
    """Forwards to `upstream` (plain HTTP), or answers 404 when None; `rule` may be replaced at any time."""

    def __init__(self, upstream: str | None = None, rule: Rule = lambda _seen: None) -> None:
        self.rule = rule
        self.seen: list[ReceivedRequest] = []
        self._upstream = urlsplit(upstream).netloc if upstream else None
        self._server = ThreadingHTTPServer((_LOOPBACK, 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{_LOOPBACK}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def count(self, method: str, part: str = "") -> int:
        """Return how many requests of a method had `part` in their path."""
        return sum(seen.method == method and part in seen.path for seen in self.seen)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                gateway._handle(self)

            do_POST = do_PUT = do_DELETE = do_LIST = do_PATCH = do_GET

        return Handler

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        seen = ReceivedRequest(handler.command, handler.path, "X-Vault-Token" in handler.headers)
        self.seen.append(seen)
        fault = self.rule(seen) or GatewayFault()
        if fault.drop_before:
            handler.close_connection = True
        elif fault.status is not None:
            _answer(handler, fault.status, fault.headers, fault.body)
        elif self._upstream is None:
            _answer(handler, http.client.NOT_FOUND, {}, b"")
        else:
            status, headers, answer = self._forward(handler, body)
            if fault.drop_after:
                handler.close_connection = True
            else:
                _answer(handler, status, headers, fault.rewrite(answer) if fault.rewrite else answer)

    def _forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self._upstream or "", timeout=10)
        try:
            sent: dict[str, Any] = {
                key: value for key, value in handler.headers.items() if key.lower() not in _HOP_BY_HOP
            }
            connection.request(handler.command, handler.path, body or None, sent)
            reply = connection.getresponse()
            kept = {key: value for key, value in reply.getheaders() if key.lower() not in _HOP_BY_HOP}
            return reply.status, kept, reply.read()
        finally:
            connection.close()


def _answer(handler: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str], body: bytes) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
