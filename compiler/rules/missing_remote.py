"""A secret is read from a store for whose provider the catalogue gives no remote name.

The catalogue names the remote secret once for each provider. Where the name for the chosen one is missing, the
ExternalSecret has no remote secret to read.

    # environments/catalogue.yaml
    github:
      remote: {vault: ai-platform-engineering/github-secret}
    # environments/prod.yaml
    secrets:
      github: {store: azure}

Add the name to the entry, or to the environment's secret where it differs from the others':

    github:
      remote:
        vault: ai-platform-engineering/github-secret
        azurekv: ai-platform-engineering-github
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.catalogue import AZURE_KEY_VAULT
from compiler.model.diagnostic import Related, Severity
from compiler.rules.interface import Finding, Rule, Scope
from compiler.text.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.environment import Environment, Secret


def check(environment: Environment) -> Iterator[Finding]:
    for secret in environment.secrets.values():
        # With a name for the secret each of its keys has a place.
        if secret.remote is not None or secret.store is None or environment.damaged:
            continue
        missing = [key.key.name for key in secret.keys if key.place is None]
        if not missing:
            continue
        provider = secret.store.provider
        title = "Key Vault" if provider == AZURE_KEY_VAULT else "Vault"
        what = f'"{secret.id}"' if len(missing) == len(secret.keys) else f'{listed(missing)} of "{secret.id}"'
        yield Finding(
            f'{what} has no remote name for the {title} store "{secret.store.id}"',
            secret.store_node if secret.store_node is not None else secret.node.key_span,
            help=f'add `{provider}: {name_for(secret, provider)}` under `remote` of "{secret.id}" in the catalogue',
            related=(Related("the entry", secret.entry.node.nearest("remote").key_span),),
            scope=("secrets", secret.id),
        )


def name_for(secret: Secret, provider: str) -> str:
    """A name for it, made of the one that it has in a store of the other provider."""
    other = next(iter(secret.entry.remote.values()), secret.id)
    return other.replace("/", "-") if provider == AZURE_KEY_VAULT else other


RULE = Rule("missing-remote", Severity.ERROR, Scope.ENVIRONMENT, page=__doc__, check=check)
