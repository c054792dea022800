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

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from compiler.model.address import CLOUDS, DEFAULT_CLOUD, Address, key_vault_url, parse_address
from compiler.model.catalogue import AZURE_KEY_VAULT
from compiler.model.diagnostic import Severity
from compiler.rules.interface import Finding, Rule, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.environment import Environment

# https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#vault-name-and-object-name
_VAULT_NAME = re.compile(r"(?=[a-z0-9-]{3,24}\Z)[a-z](?:-?[a-z0-9])*", re.ASCII)
_AZURE_DOMAIN = re.compile(rf"([^.]*)\.(?:{'|'.join(map(re.escape, CLOUDS.values()))})")
_API = re.compile(r"/(?:v1|ui)(?:/.*)?")
# What nearly every address looks like; it needs no closer look.
_PLAIN_KEY_VAULT = re.compile(rf"https://[a-z][a-z0-9]{{2,23}}\.{re.escape(CLOUDS[DEFAULT_CLOUD])}/?", re.ASCII)


def check(environment: Environment) -> Iterator[Finding]:
    for store in environment.stores.values():
        text = store.address
        if not text:
            continue
        is_key_vault = store.provider == AZURE_KEY_VAULT
        if is_key_vault and _PLAIN_KEY_VAULT.fullmatch(text):
            continue
        problem = _problem(parse_address(text), is_key_vault=is_key_vault)
        if problem is not None:
            node = store.node.nearest("vaultUrl" if is_key_vault else "server")
            message, way_out = problem
            # Whatever is wrong with it, there may be a password in it.
            conceals = (node.span,) if "@" in text or "?" in text or "#" in text else ()
            subject = f'the address of the store "{store.id}" {message}'
            yield Finding(subject, node, help=way_out, conceals=conceals, scope=("stores", store.id))


def _problem(address: Address | None, *, is_key_vault: bool) -> tuple[str, str] | None:
    """What is wrong, as the end of a sentence, and the way out."""
    form = f"write it as {key_vault_url('<name>')}" if is_key_vault else "write it as https://<host>:<port>"
    if address is None:
        return "is not an http or https URL with a host", form
    if address.extra:
        what = "a user name or password" if "user" in address.extra else f"a {address.extra[0]}"
        return f"has {what} in it", form
    if is_key_vault:
        return _key_vault_problem(address, form)
    return ("ends in an API path", form) if _API.fullmatch(address.path) else None


def _key_vault_problem(address: Address, form: str) -> tuple[str, str] | None:
    if address.path:
        return "has a path, which Key Vaults do not have", form
    if address.scheme != "https":
        return "is http, but Key Vault is reached over https only", "use https"
    named = _AZURE_DOMAIN.fullmatch(address.host)
    if named and not _VAULT_NAME.fullmatch(named[1]):
        return "has an invalid Key Vault name", "use 3 to 24 letters, digits and single hyphens, a letter first"
    return None


RULE = Rule("invalid-address", Severity.ERROR, Scope.ENVIRONMENT, page=__doc__, check=check)
