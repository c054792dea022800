"""Judges which variants of a secret an environment chooses."""

from compiler.model.document import Node
from compiler.model.environment import Catalogue, Entry, Environment
from compiler.rules.api import ENVIRONMENT, ERROR, WARNING, Finding, Findings, rule
from compiler.text.wording import list_names, quote, suggest


def find_unknown_variant_in_catalogue(catalogue: Catalogue) -> Findings:
    if not catalogue.document.damaged:
        for entry in catalogue.entries.values():
            if entry.default_variants:
                yield from _judge(entry.node.nearest("use"), entry)


@rule("unknown-variant", ERROR, ENVIRONMENT, catalogue_check=find_unknown_variant_in_catalogue)
def find_unknown_variant(environment: Environment) -> Findings:
    secrets = environment.root.children.get("secrets")
    # A key that was left out as invalid may have named the variant.
    if secrets is None or environment.catalogue.document.damaged:
        return
    for secret_id, node in secrets.children.items():
        use = node.children.get("use")
        if use is not None and use.value:
            entry = environment.catalogue.entries.get(secret_id)
            if entry is not None:
                yield from _judge(use, entry)


def _judge(use: Node, entry: Entry) -> Findings:
    known = dict.fromkeys(entry.variants)
    for item in use.items:
        if isinstance(item.value, str) and item.value not in known:
            way_out = suggest(item.value, known, "variants") if known else "remove `use:`: the secret has no variants"
            message = f"{quote(entry.id)} has no variant {quote(item.value)}"
            yield Finding(message, item, help=way_out, scope=("secrets", entry.id))


@rule("variants-not-chosen", WARNING, ENVIRONMENT, waivable=True)
def find_variants_not_chosen(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        entry = secret.entry
        if len(entry.variants) > 1 and entry.default_variants is None and "use" not in secret.node.children:
            message = (
                f'environment "{environment.name}" chooses no variant of "{secret.id}", so all its keys must exist'
            )
            way_out = f"add `use:`, such as `use: [{entry.variants[0]}]`; the variants are {list_names(entry.variants)}"
            yield Finding(message, secret.node.key_span, help=way_out, scope=("secrets", secret.id))
