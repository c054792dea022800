"""A `store:` names a store that the environment does not have.

`store:` takes the id under `stores:`, not the name of the ClusterSecretStore in the cluster, so that an environment
can call its stores `vault` and `azure` whatever the objects are called there.

    stores:
      azure: {provider: azurekv, name: azure-keyvault-store}
    secrets:
      github: {store: azure-keyvault-store}

Write the id:

    secrets:
      github: {store: azure}
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Node, Related, places_below, rule
from compiler.stores.registry import suggest_store
from compiler.text.credential import looks_like_credential
from compiler.text.wording import quote


@rule("unknown-store", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    if environment.damaged:
        return
    for place, scope in places_below(environment.root, "secrets"):
        node = place.children.get("store")
        if node is not None:
            yield from _judge(environment, node, scope)
    node = environment.root.get("moves", "to")
    if node is not None:
        yield from _judge(environment, node, ())


def _judge(environment: Environment, node: Node, scope: tuple[str, ...]) -> Findings:
    word, known = node.value, environment.root.members_at("stores")
    if not isinstance(word, str) or word in known:
        return
    by_name = [store_id for store_id, store in known.items() if store.text("name") == word]
    if by_name:
        message = f"{quote(word)} is the name of a store in the cluster, not the id of one here"
        yield Finding(message, node, help=f'write its id, "{by_name[0]}"', scope=scope)
        return
    stores = environment.root.get("stores")
    removed = stores.removed.get(word) if stores is not None else None
    providers = {store_id: store.text("provider") for store_id, store in known.items()}
    yield Finding(
        f"no store has the id {quote(word)}",
        node,
        help=(suggest_store(word, providers) if known else None) or _way_to_add(word),
        related=(Related("removed here", removed.span),) if removed is not None else (),
        scope=scope,
    )


def _way_to_add(word: str) -> str:
    if looks_like_credential(word):
        return "describe it under `stores:`"
    return f"describe it: `stores: {{{word}: {{provider: vault, name: vault-secret-store, server: https://HOST}}}}`"
