"""Two names or places that Key Vault cannot keep apart.

Key Vault ignores case: `platform-GitHub` and `platform-github` are one secret, and the later writer wins. It has no
folders either, so the Vault paths `team/github-app` and `team-github/app` easily become one name, `team-github-app`.
When two keys have different places in Vault and the same one in Key Vault, a migration can keep only one of their
values.

    github: {remote: {vault: team/github-app, azurekv: team-github-app}, keys: {TOKEN: {}}}
    app: {remote: {vault: team-github/app, azurekv: team-github-app}, keys: {TOKEN: {}}}

Give each its own name, or, where both really are one secret, the same Vault path too:

    github: {remote: {vault: team/github-app, azurekv: team-github-app}, keys: {TOKEN: {}}}
    app: {remote: {vault: team-github/app, azurekv: team-github--app}, keys: {TOKEN: {}}}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.catalogue import AZURE_KEY_VAULT, VAULT
from compiler.model.diagnostic import Related, Severity
from compiler.model.place import Place, place_of
from compiler.rules.interface import Finding, Rule, Scope
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.catalogue import Catalogue, CatalogueKey, Entry
    from compiler.model.document import Node
    from compiler.model.environment import Environment, Secret

_SEPARATORS = str.maketrans("_./", "---")
_HELP = "give each a name of its own, of different letters and digits"


def check(environment: Environment) -> Iterator[Finding]:
    # Without an own name in this environment the catalogue's check has seen all there is.
    if not any("remote" in secret.node.children for secret in environment.secrets.values()):
        return
    seen: dict[tuple[str, str], tuple[str, Node]] = {}
    for secret in environment.secrets.values():
        store = secret.store
        if store is not None and store.provider == AZURE_KEY_VAULT:
            for name, node in _names(secret):
                first, first_node = seen.setdefault((store.id, _folded(name)), (name, node))
                if first != name:
                    yield _same_name(first, first_node, name, node, secret.id)


def check_catalogue(catalogue: Catalogue) -> Iterator[Finding]:
    names: dict[str, tuple[str, Node]] = {}
    shared: set[str] = set()
    for entry in catalogue.entries.values():
        for name, node in _catalogue_names(entry):
            first, first_node = names.setdefault(_folded(name), (name, node))
            if first != name:
                yield _same_name(first, first_node, name, node, entry.id)
            elif first_node is not node:
                shared.add(name)
    places: dict[tuple[str, str | None], tuple[Entry, CatalogueKey, Place]] = {}
    for entry in catalogue.entries.values():
        # Alone in its remote secret, an entry whose keys say nothing of their places has no place twice.
        if entry.remote.get(AZURE_KEY_VAULT) in shared or any(key.remote for key in entry.keys.values()):
            yield from _same_places(entry, places)


def _same_places(
    entry: Entry, places: dict[tuple[str, str | None], tuple[Entry, CatalogueKey, Place]]
) -> Iterator[Finding]:
    for key in entry.keys.values():
        azure = place_of(key, AZURE_KEY_VAULT, entry.remote.get(AZURE_KEY_VAULT), "")
        vault = place_of(key, VAULT, entry.remote.get(VAULT), "")
        if azure is not None and vault is not None:
            place = (azure.remote_key, azure.property)
            other, other_key, other_vault = places.setdefault(place, (entry, key, vault))
            if other_vault != vault:
                yield _same_place(azure, (other, other_key), (entry, key))


def _names(secret: Secret) -> Iterator[tuple[str, Node]]:
    if secret.remote is not None:
        own = secret.node.get("remote", AZURE_KEY_VAULT)
        yield secret.remote, own if own is not None else secret.entry.node.nearest("remote", AZURE_KEY_VAULT)
    for key in secret.keys:
        if key.place is not None and key.place.remote_key != secret.remote:
            yield key.place.remote_key, key.key.node.nearest("remote", AZURE_KEY_VAULT, "name")


def _catalogue_names(entry: Entry) -> Iterator[tuple[str, Node]]:
    if AZURE_KEY_VAULT in entry.remote:
        yield entry.remote[AZURE_KEY_VAULT], entry.node.nearest("remote", AZURE_KEY_VAULT)
    for key in entry.keys.values():
        own = key.remote.get(AZURE_KEY_VAULT) if key.remote else None
        if own is not None and own.name is not None:
            yield own.name, key.node.nearest("remote", AZURE_KEY_VAULT, "name")


def _folded(name: str) -> str:
    return name.lower().translate(_SEPARATORS)


def _same_name(first: str, first_node: Node, name: str, node: Node, secret: str) -> Finding:
    message = f"Key Vault cannot keep {quoted(name)} and {quoted(first)} apart"
    related = (Related(f"{quoted(first)} is named here", first_node.span),)
    return Finding(message, node, help=_HELP, related=related, scope=("secrets", secret))


def _same_place(place: Place, first: tuple[Entry, CatalogueKey], second: tuple[Entry, CatalogueKey]) -> Finding:
    (entry, key), (later, later_key) = first, second
    message = (
        f"{quoted(later_key.name)} of {quoted(later.id)} and {quoted(key.name)} of {quoted(entry.id)} differ in Vault, "
        f"but are one value of {quoted(place.remote_key)} in Key Vault"
    )
    node = later_key.node.get("remote", AZURE_KEY_VAULT) or later.node.nearest("remote", AZURE_KEY_VAULT)
    related = (Related("the other key", key.node.key_span),)
    return Finding(
        message, node, help="give each its own name or property", related=related, scope=("secrets", later.id)
    )


RULE = Rule(
    "key-vault-name-collision",
    Severity.ERROR,
    Scope.ENVIRONMENT,
    page=__doc__,
    check=check,
    catalogue_check=check_catalogue,
)
