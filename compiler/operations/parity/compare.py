"""Compares expected and rendered manifests; its messages show names and places but never a label's text."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Manifest = dict[str, Any]
Target: TypeAlias = tuple[str, str]

_MISSING = object()


def differences(expected: Iterable[Manifest], rendered: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """A pair of object name and message for each difference; the order of manifests and of keys does not matter."""
    wanted = {_identity(manifest): manifest for manifest in expected}
    found: dict[tuple[str, str, str], Manifest] = {}
    counts = Counter[tuple[str, str, str]]()
    for manifest in rendered:
        if not isinstance(manifest, dict):
            yield "", "something is rendered that is not a manifest"
            continue
        identity = _identity(manifest)
        counts[identity] += 1
        found[identity] = manifest
    for identity in (*wanted, *(other for other in found if other not in wanted)):
        kind, namespace, name = identity
        title = f'{kind} "{namespace}/{name}"' if namespace else f'{kind} "{name}"'
        if identity not in found:
            yield name, f"{title} is not rendered"
        elif identity not in wanted:
            yield name, f"{title} is rendered, but not expected"
        else:
            if counts[identity] > 1:
                yield name, f"{title} is rendered {counts[identity]} times"
            for path, words in _unequal((), _by_key(wanted[identity]), _by_key(found[identity])):
                yield name, f"{'.'.join(path)} of {title} {words}"


def targets(rendered: Iterable[Any]) -> dict[Target, frozenset[str]]:
    """The Kubernetes Secrets that rendered ExternalSecrets make, by namespace and name, and the keys of each."""
    found: dict[Target, frozenset[str]] = {}
    for manifest in rendered:
        if isinstance(manifest, dict) and manifest.get("kind") == "ExternalSecret":
            spec = _map(manifest.get("spec"))
            target = _map(spec.get("target"))
            printed = _map(_map(target.get("template")).get("data"))
            keys = printed or [_map(item).get("secretKey") for item in spec.get("data") or ()]
            namespace = _map(manifest.get("metadata")).get("namespace")
            found[str(namespace), str(target.get("name"))] = frozenset(str(key) for key in keys)
    return found


def _identity(manifest: Manifest) -> tuple[str, str, str]:
    metadata = _map(manifest.get("metadata"))
    return str(manifest.get("kind")), str(metadata.get("namespace") or ""), str(metadata.get("name"))


def _by_key(manifest: Manifest) -> Manifest:
    """The manifest with `spec.data` as a map, so that a difference has a key's name; one with a key twice stays."""
    spec = _map(manifest.get("spec"))
    items = spec.get("data")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return manifest
    by_key = {str(item.get("secretKey")): item for item in items}
    return {**manifest, "spec": {**spec, "data": by_key}} if len(by_key) == len(items) else manifest


def _unequal(path: tuple[str, ...], wanted: object, found: object) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in (*wanted, *(other for other in found if other not in wanted)):
            yield from _unequal((*path, str(key)), wanted.get(key, _MISSING), found.get(key, _MISSING))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _unequal((*path, str(index)), one, other)
    elif found is _MISSING:
        yield path, "is missing"
    elif wanted is _MISSING:
        yield path, "should not be there"
    # 1, 1.0 and true are equal to Python and not to Kubernetes.
    elif type(wanted) is not type(found) or wanted != found:
        shown = isinstance(wanted, str) and isinstance(found, str) and path[:1] == ("spec",) and "provider" not in path
        yield path, f'is "{found}" and not "{wanted}"' if shown and "metadata" not in path else "differs"


def _map(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
