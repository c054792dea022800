"""Compares the values that are to be in stores with what the stores hold, and plans the writes.

What the caller may not write is refused in the plan.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from compiler.change.attributes import COMMAND as ROTATE
from compiler.change.attributes import (
    Limits,
    SinceOf,
    carry_ages,
    date_writes,
    rewrite_missing_expiry,
    stores_with_dates,
    tags_to_copy,
)
from compiler.change.operations import Put, losses_of, refuse_targets
from compiler.change.plan import (
    WRITING,
    Kind,
    Location,
    Note,
    NoteKind,
    OnConflict,
    Options,
    Plan,
    Step,
    Target,
)
from compiler.live.observation import (
    NOT_HELD,
    Likeness,
    Reading,
    Readings,
    compare_value,
    copy_command,
    date_text,
    read_many,
    runs_line,
    value_at,
    version_of,
    when_written,
)
from compiler.model.environment import Store
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores.errors import Code, DisabledError, NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import Attributes, Problem, RemoteSecret, SecretWriter, Use
from compiler.stores.secret_value import Comparer, Mark, SecretValue, is_blank, stringify
from compiler.text.wording import command_line, quote, shell_line


def judge_source(step: Step, reading: Reading, options: Options, way_to_add: str) -> Step | None:
    """`step` with the value read at its source, or refused or missing; None for an unused key without a value.

    `way_to_add` is the remedy where the source lacks the value; empty for a key that the environment does not use.
    """
    in_use = bool(way_to_add)
    if isinstance(reading, DisabledError) and not in_use:
        # Somebody disabled it on purpose, and the environment does not use it.
        return None
    if isinstance(reading, StoreError) and not isinstance(reading, NOT_HELD):
        return step.refuse(f"the source cannot be read: {reading.reason}", reading.remedy)
    value, lack, remedy = _value_of_source(step, reading, way_to_add)
    if value is None:
        return replace(step, kind=Kind.MISSING, reason=lack, remedy=remedy) if in_use else None
    if not value.is_string:
        text = stringify(value) if options.stringify else None
        if text is None:
            reason = f"the source's value is a JSON {value.kind}, and only strings can be copied unchanged"
            remedy = "store it as a string in the source" + ("" if options.stringify else ", or use --stringify")
            return step.refuse(reason, remedy)
        value = text
    if is_blank(value):
        return step.refuse("the source's value is empty", way_to_add) if in_use else None
    origin = reading if isinstance(reading, RemoteSecret) else None
    return replace(step, kind=Kind.UPDATE, value=value, origin=origin)


def _value_of_source(step: Step, reading: Reading, way_to_add: str) -> tuple[SecretValue | None, str, str]:
    """The value that the source holds, or else what it lacks and the remedy."""
    if isinstance(reading, NotFoundError):
        return None, "the source has no such secret", way_to_add
    if isinstance(reading, StoreError):
        remedy = reading.remedy if isinstance(reading, SoftDeletedError) else way_to_add
        return None, f"in the source, {reading.reason}", remedy
    property_ = step.source.property if step.source is not None else None
    if property_ is not None and not reading.is_object:
        return None, "the source's value is not a JSON object, so it has no properties", "store a JSON object there"
    what = "no such property" if property_ is not None else "only properties, no whole value"
    return value_at(reading, property_), f"the source has {what}", way_to_add


def judge_destination(step: Step, value: SecretValue, reading: Reading, options: Options, comparer: Comparer) -> Step:
    """`step` with what to do to set `value` at its destination, given the `reading` there."""
    place = step.place
    is_text = isinstance(reading, RemoteSecret) and not reading.is_object and not is_blank(reading.whole)
    if place.property is not None and is_text:
        reason = "the destination's value is not a JSON object, so no property can be set in it"
        return step.refuse(reason, "store a JSON object there first")
    found = compare_value(value, reading, place.property, comparer)
    if isinstance(reading, SoftDeletedError):
        if options.recover:
            return replace(step, kind=Kind.RECOVER, reason="it is deleted now, and will be recovered first")
        remedy = f"to recover it first: {_recovering_line(step, options)}" if options.words else reading.remedy
        return step.refuse(f"in the destination, {reading.reason}", remedy)
    if isinstance(reading, StoreError):
        if found is Likeness.MISSING:
            return replace(step, kind=Kind.CREATE)
        return step.refuse(f"the destination cannot be read: {reading.reason}", reading.remedy)
    if found is Likeness.MISSING:
        # A whole value that is blank counts as no document.
        is_filled = is_blank(value_at(reading, place.property)) or is_blank(reading.whole)
        reason = "the value there now is blank, and will be filled" if is_filled else "the key is added"
        return replace(step, kind=Kind.UPDATE, reason=reason)
    if found is Likeness.EQUAL:
        return replace(step, kind=Kind.KEEP)
    if options.on_conflict is OnConflict.OVERWRITE:
        return replace(step, kind=Kind.UPDATE, reason="the value there now will be replaced")
    reason = f"the destination already holds a different value, version {reading.version}"
    skipped = options.on_conflict is OnConflict.SKIP
    remedy = "--on-conflict skip leaves it unchanged" if skipped else "choose --on-conflict skip or overwrite"
    return replace(step, kind=Kind.CONFLICT, reason=reason, remedy=remedy)


def _recovering_line(step: Step, options: Options) -> str:
    """The command that recovers a deleted secret. `rotate` has no --recover, so `put` does it."""
    if options.words[0] != ROTATE:
        return options.again("--recover")
    return command_line("put", options.words[1], step.secret, step.key, "--store", step.place.store, "--recover")


def _group_writes(plan: Plan, readings: Readings) -> Plan:
    """Group the steps by remote secret, and refuse what its store would refuse. Sends no request."""
    steps, writes = list(plan.steps), list[Put]()
    for members in _groups(steps, plan.stores).values():
        _refuse_contradictions(steps, members)
        # Refused steps leave the write, and what is left of it is checked again.
        while writing := [index for index in members if steps[index].kind in WRITING]:
            own = [steps[index] for index in writing]
            store = plan.stores[own[0].place.store]
            write = _put(own, readings[store, own[0].place.name])
            problems = store.check(write.name, write.content, write.base, write.attributes)
            if not problems:
                writes.append(write)
                break
            _refuse(problems, writing, steps)
    return replace(plan, steps=tuple(steps), writes=tuple(writes))


def _groups(steps: Sequence[Step], stores: Mapping[str, SecretWriter]) -> dict[tuple[str, str], list[int]]:
    groups: dict[tuple[str, str], list[int]] = {}
    for index, step in enumerate(steps):
        if step.destination is not None and step.is_change:
            address = stores[step.destination.store].address
            # Two spellings of one name are one write.
            name = address.provider.remote_name(step.destination.name)
            groups.setdefault((address.absolute, name), []).append(index)
    return groups


def _refuse_contradictions(steps: list[Step], members: Sequence[int]) -> None:
    properties = {steps[index].place.property for index in members}
    if len(properties) == len(members) and None not in properties:
        return
    comparer = Comparer()
    marks: dict[str | None, set[Mark]] = {}
    for index in members:
        if (value := steps[index].value) is not None:
            marks.setdefault(steps[index].place.property, set()).add(comparer.mark(value))
    mixed = None in marks and len(marks) > 1
    for index in members:
        if mixed or len(marks[steps[index].place.property]) > 1:
            reason = "another key has the same place and a different value"
            steps[index] = steps[index].refuse(reason, "give each key its own place")


def _put(steps: Sequence[Step], reading: Reading) -> Put:
    place = steps[0].place
    changes = {step.place.property: step.value for step in steps if step.place.property is not None and step.is_change}
    whole = steps[0].value
    put = Put(place.store, place.name, tuple(steps), content=changes if changes or whole is None else whole)
    if isinstance(reading, RemoteSecret):
        return replace(put, base=reading)
    if isinstance(reading, SoftDeletedError):
        return replace(put, recover=True, deleted=reading.version)
    has_history = isinstance(reading, VersionGoneError)
    return replace(put, attributes=_attributes(steps, is_whole=not changes), has_history=has_history)


def _attributes(steps: Sequence[Step], *, is_whole: bool) -> Attributes | None:
    """The attributes that a new remote secret copies from its source; None if its keys come from several."""
    origins = {id(step.origin): step.origin for step in steps}
    origin = next(iter(origins.values()))
    if len(origins) > 1 or origin is None:
        return None
    found = origin.attributes
    content_type = found.content_type if is_whole else None
    tags = tags_to_copy(found.tags)
    if not (tags or found.expires or found.not_before or content_type):
        return None
    return Attributes(expires=found.expires, not_before=found.not_before, content_type=content_type, tags=tags)


def _refuse(problems: Sequence[Problem], writing: Sequence[int], steps: list[Step]) -> None:
    named = {steps[index].place.property for index in writing}
    everything = [problem for problem in problems if problem.property is None or problem.property not in named]
    for index in writing:
        own = [problem for problem in problems if problem.property == steps[index].place.property]
        for problem in (*own, *everything)[:1]:
            steps[index] = steps[index].refuse(problem.reason, problem.remedy)


def plan_entered_values(
    draft: Plan, used: Mapping[str, Store], limits: Limits, since_of: SinceOf | None = None
) -> Plan:
    """The plan of `draft`, whose values a person or a file gave; `used` are the stores of its steps by id.

    `limits` are the limits of the keys there: the environment that has them is large, and need not be kept for a plan.
    The plan says which caller each store sees. Raises AddressError, and the StoreError of a store that cannot be used
    at all.
    """
    stores = {store_id: draft.options.stores.open(store) for store_id, store in used.items()}
    names = [(stores[step.place.store], step.place.name) for step in draft.steps if step.value is not None]
    for store, name in names:
        store.expect({name: uses_before_reading(recovers=draft.options.recover)})
    readings = read_many(names)
    draft = replace(draft, stores=stores)
    plan = plan_change(draft, readings, used=used, limits=limits, since_of=since_of)
    # If a name was refused before anything was sent, its store is not contacted.
    asked = {
        reader
        for (reader, _), reading in readings.items()
        if not (isinstance(reading, StoreError) and reading.code == Code.INVALID_NAME)
    }
    who = {store_id: store.whoami().subject for store_id, store in stores.items() if store in asked}
    return replace(plan, who=who)


def plan_change(
    draft: Plan,
    readings: Readings,
    *,
    used: Mapping[str, Store],
    limits: Limits,
    since_of: SinceOf | None = None,
) -> Plan:
    """The plan that writes the value of each step of `draft` to its destination. It changes no store.

    Steps without a value were decided before: refused or missing. `used` are the stores by id, `limits` the limits of
    the keys there, and `since_of` finds how old the values are, if they are not new.
    """
    dated = stores_with_dates(used, draft.options.expires)
    in_order: tuple[Callable[[Plan], Plan], ...] = (
        partial(_judge_destinations, readings=readings),
        partial(rewrite_missing_expiry, stores=dated, readings=readings),
        partial(_group_writes, readings=readings),
        partial(carry_ages, limits=limits, since_of=since_of, used=used),
        partial(date_writes, stores=dated),
        refuse_denied,
        _add_notes,
        lambda plan: replace(plan, losses=losses_of(plan.writes, plan.stores)),
        _drop_values,
    )
    plan = draft
    for step in in_order:
        plan = step(plan)
    return plan


def _drop_values(plan: Plan) -> Plan:
    """The plan with its steps as they are shown and recorded: values are not kept in memory for the whole run."""
    bare: dict[int, Step] = {}

    def without(steps: Iterable[Step]) -> tuple[Step, ...]:
        return tuple(bare.setdefault(id(step), replace(step, value=None, origin=None)) for step in steps)

    writes = tuple(replace(write, steps=without(write.steps)) for write in plan.writes)
    return replace(plan, steps=without(plan.steps), writes=writes)


def _judge_destinations(draft: Plan, readings: Readings) -> Plan:
    comparer = Comparer()

    def judge(step: Step) -> Step:
        if (value := step.value) is None:
            return step
        reading = readings[draft.stores[step.place.store], step.place.name]
        judged = judge_destination(step, value, reading, draft.options, comparer)
        if judged.kind is Kind.CONFLICT and isinstance(reading, RemoteSecret):
            return _explain(judged, draft, reading)
        return judged

    return replace(draft, steps=tuple(map(judge, draft.steps)))


def _explain(step: Step, draft: Plan, reading: RemoteSecret) -> Step:
    """The conflict with the time of both values, and a command for each choice."""
    there = version_of(step.place.store, draft.stores[step.place.store].address.absolute, reading)
    options, only = draft.options, (step.secret,)
    ways = [f"to replace it: {options.again('--on-conflict', 'overwrite', only=only)}"]
    if step.source is not None and step.origin is not None:
        here = version_of(step.source.store, draft.sources[step.source.store], step.origin)
        times = when_written(there, here)
        if not any(map(is_blank, reading.properties.values())):
            # A blank property of the same secret would be copied too, which is refused.
            copy = copy_command(draft.environment, step.secret, there, here)
            ways.append(f"to copy it to {quote(here.store)} instead: {copy}")
    else:
        times = f"written {date_text(there)}"
    step = replace(step, reason="; ".join(filter(None, (step.reason, times))))
    if not options.words or options.on_conflict is OnConflict.SKIP:
        return step
    ways += [f"to leave it as it is: {options.again('--on-conflict', 'skip')}", runs_line(draft.environment)]
    return replace(step, remedy=ways[0], more=tuple(ways[1:]))


# Key Vault's adapter gives every document of properties this content type, so it carries no information.
_IMPLIED = "application/json"


def _add_notes(plan: Plan) -> Plan:
    """The plan with notes on what it writes, in the order of the writes; secrets that it leaves alone get none."""

    def notes() -> Iterator[Note]:
        moment = datetime.now(UTC)
        for write in plan.writes:
            if not isinstance(write, Put):
                continue
            address = plan.stores[write.store].address
            for step in write.steps:
                yield from _notes(step, write, address.provider, moment)
            # A new version takes over the dates of the one before.
            if write.base is not None and address.provider.keeps_dates:
                yield from _notes_of_base(write, write.base, address, moment)

    return replace(plan, notes=(*dict.fromkeys(notes()), *plan.notes))


def _notes(step: Step, write: Put, provider: Provider, now: datetime) -> Iterator[Note]:
    if step.origin is None or step.source is None:
        return
    has = step.origin.attributes
    # The attributes in the destination: for an existing secret, all that its provider can hold.
    kept = (write.attributes or Attributes()) if write.base is None and not write.recover else has
    if not provider.keeps_dates:
        kept = Attributes(tags=kept.tags)
    source = replace(step.source, property=None)
    for kind, is_so, date in (
        (NoteKind.EXPIRES, has.expires not in {None, kept.expires}, has.expires),
        (NoteKind.NOT_BEFORE, has.not_before not in {None, kept.not_before}, has.not_before),
        (NoteKind.CONTENT_TYPE, has.content_type not in {None, _IMPLIED, kept.content_type}, None),
        (NoteKind.TAGS, bool(tags_to_copy(has.tags)) and tags_to_copy(has.tags) != tags_to_copy(kept.tags), None),
        (NoteKind.EXPIRED, has.past_expires(now) is not None, has.expires),
        (NoteKind.NOT_YET_VALID, has.not_before_ahead(now) is not None, has.not_before),
    ):
        if is_so:
            yield Note(kind, step.secret, source, date)


def _notes_of_base(write: Put, base: RemoteSecret, address: StoreAddress, now: datetime) -> Iterator[Note]:
    """Notes on the dates that the new version keeps from the version before, `base`."""
    has = base.attributes
    date_words = partial(address.provider.date_words, address.absolute, write.name)
    for step in write.steps:
        place = replace(step.place, property=None)
        if has.past_expires(now) is not None and write.expires is None:
            yield Note(NoteKind.KEEPS_EXPIRES, step.secret, place, has.expires, shell_line(*date_words("--expires")))
        if has.not_before_ahead(now) is not None:
            remedy = shell_line(*date_words("--not-before"))
            yield Note(NoteKind.KEEPS_NOT_BEFORE, step.secret, place, has.not_before, remedy)


def refuse_denied(plan: Plan) -> Plan:
    """`plan` without the writes that their store would deny the caller; their steps are refused with the remedy.

    Where a store does not say, the plan has a note of each write. Raises the StoreError of a store that no longer
    answers.
    """
    denied: dict[Target, tuple[str, str]] = {}
    notes: list[Note] = []
    # The store keeps the uses of thousands of writes: equal ones share one object.
    alike: dict[frozenset[Use], frozenset[Use]] = {}
    for store_id in dict.fromkeys(write.store for write in plan.writes):
        writes = [write for write in plan.writes if write.store == store_id]
        own = ((write.name, write.uses()) for write in writes)
        uses = {name: alike.setdefault(its, its) for name, its in own}
        problems = plan.stores[store_id].check_access(uses)
        if problems is None:
            places = [(write.steps[0].secret, Location(*write.target, None)) for write in writes if write.steps]
            notes += [Note(NoteKind.ACCESS_UNKNOWN, secret, place) for secret, place in places]
        denied |= {(store_id, problem.name): (problem.reason, problem.remedy) for problem in problems or ()}
    return replace(refuse_targets(plan, denied), notes=(*plan.notes, *notes))


def uses_before_reading(*, recovers: bool) -> frozenset[Use]:
    """The access that a command may need for a remote secret that it sets, before it has read it."""
    return frozenset({Use.CREATE, Use.UPDATE, *((Use.RECOVER,) if recovers else ())})
