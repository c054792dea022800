"""Reads remote secrets, many at a time, and returns each one or the error that kept it from being read."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from compiler.stores.errors import (
    ForbiddenCause,
    ForbiddenError,
    MissingDependencyError,
    OtherClusterError,
    RedirectRefusedError,
    StoreError,
    ThrottledError,
    TlsFailureError,
    UnauthenticatedError,
    UnavailableError,
    UnexpectedReplyError,
    UnsupportedEngineError,
    WrongMountError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from compiler.stores.interface import RemoteSecret, SecretReader

    Reading = RemoteSecret | StoreError

WORKERS = 16
# Seconds after the failure of a store in which the others may fail too.
_FAIL_TOGETHER = 0.5
# The store did not answer, and would not for any other secret either.
_SILENT = (
    UnavailableError,
    ThrottledError,
    TlsFailureError,
    RedirectRefusedError,
    MissingDependencyError,
    UnexpectedReplyError,
    UnauthenticatedError,
    OtherClusterError,
)
_ALL_FORBIDDEN = frozenset({ForbiddenCause.FIREWALL, ForbiddenCause.MOUNT_UNKNOWN})


def is_silence(error: StoreError) -> bool:
    """Whether the store said nothing about its secrets: unreachable, another server, or closed to the caller."""
    return isinstance(error, _SILENT)


def is_of_store(error: StoreError) -> bool:
    """Whether every other secret of the store would meet the same error."""
    if isinstance(error, ForbiddenError):
        return error.cause in _ALL_FORBIDDEN
    return is_silence(error) or isinstance(error, WrongMountError | UnsupportedEngineError)


class _StoreReads:
    """Reads the names of one store. A store that fails as a whole is not asked again, as each request may time out."""

    def __init__(self, reader: SecretReader) -> None:
        self._reader = reader
        self._failure: StoreError | None = None

    def read(self, name: str) -> Reading:
        if self._failure is not None:
            return self._failure
        try:
            return self._reader.read(name)
        except StoreError as error:
            # An error that is kept must not keep its frames: they hold the connection, and a thousand times 10 KiB.
            failure = error.with_traceback(None)
        if is_of_store(failure):
            self._failure = failure
        return failure


class _Asking:
    """Reads each name of each store once.

    The first name of each store is read first, of all stores at the same time: that logs in and finds out whether the
    store answers at all. Each has a thread of its own, which keeps no process alive and no interrupt waiting.
    """

    def __init__(self, wanted: Iterable[tuple[SecretReader, str]]) -> None:
        self.found: dict[tuple[SecretReader, str], Reading] = {}
        self._stores: dict[SecretReader, _StoreReads] = {}
        self._rest: deque[tuple[SecretReader, str]] = deque()
        self._firsts: list[tuple[SecretReader, str]] = []
        self._order = tuple(dict.fromkeys(wanted))
        for pair in self._order:
            (self._rest if pair[0] in self._stores else self._firsts).append(pair)
            self._stores.setdefault(pair[0], _StoreReads(pair[0]))

    def first(self, *, needs_all: bool) -> None:
        """Read the first name of each store. Where all of them are needed, raise the StoreError of one that fails."""
        if len(self._firsts) == 1:
            (pair,) = self._firsts
            self.found[pair] = self._read(pair)
        else:
            self._together(needs_all=needs_all)
        if needs_all:
            for pair in self._firsts:
                reading = self.found.get(pair)
                if isinstance(reading, StoreError) and is_of_store(reading):
                    raise reading

    def _together(self, *, needs_all: bool) -> None:
        answers: SimpleQueue[tuple[tuple[SecretReader, str], Reading | BaseException]] = SimpleQueue()
        for pair in self._firsts:
            Thread(target=self._answer, args=(pair, answers.put), daemon=True).start()
        seconds: float | None = None
        for _ in self._firsts:
            try:
                pair, answer = answers.get(timeout=seconds)
            except Empty:
                return
            if isinstance(answer, BaseException) and not isinstance(answer, StoreError):
                raise answer
            self.found[pair] = answer
            if needs_all and isinstance(answer, StoreError) and is_of_store(answer):
                # Of several that fail at once, always the same is told; one that is waited for keeps nobody waiting.
                seconds = _FAIL_TOGETHER

    def _answer(
        self, pair: tuple[SecretReader, str], tell: Callable[[tuple[tuple[SecretReader, str], Any]], None]
    ) -> None:
        try:
            answer: Reading | BaseException = self._read(pair)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for it
            answer = error
        tell((pair, answer))

    def rest(self, workers: int) -> None:
        pool = ThreadPoolExecutor(workers, thread_name_prefix="read")
        try:
            for asking in [pool.submit(self._ask) for _ in range(min(workers, len(self._rest)))]:
                asking.result()
            self.found = {pair: self.found[pair] for pair in self._order}
        finally:
            # After an interrupt, reads that have not started are dropped.
            self._rest.clear()
            pool.shutdown(wait=False)

    def _ask(self) -> None:
        # Each thread takes the next name, rather than a future for each: those cost more than what is read.
        while True:
            try:
                pair = self._rest.popleft()
            except IndexError:
                return
            self.found[pair] = self._read(pair)

    def _read(self, pair: tuple[SecretReader, str]) -> Reading:
        return self._stores[pair[0]].read(pair[1])


def read_all(
    wanted: Iterable[tuple[SecretReader, str]], workers: int = WORKERS
) -> dict[tuple[SecretReader, str], Reading]:
    """Each remote secret, or the error of reading it, by store and name; read in at most `workers` threads."""
    asking = _Asking(wanted)
    asking.first(needs_all=False)
    asking.rest(workers)
    return asking.found


def read_many(wanted: Iterable[tuple[SecretReader, str]], workers: int) -> dict[tuple[SecretReader, str], Reading]:
    """As `read_all`, for callers that need every store.

    Raises the StoreError of a store that cannot be used: one that does not answer its first request, or no longer
    answers in the middle, or that forbids every one. Of several that fail at once it is the error of the first.
    """
    asking = _Asking(wanted)
    asking.first(needs_all=True)
    asking.rest(workers)
    by_store: dict[SecretReader, list[Reading]] = {}
    for (reader, _), reading in asking.found.items():
        if isinstance(reading, StoreError) and is_of_store(reading):
            # What was read before a seal or a lost token is not enough to plan on, or to end a run by.
            raise reading
        by_store.setdefault(reader, []).append(reading)
    for readings in by_store.values():
        denied = [each for each in readings if isinstance(each, ForbiddenError)]
        if denied and len(denied) == len(readings):
            raise denied[0].with_rules_of(denied)
    return asking.found
