"""Finds the wrong names of remote secrets, with their places, in the catalogue or an environment.

An environment that uses the catalogue's names unchanged is not looked at: they were checked once, with the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from compiler.model.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.catalogue import Catalogue
    from compiler.model.document import Node
    from compiler.model.environment import Environment, Secret, Store

# What is wrong with a name, as the end of the sentence `the name "…" …`, or None.
Judgement: TypeAlias = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class WrongName:
    """A name as its provider would be asked for it, what is wrong with it, and the node that wrote it.

    `text` is None where a store's prefix makes every name wrong.
    """

    text: str | None
    problem: str
    node: Node
    scope: tuple[str, str]


def wrong_in_catalogue(catalogue: Catalogue, provider: str, judge: Judgement) -> Iterator[WrongName]:
    """The wrong ones of the names that entries and their keys have for `provider`."""
    for entry in catalogue.entries.values():
        name = entry.remote.get(provider)
        if name is not None and (problem := judge(name)):
            yield WrongName(name, problem, entry.node.nearest("remote", provider), ("secrets", entry.id))
        for key in entry.keys.values():
            own = key.remote.get(provider) if key.remote else None
            if own is not None and own.name is not None and (problem := judge(own.name)):
                node = key.node.nearest("remote", provider, "name")
                yield WrongName(own.name, problem, node, ("secrets", entry.id))


def wrong_in_environment(environment: Environment, provider: str, judge: Judgement) -> Iterator[WrongName]:
    """The wrong ones of the names that the environment makes itself, by an own `remote` or by a store's prefix."""
    wrong_prefixes = []
    for store in environment.stores.values():
        # A prefix is judged with a name behind it, as it may end in what no name may end in.
        if store.prefix and store.provider == provider and (problem := judge(store.prefix + "x")):
            wrong_prefixes.append(store.id)
            yield WrongName(None, problem, store.node.nearest("prefix"), ("stores", store.id))
    for secret in environment.secrets.values():
        overrides = secret.node.children.get("remote")
        own = overrides.children.get(provider) if overrides is not None else None
        reads = secret.store is not None and secret.store.provider == provider
        if reads and secret.store is not None and secret.store.prefix:
            if secret.store.id not in wrong_prefixes:
                yield from _wrong_with_prefix(secret, secret.store, own, judge)
        elif own is not None and isinstance(own.value, str) and (problem := judge(own.value)):
            yield WrongName(own.value, problem, own, ("secrets", secret.id))


def _wrong_with_prefix(secret: Secret, store: Store, own: Node | None, judge: Judgement) -> Iterator[WrongName]:
    scope = ("secrets", secret.id)
    name = secret.remote
    if name is not None and (problem := judge(name)):
        node = own or secret.entry.node.nearest("remote", store.provider)
        if own is not None or not judge(name.removeprefix(store.prefix)):
            yield WrongName(name, problem, node, scope)
    for key in secret.keys:
        if key.place is None or key.place.remote_key == name:
            continue
        key_name = key.place.remote_key
        if (problem := judge(key_name)) and not judge(key_name.removeprefix(store.prefix)):
            yield WrongName(key_name, problem, key.key.held.node.nearest("remote", store.provider, "name"), scope)
