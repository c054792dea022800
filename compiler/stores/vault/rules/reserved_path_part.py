"""A Vault path has the part `data`, which belongs to the API's path and not to the secret's name.

KV version 2 serves a secret at `<mount>/data/<path>`, and `vault kv get` shows the path so. External Secrets Operator
puts `data/` in by itself. If the name begins with it too, it is doubled, and the read fails with a 403 or 404 that does
not say so.

    github:
      remote: {vault: data/ai-platform-engineering/github-secret}

Leave it out:

    github:
      remote: {vault: ai-platform-engineering/github-secret}

That is an error, as it is in a mount. Inside a name, as in `team/data/postgres`, it is a part like any other, and a
warning that can be waived: where the path is copied from the API, `team` is the mount.
"""

from compiler.rules.api import ENVIRONMENT, ERROR, WARNING, Catalogue, Environment, Findings, rule, waiver, wrong_names
from compiler.stores.vault.provider import PROVIDER

_RESERVED = "data"
_INSIDE = "inside, as a path of the API has behind its mount"


@rule("reserved-path-part", WARNING, ENVIRONMENT, checks_catalogue=True, waivable=True)
def check(subject: Catalogue | Environment) -> Findings:
    for finding in wrong_names(subject, PROVIDER, _problem, _way_out):
        if not finding.message.endswith(_INSIDE) or finding.message.startswith("the mount"):
            yield finding._replace(severity=ERROR)
        else:
            accepted = waiver("reserved-path-part", finding.scope[-1])
            yield finding._replace(help=f"{finding.help}; {accepted}")


def _problem(path: str) -> str | None:
    if _RESERVED not in path or _RESERVED not in (parts := path.split("/")):
        return None
    if parts[0] == _RESERVED:
        return f'has the part "{_RESERVED}", which the API adds'
    return f'has the part "{_RESERVED}" {_INSIDE}'


def _way_out(path: str, _problem: str) -> str:
    mount, _, rest = path.partition(f"/{_RESERVED}/")
    return f'if "{mount}" is a mount, write "{rest}"' if rest else f'remove "{_RESERVED}"'
