"""An annotation of a Secret that External Secrets Operator would execute as a template.

The operator runs a Secret's annotations as Go templates, which can use every value of the secret: an annotation could
show a password to anyone who may read metadata, and an invalid template fails the whole ExternalSecret. Annotations of
the ExternalSecret are plain text.

    secretAnnotations: {example.com/token: "{{ .GITHUB_TOKEN }}"}

Write plain text, without `{{`:

    secretAnnotations: {reloader.stakater.com/match: "true"}
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, places_below, quote, rule

_OPENING = "{{"


@rule("templated-annotation", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for node, scope in places_below(environment.root, "secrets"):
        for key, value in node.members_at("secretAnnotations").items():
            if isinstance(value.value, str) and _OPENING in value.value:
                message = f"the Secret's annotation {quote(key)} is a template, which the operator would execute"
                yield Finding(message, value, help="write it without `{{`", scope=scope)
