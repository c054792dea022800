"""The catalogue gives a secret no remote name for the provider of the store that it is read from.

The catalogue names the remote secret once for each provider. If the name for the chosen provider is missing, the
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

from compiler.model import group_pairs
from compiler.model.provider import Provider
from compiler.rules.api import ENVIRONMENT, ERROR, Entry, Environment, Finding, Findings, Related, Secret, Store, rule
from compiler.text.wording import list_names, quote


@rule("missing-remote", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        # With a name for the secret each of its keys has a place, except those whose values another entry holds.
        if secret.remote is not None and secret.id not in environment.catalogue.origins:
            continue
        if secret.store is None or environment.damaged:
            continue
        lacking = (item.key for item in secret.keys if item.place is None)
        # Where `from` leads nowhere, that is reported.
        missing = (key for key in lacking if key.is_taken == (key.origin is not None))
        for holder, keys in group_pairs([(key.holder(secret.entry), key.name) for key in missing]).items():
            yield _finding(secret, secret.store, holder, keys)


def _finding(secret: Secret, store: Store, holder: Entry, keys: list[str]) -> Finding:
    if holder is not secret.entry:
        what = f"{quote(holder.id)}, which has the value of {list_names(keys)} of {quote(secret.id)},"
    else:
        what = quote(secret.id) if len(keys) == len(secret.keys) else f"{list_names(keys)} of {quote(secret.id)}"
    return Finding(
        f'{what} has no remote name for the {store.provider.title} store "{store.id}"',
        secret.store_node if secret.store_node is not None else secret.node.key_span,
        help=way_out(holder, store.provider),
        related=(Related("the entry", holder.node.nearest("remote").key_span),),
        scope=("secrets", secret.id),
    )


def way_out(holder: Entry, provider: Provider) -> str:
    """The lines to add to the entry that has the value, named after the ones it has for the other provider."""
    name = next(iter(holder.remote.values()), holder.id)
    return f'add `{provider.id}: {provider.fitting_name(name)}` under `remote` of "{holder.id}" in the catalogue'
