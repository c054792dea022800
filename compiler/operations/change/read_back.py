"""Compares what a store shows of a write with what was to be there: the new values, and all that stood beside them.

A neighbour counts as much as what was written: a store, or this program, that turned its `1.10` into `1.1` has changed
a secret that nobody asked to change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.stores.interface import RemoteSecret
    from compiler.stores.values.secret import Comparer, Secret


def is_as_meant(
    found: RemoteSecret,
    base: RemoteSecret | None,
    changes: Mapping[str, Secret],
    whole: Secret | None,
    comparer: Comparer,
) -> bool:
    """Whether `found` is `whole`, or the properties of `base` with `changes` and no other."""
    if whole is not None:
        return found.whole is not None and comparer.same(found.whole, whole)
    before: Mapping[str, Secret] = base.properties if base is not None else {}
    meant = {**before, **changes}
    return meant.keys() == found.properties.keys() and all(holds(found, *member, comparer) for member in meant.items())


def holds(found: RemoteSecret, key: str, value: Secret, comparer: Comparer) -> bool:
    """Whether the property `key` is there with this value: the same kind and, digit for digit, the same text."""
    return key in found.properties and comparer.same(found.properties[key], value)
