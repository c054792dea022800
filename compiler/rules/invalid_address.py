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

from compiler.model.provider import Provider
from compiler.model.store import Address, parse_address
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, rule
from compiler.text.credential import looks_like_credential
from compiler.text.wording import typing_mistake

# A host without a scheme, and nothing that could be a password.
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/?", re.ASCII)


@rule("invalid-address", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        for setting, text in store.addresses:
            if store.provider.is_plain(text):
                continue
            problem = _problem(store.provider, parse_address(text), text)
            if problem is not None:
                node = store.node.nearest(setting)
                message, way_out = problem
                # Whatever is wrong with it, there may be a password in it.
                conceals = (node.span,) if "@" in text or "?" in text or "#" in text else ()
                subject = f'the address of the store "{store.id}" {message}'
                yield Finding(subject, node, help=way_out, conceals=conceals, scope=("stores", store.id))


def _problem(provider: Provider, address: Address | None, text: str) -> tuple[str, str] | None:
    """The mistake, as the end of a sentence, and the way out."""
    if address is None:
        form = f"write it as {_url(provider, text)}"
        return "is not an http or https URL with a host", typing_mistake(text) or form
    if address.extra:
        what = "a user name or password" if "user" in address.extra else f"a {address.extra[0]}"
        return f"has {what} in it", f"write it as {provider.url_without(address)}"
    return provider.address_problem(address)


def _url(provider: Provider, text: str) -> str:
    """The URL that a text without a scheme means; a form with words in place of names where it may mean anything."""
    is_host = _HOST.fullmatch(text) is not None and not looks_like_credential(text)
    return provider.url_like(text.rstrip("/") if is_host else None)
