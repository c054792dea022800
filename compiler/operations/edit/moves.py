"""Decides which edits of an environment's file switch secrets, which step of `moves:` is next, and what ends a move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.moves import REST, moves_of
from compiler.operations.edit.environment_edit import Edit
from compiler.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from compiler.model.environment import Environment, Secret, Store

_SECRETS, _STORE = "secrets", "store"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the moves of an environment are: the secrets that each step has here, in order, and the `next` step.

    `next` is None where every step is wholly there. A secret that guards a store has a step of its own at the end.
    """

    to: Store
    steps: tuple[tuple[str, ...], ...]
    next: int | None

    @property
    def done(self) -> tuple[str, ...]:
        """The secrets of the steps before the next one."""
        return tuple(secret for step in self.steps[: self.next] for secret in step)


def progress_of(environment: Environment) -> Progress:
    """Raises Refusal where the environment has no `moves:`."""
    moves = moves_of(environment.root)
    to = environment.stores.get(moves.to) if moves is not None else None
    if moves is None or to is None:
        message = f'the environment "{environment.name}" has no `moves:`'
        way_out = "add it, such as `moves: {to: azure, steps: [[jira], [all]]}`, or name secrets and --to ID"
        raise Refusal("usage", message, way_out)
    steps = tuple(_steps(moves.steps, environment))
    left = (at for at, step in enumerate(steps) if any(not _is_on(environment.secrets[each], to) for each in step))
    return Progress(to, steps, next(left, None))


def _steps(written: tuple[tuple[str, ...], ...], environment: Environment) -> Iterator[tuple[str, ...]]:
    """The steps without what the environment does not have, and with the rest spelled out."""
    named = {secret for step in written for secret in step}
    for step in written:
        if step != (REST,):
            if here := tuple(secret for secret in step if secret in environment.secrets):
                yield here
            continue
        rest = [secret for name, secret in environment.secrets.items() if name not in named]
        if together := tuple(secret.id for secret in rest if not secret.entry.guards):
            yield together
        yield from ((secret.id,) for secret in rest if secret.entry.guards)


def _is_on(secret: Secret, store: Store) -> bool:
    return secret.store is not None and secret.store.id == store.id


def switching(secrets: Iterable[str], store: Store) -> tuple[Edit, ...]:
    """The edits that give each secret its own `store:`."""
    return tuple(Edit((_SECRETS, secret, _STORE), store.id) for secret in secrets)


def finishing(environment: Environment, store: Store) -> tuple[Edit, ...]:
    """The edits that make `store` the environment's, and drop the overrides that name it in the environment's file.

    An override stays where it hides one of a lower layer: without it that one would choose the store. What only repeats
    a lower layer goes: the environment's own `store:`, and an entry that said nothing else of a secret.
    """
    first = _own_store(environment, store)
    own = environment.document.root.nearest(_SECRETS) if environment.document.root.get(_SECRETS) is not None else None
    members = own.children if own is not None else {}
    dropped = [name for name in members if _is_droppable(environment, name, store)]
    gone = [name for name in dropped if _is_needless(environment, name)]
    if gone and len(gone) == len(members):
        return (*first, Edit((_SECRETS,), None))
    return (*first, *(Edit((_SECRETS, name, *(() if name in gone else (_STORE,))), None) for name in dropped))


def _own_store(environment: Environment, store: Store) -> tuple[Edit, ...]:
    if environment.root.text(_STORE) == store.id:
        return ()
    own, winner = environment.document.root.children, environment.root.get(_STORE)
    below = winner.overrode[0] if winner is not None and winner.overrode and _STORE in own else None
    is_needless = below is not None and below.value == store.id and len(own) > 1
    return (Edit((_STORE,), None if is_needless else store.id),)


def _is_droppable(environment: Environment, name: str, store: Store) -> bool:
    if environment.document.root.text(_SECRETS, name, _STORE) != store.id:
        return False
    winner = environment.root.get(_SECRETS, name, _STORE)
    below = winner.overrode[0] if winner is not None and winner.overrode else None
    return below is None or below.value in (None, store.id)


def _is_needless(environment: Environment, name: str) -> bool:
    own, merged = environment.document.root.get(_SECRETS, name), environment.root.get(_SECRETS, name)
    lower = [node for node in (merged.overrode if merged is not None else ()) if node.value is not None]
    return own is not None and len(own.children) == 1 and bool(lower)
