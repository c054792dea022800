"""Builds the entries of the catalogue from its document; what is missing becomes empty, and a rule reports it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from compiler.model.catalogue import Catalogue, CatalogueKey, Entry, KeyRemote, Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.model.document import Document, Node


def catalogue_of(document: Document) -> Catalogue:
    """The entries of a validated catalogue, in the order of the file."""
    secrets = document.root.get("secrets")
    entries = {name: _entry(name, node) for name, node in (secrets.children if secrets else {}).items()}
    known: dict[tuple[str, str], Origin | None] = {}
    for entry in entries.values():
        _link(entry, entries, known)
    origins = {name: holders for name, entry in entries.items() if (holders := _holders(entry))}
    return Catalogue(entries, document, origins)


def _link(entry: Entry, entries: Mapping[str, Entry], known: dict[tuple[str, str], Origin | None]) -> None:
    # An entry is frozen, but here nobody else has seen it: entries that take from one another need each other first.
    keys = cast("dict[str, CatalogueKey]", entry.keys)
    for name, key in entry.keys.items():
        if key.is_taken and (origin := _origin((entry.id, name), entries, known)) is not None:
            keys[name] = replace(
                key,
                description=key.description or origin.key.description,
                rotate_days=origin.key.rotate_days,
                origin=origin,
            )


def _holders(entry: Entry) -> tuple[Entry, ...]:
    return tuple({key.origin.entry.id: key.origin.entry for key in entry.keys.values() if key.origin}.values())


def _origin(
    at: tuple[str, str], entries: Mapping[str, Entry], known: dict[tuple[str, str], Origin | None]
) -> Origin | None:
    """The end of the chain that begins `at` a key; None where that leads nowhere or in a circle, as rules report."""
    passed: list[tuple[str, str]] = []
    found: Origin | None = None
    while at not in known:
        entry = entries.get(at[0])
        key = entry.keys.get(at[1]) if entry is not None else None
        if entry is None or key is None:
            break
        source = key.source
        if source is None:
            found = Origin(entry, key)
            break
        passed.append(at)
        # For whoever comes here again: the chain has no end, unless it turns out to have one.
        known[at] = None
        at = source
    else:
        found = known[at]
    known.update(dict.fromkeys(passed, found))
    return found


def _entry(name: str, node: Node) -> Entry:
    keys = {key: _key(key, child) for key, child in node.nearest("keys").children.items() if node.get("keys")}
    wave = node.get("syncWave")
    use = node.get("use")
    return Entry(
        id=name,
        description=node.text("description") or "",
        target=node.text("target") or "",
        remote={provider: str(child.value) for provider, child in _members(node, "remote").items()},
        sync_wave=wave.value if wave is not None and isinstance(wave.value, int) else 0,
        default_variants=_texts(use) if use is not None else None,
        mounted_by=_texts(node.get("mountedBy")),
        keys=keys,
        variants=tuple(dict.fromkeys(variant for key in keys.values() for variant in key.variants)),
        node=node,
        guards=node.nearest("guards").value is True,
    )


def _key(name: str, node: Node) -> CatalogueKey:
    rotate = node.text("rotate")
    return CatalogueKey(
        name=name,
        description=node.text("description") or "",
        variants=_texts(node.get("variants")),
        rotate_days=int(rotate.removesuffix("d")) if rotate else None,
        remote={provider: _key_remote(child) for provider, child in _members(node, "remote").items()},
        node=node,
    )


def _key_remote(node: Node) -> KeyRemote:
    if isinstance(node.value, str):
        return KeyRemote(name=node.value)
    whole = node.get("whole")
    return KeyRemote(node.text("name"), node.text("property"), whole is not None and whole.value is True)


def _members(node: Node, name: str) -> dict[str, Node]:
    child = node.get(name)
    return dict(child.children) if child is not None else {}


def _texts(node: Node | None) -> tuple[str, ...]:
    return tuple(item.value for item in node.items if isinstance(item.value, str)) if node is not None else ()
