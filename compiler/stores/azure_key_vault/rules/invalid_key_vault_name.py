"""A name that Key Vault does not accept for a secret.

Key Vault allows 1 to 127 letters, digits and hyphens. A dot, an underscore or one character too many is refused when
the secret is written, and never found when it is read. A hyphen at the beginning makes commands take the name for an
option. A store's `prefix` counts too.

    github:
      remote: {azurekv: ai_platform.github}

Use hyphens between the parts:

    github:
      remote: {azurekv: ai-platform-github}

A `/` in a name is reported as `key-vault-object-type`, as it does something worse than fail.
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Catalogue, Environment, Findings, quote, rule, wrong_names
from compiler.stores.azure_key_vault.provider import LONGEST_NAME, PROVIDER, SECRET_NAME
from compiler.text.characters import foreign_character
from compiler.text.credential import looks_like_credential


@rule("invalid-key-vault-name", ERROR, ENVIRONMENT, checks_catalogue=True)
def check(subject: Catalogue | Environment) -> Findings:
    return wrong_names(subject, PROVIDER, _problem, _way_out)


def _problem(name: str) -> str | None:
    if SECRET_NAME.fullmatch(name) or "/" in name:
        return None
    if len(name) > LONGEST_NAME and SECRET_NAME.fullmatch(name[:LONGEST_NAME]):
        return f"has {len(name)} characters, and Key Vault allows {LONGEST_NAME}"
    if name.startswith("-"):
        return 'begins with "-", which commands take for an option'
    return "has characters other than the letters, digits and hyphens that Key Vault allows"


def _way_out(name: str, problem: str) -> str:
    if "allows 127" in problem:
        return "shorten it"
    if "option" in problem:
        return "remove it"
    form = PROVIDER.fitting_name(name)
    shown = f": {quote(form)}" if SECRET_NAME.fullmatch(form) and not looks_like_credential(name) else ""
    return foreign_character(name) or f"use hyphens instead{shown}"
