"""Decides the kind of step for one key, and the value to write, from what its source and destination hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.operations.change.plan import Kind, OnConflict
from compiler.stores.errors import (
    DisabledError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    VersionGoneError,
)
from compiler.stores.values.stringify import stringified
from compiler.stores.values.traits import Trait, traits

if TYPE_CHECKING:
    from compiler.model.place import Place
    from compiler.operations.change.plan import Options
    from compiler.operations.live.read_many import Reading
    from compiler.stores.values.secret import Comparer, SecretValue

# Ways in which a source does not hold a value, as opposed to not saying whether it does.
_NOT_HELD = (NotFoundError, SoftDeletedError, VersionGoneError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`value` is the source's, wherever it was readable and may be written."""

    kind: Kind
    reason: str = ""
    remedy: str = ""
    value: SecretValue | None = None


def judge_source(reading: Reading, place: Place, options: Options, *, in_use: bool, way_to_add: str) -> Verdict | None:
    """An update with the source's value, the reason why there is none, or None for an unused key without a value.

    `way_to_add` is the remedy where the source lacks the value.
    """
    if isinstance(reading, DisabledError) and not in_use:
        # It was disabled on purpose, and the environment does not use it.
        return None
    if isinstance(reading, StoreError):
        if not isinstance(reading, _NOT_HELD):
            return Verdict(Kind.REFUSE, f"the source cannot be read: {reading.reason}", reading.remedy)
        return _not_held(reading, way_to_add) if in_use else None
    if place.property is not None and not reading.is_object:
        reason = "the source's value is not a JSON object, so it has no properties"
        return Verdict(Kind.MISSING, reason, "store a JSON object there") if in_use else None
    value = reading.properties.get(place.property) if place.property is not None else reading.whole
    if value is None:
        what = "no such property" if place.property is not None else "only properties, no whole value"
        return Verdict(Kind.MISSING, f"the source has {what}", way_to_add) if in_use else None
    if not value.is_string:
        text = stringified(value) if options.stringify else None
        if text is None:
            reason = f"the source's value is a JSON {value.kind}, and only strings can be copied unchanged"
            remedy = "store it as a string in the source" + ("" if options.stringify else ", or use --stringify")
            return Verdict(Kind.REFUSE, reason, remedy)
        value = text
    if Trait.EMPTY in traits(value):
        return Verdict(Kind.REFUSE, "the source's value is empty", way_to_add) if in_use else None
    return Verdict(Kind.UPDATE, value=value)


def _not_held(error: StoreError, way_to_add: str) -> Verdict:
    if isinstance(error, NotFoundError):
        return Verdict(Kind.MISSING, "the source has no such secret", way_to_add)
    remedy = error.remedy if isinstance(error, SoftDeletedError) else way_to_add
    return Verdict(Kind.MISSING, f"in the source, {error.reason}", remedy)


def judge_destination(
    reading: Reading, place: Place, value: SecretValue, options: Options, comparer: Comparer
) -> Verdict:
    """The kind of step that writes `value` at `place`, given what the destination holds there."""
    if isinstance(reading, NotFoundError | VersionGoneError):
        return Verdict(Kind.CREATE, value=value)
    if isinstance(reading, SoftDeletedError):
        if options.recover:
            return Verdict(Kind.RECOVER, "it was deleted and is recovered first", value=value)
        remedy = f"to recover it first: {options.again('--recover')}" if options.words else reading.remedy
        return Verdict(Kind.REFUSE, f"in the destination, {reading.reason}", remedy)
    if isinstance(reading, StoreError):
        return Verdict(Kind.REFUSE, f"the destination cannot be read: {reading.reason}", reading.remedy)
    if place.property is not None and not reading.is_object:
        reason = "the destination's value is not a JSON object, so no property can be set in it"
        return Verdict(Kind.REFUSE, reason, "store a JSON object there first")
    held = reading.properties.get(place.property) if place.property is not None else reading.whole
    if held is None:
        return Verdict(Kind.UPDATE, "the key is added", value=value)
    if comparer.same(held, value):
        return Verdict(Kind.KEEP, value=value)
    if options.on_conflict is OnConflict.OVERWRITE:
        return Verdict(Kind.UPDATE, "a different value is replaced", value=value)
    reason = f"the destination already holds a different value, version {reading.version}"
    skipped = options.on_conflict is OnConflict.SKIP
    remedy = "--on-conflict skip leaves it unchanged" if skipped else "choose --on-conflict skip or overwrite"
    return Verdict(Kind.CONFLICT, reason, remedy, value)
