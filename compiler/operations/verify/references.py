"""Lists what an environment's ExternalSecrets read from the stores: one reference per key, with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.environment import BUNDLE, SecretKey
from compiler.model.place import place_in
from compiler.model.record import dataclass
from compiler.rules.missing_remote import way_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.model.environment import Environment, Secret, Store
    from compiler.model.source import Span


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """One key that the cluster will read from `store`.

    `remote_key` and `property` are those of ESO's `remoteRef`; a property of None means the whole value. `by_name`
    marks a key that a template takes from `dataFrom.extract`. `key_at` is the key's line, `secret_at` the secret's.
    `environment` is None where a values file asks; `is_elsewhere` tells that `store` is not the secret's own.
    `holder` is the secret that has the value where it is taken from another one's key. `source` is the id of the store
    that a copy could come from, None where there is none, or several.
    """

    secret: str
    key: str
    store: Store
    remote_key: str
    property: str | None
    by_name: bool
    key_at: Span
    secret_at: Span
    environment: str | None = None
    is_elsewhere: bool = False
    holder: str | None = None
    source: str | None = None


def references_of(
    environment: Environment, secrets: Sequence[str] = (), store: Store | None = None
) -> tuple[tuple[Reference, ...], tuple[Diagnostic, ...]]:
    """The references of `secrets`, or of all, to their own stores or to `store`.

    A diagnostic `missing-remote` for each key that the catalogue gives no place in that store's provider.
    """
    found: list[Reference] = []
    diagnostics: list[Diagnostic] = []
    for secret in environment.secrets.values():
        if secrets and secret.id not in secrets:
            continue
        chosen = store if store is not None else secret.store
        if chosen is None:
            continue
        source = _source(environment, secret, chosen)
        for item in _keys(environment, secret, store):
            if item.place is None:
                diagnostics.append(_no_place(secret, item, chosen))
                continue
            place = item.place
            found.append(
                Reference(
                    secret.id,
                    item.key.name,
                    chosen,
                    place.remote_key,
                    place.property,
                    secret.fetch == BUNDLE,
                    item.key.node.key_span,
                    secret.node.key_span,
                    environment.name,
                    is_elsewhere=chosen is not secret.store,
                    holder=item.key.origin.entry.id if item.key.origin is not None else None,
                    source=source,
                )
            )
    return tuple(found), tuple(diagnostics)


def _source(environment: Environment, secret: Secret, store: Store) -> str | None:
    """The store that the secret reads, where that is another one than `store`; else the only other one."""
    if secret.store is not None and secret.store.id != store.id:
        return secret.store.id
    others = [other for other in environment.stores if other != store.id]
    return others[0] if len(others) == 1 else None


def _keys(environment: Environment, secret: Secret, store: Store | None) -> Iterator[SecretKey]:
    if store is None:
        yield from secret.keys
        return
    secrets = environment.root.get("secrets")
    for item in secret.keys:
        yield SecretKey(item.key, place_in(store, secret.entry, item.key, secrets))


def _no_place(secret: Secret, item: SecretKey, store: Store) -> Diagnostic:
    message = f'"{item.key.name}" of "{secret.id}" has no place in the store "{store.id}"'
    help_text = way_out(item.key.holder(secret.entry), store.provider)
    return Diagnostic("missing-remote", Severity.ERROR, message, item.key.node.key_span, help=help_text)
