"""Merges layers and resolves them with the catalogue: the store of each secret, and the place of each key.

Every value knows its layer and the values that it overrode. What is missing becomes empty, and a rule reports it.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from compiler.model.document import Diagnostic, Document, Node, Related, Severity, Source, extent
from compiler.model.environment import (
    ALL_KEYS,
    EXTRACT,
    METADATA,
    OWNER,
    PER_KEY,
    RETAIN,
    UNLIMITED,
    Catalogue,
    CatalogueKey,
    Entry,
    Environment,
    KeyRemote,
    Lifetime,
    Origin,
    Secret,
    SecretKey,
    Store,
    lacks_base,
)
from compiler.model.facts import (
    MAX_BYTES,
    MAX_RESOLVED,
    ORDINARY_VALUES,
    PART_OF,
    SECRET_WAVE,
    most_values,
    parse_duration,
)
from compiler.model.store import DEFAULT_MOUNT, place_in, remote_of
from compiler.stores.registry import PROVIDERS, provider_of, suggest_store
from compiler.text.credential import looks_like_credential
from compiler.text.wording import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.model.provider import Provider


# `extends` says which layers are merged; it is no value of the merged environment.
_OUTSIDE_MERGE = "extends"


def merge(layers: Sequence[Document]) -> tuple[Node, tuple[Diagnostic, ...]]:
    """The left fold of `layers`: maps merge, scalars and lists replace, a written null removes.

    A map that meets a scalar or a list is a `layer-conflict`; the lower value is kept so that the run can go on.
    """
    root, diagnostics = None, list[Diagnostic]()
    for layer in layers:
        root = merge_onto(root, layer, diagnostics)
    return root if root is not None else Node({}, layers[0].source, extent(0, 0)), tuple(diagnostics)


def merge_onto(lower: Node | None, layer: Document, diagnostics: list[Diagnostic]) -> Node:
    """One step of the fold: `layer` onto what lies below it. Conflicts are added to `diagnostics`."""
    upper = layer.root
    if _OUTSIDE_MERGE in upper.children:
        members = {key: child for key, child in upper.children.items() if key != _OUTSIDE_MERGE}
        upper = replace(upper, value=members)
    if lower is None:
        # A tree without nulls has nothing to remove, so it may be shared as it is.
        return _merge_maps(replace(upper, value={}), upper, diagnostics) if layer.nulls else upper
    return _merge_maps(lower, upper, diagnostics)


def _merge_maps(lower: Node, upper: Node, diagnostics: list[Diagnostic]) -> Node:
    members = dict(lower.children)
    removed = dict(lower.removed)
    for key, value in upper.children.items():
        below = members.get(key)
        if value.value is None:
            gone = members.pop(key, None)
            removed[key] = _place_over(value, gone) if gone is not None else value
            continue
        if below is None:
            below = removed.pop(key, None)
            fresh = _place_over(value, below) if below is not None else value
            members[key] = _merge_maps(replace(fresh, value={}), value, diagnostics) if _has_null(value) else fresh
        elif isinstance(below.value, dict) and isinstance(value.value, dict):
            members[key] = _merge_maps(below, value, diagnostics)
        elif isinstance(below.value, dict) or isinstance(value.value, dict):
            diagnostics.append(_conflict(key, below, value))
        else:
            members[key] = _place_over(value, below)
    return replace(upper, value=members, removed=removed, overrode=(lower, *lower.overrode))


def _has_null(node: Node) -> bool:
    return isinstance(node.value, dict) and any(
        child.value is None or _has_null(child) for child in node.value.values()
    )


def _place_over(winner: Node, loser: Node) -> Node:
    return replace(winner, overrode=(loser, *loser.overrode))


def _conflict(key: str, below: Node, value: Node) -> Diagnostic:
    return Diagnostic(
        "layer-conflict",
        Severity.ERROR,
        f"{quote(key)} is a map in one layer and not in another",
        value.key_span,
        help="write the same type in both layers",
        related=(Related("the other layer", below.key_span),),
        conceals=tuple(node.span for node in (value, below) if isinstance(node.value, str)),
    )


def catalogue_of(document: Document) -> Catalogue:
    """The entries of a validated catalogue, in the order of the file."""
    entries = {name: _entry(name, node) for name, node in document.root.members_at("secrets").items()}
    known: dict[tuple[str, str], Origin | None] = {}
    for entry in entries.values():
        _link(entry, entries, known)
    origins = {name: holders for name, entry in entries.items() if (holders := _holders(entry))}
    return Catalogue(entries, document, origins)


def _link(entry: Entry, entries: Mapping[str, Entry], known: dict[tuple[str, str], Origin | None]) -> None:
    # An entry is frozen, but here nobody else has seen it: entries that take from one another need each other first.
    keys = cast("dict[str, CatalogueKey]", entry.keys)
    for name, key in entry.keys.items():
        if key.is_taken and (origin := _origin((entry.id, name), entries, known)) is not None:
            keys[name] = replace(
                key,
                description=key.description or origin.key.description,
                lifetime=origin.key.lifetime,
                origin=origin,
            )


def _holders(entry: Entry) -> tuple[Entry, ...]:
    return tuple({key.origin.entry.id: key.origin.entry for key in entry.keys.values() if key.origin}.values())


def _origin(
    at: tuple[str, str], entries: Mapping[str, Entry], known: dict[tuple[str, str], Origin | None]
) -> Origin | None:
    """The end of the chain that begins `at` a key; None where that leads nowhere or in a circle, as rules report."""
    passed: list[tuple[str, str]] = []
    found: Origin | None = None
    while at not in known:
        entry = entries.get(at[0])
        key = entry.keys.get(at[1]) if entry is not None else None
        if entry is None or key is None:
            break
        source = key.source
        if source is None:
            found = Origin(entry, key)
            break
        passed.append(at)
        # A chain that comes here again has no end.
        known[at] = None
        at = source
    else:
        found = known[at]
    known.update(dict.fromkeys(passed, found))
    return found


def _entry(name: str, node: Node) -> Entry:
    common = _lifetime(node, UNLIMITED)
    keys = {key: _key(key, child, common) for key, child in node.members_at("keys").items()}
    wave, extract = node.nearest("syncWave").value, node.get("extract")
    every_key: CatalogueKey | None = None
    if extract is not None and extract.value is True and not keys:
        wholes = dict.fromkeys(PROVIDERS, KeyRemote(whole=True))
        every_key = CatalogueKey(ALL_KEYS, "", (), UNLIMITED, wholes, extract)
    return Entry(
        id=name,
        description=node.text("description") or "",
        target=node.text("target") or "",
        remote={provider: str(child.value) for provider, child in node.members_at("remote").items()},
        sync_wave=wave if isinstance(wave, int) else SECRET_WAVE,
        default_variants=node.texts_at("use") if "use" in node.children else None,
        mounted_by=node.texts_at("mountedBy"),
        keys=keys,
        variants=tuple(dict.fromkeys(variant for key in keys.values() for variant in key.variants)),
        node=node,
        external_secret=node.text("externalSecret") or node.text("target") or "",
        type=node.text("type"),
        template=node.text_map("template", "data"),
        creation_policy=node.text("creationPolicy") or OWNER,
        deletion_policy=node.text("deletionPolicy") or RETAIN,
        extract=extract is not None and extract.value is True,
        every_key=every_key,
        guards=node.nearest("guards").value is True,
    )


def _key(name: str, node: Node, common: Lifetime) -> CatalogueKey:
    return CatalogueKey(
        name=name,
        description=node.text("description") or "",
        variants=node.texts_at("variants"),
        lifetime=_lifetime(node, common),
        remote={provider: _key_remote(child) for provider, child in node.members_at("remote").items()},
        node=node,
    )


# What a key says of the life of its value, by the field that holds it.
_LIFETIME = {
    "rotate": "rotate_days",
    "maxAge": "max_age_days",
    "overlap": "overlap",
    "previousKey": "previous_key",
    "revoke": "revoke",
    "issuer": "issuer",
    "owner": "owner",
}
_MEMBERS_OF_LIFETIME = frozenset({*_LIFETIME, "rotateWith", "generate"})


def _days(text: str | None) -> int | None:
    return int(text.removesuffix("d")) if text is not None else None


def _lifetime(node: Node, common: Lifetime) -> Lifetime:
    """What `node` says of it, and `common` for the rest: that itself where it says nothing."""
    if _MEMBERS_OF_LIFETIME.isdisjoint(node.children):
        return common
    own: dict[str, Any] = {name: text for key, name in _LIFETIME.items() if (text := node.text(key)) is not None}
    for days in own.keys() & {"rotate_days", "max_age_days"}:
        own[days] = _days(own[days])
    if together := node.texts_at("rotateWith"):
        own["rotate_with"] = together
    if (made := node.get("generate")) is not None:
        length = made.get("length")
        own["length"] = length.value if length is not None else common.length
        own["alphabet"] = made.text("alphabet") or common.alphabet
    return replace(common, **own)


def _key_remote(node: Node) -> KeyRemote:
    if isinstance(node.value, str):
        return KeyRemote(name=node.value)
    return KeyRemote(node.text("name"), node.text("property"), node.nearest("whole").value is True)


STORE_OPTION = "--store"
STORE_VARIABLE = "AI_PLATFORM_SECRET_STORE"


class Outside(NamedTuple):
    """What options and variables of this run set."""

    store: str | None = None  # the wanted store, named by `store_origin`
    store_origin: str = STORE_OPTION
    addresses: Mapping[Provider, str] = MappingProxyType({})  # for stores without one


def outside_of(store: str | None, environ: Mapping[str, str], *, variable_counts: bool) -> Outside:
    """`--store` goes before the variable, which counts only where exactly one environment is compiled."""
    given = ((provider, environ.get(provider.variable)) for provider in PROVIDERS.values() if provider.variable)
    addresses = {provider: value for provider, value in given if value}
    if store is not None:
        return Outside(store, STORE_OPTION, addresses)
    wanted = (environ.get(STORE_VARIABLE) or None) if variable_counts else None
    return Outside(wanted, STORE_VARIABLE, addresses)


def outside_layer(root: Node, outside: Outside) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """The layer that goes on top of the merged `root`, or None where nothing new is said.

    An id of a store beats a Kubernetes name. A provider's variable gives the address where none is written; where
    another is written for a store in use, that is `conflicting-vault-url`.
    """
    stores = root.members_at("stores")
    members: dict[str, Node] = {}
    diagnostics: list[Diagnostic] = []
    if (wanted := outside.store) is not None:
        by_name = (store_id for store_id, store in stores.items() if store.text("name") == wanted)
        chosen = wanted if wanted in stores else next(by_name, None)
        if chosen is None:
            message = f"{outside.store_origin} names the store {quote(wanted)}, which the environment does not have"
            help_text = suggest_store(wanted, {store_id: store.text("provider") for store_id, store in stores.items()})
            span = _leaf(outside.store_origin, wanted).span
            diagnostics.append(Diagnostic("unknown-store", Severity.ERROR, message, span, help=help_text))
        else:
            members["store"] = _leaf(outside.store_origin, chosen)
    for provider, value in outside.addresses.items():
        if looks_like_credential(value):
            message = f"the value of {provider.variable} looks like a credential"
            help_text, span = f"set it to the name of a {provider.title}", _leaf(provider.variable, value).span
            found = Diagnostic("secret-in-config", Severity.ERROR, message, span, help=help_text, conceals=(span,))
            diagnostics.append(found)
        else:
            _fill(root, provider, value, members, diagnostics)
    if not members:
        return None, tuple(diagnostics)
    top = Node(members, Source(outside.store_origin), extent(0, 0))
    return Document(top.source, top), tuple(diagnostics)


def _fill(root: Node, provider: Provider, value: str, members: dict[str, Node], diagnostics: list[Diagnostic]) -> None:
    stores = root.members_at("stores")
    source = Source(provider.variable)
    chosen = members.get("store") or root.get("store")
    used = {chosen.value} if chosen is not None else set()
    used |= {node.text("store") for node in root.members_at("secrets").values()}
    filled: dict[str, Node] = {}
    problem = provider.value_problem(value)
    for store_id, node in stores.items():
        if provider_of(node.text("provider")) is not provider:
            continue
        url = provider.url_of(value if problem is None else "NAME", node.text)
        written = node.get(provider.address)
        if problem is not None and (written is None or store_id in used):
            message, span = f"{provider.variable} {problem[0]}", _leaf(provider.variable, value).span
            found = Diagnostic("invalid-address", Severity.ERROR, message, span, help=problem[1], conceals=(span,))
            diagnostics.append(found)
        if written is None:
            filled[store_id] = Node({provider.address: _leaf(provider.variable, url)}, source, extent(0, 0))
        elif problem is None and store_id in used and not provider.is_one_server(str(written.value), url):
            message = f"{provider.variable} names another vault than this"
            help_text = f"unset {provider.variable}, or correct {provider.address}"
            found = Diagnostic("conflicting-vault-url", Severity.ERROR, message, written.span, help=help_text)
            diagnostics.append(found)
    if filled:
        others = members["stores"].children if "stores" in members else {}
        members["stores"] = Node({**others, **filled}, source, extent(0, 0))


def _leaf(origin: str, value: str) -> Node:
    source = Source(origin, value)
    return Node(value, source, extent(0, len(value)))


_DEFAULT_KIND = "ClusterSecretStore"
_TEXTS = METADATA.keys()
# What each costs, in labels: a secret has its name, its store and the like, a key has a place in each store.
_VALUES_A_SECRET, _VALUES_A_STORE, _VALUES_A_KEY, _VALUES_UNUSED = 10, 10, 4, 4
FEWER = "name fewer environments on the command line, or split the project"
# So many characters of a long text cost as much as one more value.
_CHARACTERS_A_VALUE = 100


class Resolver:
    """Resolves the environments of one run. The places that many of them read are resolved once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._keys: dict[tuple[object, ...], tuple[SecretKey, ...]] = {}
        self._left = MAX_RESOLVED
        self._largest = (0, "")

    def excess(self, name: str, root: Node) -> Diagnostic | None:
        """The limit that the environment `name` with the tree `root`, or the run with it, exceeds; None for most.

        Asked before anything is built: 3,000 annotations of 3,000 secrets are half a megabyte of input, and gigabytes
        of values; so are 30 kilobytes that hundreds of small environments share.
        """
        count, most = self._count(root), most_values(MAX_BYTES)
        self._left -= max(0, count - ORDINARY_VALUES)
        self._largest = max(self._largest, (count, name), key=lambda each: each[0])
        if count > most:
            what = f"{quote(name)} resolves to {count} values, and an environment may have {most}"
            way_out = "split it into several"
        elif self.is_full:
            largest, of_largest = self._largest[::-1]
            what = f"the environments up to {quote(name)} resolve to more than {MAX_RESOLVED} values"
            what += f"; the largest is {quote(largest)}, with {of_largest}"
            way_out = FEWER
        else:
            return None
        return Diagnostic("too-large", Severity.ERROR, what, root.nearest("secrets").key_span, help=way_out)

    @property
    def is_full(self) -> bool:
        """Whether the run may resolve no further environment."""
        return self._left < 0

    def _count(self, root: Node) -> int:
        """What the environment's secrets and stores cost, in values; what they share costs as much for each."""
        shared = {name: _costs(root.children[name]) for name in _TEXTS if name in root.children}
        # `labels` are the Secret's too.
        shared_count = sum(sum(costs.values()) * (1 + (name == "labels")) for name, costs in shared.items())
        stores = len(root.members_at("stores"))
        count, of_key = _VALUES_A_STORE * stores, max(_VALUES_A_KEY, stores)
        for secret_id, node in root.members_at("secrets").items():
            entry = self._catalogue.entries.get(secret_id)
            if entry is None or node.nearest("enabled").value is False:
                count += _VALUES_UNUSED
                continue
            count += _VALUES_A_SECRET + shared_count + of_key * len(entry.keys)
            count += sum(_cost(key, text) for key, text in entry.template.items())
            for name in _TEXTS & node.children.keys():
                known = shared.get(name, {})
                own = sum(cost - (text in known) for text, cost in _costs(node.children[name]).items())
                count += own * (1 + (name == "labels"))
        return count

    def environment(self, name: str, root: Node, layers: Sequence[Document]) -> Environment:
        """The environment `name`, as far as `root` allows: unknown secrets are left out, unknown stores are None."""
        stores = {store_id: store_of(store_id, node, name) for store_id, node in root.members_at("stores").items()}
        top, listed = root.children, root.get("secrets")
        texts = {name: root.text_map(name) for name in _TEXTS}
        secrets: dict[str, Secret] = {}
        disabled: list[str] = []
        for secret_id, node in root.members_at("secrets").items():
            if node.nearest("enabled").value is False:
                disabled.append(secret_id)
            elif secret_id in self._catalogue.entries:
                entry = self._catalogue.entries[secret_id]
                secrets[secret_id] = self._secret(entry, node, top, texts, stores, listed)
        return Environment(
            name=name,
            root=root,
            layers=tuple(layers),
            catalogue=self._catalogue,
            stores=stores,
            default_store=stores.get(root.text("store") or ""),
            secrets=secrets,
            disabled=tuple(disabled),
            operator=root.text("externalSecretsOperator"),
            part_of=root.text("partOf") or PART_OF,
            subchart=root.text("subchart"),
            damaged=any(each.damaged for each in (*layers, self._catalogue.document)) or lacks_base(layers),
        )

    def _secret(
        self,
        entry: Entry,
        node: Node,
        top: Mapping[str, Node],
        texts: Mapping[str, Mapping[str, str]],
        stores: Mapping[str, Store],
        listed: Node | None,
    ) -> Secret:
        own = node.children
        store_node = own.get("store") or top.get("store")
        store = stores.get(_text(store_node) or "")
        refresh_node = own.get("refreshInterval") or top.get("refreshInterval")
        variants = self._variants(entry, own.get("use"))
        remote = remote_of(entry, store.provider.id, node) if store is not None else None
        labels = _over(texts["labels"], own.get("labels"))
        secret_labels = _over(texts["secretLabels"], own.get("secretLabels"))
        return Secret(
            id=entry.id,
            entry=entry,
            store=store,
            store_node=store_node,
            namespace=_text(own.get("namespace") or top.get("namespace")),
            refresh=parse_duration(_text(refresh_node) or ""),
            refresh_node=refresh_node,
            fetch=EXTRACT if entry.extract else _text(own.get("fetch") or top.get("fetch")) or PER_KEY,
            remote=store.prefix + remote if store is not None and remote is not None else None,
            labels=labels,
            annotations=_over(texts["annotations"], own.get("annotations")),
            secret_labels={**labels, **secret_labels} if secret_labels else labels,
            secret_annotations=_over(texts["secretAnnotations"], own.get("secretAnnotations")),
            variants=variants,
            keys=self._secret_keys(entry, variants, store, remote, listed) if store is not None else (),
            node=node,
        )

    @staticmethod
    def _variants(entry: Entry, use: Node | None) -> tuple[str, ...]:
        if use is not None:
            known = frozenset(entry.variants)
            return tuple(name for name in use.texts_at() if name in known)
        return entry.variants if entry.default_variants is None else entry.default_variants

    def _secret_keys(
        self, entry: Entry, variants: tuple[str, ...], store: Store, remote: str | None, listed: Node | None
    ) -> tuple[SecretKey, ...]:
        cached: tuple[object, ...] = (entry.id, variants, store.provider, remote, store.prefix)
        of_origins: dict[str, tuple[str, ...]] = {}
        for origin in self._catalogue.origins.get(entry.id, ()):
            said = listed.children.get(origin.id) if listed is not None else None
            of_origins[origin.id] = self._variants(origin, said.children.get("use") if said is not None else None)
            cached += (of_origins[origin.id], remote_of(origin, store.provider.id, said))
        keys = self._keys.get(cached)
        if keys is None:
            keys = self._keys[cached] = tuple(
                SecretKey(key, place_in(store, entry, key, listed)) for key in entry.keys_of(variants, of_origins)
            )
        return keys


