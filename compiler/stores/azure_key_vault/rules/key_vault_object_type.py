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

import re

from compiler.rules.api import ENVIRONMENT, ERROR, Catalogue, Environment, Finding, Findings, quoted, rule
from compiler.rules.forms.names import WrongName, wrong_in_catalogue, wrong_in_environment
from compiler.stores.azure_key_vault.provider import PROVIDER
from compiler.text.credential import looks_like_credential

_TYPES = ("secret", "key", "cert")
_PLAIN = re.compile(r"[0-9A-Za-z-]{1,127}", re.ASCII)


def check_catalogue(catalogue: Catalogue) -> Findings:
    return map(_finding, wrong_in_catalogue(catalogue, PROVIDER, _problem))


@rule("key-vault-object-type", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
    return map(_finding, wrong_in_environment(environment, PROVIDER, _problem))


def _problem(name: str) -> str | None:
    first, slash, rest = name.partition("/")
    if not slash:
        return None
    if first not in _TYPES:
        return 'has a "/", and the part before it is read as the type of an object'
    if "/" in rest:
        return 'has a second "/", and the part after it is silently dropped'
    return f'begins with "{first}/", which is read as the type of an object, not as part of the name'


def _finding(wrong: WrongName) -> Finding:
    what = "the prefix" if wrong.text is None else f"the name {quoted(wrong.text)}"
    typed = wrong.text is not None and wrong.text.split("/", 1)[0] in _TYPES
    way_out = "write only the name of the secret" if typed else 'use hyphens instead of "/"'
    plain = (wrong.text or "").split("/", 1)[-1] if typed else (wrong.text or "").replace("/", "-")
    if _PLAIN.fullmatch(plain) and not looks_like_credential(wrong.text or ""):
        way_out += f": {quoted(plain)}"
    return Finding(f"{what} {wrong.problem}", wrong.node, help=way_out, scope=wrong.scope)
