"""A key takes its value `from` a key that the catalogue does not have.

The key would have no place in any store, and its Secret would never be made.

    oidc:
      keys:
        CLIENT_SECRET: {description: Client secret}
    ui:
      keys:
        OIDC_CLIENT_SECRET: {from: oidc/CLIENT_SECRTE}

Write the entry's id and its key as the catalogue has them:

    ui:
      keys:
        OIDC_CLIENT_SECRET: {from: oidc/CLIENT_SECRET}
"""

from compiler.rules.api import (
    CATALOGUE,
    ERROR,
    Catalogue,
    CatalogueKey,
    Entry,
    Finding,
    Findings,
    Related,
    no_such_secret,
    rule,
)
from compiler.text.wording import quote, suggest


@rule("unknown-source", ERROR, CATALOGUE)
def check(catalogue: Catalogue) -> Findings:
    # A part left out as invalid is not unknown.
    if catalogue.document.damaged:
        return
    for entry in catalogue.entries.values():
        for key in entry.keys.values():
            if key.is_taken and key.origin is None:
                yield from _judge(catalogue, entry, key)


def _judge(catalogue: Catalogue, entry: Entry, key: CatalogueKey) -> Findings:
    source = key.source
    if source is None:
        return
    node, scope = key.node.children["from"], ("secrets", entry.id)
    holder = catalogue.entries.get(source[0])
    if holder is None:
        yield no_such_secret(source[0], node, catalogue, suggest(source[0], catalogue.entries, "secrets"), scope)
    elif source[1] not in holder.keys:
        related = (Related(f'"{holder.id}" is defined here', holder.node.key_span),)
        message = f"{quote(holder.id)} has no key {quote(source[1])}"
        way_out = suggest(source[1], holder.keys, "keys")
        if holder.extract:
            listed = f"list it in the keys of {quote(holder.id)}, if the store has it"
            way_out = f"{way_out}; or {listed}" if way_out is not None else listed
        yield Finding(message, node, help=way_out, related=related, scope=scope)
