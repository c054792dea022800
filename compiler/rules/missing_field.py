"""A required field of an environment or catalogue entry is missing.

A single layer may leave out anything; what counts is the environment after its layers are merged. It needs
`namespace`, `store`, `refreshInterval`, `externalSecretsOperator` and `secrets`, and for each store `provider` and
`name`. A catalogue entry needs `target`, `keys` or `extract: true`, and `remote` unless each of its keys has its own.

    # environments/prod.yaml, with `extends: []`
    namespace: ai-platform-engineering
    stores:
      vault: {provider: vault}

Write what is missing, in the layer that should set it for all:

    namespace: ai-platform-engineering
    store: vault
    refreshInterval: 1h
    externalSecretsOperator: "2.9"
    stores:
      vault: {provider: vault, name: vault-secret-store, server: https://vault.example.com}
    secrets:
      github: {}
"""

from compiler.model.environment import Catalogue
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Node, Related, quote, rule, top_of

_ENVIRONMENT = {
    "namespace": "namespace: my-platform",
    "store": "store: vault",
    "refreshInterval": "refreshInterval: 1h",
    "externalSecretsOperator": 'externalSecretsOperator: "2.9"',
    "secrets": "secrets: {db: {}}",
}
_STORE = {"provider": "provider: vault", "name": "name: vault-secret-store"}
# Settings of an entry by its own name, and by the name that its variables begin with.
_ENTRY = {
    "target": "target: my-platform-%(name)s",
    "remote": "remote: {vault: my-platform/%(name)s, azurekv: my-platform-%(name)s}",
    "keys": "keys: {%(variable)s_PASSWORD: {description: Password}}",
}


def check_catalogue(catalogue: Catalogue) -> Findings:
    entries = catalogue.document.root.get("secrets")
    if catalogue.document.damaged or entries is None:
        return
    for entry_id, node in entries.children.items():
        for name, example in _ENTRY.items():
            if name not in node.children and not _is_dispensable(name, node):
                message = f'the entry {quote(entry_id)} has no "{name}"'
                such_as = example % {"name": entry_id, "variable": entry_id.upper().replace("-", "_")}
                way_out = f"add it, such as `{such_as}`"
                yield Finding(message, node.key_span, help=way_out, scope=("secrets", entry_id))


@rule("missing-field", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
    if environment.damaged:
        return
    yield from _find_missing(environment)


def _find_missing(environment: Environment) -> Findings:
    root = environment.root
    for name, example in _ENVIRONMENT.items():
        if name not in root.children and not (name == "store" and environment.default_store is not None):
            yield from _missing(f'environment "{environment.name}" has no "{name}"', environment, name, example)
    for store_id, node in root.members_at("stores").items():
        for name, example in _STORE.items():
            if name not in node.children and not _is_empty(node, name):
                message = f'the store {quote(store_id)} has no "{name}"'
                way_out, related = f"add it, such as `{example}`", _removal(node, name)
                yield Finding(message, node.key_span, help=way_out, related=related, scope=("stores", store_id))


def _missing(message: str, environment: Environment, name: str, example: str) -> Findings:
    if not _is_empty(environment.root, name):
        stores = environment.root.members_at("stores")
        if name == "store" and stores:
            example = f"store: {next(iter(stores))}"
        way_out = f"add it here or in a layer it extends, such as `{example}`"
        yield Finding(message, top_of(environment.document), help=way_out, related=_removal(environment.root, name))


def _is_empty(node: Node, name: str) -> bool:
    """Whether the key is there without a value, which `empty-value` reports already."""
    removed = node.removed.get(name)
    return removed is not None and removed.is_empty


def _removal(node: Node, name: str) -> tuple[Related, ...]:
    removed = node.removed.get(name)
    return (Related("removed here", removed.span),) if removed is not None else ()


def _is_dispensable(field: str, entry: Node) -> bool:
    if field == "keys":
        return entry.nearest("extract").value is True
    return field == "remote" and _each_key_has_its_own(entry)


def _each_key_has_its_own(entry: Node) -> bool:
    keys = entry.members_at("keys").values()
    return bool(keys) and all("remote" in key.children or "from" in key.children for key in keys)
