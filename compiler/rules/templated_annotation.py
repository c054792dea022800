"""An annotation of a Secret that External Secrets Operator would execute as a template.

What a Secret's annotations are made of is a Go template to the operator, with every value of the secret at hand: an
annotation could show a password to whoever may read metadata, and one that is no template fails the whole
ExternalSecret. Annotations of the ExternalSecret are plain text.

    secretAnnotations: {example.com/token: "{{ .GITHUB_TOKEN }}"}

Write plain text, without `{{`:

    secretAnnotations: {reloader.stakater.com/match: "true"}
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Node, quoted, rule

_OPENING = "{{"


@rule("templated-annotation", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    root = environment.root
    yield from _judge(root, ())
    secrets = root.children.get("secrets")
    for secret_id, node in secrets.children.items() if secrets is not None else ():
        if node.children:
            yield from _judge(node, ("secrets", secret_id))


def _judge(owner: Node, scope: tuple[str, ...]) -> Findings:
    written = owner.children.get("secretAnnotations")
    for key, value in written.children.items() if written is not None else ():
        if isinstance(value.value, str) and _OPENING in value.value:
            message = f"the Secret's annotation {quoted(key)} is a template, which the operator would execute"
            yield Finding(message, value, help="write it without `{{`", scope=scope)
