"""Lists each key of a status, with its places and the line that chose its store, and what comes next for each secret.

It asks nobody: all of it is in the status that was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from compiler.live.ages import KeyAge
from compiler.live.stores import key_places
from compiler.model.catalogue import SELF
from compiler.model.environment import Environment, Secret, Store
from compiler.model.store import Place
from compiler.operations.status import NextStep, Row, Status, StepContext, next_step
from compiler.operations.verify import KeyState


@dataclass(frozen=True, slots=True)
class StoredKey:
    """Where a key lies in one store, and its state there; the store in use is the one that the environment reads."""

    store: str
    remote_key: str
    property: str | None
    in_use: bool
    state: KeyState


@dataclass(frozen=True, slots=True)
class DecidingLine:
    """The line that chose a secret's store; `layer` is the layer's name where it is not in the environment's own file.

    Where an option or a variable chose it, that is `file`, and there is no line.
    """

    file: str
    line: int | None
    column: int | None
    layer: str | None


@dataclass(frozen=True, slots=True)
class KeyOverview:
    """One key of a secret; `age` is None where nobody asked for it, `issuer` a link, None for a value of our own."""

    secret: str
    key: str
    state: KeyState
    age: KeyAge | None
    owner: str | None
    issuer: str | None
    places: tuple[StoredKey, ...]
    decided_by: DecidingLine | None


def keys_of(status: Status) -> Iterator[KeyOverview]:
    """The keys in the order of the input."""
    environment = status.environment
    for row in status.rows:
        ages = {each.key: each.age for each in row.keys}
        decided_by = _deciding_line(row.secret, environment)
        stores = [each for each in environment.stores.values() if each is row.store or each.addresses]
        places = {each.id: key_places(environment, row.secret, each) for each in stores}
        for item in row.secret.keys:
            name, lifetime = item.key.name, item.key.lifetime
            issuer = lifetime.issuer if lifetime.issuer != SELF else None
            yield KeyOverview(
                row.secret.id,
                name,
                _state(row, name),
                ages.get(name),
                lifetime.owner,
                issuer,
                tuple(_stored(row, name, stores, places)),
                decided_by,
            )


def _state(row: Row, key: str) -> KeyState:
    found = row.values.states.get(key, {}).get(row.store.id, KeyState.NOT_ASKED)
    if found is not KeyState.PRESENT:
        return found
    if row.has_problem:
        return KeyState.NOT_IN_EFFECT
    return KeyState.DIFFERS if key in row.values.different else found


def _stored(
    row: Row, key: str, stores: list[Store], places: Mapping[str, Mapping[str, Place | None]]
) -> Iterator[StoredKey]:
    states = row.values.states.get(key, {})
    for store in stores:
        place = places[store.id].get(key)
        if place is not None:
            state = states.get(store.id, KeyState.NOT_ASKED)
            yield StoredKey(store.id, place.remote_key, place.property, store is row.store, state)


def _deciding_line(secret: Secret, environment: Environment) -> DecidingLine | None:
    if secret.store_node is None:
        return None
    span = secret.store_node.span
    if "/" not in span.path:
        return DecidingLine(span.path, None, None, None)
    layer = span.path.rpartition("/")[2].removesuffix(".yaml")
    is_own = span.path == environment.document.source.path
    return DecidingLine(span.path, span.line, span.column, None if is_own else layer)


def next_of_secrets(status: Status, asked: StepContext) -> dict[str, NextStep]:
    """What comes next for each secret alone, by id: what mends it, or prepares it for the next step of the move.

    What is done for an environment as a whole, as the end of a move, is no secret's.
    """
    progress = status.progress
    step = progress.steps[progress.next] if progress is not None and progress.next is not None else ()
    found: dict[str, NextStep] = {}
    for row in status.rows:
        alone = replace(status, rows=(row,), progress=progress if row.secret.id in step else None)
        found[row.secret.id] = next_step(alone, replace(asked, only=(row.secret.id,)))
    return found
