"""Plans a `put --remove`: a new version of an extracted remote secret without properties that no Secret has as keys.

With `extract: true` every property becomes a key, or a part of a text that goes through all, so a surplus one in the
store that a secret is to move to would reach pods. A key that the catalogue lists, or that pods may read, is never
taken away.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

from compiler.change.apply import Change
from compiler.change.compare import plan_change
from compiler.change.plan import Kind, Location, Options, Plan, Step
from compiler.live.observation import Reading, read_many
from compiler.live.readers import Reader, readers_in_project, readers_of_key, way_out
from compiler.model.environment import EXTRACT
from compiler.model.inventory import Inventory, key_of_property, own_remote
from compiler.model.store import way_to_place
from compiler.operations.put import COMMAND, Target, explain_unserved
from compiler.refusal import Refusal
from compiler.stores.errors import NotFoundError, SoftDeletedError, StoreError
from compiler.stores.interface import RemoteSecret, Use
from compiler.text.wording import closest, command_line, list_names, quote, shell_line


def removal(target: Target, names: Sequence[str], options: Options) -> Change:
    """The change that removes the properties `names` from the remote secret of `target`, in one write.

    Raises AddressError, and Refusal for a secret that uses listed keys alone, a store without a place and a listed key.
    """
    secret, store, names = target.secret, target.store, tuple(dict.fromkeys(names))
    if secret.fetch != EXTRACT and not secret.uses_all:
        message = f"{quote(secret.id)} has no `extract: true`: its Secret has only the listed keys"
        raise Refusal("usage", message, "take a key out of its `keys` in the catalogue; --remove is for unlisted keys")
    remote = own_remote(secret, store)
    if remote is None:
        message = f"{quote(secret.id)} has no place in {quote(store.id)}"
        raise Refusal("found", message, f"{way_to_place(secret.id, store.provider)}; nothing was written")
    _refuse_listed(target, remote, names)
    options.stores.address(store)
    steps = tuple(Step(secret.id, name, Kind.REMOVE, None, Location(store.id, remote, name)) for name in names)
    line = command_line("status", target.environment.name, secret.id, "--cluster")
    unasked = f"who reads it is judged by the files, and not by the cluster; to see what is in effect there: {line}"
    told = (*explain_unserved([target]), unasked)
    draft = Plan(COMMAND, target.environment.name, options=options, steps=steps, unserved=told)
    return Change(COMMAND, partial(_plan, draft, target), options)


def _refuse_listed(target: Target, remote: str, names: Collection[str]) -> None:
    """Raises Refusal if a name is the place of a key of the catalogue, of this entry or of another one."""
    store = target.store
    way = "take it out of `keys` in the catalogue first; --remove is for unlisted keys"
    for name in names:
        if {name, key_of_property(name)} & target.secret.entry.keys.keys():
            message = f"the catalogue lists the key {quote(key_of_property(name))} of {quote(target.secret.id)}"
            raise Refusal("usage", message, way)
    inventory = Inventory(target.environment)
    for name in names:
        if (cell := inventory.key_at(store, remote, name)) is not None:
            what = f"property {quote(cell.property)}" if cell.property is not None else "whole value"
            message = f"the {what} of {quote(remote)} is the key {quote(cell.key)} of {quote(cell.secret)}"
            raise Refusal("usage", message, way)


def _plan(draft: Plan, target: Target) -> Plan:
    """The plan of `draft`; changes no store.

    Raises AddressError, the StoreError of a store that cannot be used at all, and Refusal if it is not known what the
    environments read.
    """
    store, options, remote = target.store, draft.options, draft.steps[0].place.name
    opened = options.stores.open(store)
    opened.expect({remote: {Use.UPDATE}})
    readings = read_many([(opened, remote)], 1)
    # Who has a property of it as a key of a Secret, in all environments of the project.
    every = (target.environment, *options.environments())
    readers = readers_in_project(store, remote, every, options.stores, options.not_the_same)
    steps = tuple(_judge(step, readings[opened, remote], target, readers) for step in draft.steps)
    told = (*draft.unserved, *_missing(steps, readings[opened, remote], target))
    steps = _keep_one(steps, readings[opened, remote], target)
    draft = replace(draft, stores={store.id: opened}, steps=steps, unserved=told)
    limits = {store.id: Inventory(target.environment).limits(store)}
    plan = plan_change(draft, readings, used={store.id: store}, limits=limits)
    return replace(plan, who={store.id: opened.whoami().subject}) if plan.writes else plan


def _judge(step: Step, reading: Reading, target: Target, readers: Collection[Reader]) -> Step:
    """What to do with a property; one that is not there counts as removed."""
    store, name = quote(target.store.id), step.key
    found, reason = readers_of_key(readers, name)
    if found:
        return step.refuse(reason, "; ".join(filter(None, (_SWITCH_FIRST, way_out(found)))))
    if isinstance(reading, NotFoundError):
        return step.refuse(f"{store} has no such secret", "--store names another store")
    if isinstance(reading, SoftDeletedError):
        words = target.store.provider.recover_words(target.store, reading.place.store, step.place.name, reading.version)
        return step.refuse(reading.reason, f"to recover it first: {shell_line(*words)}" if words else reading.remedy)
    if isinstance(reading, StoreError):
        return step.refuse(f"it cannot be read: {reading.reason}", reading.remedy)
    if name in reading.properties:
        return step
    return replace(step, kind=Kind.KEEP)


def _missing(steps: Sequence[Step], reading: Reading, target: Target) -> Iterator[str]:
    """A sentence on each key that is not there: the name may be a slip for another one."""
    held = reading.properties if isinstance(reading, RemoteSecret) else {}
    unlisted = [each for each in held if each not in target.secret.entry.keys]
    for step in steps:
        if step.kind is Kind.KEEP:
            near = closest(step.key, unlisted)
            meant = f"; did you mean {quote(near)}?" if near is not None else ""
            yield f"{quote(target.store.id)} has no key {quote(step.key)} of {quote(target.secret.id)}{meant}"


_SWITCH_FIRST = "let another store serve it first (`cutover`)"


def _keep_one(steps: tuple[Step, ...], reading: Reading, target: Target) -> tuple[Step, ...]:
    """The steps, refused if no property would be left: a remote secret without properties makes no Secret."""
    removed = dict.fromkeys(step.key for step in steps if step.kind is Kind.REMOVE)
    if not removed or not isinstance(reading, RemoteSecret) or reading.properties.keys() - removed.keys():
        return steps
    line = command_line("retire", target.environment.name, target.secret.id, "--store", target.store.id)
    reason = f"{list_names(removed)} is all that it has"
    return tuple(step.refuse(reason, f"to delete the whole remote secret: {line}") for step in steps)
