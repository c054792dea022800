"""Defines what `cutover` is asked for, and turns it into the secrets to switch and the edits that do it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler.model.moves import REST, moves_of
from compiler.operations.edit.moves import finishing, progress_of, returning, switching
from compiler.operations.live.names import secret_named, store_named
from compiler.refusal import Refusal
from compiler.text.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from compiler.model.environment import Environment, Store
    from compiler.operations.edit.environment_edit import Edit
    from compiler.operations.edit.moves import Progress

_TWO = 2


class Mode(StrEnum):
    """How the secrets and their new store are named."""

    TO = "to"
    BACK = "back"
    NEXT = "next"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Request:
    """The command line. `accepted` are keys that may differ between the stores, as KEY or SECRET/KEY.

    `ending` are secrets of which the new store may hold a version that deletes itself.
    """

    mode: Mode
    secrets: tuple[str, ...] = ()
    to: str | None = None
    accepted: tuple[str, ...] = ()
    ending: tuple[str, ...] = ()
    without_comparison: bool = False
    with_dependants: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What follows from a request in one environment: the new store, the secrets that go there, and the edits.

    `there` are named secrets that read it already; `progress` is that of `moves:` where the next step was asked for.
    """

    store: Store
    secrets: tuple[str, ...]
    there: tuple[str, ...]
    edits: tuple[Edit, ...]
    progress: Progress | None = None


def wish_of(environment: Environment, request: Request) -> Wish:
    """Raises Refusal where the request names what the environment does not have, or does not say enough."""
    if request.mode in (Mode.TO, Mode.FINISH) and request.to is None:
        stores = " or ".join(f"--to {store}" for store in environment.stores)
        raise Refusal("usage", "no store is named", f"add {stores}" if stores else None)
    if request.mode is Mode.FINISH:
        store = store_named(environment, request.to or "")
        leaving = [
            secret.id
            for secret in environment.secrets.values()
            if "store" not in secret.node.children and secret.store is not None and secret.store.id != store.id
        ]
        return Wish(store, tuple(leaving), (), finishing(environment, store))
    progress = None
    secrets: Sequence[str] = _named(environment, request.secrets)
    if request.mode is Mode.NEXT:
        progress = progress_of(environment)
        store, secrets = progress.to, progress.steps[progress.next] if progress.next is not None else ()
    elif request.to is not None:
        store = store_named(environment, request.to)
    else:
        store = _other(environment, secrets)
    there = tuple(each for each in secrets if _reads(environment, each, store))
    going = tuple(each for each in secrets if each not in there)
    edits = returning if request.mode is Mode.BACK else switching
    return Wish(store, going, there, edits(environment, going, store), progress)


def _named(environment: Environment, words: Sequence[str]) -> tuple[str, ...]:
    """The secrets that `words` name; `all` by itself is every secret, as in a step of `moves:`."""
    if tuple(words) == (REST,) and REST not in environment.secrets:
        return tuple(environment.secrets)
    return tuple(dict.fromkeys(words))


def _reads(environment: Environment, secret: str, store: Store) -> bool:
    serving = secret_named(environment, secret).store
    return serving is not None and serving.id == store.id


def _other(environment: Environment, secrets: Sequence[str]) -> Store:
    """The store to go back to, which is the one before the last switch. Raises Refusal where it could be several."""
    reading = {store.id for secret in secrets if (store := secret_named(environment, secret).store) is not None}
    moves = moves_of(environment.root)
    if moves is not None and moves.to in environment.stores:
        left: set[str] = {moves.to}
        # A move leaves the environment's own store; at its end that one is in a lower layer, or in none.
        node = environment.root.get("store")
        names = [each.value for each in (node, *node.overrode)] if node is not None else []
        for name in names:
            if isinstance(name, str) and name != moves.to and name in environment.stores:
                return environment.stores[name]
    else:
        # Of secrets that read both, those with a `store:` of their own were switched last.
        switched = {environment.document.root.text("secrets", secret, "store") for secret in secrets} & reading
        left = {each for each in switched if each} if len(reading) > 1 and len(switched) == 1 else reading
    others = [store for store in environment.stores.values() if store.id not in left]
    if len(environment.stores) != _TWO or len(others) != 1:
        what = f"the secrets read {listed(sorted(reading))}" if len(reading) > 1 else f"they read {listed(reading)}"
        message = f"--back does not say which store to go back to: {what}"
        raise Refusal("usage", message, f"add --to with one of {listed(map(str, environment.stores))}")
    return others[0]


def accepted_keys(known: Collection[tuple[str, str]], words: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Those of the keys `known`, as secret and key, that `words` name. Raises Refusal for a word that names none."""
    found: set[tuple[str, str]] = set()
    for word in words:
        secret, slash, key = word.partition("/")
        named = {pair for pair in known if (pair == (secret, key) if slash else pair[1] == word)}
        if not named:
            names = listed(sorted({key for _, key in known}))
            message = f"--accept-differences names {quoted(word)}, which is not a key of the secrets to switch"
            raise Refusal("usage", message, f"their keys are {names}" if known else "leave it out")
        found |= named
    return frozenset(found)
