"""A secret is fetched as a bundle, but one of its keys cannot be named in a template.

`fetch: bundle` picks each key by a template, `{{ .KEY }}`. A key that is not an identifier, such as `tls.crt`, does not
parse there, or means something else, and Helm refuses the values file.

    # environments/prod.yaml
    secrets:
      ingress: {fetch: bundle}
    # and in the catalogue
    keys:
      tls.crt: {description: Certificate}

Read this secret key by key:

    secrets:
      ingress: {fetch: perKey}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Related, Severity
from compiler.model.environment import BUNDLE
from compiler.rules.interface import Finding, Rule, Scope
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.environment import Environment


def check(environment: Environment) -> Iterator[Finding]:
    for secret in environment.secrets.values():
        if secret.fetch != BUNDLE:
            continue
        for item in secret.keys:
            name = item.key.name
            if not (name.isascii() and name.isidentifier()):
                own = secret.node.get("fetch")
                yield Finding(
                    f'"{secret.id}" cannot be fetched as a bundle: its key {quoted(name)} is not an identifier',
                    own if own is not None else environment.root.nearest("fetch"),
                    help=f'set `fetch: perKey` for "{secret.id}"',
                    related=(Related("the key", item.key.node.key_span),),
                    scope=("secrets", secret.id),
                )
                break


RULE = Rule("bundle-needs-plain-keys", Severity.ERROR, Scope.ENVIRONMENT, page=__doc__, check=check)
