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

from collections.abc import Iterator

from compiler.model.environment import Entry
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Node, Secret, Store, quote, rule
from compiler.stores.vault.provider import PROVIDER


@rule("repeated-mount", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    fronts = {}
    for store in environment.stores.values():
        if store.provider is PROVIDER and store.mount:
            front = store.mount.strip("/") + "/"
            if store.prefix.startswith(front):
                # Said once, and not again for each secret.
                yield _finding("the prefix", front, store, store.node.nearest("prefix"), ("stores", store.id))
            else:
                fronts[store.id] = front
    said: set[Node] = set()
    listed = environment.root.get("secrets")
    for secret in environment.secrets.values() if fronts else ():
        store_read = secret.store
        if store_read is not None and (found := fronts.get(store_read.id)):
            for path, node in _wrong(secret, found, listed):
                # Several keys may be taken from one place.
                if node not in said:
                    said.add(node)
                    yield _finding(f"the path {quote(path)}", found, store_read, node, ("secrets", secret.id))


def _wrong(secret: Secret, front: str, listed: Node | None) -> Iterator[tuple[str, Node]]:
    """Each path that begins with `front`, and where it is written: for a key that takes its value, at the other's."""
    if secret.remote is not None and secret.remote.startswith(front):
        yield secret.remote, _node_of(secret.entry, listed)
    for key in secret.keys:
        path = key.place.remote_key if key.place is not None else ""
        if path != secret.remote and path.startswith(front):
            own = key.key.value_key.node.nearest("remote", PROVIDER.id, "name")
            is_path = isinstance(own.value, str)
            yield path, own if is_path else _node_of(key.key.holder(secret.entry), listed)


def _node_of(entry: Entry, listed: Node | None) -> Node:
    own = listed.get(entry.id, "remote", PROVIDER.id) if listed is not None else None
    return own if own is not None else entry.node.nearest("remote", PROVIDER.id)


def _finding(what: str, front: str, store: Store, node: Node, scope: tuple[str, str]) -> Finding:
    message = f'{what} begins with {quote(front)}, the mount of the store "{store.id}"'
    # "data/" stands there where the path is copied from the API; another rule refuses it, and the first is its way out.
    path = str(node.value).removeprefix(front).removeprefix("data/")
    return Finding(message, node, help=f"write {quote(path)}", scope=scope)
