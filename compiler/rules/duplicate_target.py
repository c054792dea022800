"""Two secrets of one namespace make the same Kubernetes Secret, or have one ExternalSecret.

The two ExternalSecrets would have the same name, so one replaces the other, and pods get half of their keys. With
names of their own (`externalSecret`), the operator refuses the second.

    github: {target: agent-secrets}
    jira: {target: agent-secrets}

Give each its own target; an environment that must never have both leaves one of them out of `secrets`:

    github: {target: agent-github-secrets}
    jira: {target: agent-jira-secrets}
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Related, Secret, quote, rule


@rule("duplicate-target", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    seen: dict[tuple[str | None, str], Secret] = {}
    by_object: dict[tuple[str | None, str], Secret] = {}
    for secret in environment.secrets.values():
        target, name = secret.entry.target, secret.entry.external_secret
        other = by_object.setdefault((secret.namespace, name), secret)
        if other is not secret and name and other.entry.target != target:
            yield Finding(
                f'"{secret.id}" and "{other.id}" are both made by the ExternalSecret {quote(name)}',
                secret.entry.node.get("externalSecret") or secret.entry.node.nearest("target"),
                help="give each its own `externalSecret`, or remove one of them from this environment",
                related=(Related(f'the name of "{other.id}"', other.entry.node.nearest("target").span),),
                scope=("secrets", secret.id),
            )
        first = seen.setdefault((secret.namespace, target), secret)
        if first is not secret and target:
            yield Finding(
                f'"{secret.id}" and "{first.id}" both make the Secret {quote(target)}',
                secret.entry.node.nearest("target"),
                help="give each its own `target`, or remove one of them from this environment",
                related=(Related(f'the target of "{first.id}"', first.entry.node.nearest("target").span),),
                scope=("secrets", secret.id),
            )
