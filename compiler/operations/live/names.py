"""Finds the store or secret that a command names in an environment, and refuses a name that it does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.catalogue import suggest_store
from compiler.refusal import Refusal
from compiler.text.suggestion import suggest
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from compiler.model.environment import Environment, Secret, Store


def store_named(environment: Environment, name: str) -> Store:
    """The store of this id, else of this Kubernetes name. Raises Refusal."""
    by_name = {store.name: store for store in environment.stores.values()}
    found = environment.stores.get(name) or by_name.get(name)
    if found is None:
        providers = {store.id: store.provider for store in environment.stores.values()}
        raise _unknown(environment, "store", name, suggest_store(name, providers))
    return found


def secret_named(environment: Environment, secret_id: str) -> Secret:
    """The secret of this id. Raises Refusal, and says so where the environment has it disabled."""
    if secret_id in environment.disabled:
        message = f'the secret {quoted(secret_id)} is disabled in "{environment.name}"'
        raise Refusal("usage", message, f"remove `enabled: false` from it, at {_place(environment, secret_id)}")
    if secret_id not in environment.secrets:
        raise _unknown(environment, "secret", secret_id, suggest(secret_id, environment.secrets, "secrets"))
    return environment.secrets[secret_id]


def _place(environment: Environment, secret_id: str) -> str:
    return environment.root.nearest("secrets", secret_id, "enabled").key_span.where


def _unknown(environment: Environment, kind: str, name: str, way_out: str | None) -> Refusal:
    message = f'the environment "{environment.name}" has no {kind} {quoted(name)}'
    if kind == "secret" and name in environment.stores:
        way_out = f"{quoted(name)} is a store: give it with --store or --to"
    return Refusal("usage", message, way_out)
