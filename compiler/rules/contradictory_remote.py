"""A key's `remote` contradicts itself.

`whole: true` says that a Key Vault secret holds one value and nothing else. It cannot name a property as well, it
does not exist on Vault, whose secrets always have named properties, and it cannot point at the remote secret in which
the entry's other keys are properties: the key would get the whole JSON document, with every other key's value in it.

    keys:
      GITHUB_APP_ID: {description: App id}
      GITHUB_APP_PRIVATE_KEY:
        description: PEM text
        remote: {azurekv: {whole: true}}

Give the value a remote secret of its own, or drop `whole` to have it as a property of the entry's:

    keys:
      GITHUB_APP_ID: {description: App id}
      GITHUB_APP_PRIVATE_KEY:
        description: PEM text
        remote: {azurekv: {name: github-app-key, whole: true}}
"""

from collections.abc import Iterator

from compiler.rules.api import CATALOGUE, ERROR, Catalogue, CatalogueKey, Entry, Finding, Findings, quote, rule
from compiler.stores.registry import PROVIDERS


@rule("contradictory-remote", ERROR, CATALOGUE)
def check(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        for provider in PROVIDERS:
            wholes = [key for key in entry.keys.values() if provider in key.remote and key.remote[provider].whole]
            parted = frozenset(_with_properties(entry, provider)) if wholes else frozenset()
            for key in wholes:
                if problem := _problem(entry, key, provider, parted):
                    message, way_out = problem
                    node = key.node.nearest("remote", provider, "whole")
                    yield Finding(message, node, help=way_out, scope=("secrets", entry.id))


def _problem(entry: Entry, key: CatalogueKey, provider: str, parted: frozenset[str | None]) -> tuple[str, str] | None:
    own = key.remote[provider]
    if not (found := PROVIDERS[provider]).holds_texts:
        message = f"{quote(key.name)} cannot be a whole {found.title} secret"
        return message, f"name its `property`, not `whole`: {found.title} secrets have properties"
    if own.property is not None:
        return f"{quote(key.name)} is a property and the whole secret at once", "remove `whole` or `property`"
    place = own.name or entry.remote.get(provider)
    if place is not None and place in parted:
        message = f"{quote(key.name)} is the whole of a remote secret that has other keys as properties"
        return message, "add `name` with a remote secret of its own, or remove `whole`"
    return None


def _with_properties(entry: Entry, provider: str) -> Iterator[str | None]:
    """The remote secrets that hold keys of the entry as properties."""
    for key in entry.keys.values():
        own = key.remote.get(provider)
        if not key.is_taken and (own is None or not own.whole):
            yield (own.name if own is not None else None) or entry.remote.get(provider)
