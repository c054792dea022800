"""Judges the stores of an environment: which are used, their addresses, settings and objects in the cluster."""

from functools import cache

from compiler.model.document import Node, Related
from compiler.model.environment import Environment, Store
from compiler.model.provider import Provider
from compiler.model.store import Sameness, compare_stores, parse_address
from compiler.rules.api import ENVIRONMENT, ERROR, WARNING, Finding, Findings, places_below, rule, store_finding
from compiler.stores.registry import PROVIDERS, suggest_store
from compiler.text.credential import looks_like_credential
from compiler.text.wording import list_names, quote, typing_mistake


@rule("unknown-store", ERROR, ENVIRONMENT)
def find_unknown_store(environment: Environment) -> Findings:
    if environment.damaged:
        return
    for place, scope in places_below(environment.root, "secrets"):
        node = place.children.get("store")
        if node is not None:
            yield from _judge_store_name(environment, node, scope)
    node = environment.root.get("moves", "to")
    if node is not None:
        yield from _judge_store_name(environment, node, ())


def _judge_store_name(environment: Environment, node: Node, scope: tuple[str, ...]) -> Findings:
    word, known = node.value, environment.root.members_at("stores")
    if not isinstance(word, str) or word in known:
        return
    by_name = [store_id for store_id, store in known.items() if store.text("name") == word]
    if by_name:
        message = f"{quote(word)} is the name of a store in the cluster, not the id of one here"
        yield Finding(message, node, help=f'write its id, "{by_name[0]}"', scope=scope)
        return
    stores = environment.root.get("stores")
    removed = stores.removed.get(word) if stores is not None else None
    providers = {store_id: store.text("provider") for store_id, store in known.items()}
    yield Finding(
        f"no store has the id {quote(word)}",
        node,
        help=(suggest_store(word, providers) if known else None) or _way_to_add_store(word),
        related=(Related("removed here", removed.span),) if removed is not None else (),
        scope=scope,
    )


def _way_to_add_store(word: str) -> str:
    if looks_like_credential(word):
        return "describe it under `stores:`"
    return f"describe it: `stores: {{{word}: {{provider: vault, name: vault-secret-store, server: https://HOST}}}}`"


@rule("unreachable-store", ERROR, ENVIRONMENT)
def find_unreachable_store(environment: Environment) -> Findings:
    if environment.damaged or all(store.address for store in environment.stores.values()):
        return
    for store in environment.stores_in_use():
        if store.address:
            continue
        reader = next(secret for secret in environment.secrets.values() if secret.store is store)
        related: tuple[Related, ...] = ()
        if reader.store_node is not None:
            related = (Related(f'"{reader.id}" is read from it by this', reader.store_node.span),)
        provider = store.provider
        way_out = f"add `{provider.address}: {provider.example}`"
        if provider.variable:
            way_out += f", or set {provider.variable}"
        message = f'has no "{provider.address}", but environment "{environment.name}" reads from it'
        yield store_finding(store, store.node.key_span, message, way_out, related)


@rule("duplicate-store-name", ERROR, ENVIRONMENT)
def find_duplicate_store_name(environment: Environment) -> Findings:
    seen: dict[tuple[str, str], Store] = {}
    for store in environment.stores.values():
        first = seen.setdefault((store.kind, store.name), store)
        if first is store or not store.name:
            continue
        if _differ(first, store):
            problem = "are the same object in the cluster, but differ"
        elif first.rendered and store.rendered:
            problem = "would be rendered as the same object"
        else:
            continue
        yield Finding(
            f'the stores "{store.id}" and "{first.id}" {problem}: {store.kind} {quote(store.name)}',
            store.node.nearest("name"),
            help="give each its own `name`",
            related=(Related(f'the name of "{first.id}"', first.node.nearest("name").span),),
            scope=("stores", store.id),
        )


