"""A Vault path begins with its store's mount.

`vault kv get secret/team/github` takes mount and path in one; the store has the mount already. External Secrets
Operator cuts it off again when it sees it, other tools do not: they read `secret/secret/team/github`, and a secret
that really lies there can never be reached.

    stores:
      vault: {provider: vault, mount: secret}
    # and in the catalogue
    github:
      remote: {vault: secret/ai-platform-engineering/github-secret}

Write the path below the mount:

    github:
      remote: {vault: ai-platform-engineering/github-secret}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.catalogue import VAULT
from compiler.model.diagnostic import Severity
from compiler.rules.interface import Finding, Rule, Scope
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.document import Node
    from compiler.model.environment import Environment, Secret, Store


def check(environment: Environment) -> Iterator[Finding]:
    fronts = {}
    for store in environment.stores.values():
        if store.provider == VAULT and store.mount:
            front = store.mount.strip("/") + "/"
            if store.prefix.startswith(front):
                # Said once, and not again for each secret.
                yield _finding("the prefix", front, store, store.node.nearest("prefix"), ("stores", store.id))
            else:
                fronts[store.id] = front
    if fronts:
        for secret in environment.secrets.values():
            store_read = secret.store
            if store_read is not None and (found := fronts.get(store_read.id)):
                yield from _of_secret(secret, store_read, found)


def _of_secret(secret: Secret, store: Store, front: str) -> Iterator[Finding]:
    scope = ("secrets", secret.id)
    remote = secret.remote
    if remote is not None and remote.startswith(front):
        own = secret.node.get("remote", store.provider)
        node = own if own is not None else secret.entry.node.nearest("remote", store.provider)
        yield _finding(f"the path {quoted(remote)}", front, store, node, scope)
    for key in secret.keys:
        place = key.place
        if place is not None and place.remote_key != remote and place.remote_key.startswith(front):
            node = key.key.node.nearest("remote", store.provider, "name")
            yield _finding(f"the path {quoted(place.remote_key)}", front, store, node, scope)


def _finding(what: str, front: str, store: Store, node: Node, scope: tuple[str, str]) -> Finding:
    message = f'{what} begins with {quoted(front)}, the mount of the store "{store.id}"'
    return Finding(message, node, help=f"write {quoted(_without(node, front))}", scope=scope)


def _without(node: Node, front: str) -> str:
    # "data/" stands there where the path is copied from the API; another rule refuses it, and the first is its way out.
    return str(node.value).removeprefix(front).removeprefix("data/")


RULE = Rule("repeated-mount", Severity.ERROR, Scope.ENVIRONMENT, page=__doc__, check=check)
