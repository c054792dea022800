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

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.rules.interface import Finding, Rule, Scope
from compiler.text.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.environment import Environment


def check(environment: Environment) -> Iterator[Finding]:
    for secret in environment.secrets.values():
        entry = secret.entry
        if len(entry.variants) > 1 and entry.default_variants is None and "use" not in secret.node.children:
            message = (
                f'environment "{environment.name}" chooses no variant of "{secret.id}", so all its keys must exist'
            )
            way_out = f"add `use:`, such as `use: [{entry.variants[0]}]`; the variants are {listed(entry.variants)}"
            yield Finding(message, secret.node.key_span, help=way_out, scope=("secrets", secret.id))


RULE = Rule("variants-not-chosen", Severity.WARNING, Scope.ENVIRONMENT, page=__doc__, check=check, waivable=True)
