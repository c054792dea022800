"""Turns `--store` and environment variables into a layer on top of the files, with the option's name as its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.address import key_vault_url
from compiler.model.catalogue import AZURE_KEY_VAULT, suggest_store
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.document import Document, Node, extent
from compiler.model.record import dataclass
from compiler.model.source import Source
from compiler.text.credential import looks_like_credential
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

STORE_OPTION = "--store"
STORE_VARIABLE = "AI_PLATFORM_SECRET_STORE"
VAULT_NAME_VARIABLE = "AZURE_KEYVAULT_NAME"


@dataclass(frozen=True, slots=True)
class Outside:
    """What this run was told beside its files: the wanted store and where it was named, and a Key Vault's name."""

    store: str | None = None
    store_origin: str = STORE_OPTION
    vault_name: str | None = None


def outside_of(store: str | None, environ: Mapping[str, str], *, variable_counts: bool) -> Outside:
    """`--store` goes before the variable, which counts only where exactly one environment is compiled."""
    vault_name = environ.get(VAULT_NAME_VARIABLE) or None
    if store is not None:
        return Outside(store, STORE_OPTION, vault_name)
    wanted = (environ.get(STORE_VARIABLE) or None) if variable_counts else None
    return Outside(wanted, STORE_VARIABLE, vault_name)


def outside_layer(root: Node, outside: Outside) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """The layer that goes on top of the merged `root`, or None where nothing new is said.

    An id of a store beats a Kubernetes name. AZURE_KEYVAULT_NAME gives `vaultUrl` where none is written; where
    another is written for a store in use, that is `conflicting-vault-url`.
    """
    stores = root.nearest("stores").children if root.get("stores") is not None else {}
    members: dict[str, Node] = {}
    diagnostics: list[Diagnostic] = []
    if outside.store is not None:
        _choose(outside, stores, members, diagnostics)
    if outside.vault_name is not None and looks_like_credential(outside.vault_name):
        diagnostics.append(_no_name(VAULT_NAME_VARIABLE, outside.vault_name))
    elif outside.vault_name is not None:
        _fill(root, outside.vault_name, stores, members, diagnostics)
    if not members:
        return None, tuple(diagnostics)
    top = Node(members, Source(outside.store_origin), extent(0, 0))
    return Document(top.source, top), tuple(diagnostics)


def _no_name(variable: str, value: str) -> Diagnostic:
    span = _leaf(variable, value).span
    message, help_text = f"the value of {variable} looks like a credential", "set it to the name of a Key Vault"
    return Diagnostic("secret-in-config", Severity.ERROR, message, span, help=help_text, conceals=(span,))


def _choose(
    outside: Outside, stores: Mapping[str, Node], members: dict[str, Node], diagnostics: list[Diagnostic]
) -> None:
    wanted = outside.store or ""
    node = _leaf(outside.store_origin, wanted)
    chosen = wanted if wanted in stores else next((i for i, s in stores.items() if s.text("name") == wanted), None)
    if chosen is None:
        message = f"{outside.store_origin} names the store {quoted(wanted)}, which the environment does not have"
        help_text = suggest_store(wanted, {store_id: store.text("provider") for store_id, store in stores.items()})
        diagnostics.append(Diagnostic("unknown-store", Severity.ERROR, message, node.span, help=help_text))
    else:
        members["store"] = _leaf(outside.store_origin, chosen)


def _fill(
    root: Node,
    vault_name: str,
    stores: Mapping[str, Node],
    members: dict[str, Node],
    diagnostics: list[Diagnostic],
) -> None:
    chosen = members.get("store") or root.get("store")
    used = {chosen.value} if chosen is not None else set()
    secrets = root.get("secrets")
    used |= {node.text("store") for node in (secrets.children.values() if secrets is not None else ())}
    filled: dict[str, Node] = {}
    for store_id, node in stores.items():
        if node.text("provider") != AZURE_KEY_VAULT:
            continue
        url = key_vault_url(vault_name, node.text("environmentType"))
        written = node.get("vaultUrl")
        if written is None:
            members_of_store = {"vaultUrl": _leaf(VAULT_NAME_VARIABLE, url)}
            filled[store_id] = Node(members_of_store, Source(VAULT_NAME_VARIABLE), extent(0, 0))
        elif store_id in used and str(written.value).rstrip("/").lower() != url.lower():
            message = f"{VAULT_NAME_VARIABLE} names another vault than this"
            help_text = f"unset {VAULT_NAME_VARIABLE}, or correct vaultUrl"
            diagnostics.append(
                Diagnostic("conflicting-vault-url", Severity.ERROR, message, written.span, help=help_text)
            )
    if filled:
        members["stores"] = Node(dict(filled), Source(VAULT_NAME_VARIABLE), extent(0, 0))


def _leaf(origin: str, value: str) -> Node:
    source = Source(origin, value)
    return Node(value, source, extent(0, len(value)))
