"""A rendered store's `auth` is missing or incomplete.

A store that the chart renders needs exactly one authentication method, of its own provider, with all its fields. A
ClusterSecretStore belongs to no namespace, so each ServiceAccount, Secret and certificate it refers to needs one:
without it External Secrets Operator looks in the namespace of each ExternalSecret. A SecretStore may refer to its own
namespace only. Most such objects are accepted all the same, and every secret read from them fails.

    stores:
      vault:
        render: true
        auth: {kubernetes: {role: external-secrets, serviceAccount: {name: external-secrets}}}

Complete it:

    stores:
      vault:
        render: true
        auth:
          kubernetes:
            role: external-secrets
            serviceAccount: {name: external-secrets, namespace: external-secrets, audiences: [vault]}

Vault logs in by `token` (name, key), `kubernetes` (role, serviceAccount), `appRole` (roleId, secretId) or `jwt`
(role, serviceAccount); Key Vault by `workloadIdentity` (serviceAccount), `managedIdentity` or `servicePrincipal`
(clientId, clientSecret, and `tenantId` of the store).
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Findings, Node, Store, list_names, rule, store_finding

_ACCOUNT = ("name",)
_SECRET_KEY = ("name", "key")
_REFERENCES = (_ACCOUNT, _SECRET_KEY)


@rule("incomplete-auth", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if store.rendered and not environment.damaged:
            yield from _judge(store, environment.root.text("namespace"))


def _judge(store: Store, namespace: str | None) -> Findings:
    ways = store.provider.log_ins
    auth = store.node.get("auth")
    chosen = store.node.members_at("auth")
    if auth is None or not chosen:
        at = auth.key_span if auth is not None else store.node.key_span
        yield store_finding(store, at, "has no authentication method", f"add one of {list_names(ways)} under `auth`")
    elif len(chosen) > 1:
        message = f"has {len(chosen)} authentication methods: {list_names(chosen)}"
        yield store_finding(store, auth.key_span, message, "keep one; `null` removes what a lower layer set")
    else:
        way, node = next(iter(chosen.items()))
        if way in ways:
            yield from _way(store, way, node, namespace)
        else:
            message = f'has the authentication method "{way}" of another provider'
            yield store_finding(store, node.key_span, message, f"use one of {list_names(ways)}")
    ca = store.node.get("caProvider")
    if ca is not None and "caProvider" in store.provider.settings:
        yield from _fields(store, "caProvider", ca, ("type", "name", "key"))
        yield from _namespace(store, "caProvider", ca, namespace)


def _way(store: Store, way: str, node: Node, namespace: str | None) -> Findings:
    log_in = store.provider.log_ins[way]
    for part, fields in log_in.parts.items():
        title = f"{way}.{part}" if part else way
        holder = node.get(part) if part else node
        if holder is None:
            yield store_finding(store, node.key_span, f'lacks "{title}"', f"add {list_names(fields)} to `{title}`")
            continue
        yield from _fields(store, title, holder, fields)
        if fields in _REFERENCES:
            yield from _namespace(store, title, holder, namespace)
    for name in log_in.needs:
        if name not in store.node.children:
            message = f'lacks "{name}", which {log_in.title} needs'
            yield store_finding(store, store.node.key_span, message, f"add `{name}` to the store")


def _fields(store: Store, title: str, node: Node, fields: tuple[str, ...]) -> Findings:
    missing = [name for name in fields if name not in node.children]
    if missing:
        yield store_finding(store, node.key_span, f"lacks {list_names(missing)} in `{title}`", f"add it to `{title}`")


def _namespace(store: Store, title: str, node: Node, namespace: str | None) -> Findings:
    written = node.get("namespace")
    if store.kind == "ClusterSecretStore":
        if written is None:
            message = f'lacks "namespace" in `{title}`, which a ClusterSecretStore needs'
            yield store_finding(store, node.key_span, message, f"add it to `{title}`")
    elif written is not None and written.value != namespace:
        message = f"is a SecretStore, so `{title}` cannot name another namespace"
        yield store_finding(store, written, message, "remove it, or make the store a ClusterSecretStore")
