"""A `use:` names a variant that the secret does not have.

The variants of a secret are those that its keys name in the catalogue. Any other would silently add no key, and pods
would start without it.

    secrets:
      global: {use: [azure-opanai]}

Write one of the secret's variants; `use:` in the catalogue is checked in the same way:

    secrets:
      global: {use: [azure-openai]}
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Catalogue, Entry, Environment, Finding, Findings, Node, quote, rule
from compiler.text.wording import suggest


def check_catalogue(catalogue: Catalogue) -> Findings:
    if not catalogue.document.damaged:
        for entry in catalogue.entries.values():
            if entry.default_variants:
                yield from _judge(entry.node.nearest("use"), entry)


@rule("unknown-variant", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
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
