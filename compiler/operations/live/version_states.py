"""Asks stores for the state of each version of remote secrets, many at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from compiler.operations.live.read_many import WORKERS, is_of_store
from compiler.stores.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compiler.stores.interface import SecretReader, VersionStates

    States = VersionStates | StoreError


def version_states(
    wanted: Iterable[tuple[SecretReader, str]], workers: int = WORKERS
) -> dict[tuple[SecretReader, str], States]:
    """The versions of each remote secret with their states, or the error that kept them from being told.

    Raises the StoreError of a store that cannot be used at all.
    """
    pairs = tuple(dict.fromkeys(wanted))
    pool = ThreadPoolExecutor(max(1, min(workers, len(pairs))), thread_name_prefix="versions")
    try:
        found = dict(zip(pairs, pool.map(_states, pairs), strict=True))
    finally:
        # After an interrupt, requests that have not started are dropped.
        pool.shutdown(wait=False, cancel_futures=True)
    for states in found.values():
        if isinstance(states, StoreError) and is_of_store(states):
            raise states
    return found


def _states(pair: tuple[SecretReader, str]) -> States:
    store, name = pair
    try:
        return store.version_states(name)
    except StoreError as error:
        # An error that is kept must not keep its frames.
        return error.with_traceback(None)