def _differ(first: Store, second: Store) -> bool:
    one, other = first.identity._replace(has_namespaces=True), second.identity
    # An address that is missing may be that of the other.
    server = one.server or other.server or ""
    one, other = (each._replace(server=each.server or server) for each in (one, other))
    return compare_stores(one, other) is not Sameness.SAME


@rule("invalid-address", ERROR, ENVIRONMENT)
def find_invalid_address(environment: Environment) -> Findings:
    for store in environment.stores.values():
        for setting, text in store.addresses:
            if store.provider.is_plain(text):
                continue
            problem = _address_problem(store, text)
            if problem is not None:
                node = store.node.nearest(setting)
                message, way_out = problem
                # Whatever is wrong with it, there may be a password in it.
                conceals = (node.span,) if "@" in text or "?" in text or "#" in text else ()
                subject = f'the address of the store "{store.id}" {message}'
                way_out = way_out or f"write it as {store.provider.url_meant(text, store.node.text)}"
                yield Finding(subject, node, help=way_out, conceals=conceals, scope=("stores", store.id))


def _address_problem(store: Store, text: str) -> tuple[str, str | None] | None:
    """The mistake, as the end of a sentence, and the way out where it is not to write the URL that is meant."""
    address = parse_address(text)
    if address is None:
        return "is not an http or https URL with a host", typing_mistake(text)
    if address.extra:
        return f"has {'a user name or password' if 'user' in address.extra else f'a {address.extra[0]}'} in it", None
    return store.provider.address_problem(address)


