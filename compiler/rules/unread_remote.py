"""A secret has a `remote`, but each of its keys takes its value from another entry.

Nothing is read there: such a key is read at the place of the key that has the value. In an environment the line looks
as if the secret were read elsewhere, which it is not.

    # environments/catalogue.yaml
    ui:
      keys:
        OIDC_CLIENT_SECRET: {from: oidc/CLIENT_SECRET}
    # environments/prod.yaml
    secrets:
      ui: {remote: {vault: prod/ui}}

Leave it out, and name the place where the value is; every secret that takes it from there follows:

    secrets:
      oidc: {remote: {vault: prod/oidc}}
      ui: {}
"""

from compiler.model.environment import Catalogue, Entry
from compiler.rules.api import (
    ENVIRONMENT,
    ERROR,
    Environment,
    Finding,
    Findings,
    Node,
    Related,
    list_names,
    quote,
    rule,
)


def check_catalogue(catalogue: Catalogue) -> Findings:
    for entry_id in catalogue.origins:
        entry = catalogue.entries[entry_id]
        if entry.remote:
            yield from _judge(catalogue, entry, entry.node)


@rule("unread-remote", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        if "remote" in secret.node.children:
            yield from _judge(environment.catalogue, secret.entry, secret.node)


def _judge(catalogue: Catalogue, entry: Entry, node: Node) -> Findings:
    holders = catalogue.origins.get(entry.id, ())
    if not holders or not all(key.is_taken for key in entry.keys.values()):
        return
    others = list_names(holder.id for holder in holders)
    first = next(iter(entry.keys.values()))
    yield Finding(
        f"nothing is read there: every key of {quote(entry.id)} takes its value from {others}",
        node.children["remote"].key_span,
        help=f"remove it; to have the value elsewhere, set the `remote` of {others}, which its readers follow",
        related=(Related("taken here", first.node.children["from"].span),),
        scope=("secrets", entry.id),
    )
