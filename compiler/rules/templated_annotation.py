"""An annotation of a Secret that External Secrets Operator would execute as a template.

What a Secret's annotations are made of is a Go template to the operator, with every value of the secret at hand: an
annotation could show a password to whoever may read metadata, and one that is no template fails the whole
ExternalSecret. Annotations of the ExternalSecret are plain text.

    secretAnnotations: {example.com/token: "{{ .GITHUB_TOKEN }}"}

Write plain text, without `{{`:

    secretAnnotations: {reloader.stakater.com/match: "true"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.rules.interface import Finding, Rule, Scope
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.document import Node
    from compiler.model.environment import Environment

_OPENING = "{{"


def check(environment: Environment) -> Iterator[Finding]:
    root = environment.root
    yield from _judge(root, ())
    secrets = root.children.get("secrets")
    for secret_id, node in secrets.children.items() if secrets is not None else ():
        if node.children:
            yield from _judge(node, ("secrets", secret_id))


def _judge(owner: Node, scope: tuple[str, ...]) -> Iterator[Finding]:
    written = owner.children.get("secretAnnotations")
    for key, value in written.children.items() if written is not None else ():
        if isinstance(value.value, str) and _OPENING in value.value:
            message = f"the Secret's annotation {quoted(key)} is a template, which the operator would execute"
            yield Finding(message, value, help="write it without `{{`", scope=scope)


RULE = Rule("templated-annotation", Severity.ERROR, Scope.ENVIRONMENT, page=__doc__, check=check)
