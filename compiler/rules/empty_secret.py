"""A secret has no key in this environment.

External Secrets Operator refuses an ExternalSecret that asks for nothing, and Argo CD's synchronisation fails with
it. It happens when every key of an entry belongs to a variant and `use:` takes none of them.

    secrets:
      github: {use: []}        # each of its keys is in the variant `pat` or `app`

Choose a variant, or switch the secret off:

    secrets:
      github: {enabled: false}
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, list_names, rule


@rule("empty-secret", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        # Without a store nothing was looked up, and that store is another rule's.
        if secret.keys or secret.store is None or environment.damaged:
            continue
        use = secret.node.get("use")
        # With a misspelt variant the way out is to mend that.
        if use is not None and any(item.value not in secret.entry.variants for item in use.items):
            continue
        if secret.entry.variants:
            way_out = f"choose a variant with `use`: {list_names(secret.entry.variants)}; or write `enabled: false`"
        elif holders := environment.catalogue.origins.get(secret.id):
            others = list_names(holder.id for holder in holders)
            way_out = f"its keys come with the variants of {others}: choose one there with `use`"
            way_out += ", or write `enabled: false` here"
        else:
            way_out = "add a key to it in the catalogue, or write `enabled: false`"
        yield Finding(
            f'"{secret.id}" has no key in environment "{environment.name}"',
            use if use is not None else secret.node.key_span,
            help=way_out,
            scope=("secrets", secret.id),
        )
