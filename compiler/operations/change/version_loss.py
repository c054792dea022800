"""Asks the stores which earlier versions the writes of a plan make them drop for good, and names the way to keep them.

Vault keeps a number of versions of each secret; Key Vault keeps all, and is not asked.
"""

from __future__ import annotations

import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler.model.store_address import Provider
from compiler.operations.live.read_many import is_of_store
from compiler.stores.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compiler.model.store_address import StoreAddress
    from compiler.stores.interface import Dropped, SecretReader

_WORKERS = 16


class LossKind(StrEnum):
    """How much a write takes with it."""

    VERSIONS = "drops-versions"
    WAY_BACK = "drops-way-back"  # also the very version that the write replaces: nothing can bring that back
    UNKNOWN = "drops-unknown"  # the store does not tell


@dataclass(frozen=True, slots=True)
class NextWrite:
    """A write that is planned: `replaces` is the version that stands there now, None where none can be read."""

    store_id: str
    store: SecretReader
    name: str
    replaces: str | None


@dataclass(frozen=True, slots=True)
class VersionLoss:
    """What the write of the remote secret `name` makes its store drop; `remedy` is what keeps it, done before."""

    kind: LossKind
    store: str
    name: str
    versions: tuple[str, ...]
    keeps: int | None
    remedy: str


def losses_of(writes: Iterable[NextWrite], workers: int = _WORKERS) -> tuple[VersionLoss, ...]:
    """What is lost by `writes`, in their order; none for those that cost no readable version.

    Raises the StoreError of a store that no longer answers at all. Another refusal is told as a loss that is unknown:
    a plan is none the worse for it.
    """
    asked = [write for write in writes if write.store.address.provider is Provider.VAULT]
    if not asked:
        return ()
    pool = ThreadPoolExecutor(min(workers, len(asked)), thread_name_prefix="versions")
    try:
        return tuple(loss for loss in pool.map(_loss, asked) if loss is not None)
    finally:
        # After an interrupt nobody waits for questions that have not been asked yet.
        pool.shutdown(wait=False, cancel_futures=True)


def _loss(write: NextWrite) -> VersionLoss | None:
    address = write.store.address
    try:
        dropped = write.store.dropped_by_write(write.name)
    except StoreError as error:
        if is_of_store(error):
            raise
        return VersionLoss(LossKind.UNKNOWN, write.store_id, write.name, (), None, f"{error.reason}; {error.remedy}")
    if dropped is None:
        return None
    kind = LossKind.WAY_BACK if write.replaces in dropped.versions else LossKind.VERSIONS
    return VersionLoss(
        kind, write.store_id, write.name, dropped.versions, dropped.keeps, _remedy(address, write.name, dropped)
    )


def _remedy(address: StoreAddress, name: str, dropped: Dropped) -> str:
    """The command that makes the store keep twice as many, which is the larger of the secret's and the mount's."""
    namespace = [f"-namespace={address.vault_namespace}"] if address.vault_namespace else []
    options = [*namespace, f"-mount={address.mount}", f"-max-versions={2 * dropped.keeps}", name]
    return shlex.join(["bao", "kv", "metadata", "put", *options])
