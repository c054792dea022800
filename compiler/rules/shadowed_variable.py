"""Two Secrets that one pod mounts define the same environment variable.

A CAIPE agent mounts the shared LLM Secret first and its own second, so on a shared name the agent's value silently
wins. With Bedrock as the LLM and the AWS agent, `AWS_ACCESS_KEY_ID` is in both: the agent's pod calls Bedrock with
the credentials of the AWS agent.

    secrets:
      global: {use: [aws-bedrock]}
      aws: {}

Use another variant of one of them, leave one out, or, where both hold the same credentials on purpose, waive it:

    secrets:
      global: {use: [aws-bedrock]}
      aws:
        waive: {shadowed-variable: one IAM user serves Bedrock and the agent}

Keys that read the same place are not reported. `compile` goes by `mountedBy` in the catalogue; `consumers` finds the
same for what pods really mount, and whatever else hides a key there.
"""

from compiler.model import group_pairs
from compiler.model.environment import Environment, Secret
from compiler.rules.api import ENVIRONMENT, WARNING, Finding, Findings, Related, list_names, rule, waiver

_LLM = "llm"
# The components of CAIPE's chart that do not mount the LLM's Secret before their own.
_WITHOUT_LLM = frozenset(
    {
        "agentgateway",
        "audit-service",
        "autonomous-agents",
        "caipe-ui",
        "dynamic-agents",
        "github-mcp-server",
        "keycloak",
        "litellm-mcp",
        "mcp-scheduler",
        "mongodb",
        "openfga",
        "openfga-authz-bridge",
        "scheduler",
        "skill-scanner",
        "slack-bot",
        "webex-bot",
    }
)


@rule("shadowed-variable", WARNING, ENVIRONMENT, waivable=True)
def check(environment: Environment) -> Findings:
    mounted = group_pairs([(by, each) for each in environment.secrets.values() for by in each.entry.mounted_by])
    shared = mounted.pop(_LLM, [])
    shared_names = {name for secret in shared for name in secret.target_keys}
    for component, own in mounted.items():
        first = [] if component in _WITHOUT_LLM else shared
        if len(own) > 1 or (first and any(name in shared_names for name in own[0].target_keys)):
            yield from _of_pod(component, first, own)


def _of_pod(component: str, shared: list[Secret], own: list[Secret]) -> Findings:
    """The findings for pods that mount `shared` and then `own`; a later one hides the earlier ones' keys."""
    seen: dict[str, Secret] = {}
    for position, secret in enumerate((*shared, *own)):
        hidden: dict[Secret, list[str]] = {}
        for name in secret.target_keys:
            first = seen.get(name, secret)
            if first is not secret and not _same_value(first, secret, name):
                hidden.setdefault(first, []).append(name)
            seen[name] = secret
        # Two shared Secrets hide one another in every pod, not in this component's alone.
        for first, keys in hidden.items() if position >= len(shared) else ():
            yield _finding(component, first, secret, keys)


def _same_value(first: Secret, second: Secret, name: str) -> bool:
    one, other = first.source_key(name), second.source_key(name)
    places = [key.place if key is not None else None for key in (one, other)]
    return first.store is second.store and places[0] == places[1] is not None


def _finding(component: str, first: Secret, second: Secret, names: list[str]) -> Finding:
    return Finding(
        f'in the pods of "{component}", "{second.id}" overrides {list_names(names)} of "{first.id}"',
        second.node.key_span,
        help=f"choose other variants, or remove one of the two; {waiver('shadowed-variable', second.id)}",
        related=(Related(f'"{first.id}" has it here', first.entry.target_nodes[names[0]].key_span),),
        scope=("secrets", second.id),
    )
