"""Checks a write by reading it back: the new values must be there, and every other property must be unchanged.

The other properties count as much as what was written: a store, or this program, that turned `1.10` into `1.1` has
changed a secret that nobody asked to change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.change.plan import Result, State
from compiler.stores.errors import Action, StoreError, StoreLocation, UnverifiedError
from compiler.stores.interface import Written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from compiler.operations.change.plan import Write
    from compiler.stores.interface import RemoteSecret, SecretWriter
    from compiler.stores.values.secret import Comparer, SecretValue


def stored(write: Callable[[], Written]) -> tuple[Written, UnverifiedError | None]:
    """The version that `write` stored, and the error where the store itself reported it as different.

    Such a version exists all the same, and is recorded and reported. Raises StoreError where none is known to exist.
    """
    try:
        return write(), None
    except UnverifiedError as error:
        return Written(error.version), error


def read_back(write: Write, version: str, look: Callable[[], Result]) -> Result:
    """What `look` finds of a write that is stored and recorded as `version`; a failure where it cannot look."""
    try:
        return look()
    except StoreError as error:
        # Whether it holds what it should is still unknown.
        reason = f"it cannot be read back: {error.reason}"
        return Result(*write.target, State.FAILED, version, (), error.code, reason, error.remedy)


def is_as_meant(
    found: RemoteSecret,
    base: RemoteSecret | None,
    changes: Mapping[str, SecretValue],
    whole: SecretValue | None,
    comparer: Comparer,
) -> bool:
    """Whether `found` is `whole`, or the properties of `base` with `changes` and no other."""
    if whole is not None:
        return found.whole is not None and comparer.same(found.whole, whole)
    before: Mapping[str, SecretValue] = base.properties if base is not None else {}
    meant = {**before, **changes}
    return meant.keys() == found.properties.keys() and all(holds(found, *member, comparer) for member in meant.items())


def holds(found: RemoteSecret, key: str, value: SecretValue, comparer: Comparer) -> bool:
    """Whether the property `key` is there with this value: the same kind and, digit for digit, the same text."""
    return key in found.properties and comparer.same(found.properties[key], value)


def other_bytes(store: SecretWriter, name: str, version: str) -> UnverifiedError:
    """The error of a version that reads back differently from what was written."""
    reason = f"version {version} reads back with a different value than was written"
    remedy = "check that version by hand, and do not trust this address"
    return UnverifiedError(StoreLocation(store.address.absolute, name), Action.WRITE, reason, remedy, version)
