"""Adapters and names in, each remote secret or the reason why it cannot be read out, many at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from compiler.stores.errors import (
    ForbiddenError,
    MissingDependencyError,
    RedirectRefusedError,
    StoreError,
    TlsFailureError,
    UnauthenticatedError,
    UnavailableError,
    UnexpectedReplyError,
    UnsupportedEngineError,
    WrongMountError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compiler.stores.interface import RemoteSecret, SecretReader

    Reading = RemoteSecret | StoreError

# What says that no other name of this store would be answered either.
_OF_THE_STORE = (
    MissingDependencyError,
    RedirectRefusedError,
    TlsFailureError,
    UnauthenticatedError,
    UnavailableError,
    UnexpectedReplyError,
    UnsupportedEngineError,
    WrongMountError,
)


def read_many(wanted: Iterable[tuple[SecretReader, str]], workers: int) -> dict[tuple[int, str], Reading]:
    """Return what stands under each (`id` of the adapter, name), read once.

    Raises the StoreError of a store that cannot be used at all: one that does not answer its first request, or that
    forbids every one.
    """
    by_store: dict[int, tuple[SecretReader, list[str]]] = {}
    for reader, name in wanted:
        names = by_store.setdefault(id(reader), (reader, []))[1]
        if name not in names:
            names.append(name)
    found: dict[tuple[int, str], Reading] = {}
    with ThreadPoolExecutor(workers) as pool:
        for key, (reader, names) in by_store.items():
            # The first one alone: a dead store costs its patience once, and no thread starts without a token.
            first = _read(reader, names[0])
            if isinstance(first, _OF_THE_STORE):
                raise first
            rest = pool.map(_read, [reader] * (len(names) - 1), names[1:])
            readings = [first, *rest]
            if all(isinstance(reading, ForbiddenError) for reading in readings) and isinstance(first, StoreError):
                raise first
            found |= {(key, name): reading for name, reading in zip(names, readings, strict=True)}
    return found


def _read(reader: SecretReader, name: str) -> Reading:
    try:
        return reader.read(name)
    except StoreError as error:
        return error
