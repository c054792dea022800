"""A store's address that clients cannot use as it is written.

An address is an http or https URL with a host. A user name or password in it would be committed, a query or fragment
means nothing, and `/v1` or `/ui` at the end of a Vault address is added a second time by every client. A Key Vault
has nothing but a host, is reached by https only, and its own name has 3 to 24 letters, digits and single hyphens.

    stores:
      vault: {server: vault.example.com:8200/v1}
      azure: {vaultUrl: http://ai-platform-prod.vault.azure.net/secrets}

Write the scheme and the host, and the port where it is not the default one:

    stores:
      vault: {server: https://vault.example.com:8200}
      azure: {vaultUrl: https://ai-platform-prod.vault.azure.net}
"""

import re

from compiler.model.address import (
    CLOUDS,
    DEFAULT_CLOUD,
    VAULT_NAME,
    Address,
    key_vault_url,
    parse_address,
    vault_name_of,
)
from compiler.model.catalogue import AZURE_KEY_VAULT
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, rule
from compiler.text.credential import looks_like_credential
from compiler.text.wording import typing_mistake

# A host without a scheme, and nothing that could be a password.
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/?", re.ASCII)
_AZURE_DOMAIN = re.compile(rf"([^.]*)\.(?:{'|'.join(map(re.escape, CLOUDS.values()))})")
# Nearly every address looks like this and needs no closer look.
_PLAIN_KEY_VAULT = re.compile(rf"https://[a-z][a-z0-9]{{2,23}}\.{re.escape(CLOUDS[DEFAULT_CLOUD])}/?", re.ASCII)


@rule("invalid-address", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        is_key_vault = store.provider == AZURE_KEY_VAULT
        for setting, text in store.addresses:
            if is_key_vault and _PLAIN_KEY_VAULT.fullmatch(text):
                continue
            problem = _problem(parse_address(text), text, is_key_vault=is_key_vault)
            if problem is not None:
                node = store.node.nearest(setting)
                message, way_out = problem
                # Whatever is wrong with it, there may be a password in it.
                conceals = (node.span,) if "@" in text or "?" in text or "#" in text else ()
                subject = f'the address of the store "{store.id}" {message}'
                yield Finding(subject, node, help=way_out, conceals=conceals, scope=("stores", store.id))


def _problem(address: Address | None, text: str, *, is_key_vault: bool) -> tuple[str, str] | None:
    """The mistake, as the end of a sentence, and the way out."""
    if address is None:
        form = f"write it as {_url(text, is_key_vault=is_key_vault)}"
        return "is not an http or https URL with a host", typing_mistake(text) or form
    form = f"write it as {key_vault_url(vault_name_of(address.host)) if is_key_vault else _root(address)}"
    if address.extra:
        what = "a user name or password" if "user" in address.extra else f"a {address.extra[0]}"
        return f"has {what} in it", form
    if is_key_vault:
        return _key_vault_problem(address)
    return ("ends in an API path", form) if address.is_api else None


def _key_vault_problem(address: Address) -> tuple[str, str] | None:
    if address.path:
        return "has a path, which Key Vaults do not have", f"write it as {_root(address)}"
    if address.scheme != "https":
        return "is http, but Key Vault is reached over https only", f"write it as https://{address.authority}"
    named = _AZURE_DOMAIN.fullmatch(address.host)
    if named and not VAULT_NAME.fullmatch(named[1]):
        return "has an invalid Key Vault name", "use 3 to 24 letters, digits and single hyphens, a letter first"
    return None


def _root(address: Address) -> str:
    return f"{address.scheme}://{address.authority}"


def _url(text: str, *, is_key_vault: bool) -> str:
    """The URL that a text without a scheme means; a form with words in place of names where it may mean anything."""
    if not _HOST.fullmatch(text) or looks_like_credential(text):
        return key_vault_url("NAME") if is_key_vault else "https://HOST:PORT"
    host = text.rstrip("/")
    return key_vault_url(vault_name_of(host)) if is_key_vault and "." not in host else f"https://{host}"
