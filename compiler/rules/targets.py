"""Judges the Kubernetes Secrets that are made: names, keys, types and policies, and pods that mount two of them."""

from collections.abc import Collection

from compiler.model.document import Related
from compiler.model.environment import DELETE, ORPHAN, Catalogue, CatalogueKey, Entry, Environment, Secret
from compiler.model.store import Place, place_of
from compiler.rules.api import CATALOGUE, ENVIRONMENT, ERROR, WARNING, Finding, Findings, rule, waiver
from compiler.stores.registry import PROVIDERS
from compiler.text.wording import list_names, quote


@rule("duplicate-target", ERROR, ENVIRONMENT)
def find_duplicate_target(environment: Environment) -> Findings:
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


@rule("duplicate-target-key", WARNING, CATALOGUE, waivable=True)
def find_duplicate_target_key(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        yield from _same_but_for_case(entry)
        if any(key.remote for key in entry.keys.values()):
            yield from _same_place(entry)


def _same_but_for_case(entry: Entry) -> Findings:
    seen: dict[str, CatalogueKey] = {}
    for key in entry.keys.values():
        first = seen.setdefault(key.name.casefold(), key)
        if first is not key and _may_meet(first, key):
            yield Finding(
                f"{quote(key.name)} and {quote(first.name)} differ only in case",
                key.node.key_span,
                help="remove one of them, or rename it",
                related=(Related("the other key", first.node.key_span),),
                scope=("secrets", entry.id),
            )


def _same_place(entry: Entry) -> Findings:
    for provider in PROVIDERS:
        seen: dict[Place, CatalogueKey] = {}
        for key in entry.keys.values():
            if key.is_taken:
                continue
            place = place_of(key, provider, entry.remote.get(provider), "")
            first = seen.setdefault(place, key) if place is not None else key
            if first is not key and _may_meet(first, key):
                yield Finding(
                    f"{quote(key.name)} and {quote(first.name)} read the same value of `{provider}`",
                    key.node.get("remote", provider) or key.node.key_span,
                    help=f"give each its own `name` or `property`; for one value under two names: "
                    f"`{key.name}: {{from: {entry.id}/{first.name}}}`",
                    related=(Related("the other key", first.node.key_span),),
                    scope=("secrets", entry.id),
                )


def _may_meet(one: CatalogueKey, other: CatalogueKey) -> bool:
    return not one.variants or not other.variants or not set(one.variants).isdisjoint(other.variants)


@rule("empty-secret", ERROR, ENVIRONMENT)
def find_empty_secret(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        # Without a store nothing was looked up, and that store is another rule's.
        if secret.keys or secret.store is None or environment.damaged:
            continue
        use = secret.node.get("use")
        # With a misspelt variant the way out is to mend that.
        if use is not None and any(item.value not in secret.entry.variants for item in use.items):
            continue
        if secret.entry.variants:
            way_out = f"choose a variant with `use`: {list_names(secret.entry.variants)}; or write `enabled: false`"
        elif holders := environment.catalogue.origins.get(secret.id):
            others = list_names(holder.id for holder in holders)
            way_out = f"its keys come with the variants of {others}: choose one there with `use`"
            way_out += ", or write `enabled: false` here"
        else:
            way_out = "add a key to it in the catalogue, or write `enabled: false`"
        yield Finding(
            f'"{secret.id}" has no key in environment "{environment.name}"',
            use if use is not None else secret.node.key_span,
            help=way_out,
            scope=("secrets", secret.id),
        )


# As the API server validates a Secret; of `basic-auth` one is enough.
_BASIC = "kubernetes.io/basic-auth"
KEYS_OF_TYPES = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    _BASIC: ("username", "password"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
# The operator would let whoever may write an ExternalSecret make a log-in to the cluster.
_REFUSED = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})


def find_incomplete_type_in_catalogue(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        if entry.type in _REFUSED:
            message = f"External Secrets Operator makes no Secret of the type {quote(entry.type)}"
            way_out = "have the cluster make it; leave it out here"
            yield Finding(message, entry.node.nearest("type"), help=way_out, scope=("secrets", entry.id))
        elif lacking := _keys_it_lacks(entry, entry.target_nodes):
            yield _type_finding(entry, lacking, "", f"add {list_names(lacking)} to `keys` or `template.data`")


@rule("incomplete-type", ERROR, ENVIRONMENT, catalogue_check=find_incomplete_type_in_catalogue)
def find_incomplete_type(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        if secret.entry.type not in KEYS_OF_TYPES or secret.store is None:
            continue
        lacking = [key for key in _keys_it_lacks(secret.entry, secret.target_keys) if key in secret.entry.target_nodes]
        if lacking:
            way_out = f"{list_names(lacking)} belongs to a variant: add it to `use:`"
            yield _type_finding(secret.entry, lacking, f" in {environment.name}", way_out)


def _keys_it_lacks(entry: Entry, made: Collection[str]) -> tuple[str, ...]:
    wanted = KEYS_OF_TYPES.get(entry.type or "", ())
    lacking = tuple(key for key in wanted if key not in made)
    return () if entry.type == _BASIC and len(lacking) < len(wanted) else lacking


def _type_finding(entry: Entry, lacking: Collection[str], where: str, way_out: str) -> Finding:
    wanted = f"which the type {quote(entry.type or '')} needs"
    message = f"the Secret of {quote(entry.id)} lacks {list_names(lacking)}{where}, {wanted}"
    return Finding(message, entry.node.nearest("type"), help=way_out, scope=("secrets", entry.id))


@rule("contradictory-policy", ERROR, CATALOGUE)
def find_contradictory_policy(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        if entry.deletion_policy == DELETE and entry.creation_policy == ORPHAN:
            yield Finding(
                f"the operator does not own the Secret of {quote(entry.id)}, and so may not delete it",
                entry.node.nearest("deletionPolicy"),
                help="leave out `creationPolicy`, so that it owns the Secret, or `deletionPolicy`, so that it keeps it",
                related=(Related("the other policy", entry.node.nearest("creationPolicy").span),),
                scope=("secrets", entry.id),
            )


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
def find_shadowed_variable(environment: Environment) -> Findings:
    mounted: dict[str, list[Secret]] = {}
    for secret in environment.secrets.values():
        for component in secret.entry.mounted_by:
            mounted.setdefault(component, []).append(secret)
    shared = mounted.pop(_LLM, [])
    shared_names = {name for secret in shared for name in secret.target_keys}
    for component, own in mounted.items():
        first = [] if component in _WITHOUT_LLM else shared
        if len(own) > 1 or (first and any(name in shared_names for name in own[0].target_keys)):
            yield from _find_shadowed_in_pod(component, first, own)


def _find_shadowed_in_pod(component: str, shared: list[Secret], own: list[Secret]) -> Findings:
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
            yield _variable_finding(component, first, secret, keys)


def _same_value(first: Secret, second: Secret, name: str) -> bool:
    one, other = first.source_key(name), second.source_key(name)
    places = [key.place if key is not None else None for key in (one, other)]
    return first.store is second.store and places[0] == places[1] is not None


def _variable_finding(component: str, first: Secret, second: Secret, names: list[str]) -> Finding:
    return Finding(
        f'in the pods of "{component}", "{second.id}" overrides {list_names(names)} of "{first.id}"',
        second.node.key_span,
        help=f"choose other variants, or remove one of the two; {waiver('shadowed-variable', second.id)}",
        related=(Related(f'"{first.id}" has it here', first.entry.target_nodes[names[0]].key_span),),
        scope=("secrets", second.id),
    )
