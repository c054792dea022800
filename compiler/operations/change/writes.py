"""Groups judged keys into one write per remote secret, and refuses what the store would refuse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from compiler.model.store_identity import remote_name
from compiler.operations.change.plan import WRITING, Kind, Step, Write
from compiler.stores.errors import SoftDeletedError, StoreError
from compiler.stores.interface import Attributes, Problem, RemoteSecret
from compiler.stores.values.secret import Comparer, Mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.operations.change.plan import Location
    from compiler.operations.live.read_many import Reading
    from compiler.stores.interface import SecretWriter
    from compiler.stores.values.secret import SecretValue


class Destinations(Protocol):
    """The stores that are written to, and what was read there."""

    def writer(self, place: Location) -> SecretWriter: ...

    def standing(self, place: Location) -> Reading: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """A step with the value that it would write, and the remote secret that the value comes from."""

    step: Step
    value: SecretValue | None = None
    origin: RemoteSecret | None = None

    @property
    def place(self) -> Location | None:
        return self.step.destination


def plan_writes(judged: Sequence[Judged], destinations: Destinations) -> tuple[tuple[Step, ...], tuple[Write, ...]]:
    """Group by remote secret, and refuse what its store would refuse, all without a request."""
    steps = [each.step for each in judged]
    writes: list[Write] = []
    for members in _groups(judged, destinations).values():
        _refuse_contradictions(judged, members, steps)
        writing = [index for index in members if steps[index].kind in WRITING]
        while writing:
            write = _write([judged[index] for index in writing], [steps[index] for index in writing], destinations)
            problems = _problems(write, destinations.writer(_place(judged[writing[0]])))
            if not problems:
                writes.append(write)
                break
            _refuse(problems, writing, judged, steps)
            writing = [index for index in writing if steps[index].kind in WRITING]
    return tuple(steps), tuple(writes)


def _groups(judged: Sequence[Judged], destinations: Destinations) -> dict[tuple[str, str], list[int]]:
    groups: dict[tuple[str, str], list[int]] = {}
    for index, each in enumerate(judged):
        if each.place is not None and each.value is not None:
            address = destinations.writer(each.place).address
            # Two spellings of one name are one write.
            name = remote_name(address.provider, each.place.name)
            groups.setdefault((address.absolute, name), []).append(index)
    return groups


def _place(judged: Judged) -> Location:
    if judged.place is None:
        raise AssertionError(judged.step.key)
    return judged.place


def _refuse_contradictions(judged: Sequence[Judged], members: Sequence[int], steps: list[Step]) -> None:
    properties = {place.property for index in members if (place := judged[index].place) is not None}
    if len(properties) == len(members) and None not in properties:
        return
    comparer = Comparer()
    marks: dict[str | None, set[Mark]] = {}
    for index in members:
        place, value = judged[index].place, judged[index].value
        if place is not None and value is not None:
            marks.setdefault(place.property, set()).add(comparer.mark(value))
    mixed = None in marks and len(marks) > 1
    for index in members:
        place = judged[index].place
        if place is not None and (mixed or len(marks[place.property]) > 1):
            reason = "another key has the same place and a different value"
            steps[index] = replace(steps[index], kind=Kind.REFUSE, reason=reason, remedy="give each key its own place")


def _write(members: Sequence[Judged], steps: Sequence[Step], destinations: Destinations) -> Write:
    place = _place(members[0])
    reading = destinations.standing(place)
    base = reading if isinstance(reading, RemoteSecret) else None
    recover = isinstance(reading, SoftDeletedError)
    changes = {
        each.place.property: each.value
        for each in members
        if each.place is not None and each.place.property is not None and each.value is not None
    }
    return Write(
        store=place.store,
        name=place.name,
        steps=tuple(steps),
        changes=changes,
        whole=None if changes else members[0].value,
        base=base,
        attributes=_attributes(members, is_whole=not changes)
        if isinstance(reading, StoreError) and not recover
        else None,
        recover=recover,
        deleted=reading.version if isinstance(reading, SoftDeletedError) else None,
    )


def _attributes(members: Sequence[Judged], *, is_whole: bool) -> Attributes | None:
    """The attributes that a new remote secret takes over; None where its keys come from several remote secrets."""
    origins = {id(each.origin): each.origin for each in members}
    origin = next(iter(origins.values()))
    if len(origins) > 1 or origin is None:
        return None
    found = origin.attributes
    content_type = found.content_type if is_whole else None
    if not (found.tags or found.expires or found.not_before or content_type):
        return None
    return Attributes(
        expires=found.expires, not_before=found.not_before, content_type=content_type, tags=dict(found.tags)
    )


def _problems(write: Write, destination: SecretWriter) -> tuple[Problem, ...]:
    if write.whole is not None:
        return destination.check_whole(write.name, write.whole, write.base, write.attributes)
    return destination.check(write.name, write.changes, write.base, write.attributes)


def _refuse(problems: Sequence[Problem], writing: Sequence[int], judged: Sequence[Judged], steps: list[Step]) -> None:
    named = {place.property for index in writing if (place := judged[index].place) is not None}
    everything = [problem for problem in problems if problem.property is None or problem.property not in named]
    for index in writing:
        place = judged[index].place
        own = [problem for problem in problems if place is not None and problem.property == place.property]
        for problem in (*own, *everything)[:1]:
            steps[index] = replace(steps[index], kind=Kind.REFUSE, reason=problem.reason, remedy=problem.remedy)
