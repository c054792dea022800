"""Values for keys and the stores that keep them in; a plan of what each would change, and then its writes, out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler.model.store_address import Provider
from compiler.operations.change.version_loss import NextWrite, losses_of
from compiler.operations.live.read_many import read_many
from compiler.stores.errors import InvalidNameError, NotFoundError, StoreError
from compiler.stores.interface import RemoteSecret
from compiler.stores.values.secret import Comparer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from compiler.model.environment import Store
    from compiler.model.place import Place
    from compiler.operations.change.version_loss import VersionLoss
    from compiler.operations.live.read_many import Reading
    from compiler.operations.live.stores import LiveStores
    from compiler.stores.interface import SecretWriter
    from compiler.stores.values.secret import Secret

_WORKERS = 8


class Change(StrEnum):
    """What a value is against the one that the store holds."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value for one key, by the catalogue's names, and where it is to lie."""

    secret: str
    key: str
    store: Store
    place: Place
    value: Secret


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key of a plan; `refusal` says why it cannot be written and what to do, nothing where it can."""

    secret: str
    key: str
    place: Place
    change: Change
    refusal: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RemoteChange:
    """One remote secret of a plan, which is one write: `values` by property, None standing for the whole value.

    `base` is what was read, nothing where the remote secret is absent. No values: nothing to write.
    """

    writer: SecretWriter
    name: str
    keys: tuple[KeyChange, ...]
    base: RemoteSecret | None
    values: Mapping[str | None, Secret] = field(default_factory=dict)

    @property
    def properties(self) -> dict[str, Secret]:
        return {name: value for name, value in self.values.items() if name is not None}


@dataclass(frozen=True, slots=True, eq=False)
class ChangePlan:
    """What would be written. `who` is the caller as each store knows it that was asked, by its absolute address.

    `losses` is what the writes cost earlier versions of their secrets.
    """

    remotes: tuple[RemoteChange, ...]
    who: Mapping[str, str]
    losses: tuple[VersionLoss, ...] = ()

    @property
    def keys(self) -> tuple[KeyChange, ...]:
        return tuple(key for remote in self.remotes for key in remote.keys)

    @property
    def writes(self) -> tuple[RemoteChange, ...]:
        return tuple(remote for remote in self.remotes if remote.values)

    @property
    def is_refused(self) -> bool:
        return any(key.refusal is not None for key in self.keys)


def plan_changes(wanted: Iterable[Wanted], stores: LiveStores, *, replaces: bool = True) -> ChangePlan:
    """Compare with what the stores hold, each remote secret read once, and let the adapters judge every write.

    Without `replaces`, only keys that are new would be written. Sends no writing request. Raises AddressError, and
    the StoreError of a store that cannot be used at all.
    """
    groups: dict[tuple[str, str], tuple[SecretWriter, str, list[Wanted]]] = {}
    for each in wanted:
        writer, name = stores.open(each.store), each.place.remote_key
        # Key Vault's names do not tell capitals from small letters; two names of one secret are one write.
        folded = name.lower() if writer.address.provider is Provider.AZURE_KEY_VAULT else name
        groups.setdefault((writer.address.absolute, folded), (writer, name, []))[2].append(each)
    readings = read_many([(writer, name) for writer, name, _ in groups.values()], _WORKERS)
    # After the reads: a name that is refused before anything is sent is no reason to talk to its store.
    asked = {
        writer.address.absolute: writer
        for writer, name, _ in groups.values()
        if not isinstance(readings[writer, name], InvalidNameError)
    }
    who = {absolute: writer.whoami().subject for absolute, writer in asked.items()}
    comparer = Comparer()
    plan = ChangePlan(
        tuple(
            _planned(writer, members, readings[writer, name], comparer, replaces=replaces)
            for writer, name, members in groups.values()
        ),
        who,
    )
    rewritten = [NextWrite(each.writer, each.name, each.base.version) for each in plan.writes if each.base is not None]
    return replace(plan, losses=losses_of(rewritten, _WORKERS))


def _planned(
    writer: SecretWriter, members: Sequence[Wanted], reading: Reading, comparer: Comparer, *, replaces: bool
) -> RemoteChange:
    name = members[0].place.remote_key
    base = reading if isinstance(reading, RemoteSecret) else None
    if isinstance(reading, StoreError) and not isinstance(reading, NotFoundError):
        refusal = f"{reading.reason}; {reading.remedy}"
        return RemoteChange(writer, name, tuple(_key(each, Change.NEW, refusal) for each in members), None)
    changes = [_change(each, base, comparer) for each in members]
    values: dict[str | None, Secret] = {}
    refusals: list[str | None] = []
    for each, change in zip(members, changes, strict=True):
        refusals.append(_contradiction(each, members, comparer))
        if change is Change.NEW or (change is Change.CHANGED and replaces):
            values[each.place.property] = each.value
    remote = RemoteChange(writer, name, (), base, values)
    if values and not any(refusals):
        problems = _problems(remote)
        refusals = [
            next((p for property_, p in problems if property_ in (None, each.place.property)), None)
            if each.place.property in values
            else None
            for each in members
        ]
    keys = tuple(_key(*parts) for parts in zip(members, changes, refusals, strict=True))
    return RemoteChange(writer, name, keys, base, {} if any(refusals) else values)


def _key(wanted: Wanted, change: Change, refusal: str | None) -> KeyChange:
    return KeyChange(wanted.secret, wanted.key, wanted.place, change, refusal)


def _change(wanted: Wanted, base: RemoteSecret | None, comparer: Comparer) -> Change:
    if base is None:
        return Change.NEW
    named = wanted.place.property
    held = base.whole if named is None else base.properties.get(named)
    if held is None:
        return Change.NEW
    return Change.SAME if comparer.same(held, wanted.value) else Change.CHANGED


def _contradiction(wanted: Wanted, members: Sequence[Wanted], comparer: Comparer) -> str | None:
    for other in members:
        if (other.place.property is None) != (wanted.place.property is None):
            return "one key is the whole value and another is a property of it; give each a place of its own"
        if other.place.property == wanted.place.property and not comparer.same(other.value, wanted.value):
            return "another key lies at the same place and has another value; give each a place of its own"
    return None


def _problems(remote: RemoteChange) -> list[tuple[str | None, str]]:
    whole = remote.values.get(None)
    found = (
        remote.writer.check_whole(remote.name, whole, remote.base)
        if whole is not None
        else remote.writer.check(remote.name, remote.properties, remote.base)
    )
    return [(problem.property, f"{problem.reason}; {problem.remedy}") for problem in found]
