"""A key of a mounted Secret that is not a valid environment variable name.

Pods take these Secrets by `envFrom`. If a key is not a C identifier, no shell can read its variable, nor can a program
that asks for the name with `_`. Kubernetes up to 1.31 leaves out a key that begins with a digit, with an event on the
pod and nothing in its log.

    argocd:
      mountedBy: [mcp-argocd]
      keys:
        argocd.token: {description: API token}

Use letters, digits and `_`, with no digit in front:

    argocd:
      mountedBy: [mcp-argocd]
      keys:
        ARGOCD_TOKEN: {description: API token}

Waive it where the component reads the Secret as files.
"""

import re

from compiler.rules.api import CATALOGUE, WARNING, Catalogue, Finding, Findings, quote, rule
from compiler.text.credential import looks_like_credential

_FORM = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@rule("invalid-environment-variable-name", WARNING, CATALOGUE, waivable=True)
def check(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        if entry.mounted_by:
            for name, node in entry.target_nodes.items():
                if not _FORM.fullmatch(name):
                    yield Finding(
                        f"{quote(name)} is not a valid environment variable name: no shell can read it",
                        node.key_span,
                        help=f"use letters, digits and _, not starting with a digit{_such_as(name)}",
                        scope=("secrets", entry.id),
                    )


def _such_as(name: str) -> str:
    form = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_")
    return f": {quote(form)}" if _FORM.fullmatch(form) and not looks_like_credential(name) else ""
