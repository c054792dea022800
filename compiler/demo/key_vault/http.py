"""Reads HTTP/1.1 requests from one TLS connection, and writes each reply in one piece."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    from io import BufferedIOBase

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
class Request:
    """One request; header names are in lower case, `path` is split and unquoted, `target` is as it was sent."""

    method: str
    target: str
    path: tuple[str, ...]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Reply:
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


def read_request(stream: BufferedIOBase) -> Request | None:
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
    return Request(
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
