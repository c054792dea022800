"""Judges whether a version in Vault deletes itself before the one that serves now, and says how to have it stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.store_address import Provider
from compiler.stores.errors import StoreError
from compiler.stores.interface import Limit
from compiler.text.command_line import shell_line

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from compiler.model.environment import Store
    from compiler.model.store_address import StoreAddress
    from compiler.stores.interface import RemoteSecret, SecretReader


def end_before(new: Store, found: RemoteSecret, old: Store, serving: RemoteSecret | None) -> datetime | None:
    """When `found` in the store `new` deletes itself, where that is before `serving` in `old` does; else None.

    Only a Vault deletes: what a Key Vault holds is served after its expiry date too. What is not known to end later,
    as its store did not answer, does not.
    """
    ends = found.attributes.expires
    if new.provider != Provider.VAULT or ends is None:
        return None
    own = serving.attributes.expires if serving is not None and old.provider == Provider.VAULT else None
    return ends if own is None or ends < own else None


def keep_command(store: SecretReader, name: str, version: str) -> str:
    """The line by which a version in a Vault does not delete itself, after asking which settings say that it does."""
    try:
        dropped = store.dropped_by_write(name)
    except StoreError:
        limits: Collection[Limit] = tuple(Limit)
    else:
        limits = dropped.limits if dropped is not None else ()
    return lasting_command(store.address, name, limits, version)


def lasting_command(
    store: StoreAddress | Store, name: str, limits: Collection[Limit], version: str | None = None
) -> str:
    """The line by which versions of `name` in a Vault no longer delete themselves, nor does the present one, `version`.

    `limits` are the settings that say so; the mount's is that of all its secrets. A version keeps its end until it is
    undeleted, and gets a new one where a setting still says so (measured on OpenBao 2.7).
    """
    namespace = [f"-namespace={store.vault_namespace}"] if store.vault_namespace else []
    mount = store.mount.strip("/")
    lines = []
    if Limit.MOUNT in limits:
        lines.append(shell_line("bao", "write", *namespace, f"{mount}/config", "delete_version_after=0s"))
    if Limit.NAME in limits:
        words = ("bao", "kv", "metadata", "put", *namespace, f"-mount={mount}", "-delete-version-after=0s", name)
        lines.append(shell_line(*words))
    if version is not None:
        words = ("bao", "kv", "undelete", *namespace, f"-mount={mount}", f"-versions={version}", name)
        lines.append(shell_line(*words))
    return " && ".join(lines)
