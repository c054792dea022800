"""Asks Vault which earlier versions a plan's writes would drop for good, and names the command that keeps them.

Vault keeps a number of versions of each secret; Key Vault keeps all, and is not asked.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler.model.store_address import Provider
from compiler.operations.live.read_many import is_of_store
from compiler.stores.errors import StoreError
from compiler.text.command_line import shell_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compiler.model.store_address import StoreAddress
    from compiler.stores.interface import Dropped, SecretReader

_WORKERS = 16


class LossKind(StrEnum):
    """What a write makes the store drop."""

    VERSIONS = "drops-versions"
    WAY_BACK = "drops-way-back"  # also the version that the write replaces: it cannot be undone
    UNKNOWN = "drops-unknown"  # the store does not tell


@dataclass(frozen=True, slots=True)
class NextWrite:
    """A planned write: `replaces` is the current version, None where none can be read."""

    store_id: str
    store: SecretReader
    name: str
    replaces: str | None


@dataclass(frozen=True, slots=True)
class VersionLoss:
    """The versions that a write of the remote secret `name` makes its store drop; `remedy`, run before, keeps them."""

    kind: LossKind
    store: str
    name: str
    versions: tuple[str, ...]
    keeps: int | None
    remedy: str

    @property
    def target(self) -> tuple[str, str]:
        return self.store, self.name


def losses_of(writes: Iterable[NextWrite], workers: int = _WORKERS) -> tuple[VersionLoss, ...]:
    """The losses of `writes`, in their order, without those that drop no readable version.

    Raises the StoreError of a store that no longer answers at all. Any other refusal becomes
    an unknown loss, and does not stop the plan.
    """
    asked = [write for write in writes if write.store.address.provider is Provider.VAULT]
    if not asked:
        return ()
    pool = ThreadPoolExecutor(min(workers, len(asked)), thread_name_prefix="versions")
    try:
        return tuple(loss for loss in pool.map(_loss, asked) if loss is not None)
    finally:
        # After an interrupt, requests that have not started are dropped.
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
    """The command that makes the store keep twice as many versions as the larger of the secret's and mount's limits."""
    namespace = [f"-namespace={address.vault_namespace}"] if address.vault_namespace else []
    options = [*namespace, f"-mount={address.mount}", f"-max-versions={2 * dropped.keeps}", name]
    return shell_line("bao", "kv", "metadata", "put", *options)
