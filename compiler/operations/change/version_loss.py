"""Asks Vault which versions a plan's writes would drop, earlier ones or their own, and names what keeps them.

Vault keeps a number of versions of each secret, and may delete each after a time. Key Vault keeps all: it is not asked.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler.model.store_address import Provider
from compiler.operations.live.lasting import lasting_command
from compiler.operations.live.read_many import is_of_store
from compiler.stores.errors import StoreError
from compiler.text.command_line import shell_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from compiler.model.store_address import StoreAddress
    from compiler.stores.interface import Dropped, SecretReader

_WORKERS = 16


class LossKind(StrEnum):
    """What a write makes the store drop."""

    VERSIONS = "drops-versions"
    WAY_BACK = "drops-way-back"  # also the version that the write replaces: it cannot be undone
    UNKNOWN = "drops-unknown"  # the store does not tell
    ITSELF = "deletes-itself"  # the version that is written, after a time


@dataclass(frozen=True, slots=True)
class NextWrite:
    """A planned write: `replaces` is the current version, None where none can be read; `is_new` where none is there."""

    store_id: str
    store: SecretReader
    name: str
    replaces: str | None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class VersionLoss:
    """The versions that a write of the remote secret `name` makes its store drop; `remedy`, run before, keeps them.

    Where it is the written version, that `lives` for so many seconds, until about `ends`.
    """

    kind: LossKind
    store: str
    name: str
    versions: tuple[str, ...]
    keeps: int | None
    remedy: str
    lives: int | None = None
    ends: datetime | None = None

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
    denied: set[str] = set()
    pool = ThreadPoolExecutor(min(workers, len(asked)), thread_name_prefix="versions")
    try:
        return tuple(loss for losses in pool.map(lambda write: tuple(_losses(write, denied)), asked) for loss in losses)
    finally:
        # After an interrupt, requests that have not started are dropped.
        pool.shutdown(wait=False, cancel_futures=True)


def _losses(write: NextWrite, denied: set[str]) -> Iterator[VersionLoss]:
    """`denied` are the stores in which the metadata of a new name may not be read: there is nothing of it to lose."""
    if write.is_new and write.store_id in denied:
        return
    address, target = write.store.address, (write.store_id, write.name)
    try:
        dropped = write.store.dropped_by_write(write.name)
    except StoreError as error:
        if is_of_store(error):
            raise
        if write.is_new:
            denied.add(write.store_id)
        else:
            yield VersionLoss(LossKind.UNKNOWN, *target, (), None, f"{error.reason}; {error.remedy}")
        return
    if dropped is None:
        return
    if dropped.versions:
        kind = LossKind.WAY_BACK if write.replaces in dropped.versions else LossKind.VERSIONS
        yield VersionLoss(kind, *target, dropped.versions, dropped.keeps, _remedy(address, write.name, dropped))
    if dropped.lives is not None:
        remedy = lasting_command(address, write.name, dropped.limits)
        ends = datetime.now(UTC) + timedelta(seconds=dropped.lives)
        yield VersionLoss(LossKind.ITSELF, *target, (), None, remedy, dropped.lives, ends)


def _remedy(address: StoreAddress, name: str, dropped: Dropped) -> str:
    """The command that makes the store keep twice as many versions as the larger of the secret's and mount's limits."""
    namespace = [f"-namespace={address.vault_namespace}"] if address.vault_namespace else []
    options = [*namespace, f"-mount={address.mount}", f"-max-versions={2 * dropped.keeps}", name]
    return shell_line("bao", "kv", "metadata", "put", *options)
