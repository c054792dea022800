"""Remote names by store in; each read once, in parallel, and what was read or the store's error out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from compiler.stores.errors import (
    ForbiddenCause,
    ForbiddenError,
    MissingDependencyError,
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
    from collections.abc import Mapping, Sequence

    from compiler.stores.interface import RemoteSecret, SecretReader

WORKERS = 16
# The store gave no answer to the question, whichever secret it was about.
_SILENT = (
    UnavailableError,
    ThrottledError,
    TlsFailureError,
    RedirectRefusedError,
    MissingDependencyError,
    UnexpectedReplyError,
    UnauthenticatedError,
)
_ALL_FORBIDDEN = frozenset({ForbiddenCause.FIREWALL, ForbiddenCause.MOUNT_UNKNOWN})


def is_silence(error: StoreError) -> bool:
    """Whether the store told nothing about its secrets: unreachable, not itself, or closed to the caller."""
    return isinstance(error, _SILENT)


def is_of_store(error: StoreError) -> bool:
    """Whether every other secret of the store would meet the same error."""
    if isinstance(error, ForbiddenError):
        return error.cause in _ALL_FORBIDDEN
    return is_silence(error) or isinstance(error, WrongMountError | UnsupportedEngineError)


class StoreReads:
    """What the names of one store hold. A store that fails as a whole is not asked again: each question may wait."""

    def __init__(self, reader: SecretReader) -> None:
        self._reader = reader
        self._failure: StoreError | None = None

    def read(self, name: str) -> RemoteSecret | StoreError:
        if self._failure is not None:
            return self._failure
        try:
            return self._reader.read(name)
        except StoreError as error:
            if is_of_store(error):
                self._failure = error
            return error


def read_all(
    wanted: Mapping[SecretReader, Sequence[str]], workers: int = WORKERS
) -> dict[tuple[SecretReader, str], RemoteSecret | StoreError]:
    """Each name of each store, read in one request, by at most `workers` threads.

    The first name of each store goes ahead, in the caller's thread: it logs in and finds out whether the store is
    there at all, and whoever waits for one that is not can interrupt it.
    """
    stores = {reader: StoreReads(reader) for reader, names in wanted.items() if names}
    found = {(reader, wanted[reader][0]): reads.read(wanted[reader][0]) for reader, reads in stores.items()}
    rest = [(reader, name) for reader in stores for name in wanted[reader][1:]]
    pool = ThreadPoolExecutor(workers, thread_name_prefix="read")
    try:
        results = pool.map(lambda pair: stores[pair[0]].read(pair[1]), rest)
        found |= dict(zip(rest, results, strict=True))
    finally:
        # After an interrupt nobody waits for questions that have not been asked yet.
        pool.shutdown(wait=False, cancel_futures=True)
    return found
