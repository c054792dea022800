"""A Vault path has the part `data`, which belongs to the API's path and not to the secret's name.

KV version 2 serves a secret at `<mount>/data/<path>`, and `vault kv get` shows the path so. External Secrets Operator
puts `data/` in by itself. If the name has it too, it is doubled, and the read fails with a 403 or 404 that does not say
so.

    github:
      remote: {vault: data/ai-platform-engineering/github-secret}

Leave it out:

    github:
      remote: {vault: ai-platform-engineering/github-secret}

A secret whose path really has a part named `data` must be moved to another path first: nobody can tell it from the
mistake.
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Catalogue, Environment, Findings, rule, wrong_names
from compiler.stores.vault.provider import PROVIDER

_RESERVED = "data"


def check_catalogue(catalogue: Catalogue) -> Findings:
    return wrong_names(catalogue, PROVIDER, _problem, _way_out)


@rule("reserved-path-part", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
    return wrong_names(environment, PROVIDER, _problem, _way_out)


def _problem(path: str) -> str | None:
    if _RESERVED in path and _RESERVED in path.split("/"):
        return f'has the part "{_RESERVED}", which the API adds'
    return None


def _way_out(_path: str, _problem: str) -> str:
    return f'remove "{_RESERVED}"'
