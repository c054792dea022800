"""Sends hvac's requests over one pool of kept connections that all workers share."""

import select
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlencode

from compiler.stores.sending.exchange import exchange
from compiler.stores.vault.body import write_body


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply as it came."""

    status: int
    content: bytes
    retry_after: str | None


class VaultSession:
    """Stands where hvac expects a requests.Session, on the connections that Python brings, which costs far less.

    It sends each request once: it follows no redirect, keeps no cookie, reads no .netrc, and repeats nothing.
    `connect` returns a connection that is not open yet; `start` stands before every path, `extra` among every request's
    headers, and `host` in the one of that name.
    """

    # hvac asks a session for these three; the connections have them built in.
    verify: Final = True
    cert: Final = None
    proxies: Final = None

    def __init__(self, connect: Callable[[], HTTPConnection], start: str, extra: Mapping[str, str], host: str) -> None:
        self._connect = connect
        self._start = start
        self._without_body = {"Host": host, **extra}
        self._with_body = {**self._without_body, "Content-Type": "application/json"}
        # The last one used is taken first: the fewest stay open. Its operations are atomic.
        self._idle: deque[HTTPConnection] = deque()

    def request(self, method: str, path: str, headers: Mapping[str, str], **given: Any) -> HttpReply:  # noqa: ANN401 - requests' signature
        """Send what hvac means by `params`, `json` and `timeout` (connect, read). Raises OSError or HTTPException.

        What it raises may hold a part of the reply: whoever catches it keeps its kind alone.
        """
        query = f"?{urlencode(params)}" if (params := given.get("params")) else ""
        body = given.get("json")
        connect_timeout, read_timeout = given["timeout"]
        connection = self._open(connect_timeout)
        try:
            reply = exchange(
                connection.sock,
                method.upper(),
                f"{self._start}{path}{query}",
                {**(self._without_body if body is None else self._with_body), **headers},
                None if body is None else write_body(body),
                read_timeout,
            )
        except BaseException:
            # Whatever is left on it would be taken for the answer to the next request.
            connection.close()
            raise
        if reply.is_last:
            connection.close()
        else:
            self._idle.append(connection)
        return HttpReply(reply.status, reply.content, reply.retry_after)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _open(self, connect_timeout: float) -> HTTPConnection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if not _has_ended(connection):
                return connection
            connection.close()
        connection = self._connect()
        connection.timeout = connect_timeout
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection


def _has_ended(connection: HTTPConnection) -> bool:
    """Whether the server has closed an idle connection; unexpected data on it counts as closed."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
