"""A secret has several variants, and the environment chooses none.

Without a choice, and without a `use:` in the catalogue, a secret has the keys of all its variants. One key that the
store lacks fails the whole ExternalSecret, so an environment that has only an OpenAI key would wait for AWS keys for
ever.

    secrets:
      global: {}

Say which variants this environment has:

    secrets:
      global: {use: [azure-openai]}

`use: [azure-openai, openai, aws-bedrock]` asks for all of them on purpose, and `use: []` for none.
"""

from compiler.rules.api import ENVIRONMENT, WARNING, Environment, Finding, Findings, list_names, rule


@rule("variants-not-chosen", WARNING, ENVIRONMENT, waivable=True)
def check(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        entry = secret.entry
        if len(entry.variants) > 1 and entry.default_variants is None and "use" not in secret.node.children:
            message = (
                f'environment "{environment.name}" chooses no variant of "{secret.id}", so all its keys must exist'
            )
            way_out = f"add `use:`, such as `use: [{entry.variants[0]}]`; the variants are {list_names(entry.variants)}"
            yield Finding(message, secret.node.key_span, help=way_out, scope=("secrets", secret.id))
