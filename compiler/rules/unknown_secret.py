"""An environment lists a secret that the catalogue does not have.

The catalogue says what a secret is: its remote names, its keys and the Kubernetes Secret made of it. Without an entry
no Secret can be rendered, and pods that wait for it do not start.

    secrets:
      gihub: {}

Write the id as the catalogue has it, or add an entry there (`platform-secrets new secret NAME --key KEY`):

    secrets:
      github: {}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Related, Severity
from compiler.rules.interface import Finding, Rule, Scope
from compiler.text.command_line import command_line
from compiler.text.credential import looks_like_credential
from compiler.text.suggestion import closest, suggest
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.environment import Environment


def check(environment: Environment) -> Iterator[Finding]:
    listed = environment.root.children.get("secrets")
    entries = environment.catalogue.entries
    # An entry that was left out as invalid is not unknown.
    if listed is None or environment.catalogue.document.damaged:
        return
    for secret_id, node in listed.children.items():
        if secret_id not in entries:
            match = closest(secret_id, entries)
            yield Finding(
                f"no secret named {quoted(secret_id)} in the catalogue",
                node.key_span,
                help=(suggest(secret_id, entries, "secrets") if entries else None) or _new(secret_id),
                related=(Related(f'"{match}" is defined here', entries[match].node.key_span),) if match else (),
                scope=("secrets", secret_id),
            )


def _new(name: str) -> str:
    return f"`{command_line('new', 'secret', 'NAME' if looks_like_credential(name) else name, '--key', 'KEY')}` adds it"


RULE = Rule("unknown-secret", Severity.ERROR, Scope.ENVIRONMENT, page=__doc__, check=check)
