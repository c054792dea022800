"""A Vault path has the part `data`, which belongs to the API's path and not to the secret's name.

KV version 2 serves a secret at `<mount>/data/<path>`, and `vault kv get` shows the path so. External Secrets Operator
puts `data/` in by itself. Written into the name it is doubled, and the read answers with a 403 or 404 that does not say
so.

    github:
      remote: {vault: data/ai-platform-engineering/github-secret}

Leave it out:

    github:
      remote: {vault: ai-platform-engineering/github-secret}

A secret whose path really has a part named `data` must be moved to another path first: nobody can tell it from the
mistake.
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Catalogue, Environment, Finding, Findings, quoted, rule
from compiler.rules.forms.names import WrongName, wrong_in_catalogue, wrong_in_environment
from compiler.stores.vault.provider import PROVIDER

_RESERVED = "data"


def check_catalogue(catalogue: Catalogue) -> Findings:
    return map(_finding, wrong_in_catalogue(catalogue, PROVIDER, _problem))


@rule("reserved-path-part", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if store.provider is PROVIDER and _RESERVED in store.mount and _problem(store.mount):
            message = f'the mount {quoted(store.mount)} has the part "{_RESERVED}", which the API adds'
            way_out = f'remove "{_RESERVED}"'
            yield Finding(message, store.node.nearest("mount"), help=way_out, scope=("stores", store.id))
    yield from map(_finding, wrong_in_environment(environment, PROVIDER, _problem))


def _problem(path: str) -> str | None:
    if _RESERVED in path and _RESERVED in path.split("/"):
        return f'has the part "{_RESERVED}", which the API adds'
    return None


def _finding(wrong: WrongName) -> Finding:
    what = "the prefix" if wrong.text is None else f"the path {quoted(wrong.text)}"
    return Finding(f"{what} {wrong.problem}", wrong.node, help=f'remove "{_RESERVED}"', scope=wrong.scope)
