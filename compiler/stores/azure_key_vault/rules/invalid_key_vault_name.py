"""A name that Key Vault does not accept for a secret.

Key Vault allows 1 to 127 letters, digits and hyphens. A dot, an underscore or one character too many is refused when
the secret is written, and never found when it is read. A store's `prefix` counts too.

    github:
      remote: {azurekv: ai_platform.github}

Use hyphens between the parts:

    github:
      remote: {azurekv: ai-platform-github}

A `/` in a name is reported as `key-vault-object-type`, as it does something worse than fail.
"""

import re

from compiler.rules.api import ENVIRONMENT, ERROR, Catalogue, Environment, Finding, Findings, quoted, rule
from compiler.rules.forms.names import WrongName, wrong_in_catalogue, wrong_in_environment
from compiler.stores.azure_key_vault.provider import PROVIDER
from compiler.text.characters import foreign_character
from compiler.text.credential import looks_like_credential

# https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers
_FORM = re.compile(r"[0-9A-Za-z-]{1,127}", re.ASCII)
_LONGEST = 127


def check_catalogue(catalogue: Catalogue) -> Findings:
    return map(_finding, wrong_in_catalogue(catalogue, PROVIDER, _problem))


@rule("invalid-key-vault-name", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
    return map(_finding, wrong_in_environment(environment, PROVIDER, _problem))


def _problem(name: str) -> str | None:
    if _FORM.fullmatch(name) or "/" in name:
        return None
    if len(name) > _LONGEST and _FORM.fullmatch(name[:_LONGEST]):
        return f"has {len(name)} characters, and Key Vault allows {_LONGEST}"
    return "has characters other than the letters, digits and hyphens that Key Vault allows"


def _finding(wrong: WrongName) -> Finding:
    what = "the prefix" if wrong.text is None else f"the name {quoted(wrong.text)}"
    way_out = "shorten it" if "allows 127" in wrong.problem else _in_ascii(wrong.text)
    return Finding(f"{what} {wrong.problem}", wrong.node, help=way_out, scope=wrong.scope)


def _in_ascii(name: str | None) -> str:
    return foreign_character(name or "") or _with_hyphens(name)


def _with_hyphens(name: str | None) -> str:
    form = re.sub(r"[^0-9A-Za-z]+", "-", name or "").strip("-")
    if not _FORM.fullmatch(form) or looks_like_credential(name or ""):
        return "use hyphens instead"
    return f"use hyphens instead: {quoted(form)}"
