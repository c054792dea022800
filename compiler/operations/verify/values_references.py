"""Lists what a values file's ExternalSecrets read from the stores: one reference per key, with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.address import DEFAULT_MOUNT, key_vault_url
from compiler.model.catalogue import AZURE_KEY_VAULT, VAULT
from compiler.model.environment import BUNDLE, Store
from compiler.operations.verify.references import Reference
from compiler.refusal import Refusal
from compiler.stages.outside import VAULT_NAME_VARIABLE
from compiler.stores.vault.login import variable
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from compiler.model.document import Document, Node

SECRETS = "externalSecrets"
_STORE_KINDS = {"ClusterSecretStore": "clusterSecretStores", "SecretStore": "secretStores"}
# The platform's stores have always had these names.
_KNOWN_STORES = {"vault-secret-store": VAULT, "azure-keyvault-store": AZURE_KEY_VAULT}


def secrets_of_values(document: Document) -> tuple[str, ...]:
    """The ids of the secrets that the values file has."""
    return tuple(document.root.nearest(SECRETS).children) if document.root.get(SECRETS) is not None else ()


def references_of_values(
    document: Document, environ: Mapping[str, str], secrets: Sequence[str] = ()
) -> tuple[Reference, ...]:
    """The references of `secrets`, or of all, in a values file.

    A store that the file renders tells its own provider and address. The provider of any other follows from its name,
    or from which of VAULT_ADDR and AZURE_KEYVAULT_NAME is set. Raises Refusal where neither tells.
    """
    stores: dict[tuple[str, str], Store] = {}
    found: list[Reference] = []
    for secret_id in secrets_of_values(document):
        node = document.root.nearest(SECRETS, secret_id)
        if secrets and secret_id not in secrets:
            continue
        chosen = node.text("storeRef", "kind") or "", node.text("storeRef", "name") or ""
        if chosen not in stores:
            stores[chosen] = _store(*chosen, node.nearest("storeRef"), document.root, environ)
        found += _references(secret_id, node, stores[chosen])
    return tuple(found)


def _references(secret_id: str, node: Node, store: Store) -> Iterator[Reference]:
    by_name = node.text("fetch") == BUNDLE
    remote = node.text("remoteKey") or ""
    for item in node.nearest("keys").items:
        if isinstance(item.value, str):
            yield Reference(secret_id, item.value, store, remote, item.value, by_name, item.span, node.key_span)
    data = node.get("data")
    for key, place in (data.children if data is not None else {}).items():
        yield Reference(
            secret_id,
            key,
            store,
            place.text("key") or "",
            place.text("property"),
            by_name=False,
            key_at=place.key_span,
            secret_at=node.key_span,
        )


def _store(kind: str, name: str, node: Node, root: Node, environ: Mapping[str, str]) -> Store:
    rendered = _rendered(kind, name, root)
    provider = next(iter(rendered.nearest("provider").children), "") if rendered is not None else _guess(name, environ)
    settings = rendered.nearest("provider", provider) if rendered is not None else None
    is_vault = provider == VAULT
    address = settings.text("server" if is_vault else "vaultUrl") if settings is not None else None
    if not address and not is_vault and environ.get(VAULT_NAME_VARIABLE):
        cloud = settings.text("environmentType") if settings is not None else None
        address = key_vault_url(environ[VAULT_NAME_VARIABLE], cloud)
    return Store(
        id=name,
        provider=provider,
        name=name,
        kind=kind,
        # The names in a values file have their prefix already.
        prefix="",
        address=address or None,
        mount=((settings.text("path") if settings is not None else None) or DEFAULT_MOUNT) if is_vault else "",
        vault_namespace=settings.text("namespace") if settings is not None and is_vault else None,
        rendered=rendered is not None,
        node=node,
    )


def _rendered(kind: str, name: str, root: Node) -> Node | None:
    stores = root.get(_STORE_KINDS.get(kind, ""))
    for store in stores.children.values() if stores is not None else ():
        if store.text("name") == name and any(store.get("provider", each) for each in (VAULT, AZURE_KEY_VAULT)):
            return store
    return None


def _guess(name: str, environ: Mapping[str, str]) -> str:
    if name in _KNOWN_STORES:
        return _KNOWN_STORES[name]
    variables = ((VAULT, variable(environ, "ADDR")), (AZURE_KEY_VAULT, VAULT_NAME_VARIABLE))
    told = [provider for provider, variable in variables if environ.get(variable)]
    if len(told) == 1:
        return told[0]
    message = f"the provider of the store {quoted(name)} is unknown"
    raise Refusal("usage", message, f"set either VAULT_ADDR or {VAULT_NAME_VARIABLE}")
