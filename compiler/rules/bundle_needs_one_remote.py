"""A secret is fetched as a bundle, but one of its keys is in another remote secret or under another name.

`fetch: bundle` reads one remote secret once and takes all keys from it, each under its own name. A key is not in it if
it has a remote secret of its own or another property name, is a whole remote secret, or takes its value `from` another
entry; the whole ExternalSecret would fail with `map has no entry for key`.

    # environments/prod.yaml
    secrets:
      github: {fetch: bundle, use: [app]}
    # and in the catalogue
    keys:
      GITHUB_APP_PRIVATE_KEY: {remote: {azurekv: {name: github-app-key, whole: true}}}

Read this secret key by key:

    secrets:
      github: {fetch: perKey, use: [app]}
"""

from compiler.model.environment import BUNDLE
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Related, list_names, rule


@rule("bundle-needs-one-remote", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        if secret.fetch != BUNDLE or secret.store is None:
            continue
        provider, remote = secret.store.provider.id, secret.remote
        # Only a key that says something of its own place can lie elsewhere.
        elsewhere = [
            key.key
            for key in secret.keys
            if (provider in key.key.remote or key.key.is_taken)
            and key.place is not None
            and (key.place.remote_key != remote or key.place.property != key.key.name)
        ]
        if elsewhere:
            first = elsewhere[0].node
            place = first.children["from"] if elsewhere[0].is_taken else first.nearest("remote", provider)
            yield Finding(
                f'"{secret.id}" cannot be fetched as a bundle: its remote secret has no '
                f"{list_names(key.name for key in elsewhere)} under that name",
                secret.node.get("fetch") or environment.root.nearest("fetch"),
                help=f'set `fetch: perKey` for "{secret.id}"',
                related=(Related("the other place", place.span),),
                scope=("secrets", secret.id),
            )
