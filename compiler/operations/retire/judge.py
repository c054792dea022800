"""Decides for one remote secret whether the stores that serve its keys now hold the same, so that it may go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compiler.model.place import Place
from compiler.model.store_address import Provider
from compiler.model.store_identity import Sameness, address_identity, compare_stores, remote_name
from compiler.operations.change.plan import Kind, Location, Step
from compiler.operations.live.lasting import end_before, keep_command
from compiler.operations.retire.candidates import Held
from compiler.stores.errors import NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import VersionState, VersionStates
from compiler.stores.values.stringify import stringified
from compiler.text.command_line import command_line
from compiler.text.wording import numbered, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from compiler.model.environment import Store
    from compiler.operations.live.read_many import Reading
    from compiler.operations.live.version_states import States
    from compiler.operations.retire.candidates import Remote
    from compiler.stores.interface import RemoteSecret, SecretReader, SecretWriter
    from compiler.stores.values.secret import Comparer, SecretValue

_NOT_HELD = (NotFoundError, SoftDeletedError, VersionGoneError)
_PARTLY = "the same, but not all of this remote secret is, so it stays"


@dataclass(frozen=True, slots=True)
class Sides:
    """The store `left`, open as `writer`, and the serving stores by their ids, with everything that was read."""

    environment: str
    left: Store
    writer: SecretWriter
    serving: Mapping[str, SecretWriter]
    readings: Mapping[tuple[SecretReader, str], Reading]
    states: Mapping[tuple[SecretReader, str], States]

    def there(self, store: Store, name: str) -> Reading:
        return self.readings[self.serving[store.id], name]


class Judging:
    """Judges one remote secret; `steps` is a step for each key that it holds, `readable` what a deletion takes."""

    def __init__(self, remote: Remote, sides: Sides, comparer: Comparer) -> None:
        self._remote = remote
        self._sides = sides
        self._comparer = comparer
        states = sides.states.get((sides.writer, remote.name), VersionStates())
        self._unknown = states if isinstance(states, StoreError) else None
        known = states if not isinstance(states, StoreError) else VersionStates()
        self.readable = tuple(version for version, state in known.items() if state is VersionState.READABLE)
        self.made = {version: known.made[version] for version in self.readable if version in known.made}
        self.deleted = tuple(version for version, state in known.items() if state is VersionState.DELETED)

    def steps(self) -> tuple[Step, ...]:
        reading = self._sides.readings[self._sides.writer, self._remote.name]
        if self._unknown is not None:
            reason = f"which versions of it can be read is not known: {self._unknown.reason}"
            return self._all(Kind.REFUSE, reason, self._unknown.remedy)
        if isinstance(reading, StoreError):
            return self._unreadable(reading)
        if not self.readable or self.readable[-1] != reading.version:
            return self._all(Kind.REFUSE, "it changed while it was looked at", "run the command again")
        for problem in self._sides.writer.check_deletion(reading):
            return self._all(Kind.REFUSE, problem.reason, problem.remedy)
        found = tuple(self._compared(reading))
        if not found:
            reason = "what it holds cannot be compared: no key of the catalogue is in it"
            return self._all(Kind.REFUSE, reason, "look at it by hand")
        if all(step.kind is Kind.DELETE for step in found):
            return found
        return tuple(replace(s, kind=Kind.KEEP, reason=_PARTLY) if s.kind is Kind.DELETE else s for s in found)

    def _unreadable(self, error: StoreError) -> tuple[Step, ...]:
        if not isinstance(error, _NOT_HELD):
            return self._all(Kind.REFUSE, f"it cannot be read: {error.reason}", error.remedy)
        if not self.readable:
            is_absent = isinstance(error, NotFoundError)
            return self._all(Kind.KEEP, "it is not there" if is_absent else "it is deleted already")
        reason = f"{error.reason}, but {numbered(self.readable)} can still be read, so that it cannot be compared"
        return self._all(Kind.REFUSE, reason, "recover its newest version, and run the command again")

    def _all(self, kind: Kind, reason: str, remedy: str = "") -> tuple[Step, ...]:
        return tuple(self._step(key.secret, key.key, key.property, kind, reason, remedy) for key in self._remote.keys)

    def _step(self, secret: str, key: str, prop: str | None, kind: Kind, reason: str = "", remedy: str = "") -> Step:
        place = Location(self._sides.left.id, self._remote.name, prop)
        return Step(secret, key, kind, None, place, reason, remedy)

    def _compared(self, reading: RemoteSecret) -> Iterator[Step]:
        named = set()
        for held in self._remote.keys:
            named.add(held.property)
            value = _value(reading, held.property)
            if value is not None:
                yield self._judged(held, value, reading)
        if None in named:
            # Apparent properties are a part of the whole value.
            return
        if not reading.is_object:
            reason = "its value is not a JSON object, so that it cannot be compared"
            yield from self._all(Kind.REFUSE, reason, "look at it by hand")
            return
        for prop in reading.properties:
            if prop not in named:
                yield self._extra(prop, reading)

    def _extra(self, prop: str, reading: RemoteSecret) -> Step:
        """A property that no key of the catalogue names; a migration with all properties copies it as it is."""
        for secret, serving, name in self._remote.mains:
            held = Held(secret, prop, prop, serving, Place(name, prop))
            return self._judged(held, reading.properties[prop], reading, is_extra=True)
        secret = self._remote.keys[0].secret
        reason = "no key of the environment names it, so that it cannot be compared"
        return self._step(secret, prop, prop, Kind.REFUSE, reason, "add it to the catalogue, or look at it by hand")

    def _judged(self, held: Held, value: SecretValue, reading: RemoteSecret, *, is_extra: bool = False) -> Step:
        serving, more = held.serving, ("--all-properties",) if is_extra else ()
        kind, reason, remedy = self._verdict(held, value, reading, more)
        step = self._step(held.secret, held.key, held.property, kind, reason, remedy)
        if held.there is None:
            return step
        return replace(step, source=Location(serving.id, held.there.remote_key, held.there.property))

    def _verdict(
        self, held: Held, value: SecretValue, reading: RemoteSecret, more: tuple[str, ...]
    ) -> tuple[Kind, str, str]:
        serving = quoted(held.serving.id)
        copy = self._migrate(held.serving, self._sides.left, held, *more)
        if held.there is None:
            return Kind.REFUSE, f"the catalogue gives it no place in {serving}, which serves it", "add one"
        there = self._sides.there(held.serving, held.there.remote_key)
        if self._is_same_place(held, reading, there):
            reason = f"it is the same remote secret in {serving}, seen from this machine"
            return Kind.REFUSE, reason, "check the addresses of the stores, and VAULT_ADDR"
        if isinstance(there, StoreError):
            if isinstance(there, _NOT_HELD):
                return Kind.REFUSE, f"{serving}, which serves it, does not hold it: {there.reason}", copy
            return Kind.REFUSE, f"it cannot be compared with {serving}: {there.reason}", there.remedy
        found = _value(there, held.there.property)
        if found is None:
            return Kind.REFUSE, f"{serving}, which serves it, does not hold it", copy
        if not self._same(found, value):
            over = self._migrate(self._sides.left, held.serving, held, *more, "--on-conflict", "overwrite")
            remedy = f"if {serving} is right, write its value here first: {over}"
            return Kind.CONFLICT, f"{serving}, which serves it, holds another value", remedy
        if (ends := end_before(held.serving, there, self._sides.left, reading)) is not None:
            what = f"version {there.version} deletes itself on {ends:%Y-%m-%d}"
            store = self._sides.serving[held.serving.id]
            remedy = f"to have it stay: {keep_command(store, there.name, there.version)}"
            return Kind.REFUSE, f"in {serving}, which serves it, {what}", remedy
        is_vault = self._sides.left.provider == Provider.VAULT
        taken = numbered(self.readable) if is_vault else "all versions"
        return Kind.DELETE, f"{taken}; {serving} holds the same", ""

    def _same(self, found: SecretValue, value: SecretValue) -> bool:
        """Whether they are equal, or `found` is the text of `value`, as `migrate --stringify` writes it."""
        one, other = stringified(found), stringified(value)
        return self._comparer.same(found, value) or (
            one is not None and other is not None and found.is_string and self._comparer.same(one, other)
        )

    def _is_same_place(self, held: Held, reading: RemoteSecret, there: Reading) -> bool:
        """Whether both are one remote secret, by address, or as the store itself tells of them."""
        writer, serving = self._sides.writer, self._sides.serving[held.serving.id]
        provider = writer.address.provider
        if serving.address.provider is not provider:
            return False
        name = held.there.remote_key if held.there is not None else ""
        if compare_stores(address_identity(serving.address), address_identity(writer.address)) is Sameness.SAME:
            return remote_name(provider, name) == remote_name(provider, self._remote.name)
        # Two names of one server: a copy is never of the same moment, and in a Key Vault never of the same version.
        made = reading.attributes.created
        return (
            not isinstance(there, StoreError)
            and made is not None
            and (there.version, there.attributes.created) == (reading.version, made)
        )

    def _migrate(self, to: Store, source: Store, held: Held, *more: str) -> str:
        words = ("migrate", self._sides.environment, "--to", to.id, "--from", source.id, "--only", held.secret)
        return command_line(*words, *more, "--apply")


def _value(reading: RemoteSecret, prop: str | None) -> SecretValue | None:
    if prop is None:
        return reading.whole
    return reading.properties.get(prop)