@rule("unseparated-prefix", WARNING, ENVIRONMENT, waivable=True)
def find_unseparated_prefix(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if store.prefix and not store.prefix.endswith(("/", "-", "_", ".")):
            yield Finding(
                f"the prefix {quote(store.prefix)} does not end in a separator",
                store.node.nearest("prefix"),
                help=f"write {quote(store.prefix + store.provider.separator)}",
                scope=("stores", store.id),
            )


_ADDRESSES = frozenset(provider.address for provider in PROVIDERS.values())
RENDERED_ONLY = ("auth", "conditions", "caProvider")


@rule("unused-setting", WARNING, ENVIRONMENT, waivable=True)
def find_unused_setting(environment: Environment) -> Findings:
    own_source = environment.document.source
    for store in environment.stores.values():
        settings = store.node.children
        foreign = _foreign_settings(store.provider)
        for name in foreign:
            if name in settings:
                way_out = f'use "{store.provider.address}" instead' if name in _ADDRESSES else "remove it"
                yield _setting_finding(store, name, f'"{name}" is not a setting of a {store.provider.title}', way_out)
        for name in RENDERED_ONLY:
            node = settings.get(name)
            if node is None or name in foreign or node.source is not own_source:
                continue
            if not store.rendered:
                message = f'"{name}" has no effect, as the store "{store.id}" is not rendered'
                yield _setting_finding(store, name, message, "add `render: true`, or remove it")
            elif name == "caProvider" and "caBundle" in settings:
                yield _setting_finding(store, name, '"caProvider" has no effect beside "caBundle"', "keep one of them")
            elif name == "conditions" and store.kind != "ClusterSecretStore":
                yield _setting_finding(store, name, f'"{name}" has no effect on a {store.kind}', "remove it")


@cache
def _foreign_settings(provider: Provider) -> tuple[str, ...]:
    """The settings that other providers have and this one has not; of an unknown provider, none is."""
    others = (name for each in PROVIDERS.values() for name in each.settings if name not in provider.settings)
    return tuple(dict.fromkeys(others)) if provider.settings else ()


def _setting_finding(store: Store, name: str, message: str, way_out: str) -> Finding:
    return Finding(message, store.node.nearest(name).key_span, help=way_out, scope=("stores", store.id))


_ACCOUNT = ("name",)
_SECRET_KEY = ("name", "key")
_REFERENCES = (_ACCOUNT, _SECRET_KEY)


@rule("incomplete-auth", ERROR, ENVIRONMENT)
def find_incomplete_auth(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if store.rendered and not environment.damaged:
            yield from _judge_auth(store, environment.root.text("namespace"))


def _judge_auth(store: Store, namespace: str | None) -> Findings:
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
            yield from _judge_log_in(store, way, node, namespace)
        else:
            message = f'has the authentication method "{way}" of another provider'
            yield store_finding(store, node.key_span, message, f"use one of {list_names(ways)}")
    ca = store.node.get("caProvider")
    if ca is not None and "caProvider" in store.provider.settings:
        yield from _require_fields(store, "caProvider", ca, ("type", "name", "key"))
        yield from _judge_namespace(store, "caProvider", ca, namespace)


def _judge_log_in(store: Store, way: str, node: Node, namespace: str | None) -> Findings:
    log_in = store.provider.log_ins[way]
    for part, fields in log_in.parts.items():
        title = f"{way}.{part}" if part else way
        holder = node.get(part) if part else node
        if holder is None:
            yield store_finding(store, node.key_span, f'lacks "{title}"', f"add {list_names(fields)} to `{title}`")
            continue
        yield from _require_fields(store, title, holder, fields)
        if fields in _REFERENCES:
            yield from _judge_namespace(store, title, holder, namespace)
    for name in log_in.needs:
        if name not in store.node.children:
            message = f'lacks "{name}", which {log_in.title} needs'
            yield store_finding(store, store.node.key_span, message, f"add `{name}` to the store")


def _require_fields(store: Store, title: str, node: Node, fields: tuple[str, ...]) -> Findings:
    missing = [name for name in fields if name not in node.children]
    if missing:
        yield store_finding(store, node.key_span, f"lacks {list_names(missing)} in `{title}`", f"add it to `{title}`")


def _judge_namespace(store: Store, title: str, node: Node, namespace: str | None) -> Findings:
    written = node.get("namespace")
    if store.kind == "ClusterSecretStore":
        if written is None:
            message = f'lacks "namespace" in `{title}`, which a ClusterSecretStore needs'
            yield store_finding(store, node.key_span, message, f"add it to `{title}`")
    elif written is not None and written.value != namespace:
        message = f"is a SecretStore, so `{title}` cannot name another namespace"
        yield store_finding(store, written, message, "remove it, or make the store a ClusterSecretStore")


@rule("open-cluster-store", ERROR, ENVIRONMENT)
def find_open_cluster_store(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if not store.rendered or store.kind != "ClusterSecretStore" or environment.damaged:
            continue
        conditions = store.node.nearest("conditions", "namespaces")
        if not conditions.items:
            namespace = environment.root.text("namespace") or "NAMESPACE"
            way_out = f"add `conditions: {{namespaces: [{namespace}]}}` to it"
            yield store_finding(store, conditions.key_span, "is open to every namespace", way_out)


@rule("unserved-namespace", ERROR, ENVIRONMENT)
def find_unserved_namespace(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if not store.rendered:
            continue
        served = _namespaces_of(store, environment)
        for secret in environment.secrets.values() if served else ():
            if secret.store is store and secret.namespace is not None and secret.namespace not in served:
                if store.kind == "ClusterSecretStore":
                    way_out = f'add {quote(secret.namespace)} to `conditions.namespaces` of "{store.id}"'
                else:
                    way_out = "make the store a ClusterSecretStore, or move the secret to the store's namespace"
                yield Finding(
                    f'the store "{store.id}" does not serve {quote(secret.namespace)}, the namespace of "{secret.id}"',
                    secret.node.get("namespace") or environment.root.nearest("namespace"),
                    help=way_out,
                    related=(Related("the store", store.node.nearest("conditions", "namespaces").key_span),),
                    scope=("secrets", secret.id),
                )


def _namespaces_of(store: Store, environment: Environment) -> set[str]:
    """The namespaces the store serves; none at all where another rule finds that open."""
    if store.kind == "ClusterSecretStore":
        return {str(item.value) for item in store.node.nearest("conditions", "namespaces").items}
    namespace = environment.root.text("namespace")
    return {namespace} if namespace else set()