def store_of(store_id: str, node: Node, environment: str = "") -> Store:
    """The store that the merged mapping `node` describes; what it leaves out has its default or is None."""
    provider = provider_of(node.text("provider"))

    def own(setting: str) -> str | None:
        return node.text(setting) if setting in provider.settings else None

    return Store(
        id=store_id,
        provider=provider,
        name=node.text("name") or "",
        kind=node.text("kind") or _DEFAULT_KIND,
        prefix=node.text("prefix") or "",
        address=own(provider.address),
        mount=(node.text("mount") or DEFAULT_MOUNT) if provider.has_mounts else "",
        vault_namespace=own("vaultNamespace"),
        rendered=node.nearest("render").value is True,
        node=node,
        reachable_at=own("reachableAt"),
        cluster_id=own("clusterId"),
        requires_expiry="requireExpiry" in provider.settings and node.nearest("requireExpiry").value is True,
        longest_validity=_days(own("maxValidity")),
        shortest_validity=_days(own("minValidity")),
        environment=environment,
    )


def _costs(texts: Node) -> dict[str, int]:
    return {name: _cost(name, str(text.value)) for name, text in texts.children.items()}


def _cost(name: str, text: str) -> int:
    return 1 + (len(name) + len(text)) // _CHARACTERS_A_VALUE


def _text(node: Node | None) -> str | None:
    return node.value if node is not None and isinstance(node.value, str) else None


def _over(shared: Mapping[str, str], own: Node | None) -> Mapping[str, str]:
    return shared if own is None else {**shared, **own.text_map()}
