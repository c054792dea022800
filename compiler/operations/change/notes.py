"""Lists the dates, content types and tags that a plan's copies leave behind, and dates that are past or ahead."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from compiler.model.store_address import Provider
from compiler.operations.change.plan import Kind, Location, Note, NoteKind
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.text.command_line import shell_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.model.store_address import StoreAddress
    from compiler.operations.change.plan import Adopted, Plan, Target, Write
    from compiler.operations.change.writes import Judged
    from compiler.operations.live.read_many import Reading
    from compiler.stores.interface import SecretWriter

# Key Vault's adapter gives every document of properties this content type, so it carries no information.
_IMPLIED = "application/json"


class Seen(Protocol):
    """The destinations of a plan, read."""

    def writer(self, place: Location) -> SecretWriter: ...

    def standing(self, place: Location) -> Reading: ...


def notes_of(plan: Plan, judged: Sequence[Judged], seen: Seen, now: datetime | None = None) -> tuple[Note, ...]:
    """The notes of `plan` in its order, each once.

    Only of remote secrets that are written: attributes of the others are up to their owners.
    """
    moment = now or datetime.now(UTC)
    by_target: dict[Target, list[Judged]] = {}
    for each in judged:
        if each.place is not None and each.origin is not None:
            by_target.setdefault((each.place.store, each.place.name), []).append(each)
    found: dict[Note, None] = {}
    for write in plan.writes:
        place = Location(write.store, write.name, None)
        address = seen.writer(place).address
        written = {(step.secret, step.key) for step in write.steps}
        for each in by_target.get(write.target, ()):
            if (each.step.secret, each.step.key) in written:
                found.update(dict.fromkeys(_notes(each, _kept(write, address.provider, each), moment)))
        # On Vault a new version does not take over the dates of the one before.
        if write.base is not None and address.provider is not Provider.VAULT:
            found.update(dict.fromkeys(_notes_of_base(write, write.base, address, moment)))
    for adopted in plan.adopted:
        if adopted.is_recorded:
            # It was written whole.
            continue
        for each in by_target.get(adopted.target, ()):
            there = seen.standing(each.place) if each.place is not None else None
            found.update(dict.fromkeys(_notes_of_adopted(each, adopted, there)))
    return tuple(found)


def _kept(write: Write, provider: Provider, each: Judged) -> Attributes:
    """The attributes that the destination will have; of a secret that exists, all that its provider can hold."""
    origin = each.origin.attributes if each.origin is not None else Attributes()
    is_new = write.base is None and not write.recover
    kept = (write.attributes or Attributes()) if is_new else origin
    if provider is Provider.VAULT:
        return Attributes(tags=kept.tags)
    return kept


def _notes(each: Judged, kept: Attributes, now: datetime) -> Iterator[Note]:
    if each.origin is None or each.step.source is None:
        return
    has = each.origin.attributes
    source = replace(each.step.source, property=None)
    for kind, is_so, date in (
        (NoteKind.EXPIRES, has.expires not in {None, kept.expires}, has.expires),
        (NoteKind.NOT_BEFORE, has.not_before not in {None, kept.not_before}, has.not_before),
        (NoteKind.CONTENT_TYPE, has.content_type not in {None, _IMPLIED, kept.content_type}, None),
        (NoteKind.TAGS, bool(has.tags) and has.tags != kept.tags, None),
        (NoteKind.EXPIRED, has.past_expires(now) is not None, has.expires),
        (NoteKind.NOT_YET_VALID, has.not_before_ahead(now) is not None, has.not_before),
    ):
        if is_so:
            yield Note(kind, each.step.secret, source, date)


def _notes_of_base(write: Write, base: RemoteSecret, address: StoreAddress, now: datetime) -> Iterator[Note]:
    """The notes of an existing secret that keeps its dates in the new version."""
    has = base.attributes
    words = ("az", "keyvault", "secret", "set-attributes", "--id", f"{address.absolute}/secrets/{write.name}")
    for step in write.steps:
        if step.destination is None:
            continue
        place = replace(step.destination, property=None)
        if has.past_expires(now) is not None:
            yield Note(NoteKind.KEEPS_EXPIRES, step.secret, place, has.expires, shell_line(*words, "--expires", "DATE"))
        if has.not_before_ahead(now) is not None:
            remedy = shell_line(*words, "--not-before", "DATE")
            yield Note(NoteKind.KEEPS_NOT_BEFORE, step.secret, place, has.not_before, remedy)


def _notes_of_adopted(each: Judged, adopted: Adopted, there: Reading | None) -> Iterator[Note]:
    """The notes of a write that was cut off between the value and its tags: a comparison of keys finds it complete."""
    if adopted.action != Kind.CREATE or not isinstance(there, RemoteSecret):
        return
    if each.origin is None or each.step.source is None:
        return
    if each.origin.attributes.tags.items() - there.attributes.tags.items():
        yield Note(NoteKind.TAGS, each.step.secret, replace(each.step.source, property=None))
