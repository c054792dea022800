"""An entry fetches every property of its remote secret, and something else says where a key is or whether it is there.

With `extract: true` each property of one remote secret is a key, under its own name, in every environment. So no key
can have variants, a place of its own or another entry's value, no environment chooses variants, and there is one way to
fetch it. If no key is listed, only the store knows the keys, and no lifetime applies.

    github:
      extract: true
      keys:
        TOKEN: {description: Token, remote: {vault: {property: GITHUB_TOKEN}}}

Say it in one of the two ways. Without `extract`, each key of the Secret is listed:

    github:
      keys:
        TOKEN: {description: Token, remote: {vault: {property: GITHUB_TOKEN}}}
"""

from compiler.rules.api import (
    ENVIRONMENT,
    ERROR,
    Catalogue,
    Environment,
    Finding,
    Findings,
    Node,
    Related,
    quote,
    rule,
)

_OF_KEY = {
    "variants": "is always there",
    "remote": "is at its own name in the remote secret",
    "from": "is in the remote secret of its entry",
}
# What an entry says of the values of its keys.
_OF_VALUES = ("rotate", "maxAge", "overlap", "revoke", "issuer", "generate")
_OF_SECRET = {"use": "has no variants", "fetch": "is always fetched as a whole"}


def check_catalogue(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        if not entry.extract:
            continue
        extract, scope = entry.node.nearest("extract"), ("secrets", entry.id)
        if (use := entry.node.get("use")) is not None:
            yield _finding(f"{quote(entry.id)} has no variants", "use", use, extract, scope)
        for field in _OF_VALUES if not entry.keys else ():
            if (node := entry.node.get(field)) is not None:
                message = f"`{field}` applies to listed keys, and {quote(entry.id)} lists none"
                way_out = f"list them under `keys`, or remove `{field}`"
                related = (Related("every property is a key because of this", extract.span),)
                yield Finding(message, node.key_span, help=way_out, related=related, scope=scope)
        for name, key in entry.keys.items():
            for field, why in _OF_KEY.items():
                if (node := key.node.get(field)) is not None:
                    subject = f"the key {quote(name)} of {quote(entry.id)}"
                    yield _finding(f"{subject} {why}", field, node, extract, scope)


@rule("contradictory-extract", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        for field, why in _OF_SECRET.items() if secret.entry.extract else ():
            if (node := secret.node.get(field)) is not None:
                extract, scope = secret.entry.node.nearest("extract"), ("secrets", secret.id)
                yield _finding(f"{quote(secret.id)} {why}", field, node, extract, scope)


def _finding(what: str, field: str, node: Node, extract: Node, scope: tuple[str, str]) -> Finding:
    message = f"{what}, as its entry has `extract: true`"
    way_out = f"remove `{field}`, or `extract`"
    related = (Related("it is fetched as a whole here", extract.span),)
    return Finding(message, node.key_span, help=way_out, related=related, scope=scope)
