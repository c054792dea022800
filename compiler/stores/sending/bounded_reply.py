"""Reads a server's reply as http.client does, up to a limit of bytes and seconds."""

import io
import time
from http.client import HTTPResponse
from typing import Any, ClassVar, Final

from compiler.stores.sending.deadline import rest


class ReplyTooLargeError(ValueError):
    """The server sends more than any store does. The error carries no part of the reply."""


# Of a store's reply: a hundred times what the largest one has.
MOST_VALUES: Final = 100_000
TOO_LARGE_REPLY: Final = "its reply is larger than any that a store sends"


class BoundedResponse(HTTPResponse):
    """The `response_class` of a connection to a server that may be something else than the store.

    A connection's own timeout begins anew with every byte that comes, and is here the longest silence. Alone it does
    not end a reply that trickles: that is what `longest` and the deadline of the operation are for. Raises
    ReplyTooLargeError, and TimeoutError where the reply is not whole in time.
    """

    # Vault's documents end at 1 MiB, the versions of one in its metadata too, and Key Vault's pages at 25 entries.
    largest: ClassVar[int] = 8 * 1024 * 1024
    longest: ClassVar[float] = 60.0

    def __init__(self, sock: Any, *given: Any, **named: Any) -> None:  # noqa: ANN401 - http.client's signature
        super().__init__(sock, *given, **named)
        whole = self.fp
        self.fp = io.BufferedReader(_Bounded(sock, whole.detach(), self.largest, self.longest))

    def begin(self) -> None:
        super().begin()
        # Memory for all that is announced would be taken before any of it came.
        if self.length is not None and self.length > self.largest:
            raise ReplyTooLargeError


class _Bounded(io.RawIOBase):
    def __init__(self, sock: Any, raw: io.RawIOBase, largest: int, longest: float) -> None:  # noqa: ANN401 - plain or TLS
        super().__init__()
        self._sock = sock
        self._raw = raw
        self._left = largest
        self._silence: float | None = sock.gettimeout()
        self._end = time.monotonic() + longest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:  # noqa: ANN401 - io's own name of the type is private
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(rest(left if self._silence is None else min(left, self._silence)))
        count: int | None = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise ReplyTooLargeError
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
