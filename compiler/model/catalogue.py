"""Defines the catalogue: the secrets that exist, their keys and variants, and where each provider keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.model.document import Document, Node

VAULT = "vault"
AZURE_KEY_VAULT = "azurekv"
PROVIDERS = (VAULT, AZURE_KEY_VAULT)


@dataclass(frozen=True, slots=True)
class KeyRemote:
    """What a key says of its own place: what it leaves out comes from the entry and from the key's name."""

    name: str | None = None
    property: str | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueKey:
    """One key of an entry; `rotate_days` is how often a new value is due, and `node` where it is written."""

    name: str
    description: str
    variants: tuple[str, ...]
    rotate_days: int | None
    remote: Mapping[str, KeyRemote]
    node: Node


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One secret of the catalogue.

    `remote` is the remote secret's name by provider, without a store's prefix. `default_variants` is what an
    environment gets when it names none; None where the entry has no `use:` line: then it gets all. `guards` tells that
    it lies behind the log-in that guards a store, so that a move which fails could lock out whoever mends it.
    """

    id: str
    description: str
    target: str
    remote: Mapping[str, str]
    sync_wave: int
    default_variants: tuple[str, ...] | None
    mounted_by: tuple[str, ...]
    keys: Mapping[str, CatalogueKey]
    variants: tuple[str, ...]
    node: Node
    guards: bool = False

    def keys_of(self, variants: tuple[str, ...]) -> tuple[CatalogueKey, ...]:
        """The keys in no variant and those of `variants`, in the catalogue's order."""
        return tuple(
            key for key in self.keys.values() if not key.variants or any(name in variants for name in key.variants)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """All entries by id, in the order of the file."""

    entries: Mapping[str, Entry]
    document: Document
