"""Two secrets of one namespace make the same Kubernetes Secret.

The two ExternalSecrets would have the same name, so one replaces the other, and pods get half of their keys.

    github: {target: agent-secrets}
    jira: {target: agent-secrets}

Give each its own target; an environment that must never have both leaves one of them out of `secrets`:

    github: {target: agent-github-secrets}
    jira: {target: agent-jira-secrets}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Related, Severity
from compiler.rules.interface import Finding, Rule, Scope
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.environment import Environment, Secret


def check(environment: Environment) -> Iterator[Finding]:
    seen: dict[tuple[str | None, str], Secret] = {}
    for secret in environment.secrets.values():
        target = secret.entry.target
        first = seen.setdefault((secret.namespace, target), secret)
        if first is not secret and target:
            yield Finding(
                f'"{secret.id}" and "{first.id}" both make the Secret {quoted(target)}',
                secret.entry.node.nearest("target"),
                help="give each its own `target`, or remove one of them from this environment",
                related=(Related(f'the target of "{first.id}"', first.entry.node.nearest("target").span),),
                scope=("secrets", secret.id),
            )


RULE = Rule("duplicate-target", Severity.ERROR, Scope.ENVIRONMENT, page=__doc__, check=check)
