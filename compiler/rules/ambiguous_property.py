"""A property's name that the stores interpret differently.

External Secrets Operator looks a property up as a path in the remote secret's JSON. A dot asks for a nested value
(first on Key Vault, last on Vault), `*` and `?` are wildcards that may return another key's value, `@this` returns
the whole document, `|` and a backslash fail on Key Vault only, and commands take a `-` at the beginning for an option.
Names of at most 253 letters, digits, `_` and `-`, no `-` first, mean the same everywhere. A key's own name is its
property unless the catalogue says otherwise.

    keys:
      tls.crt: {description: Certificate}

Keep the value under a plain name that the catalogue gives as `property`, or alone in a remote secret of its own:

    keys:
      tls.crt:
        description: Certificate
        remote: {vault: {property: TLS_CRT}, azurekv: {name: platform-tls-crt, whole: true}}
"""

import re

from compiler.rules.api import CATALOGUE, ERROR, Catalogue, CatalogueKey, Entry, Finding, Findings, quote, rule

_FORM = re.compile(r"(?!-)[A-Za-z0-9_-]{1,253}", re.ASCII)
_HELP = "use at most 253 letters, digits, _ and -, no - first; `property` gives a key another name in the store"


@rule("ambiguous-property", ERROR, CATALOGUE)
def check(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        for key in entry.keys.values():
            # A key that takes its value from another has no property of its own.
            if not key.is_taken and (key.remote or not _FORM.fullmatch(key.name)):
                yield from _judge(entry, key)


def _judge(entry: Entry, key: CatalogueKey) -> Findings:
    scope = ("secrets", entry.id)
    for provider, own in key.remote.items():
        if own.property is not None and not own.whole and not _FORM.fullmatch(own.property):
            node = key.node.nearest("remote", provider, "property")
            yield Finding(f"the property {quote(own.property)} has a special meaning", node, help=_HELP, scope=scope)
    named_otherwise = {name for name, own in key.remote.items() if own.whole or own.property is not None}
    if not _FORM.fullmatch(key.name) and not set(entry.remote) | set(key.remote) <= named_otherwise:
        message = f"the key {quote(key.name)} is also its property name, which has a special meaning"
        yield Finding(message, key.node.key_span, help=_HELP, scope=scope)
