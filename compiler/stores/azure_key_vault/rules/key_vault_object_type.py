"""A Key Vault name with a `/`, which External Secrets Operator reads as the type of an object.

Key Vault names have no folders. External Secrets Operator splits the name at each `/`: the first part must be
`secret`, `key` or `cert`, the second is the name, and the rest is silently dropped. `dev/github` fails with a
message about `github`, `secret/team/github` reads the secret `team`, and `cert/github` gives a certificate.

    github:
      remote: {azurekv: dev/github}

Use hyphens between the parts, and a store's `prefix` for what is in front of every name:

    github:
      remote: {azurekv: dev-github}
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Catalogue, Environment, Findings, quote, rule, wrong_names
from compiler.stores.azure_key_vault.provider import PROVIDER, SECRET_NAME
from compiler.text.credential import looks_like_credential

_TYPES = ("secret", "key", "cert")


@rule("key-vault-object-type", ERROR, ENVIRONMENT, checks_catalogue=True)
def check(subject: Catalogue | Environment) -> Findings:
    return wrong_names(subject, PROVIDER, _problem, _way_out)


def _problem(name: str) -> str | None:
    first, slash, rest = name.partition("/")
    if not slash:
        return None
    if first not in _TYPES:
        return 'has a "/", and the part before it is read as the type of an object'
    if "/" in rest:
        return 'has a second "/", and the part after it is silently dropped'
    return f'begins with "{first}/", which is read as the type of an object, not as part of the name'


def _way_out(name: str, _problem: str) -> str:
    first, _, rest = name.partition("/")
    is_typed = first in _TYPES
    way_out = "write only the name of the secret" if is_typed else 'use hyphens instead of "/"'
    plain = rest if is_typed else name.replace("/", "-")
    shown = f": {quote(plain)}" if SECRET_NAME.fullmatch(plain) and not looks_like_credential(name) else ""
    return way_out + shown
