"""Compares what two stores, or a value and a store, hold for a key: equal, different, missing, or unknown and why."""

from __future__ import annotations

from enum import StrEnum

from compiler.live.read_many import Reading
from compiler.stores.errors import NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import RemoteSecret
from compiler.stores.secret_value.document import stringified
from compiler.stores.secret_value.secret import Comparer, SecretValue

# How a store says that it does not hold a remote secret, as opposed to not saying whether it does.
NOT_HELD = (NotFoundError, SoftDeletedError, VersionGoneError)


class Likeness(StrEnum):
    """How what a store holds compares with a value, or with what another store holds."""

    EQUAL = "equal"
    DIFFERENT = "different"
    MISSING = "missing"  # the store does not hold it
    ONLY_THERE = "only-there"  # it does, and the store that it is compared with does not
    UNKNOWN = "unknown"  # a store did not say
    NO_ACCESS = "no-access"  # of all keys of a secret: one of the two stores did not say
    NOT_ASKED = "not-asked"


def value_at(remote: RemoteSecret, property_: str | None) -> SecretValue | None:
    """The value of a property, or the whole value for None; None where there is none."""
    return remote.whole if property_ is None else remote.properties.get(property_)


def compare_held(there: SecretValue | None, here: SecretValue | None, comparer: Comparer) -> Likeness:
    """How what a store holds compares with what the store in use holds; None where one holds nothing that is known."""
    if there is None:
        return Likeness.MISSING
    if here is None:
        return Likeness.ONLY_THERE
    return Likeness.EQUAL if comparer.same(there, here) else Likeness.DIFFERENT


def compare_value(
    value: SecretValue, reading: Reading, property_: str | None, comparer: Comparer, *, or_its_text: bool = False
) -> Likeness:
    """How what was read is to `value`: the same kind and, digit for digit, the same text.

    With `or_its_text` the text of a value that is no string is the same too, as `migrate --stringify` writes it.
    """
    if isinstance(reading, StoreError):
        return Likeness.MISSING if isinstance(reading, NOT_HELD) else Likeness.UNKNOWN
    held = value_at(reading, property_)
    if held is not None and or_its_text and _is_text_of(held, value, comparer):
        return Likeness.EQUAL
    return compare_held(held, value, comparer)


def _is_text_of(held: SecretValue, value: SecretValue, comparer: Comparer) -> bool:
    one, other = stringified(held), stringified(value)
    return one is not None and other is not None and held.is_string and comparer.same(one, other)
