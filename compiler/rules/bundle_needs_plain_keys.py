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

from compiler.model.environment import BUNDLE
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Related, quote, rule


@rule("bundle-needs-plain-keys", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        if secret.fetch != BUNDLE:
            continue
        for item in secret.keys:
            name = item.key.name
            if not (name.isascii() and name.isidentifier()):
                yield Finding(
                    f'"{secret.id}" cannot be fetched as a bundle: its key {quote(name)} is not an identifier',
                    secret.node.get("fetch") or environment.root.nearest("fetch"),
                    help=f'set `fetch: perKey` for "{secret.id}"',
                    related=(Related("the key", item.key.node.key_span),),
                    scope=("secrets", secret.id),
                )
                break
