"""A property's name that the stores interpret differently.

External Secrets Operator looks a property up as a path in the remote secret's JSON. `*` and `?` are wildcards that may
return another key's value, `@this` returns the whole document, `|` and a backslash fail on Key Vault only, and commands
take a `-` at the beginning for an option: these are errors. Names of at most 253 letters, digits, `_` and `-`, no `-`
first, mean the same everywhere. A key's own name is its property unless the catalogue says otherwise.

A dot asks for a nested value, first on Key Vault and last on Vault. That is a warning: both find a property `tls.crt`
where the remote secret has nothing within a `tls`, as `verify` proves.

    keys:
      tls.crt: {description: Certificate}

Waive the warning where others choose the names, such as those of a certificate. Else keep the value under a plain name
that the catalogue gives as `property`, or alone in a remote secret of its own:

    keys:
      tls.crt:
        description: Certificate
        remote: {vault: {property: TLS_CRT}, azurekv: {name: platform-tls-crt, whole: true}}
"""

import re

from compiler.rules.api import (
    CATALOGUE,
    ERROR,
    WARNING,
    Catalogue,
    CatalogueKey,
    Entry,
    Finding,
    Findings,
    Node,
    Span,
    quote,
    rule,
    waiver,
)

_FORM = re.compile(r"(?!-)[A-Za-z0-9_-]{1,253}", re.ASCII)
# Empty parts are no property, but no path either.
_DOTTED = re.compile(r"(?!-)(?=.{1,253}\Z)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+", re.ASCII)
_HELP = "use at most 253 letters, digits, _ and -, no - first; `property` gives a key another name in the store"


@rule("ambiguous-property", WARNING, CATALOGUE, waivable=True)
def check(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        # What is extracted is found by its name.
        for key in entry.keys.values() if not entry.extract else ():
            # A key that takes its value from another has no property of its own.
            if not key.is_taken and (key.remote or not _FORM.fullmatch(key.name)):
                yield from _judge(entry, key)


def _judge(entry: Entry, key: CatalogueKey) -> Findings:
    for provider, own in key.remote.items():
        if own.property is not None and not own.whole and not _FORM.fullmatch(own.property):
            node = key.node.nearest("remote", provider, "property")
            yield _finding(entry, own.property, node, "the property {name}")
    named_otherwise = {name for name, own in key.remote.items() if own.whole or own.property is not None}
    if not _FORM.fullmatch(key.name) and not set(entry.remote) | set(key.remote) <= named_otherwise:
        yield _finding(entry, key.name, key.node.key_span, "the key {name} is also its property name, which")


def _finding(entry: Entry, name: str, at: Node | Span, subject: str) -> Finding:
    subject, scope = subject.format(name=quote(name)), ("secrets", entry.id)
    if not _DOTTED.fullmatch(name):
        return Finding(f"{subject} has a special meaning", at, help=_HELP, scope=scope, severity=ERROR)
    inner = quote(name.partition(".")[0])
    message = f"{subject} may mean a value within {inner}"
    way_out = f"`verify` proves that it does not; {waiver('ambiguous-property', entry.id)}"
    return Finding(message, at, help=way_out, scope=scope)
