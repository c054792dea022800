"""Reads the objects from which an import makes entries: ExternalSecrets and SecretProviderClasses.

Each object is taken whole or refused by line. A template is followed only where it renames keys: other text in one may
be a value, and is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from compiler.imports.found_stores import OPERATOR, STORES, SourceStore, Stores, group_of
from compiler.model.document import Node, Span
from compiler.model.environment import ALL_KEYS, DELETE, ORPHAN, OWNER, RETAIN
from compiler.model.facts import ANNOTATION, parse_duration
from compiler.model.provider import InvalidReferenceError, UnprovenReferenceError
from compiler.model.values import CHART_LABELS
from compiler.rules.api import Finding
from compiler.rules.incomplete_type import BASIC_AUTH, KEYS_OF_TYPES
from compiler.stages.load import provider_objects
from compiler.stores.registry import provider_called
from compiler.text.go_template import OPENING, TemplateNames, read_template
from compiler.text.wording import quote, shell_line

# The kind whose objects are read in each form.
KINDS: Mapping[str, str] = {"external-secrets": "ExternalSecret", "secret-provider-class": "SecretProviderClass"}
STORE_NAMES = "store"
FORMS = (*KINDS, STORE_NAMES)
# The API groups of the operator, its generators, kubernetes-external-secrets (no longer maintained) and the CSI driver.
_GENERATORS = "generators.external-secrets.io"
_FORMER_OPERATOR, _CSI_DRIVER = "kubernetes-client.io", "secrets-store.csi.x-k8s.io"
_LEAVE = "leave the object as it is, and list its Secret under `madeElsewhere` of the environment"
_RENDER = f"render it first: `{shell_line('kubectl', 'kustomize', 'OVERLAY')}`"
_UNSUPPORTED = {
    "ClusterExternalSecret": "list the secret in each environment, with its namespace",
    "PushSecret": "it writes to a store, which `put` and `migrate` do",
    "ClusterPushSecret": "it writes to a store, which `put` and `migrate` do",
}

_TEMPLATE = ("spec", "target", "template")
# The fields that are read. Of each the values that mean what the chart makes, or the fields below it; None where all is
# read, or nothing counts. An object that says anything else is refused.
_Fields = Mapping[str, "_Fields | tuple[object, ...] | None"]
_METADATA_FIELDS: _Fields = {"labels": None, "annotations": None}
_STORE_FIELDS: _Fields = {"name": None, "kind": None}
_SOURCE_FIELDS: _Fields = {"storeRef": _STORE_FIELDS, "generatorRef": None}
_REFERENCE_FIELDS: _Fields = {
    **dict.fromkeys(("key", "property")),
    "version": (),
    "decodingStrategy": ("None",),
    "metadataPolicy": ("None",),
    "conversionStrategy": ("Default", "Unicode"),
    "nullBytePolicy": ("Ignore",),
}
# Without what would make other keys of the properties.
_EXTRACT_FIELDS: _Fields = {**_REFERENCE_FIELDS, "property": (), "conversionStrategy": ("Default",)}
_OBJECT_FIELDS: _Fields = {
    **dict.fromkeys(
        ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
    ),
    **_METADATA_FIELDS,
    "selfLink": None,
    "finalizers": None,  # set by the operator, which cleans up by it
}
_EXTERNAL_SECRET_FIELDS: _Fields = {
    **dict.fromkeys(("apiVersion", "kind", "status")),
    "metadata": _OBJECT_FIELDS,
    "spec": {
        "refreshInterval": None,
        "refreshPolicy": ("Periodic",),
        "secretStoreRef": _STORE_FIELDS,
        "target": {
            "name": None,
            "creationPolicy": (OWNER, ORPHAN),
            "deletionPolicy": (RETAIN, DELETE, "Merge"),
            "immutable": (False,),
            "manifest": {"kind": ("Secret",), "apiVersion": None},
            "template": {
                **dict.fromkeys(("type", "data")),
                "engineVersion": ("v2",),
                "mergePolicy": ("Replace",),
                "templateFrom": (),
                "metadata": _METADATA_FIELDS,
            },
        },
        "data": {"secretKey": None, "remoteRef": _REFERENCE_FIELDS, "sourceRef": _SOURCE_FIELDS},
        "dataFrom": {"extract": _EXTRACT_FIELDS, "find": None, "rewrite": None, "sourceRef": _SOURCE_FIELDS},
    },
}
_FORMER_FIELDS: _Fields = {
    # How it logs in is the store's affair.
    **dict.fromkeys(("backendType", "keyVaultName", "vaultMountPoint", "vaultRole")),
    "kvVersion": ("2",),
    "type": ("Opaque",),
    **dict.fromkeys(("dataFrom", "dataFromWithOptions"), ()),
    "data": {
        **dict.fromkeys(("name", "key", "property")),
        **dict.fromkeys(("version", "path"), ()),
        **dict.fromkeys(("isBinary", "recursive"), (False,)),
    },
    "template": {**dict.fromkeys(("type", "data", "stringData"), ()), "metadata": _METADATA_FIELDS},
}
_CSI_FIELDS: _Fields = {
    **dict.fromkeys(("secretName", "labels", "annotations")),
    "type": ("Opaque",),
    "data": {"objectName": None, "key": None},
}
# Labels and annotations, or the domains of such, that whatever deploys an object sets, and sets again.
_OF_TOOLS = frozenset(
    {
        *CHART_LABELS,
        "app.kubernetes.io/instance",
        "argocd.argoproj.io/instance",
        "argocd.argoproj.io/tracking-id",
        "force-sync",
        "helm.sh/chart",
        "helm.toolkit.fluxcd.io/",
        "kubectl.kubernetes.io/last-applied-configuration",
        "kustomize.toolkit.fluxcd.io/",
        "meta.helm.sh/",
        "reconcile.external-secrets.io/",
    }
)
_WAVE = re.compile(r"-?[0-9]{1,5}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9]{1,24}")
# `{{ .name }}` or `{{ index . "name" }}`: another name and no other value. A space outside is a part of the value.
_SPACE = r"[ \t\r\n]"
_NAME_IN_DATA = rf"(?:\.([A-Za-z_][A-Za-z0-9_]*)|index{_SPACE}+\.{_SPACE}+\"([A-Za-z0-9._-]+)\")"
_RENAMED = re.compile(
    rf"(?:{_SPACE}*\{{\{{-{_SPACE}|\{{\{{){_SPACE}*{_NAME_IN_DATA}{_SPACE}*(\|{_SPACE}*toString{_SPACE}*)?"
    rf"(?:(?<={_SPACE})-\}}\}}{_SPACE}*|\}}\}})"
)


class FoundKey(NamedTuple):
    """A key of a Secret and its place."""

    name: str
    store: SourceStore
    remote_key: str  # without the mount
    property: str | None  # None: the whole
    at: Span
    is_assumed: bool = False  # the property is taken from the key's name, which the operator may have changed


@dataclass(frozen=True, slots=True, eq=False)
class FoundSecret:
    """A Secret that an object makes, with its labels and annotations."""

    namespace: str
    name: str
    keys: tuple[FoundKey, ...]
    at: Span
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    refresh: str | None = None  # how often its values are read again
    wave: int | None = None  # the object's sync wave
    # the object's, without those that tools set, as `own_annotations`
    own_labels: Mapping[str, str] = field(default_factory=dict)
    own_annotations: Mapping[str, str] = field(default_factory=dict)
    # What its entry says of it beside keys and places, where that is not the usual: type, policies, the object's name.
    said: Mapping[str, str] = field(default_factory=dict)
    # The text of each of its keys; empty where these are `keys`, which are those that are fetched.
    template: Mapping[str, str] = field(default_factory=dict)
    # It has every property of a remote secret; its `keys` are those that are known, or what stands for all.
    extract: bool = False

    @property
    def names_keys(self) -> bool:
        """Whether its keys are known by their names."""
        return all(key.name != ALL_KEYS for key in self.keys)

    @property
    def key_count(self) -> int:
        """How many keys it has, as far as is known."""
        return len(self.template or self.keys) if self.names_keys else 0


@dataclass(frozen=True, slots=True, eq=False)
class FoundObject:
    """An object that an import understands, or refuses whole for its `reasons`."""

    kind: str
    namespace: str
    name: str
    at: Span
    secrets: tuple[FoundSecret, ...] = ()
    reasons: tuple[Finding, ...] = ()
    counted: int | None = None  # how many keys its Secrets get by the reader of `consumers`; None where not known

    @property
    def title(self) -> str:
        return f"{self.kind} {quote(self.name)}"

    @property
    def secrets_to_take(self) -> tuple[FoundSecret, ...]:
        """Its Secrets, none where it is refused."""
        return () if self.reasons else self.secrets

    def refuse(self, *reasons: Finding) -> FoundObject:
        """The same object, not taken for these reasons too."""
        return replace(self, reasons=(*self.reasons, *reasons))


# The names of the keys that a Secret has in the cluster, by its namespace and name; a reason where they are unknown.
KeyNames = Callable[[str, str, Span], frozenset[str] | Finding]


def read_object(form: str, document: Node, namespace: str, stores: Stores, key_names: KeyNames) -> FoundObject | None:
    """The object as its form is read, None where it is of another form."""
    group, kind = group_of(document), document.text("kind") or ""
    if form == "secret-provider-class":
        is_class = kind == KINDS[form] and group == _CSI_DRIVER
        return _secret_provider_class(document, namespace, stores) if is_class else None
    if kind == KINDS[form] and group == _FORMER_OPERATOR:
        return _former_external_secret(document, namespace, stores)
    if group not in (OPERATOR, _GENERATORS) or kind in STORES:
        return None
    if kind != KINDS[form]:
        message, way_out = "it is not an ExternalSecret", _UNSUPPORTED.get(kind, _LEAVE)
        return bare_object(document, namespace).refuse(Finding(message, document.nearest("kind").span, way_out))
    return _external_secret(document, namespace, stores, key_names)


def bare_object(document: Node, namespace: str) -> FoundObject:
    """The object without what it makes."""
    name, at = document.text("metadata", "name") or "", document.nearest("metadata", "name").span
    return FoundObject(document.text("kind") or "", namespace, name, at)


def _external_secret(document: Node, namespace: str, stores: Stores, key_names: KeyNames) -> FoundObject:
    """An ExternalSecret of the operator, v1 or v1beta1."""
    bare = bare_object(document, namespace)
    if document.get("spec") is None:
        return bare.refuse(Finding("it has no `spec`, as a patch of Kustomize", bare.at, _RENDER))
    target = document.text("spec", "target", "name") or bare.name
    data, extracts, reasons = _references(document, namespace, stores)
    named = (("metadata", "name"), ("spec", "target", "name"), ("spec", "secretStoreRef", "name"))
    reasons = [
        *(finding for path in named for finding in _find_tokens(document.get(*path))),
        *_find_misfits(document, _EXTERNAL_SECRET_FIELDS),
        *reasons,
    ]
    template, keys = document.get(*_TEMPLATE, "data"), [*data.values()]
    template = template if template is not None and template.children else None  # an empty one leaves what is fetched
    is_v1, texts = _is_of_engine_v1(document), dict[str, str]()
    if len(extracts) > 1:
        reasons.append(Finding("`dataFrom` has several sources", extracts[1].at, _LEAVE))
    elif template is not None and all(_read_name(each, is_v1=is_v1) for each in template.children.values()):
        keys, found = _rename_keys(template, data, extracts)
        reasons += found
    elif template is not None:
        keys, texts, found = _keep_texts(document, template, data, extracts)
        reasons += found
    elif extracts:
        names, extract = key_names(namespace, target, bare.at), extracts[0]
        if not isinstance(names, Finding):
            keys += (_assume_property(extract, name, name) for name in sorted(names - data.keys()))
        elif data:
            reasons.append(names._replace(at=extract.at))
        else:
            keys = _keys_of_type(extract, document.text(*_TEMPLATE, "type")) or [extract._replace(name=ALL_KEYS)]
    if len({each.store for each in keys}) > 1:
        reasons.append(Finding("its keys are in several stores", bare.at, "make a Secret for each of them"))
    refresh = document.get("spec", "refreshInterval")
    if refresh is not None and parse_duration(str(refresh.value)) is None:
        reasons.append(Finding("its `refreshInterval` never reads a value again", refresh.span, _LEAVE))
    secret = FoundSecret(
        namespace,
        target,
        tuple(keys),
        bare.at,
        refresh=str(refresh.value) if refresh else _USUAL_REFRESH,
        said=_read_words(document, bare.name, target),
        template=texts,
        extract=bool(extracts) and template is None and not data,
    )
    secret, found = _with_metadata(secret, document)
    return replace(bare, secrets=(secret,), reasons=(*reasons, *found))


def _keys_of_type(extract: FoundKey, secret_type: str | None) -> list[FoundKey]:
    """The keys that the API server demands of a Secret of the type. None for basic-auth: either of two is enough."""
    if secret_type == BASIC_AUTH:
        return []
    return [extract._replace(name=name, property=name) for name in KEYS_OF_TYPES.get(secret_type or "", ())]


# What the operator does where a field says nothing.
_USUAL_REFRESH = "1h"
USUAL = {"type": "Opaque", "creationPolicy": OWNER, "deletionPolicy": RETAIN}


def _read_words(document: Node, name: str, target: str) -> dict[str, str]:
    """The words of an entry for what an object says of its Secret, where that is not the usual."""
    found = {
        "externalSecret": name if name != target else None,
        "type": document.text(*_TEMPLATE, "type"),
        **{each: document.text("spec", "target", each) for each in ("creationPolicy", "deletionPolicy")},
    }
    return {word: text for word, text in found.items() if text is not None and text != USUAL.get(word)}


def _keep_texts(
    document: Node, template: Node, data: Mapping[str, FoundKey], extracts: Sequence[FoundKey]
) -> tuple[list[FoundKey], dict[str, str], list[Finding]]:
    """The fetched keys and the texts of a template that writes more than values as they are."""
    reasons: list[Finding] = []
    if _is_of_engine_v1(document):
        message = "its template is of engine v1, the default of v1alpha1"
        way_out = "write `engineVersion: v2`, and check it: in v1, values are bytes, and printed as numbers"
        reasons.append(Finding(message, template.key_span, way_out))
    texts, keys = dict[str, str](), dict(data)
    for name, node in template.children.items():
        if not isinstance(node.value, str):
            reasons.append(Finding(f"the template's {quote(name)} is no text", node.key_span, "put it in quotes"))
            continue
        texts[name] = node.value
        read = read_template(node.value) if OPENING in node.value else TemplateNames({}, {}, ())
        wanted = [key for key in read.keys if key not in keys]
        if wanted and not extracts:
            message = f"nothing is read for {quote(wanted[0])} of the template's {quote(name)}"
            reasons.append(Finding(message, node.key_span))
        elif extracts and (read.unread or read.reads_all):
            message = f"what the template's {quote(name)} reads of its `dataFrom` is not known"
            reasons.append(Finding(message, node.key_span, "name each key under `data`"))
        elif extracts:
            keys |= {key: _assume_property(extracts[0], key, key) for key in wanted}
    return [*keys.values()], texts, reasons


def _is_of_engine_v1(document: Node) -> bool:
    """Whether the template is for the engine's first version: another syntax, and values that are bytes."""
    is_alpha = (document.text("apiVersion") or "").endswith("/v1alpha1")
    return is_alpha and document.text(*_TEMPLATE, "engineVersion") is None


def _read_name(node: Node, *, is_v1: bool = False) -> str | None:
    """The fetched key that a text of a template is the value of, as it is: by `toString` alone in engine v1."""
    found = _RENAMED.fullmatch(node.value) if isinstance(node.value, str) else None
    return found[1] or found[2] if found is not None and (found[3] or not is_v1) else None


def _with_metadata(secret: FoundSecret, document: Node) -> tuple[FoundSecret, list[Finding]]:
    """The secret with its wave, labels and annotations; a template replaces the object's."""
    (labels, annotations), (wanted_labels, wanted_annotations) = (
        [document.text_map(*at, member) for member in ("labels", "annotations")]
        for at in (("metadata",), (*_TEMPLATE, "metadata"))
    )
    own_labels, own_annotations = _without_tools(labels), _without_tools(annotations)
    wave, at = own_annotations.pop(ANNOTATION, None), document.nearest("metadata").key_span
    has_template, reasons = document.get(*_TEMPLATE) is not None, list[Finding]()
    if wave is not None and not _WAVE.fullmatch(wave):
        reasons.append(Finding("its sync wave is not a number", at, "correct it"))
    if has_template and own_labels.keys() - wanted_labels.keys():
        # The environment's `labels` are both the object's and its Secret's.
        reasons.append(Finding("it has labels that its template keeps from the Secret", at, _LEAVE))
    return replace(
        secret,
        # Without a template the operator copies the object's, of which the chart sets some anew.
        labels=wanted_labels if has_template else {key: labels[key] for key in labels if key in CHART_LABELS},
        annotations=wanted_annotations if has_template else own_annotations,
        wave=int(wave) if wave is not None and not reasons else None,
        own_labels=own_labels,
        own_annotations=own_annotations,
    ), reasons


def _without_tools(texts: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in texts.items() if not {key, "".join(key.partition("/")[:2])} & _OF_TOOLS}


def _assume_property(extract: FoundKey, name: str, property_name: str) -> FoundKey:
    """A key of a remote secret that is taken apart: the operator writes "_" for what a key may not have."""
    return extract._replace(name=name, property=property_name, is_assumed="_" in property_name)


def _references(
    document: Node, namespace: str, stores: Stores
) -> tuple[dict[str, FoundKey], list[FoundKey], list[Finding]]:
    """What an ExternalSecret reads by name, and the whole remote secrets that it takes apart."""
    reasons: list[Finding] = []
    data: dict[str, FoundKey] = {}
    extracts: list[FoundKey] = []
    for item in document.items_at("spec", "data"):
        key, remote = item.text("secretKey"), item.nearest("remoteRef")
        found = _reference(document, item, remote, namespace, stores)
        if not key or key in data:
            reasons.append(Finding("a key has no name, or the same name as another", item.nearest("secretKey").span))
        elif isinstance(found, list):
            reasons += found
        else:
            data[key] = found._replace(name=key)
    for item in document.items_at("spec", "dataFrom"):
        extract = item.get("extract")
        if extract is None or item.get("rewrite") is not None:
            forms = [form for form in ("find", "rewrite", "sourceRef") if item.get(form) is not None]
            message = f"`dataFrom` with `{forms[0] if forms else 'extract'}` is not supported"
            reasons.append(Finding(message, item.span, "name each key under `data`"))
            continue
        found = _reference(document, item, extract, namespace, stores)
        if isinstance(found, list):
            reasons += found
        else:
            extracts.append(found)
    return data, extracts, reasons


def _reference(document: Node, item: Node, remote: Node, namespace: str, stores: Stores) -> FoundKey | list[Finding]:
    generator = item.get("sourceRef", "generatorRef")
    if generator is not None:
        return [Finding("generators are not supported", generator.key_span, _LEAVE)]
    reasons = [*_find_tokens(remote.get("key"))]
    named = item.get("sourceRef", "storeRef") or document.get("spec", "secretStoreRef")
    key = remote.text("key")
    if named is None or not key:
        what = "store" if named is None else "remote secret"
        return [*reasons, Finding(f"it names no {what}, as before Kustomize completes it", item.span, _RENDER)]
    store = stores.store_named(named, namespace)
    if isinstance(store, Finding):
        return [*reasons, store]
    at = remote.nearest("key").span
    place = _place_of(store, key, at)
    if isinstance(place, Finding):
        return [*reasons, place]
    return reasons or FoundKey("", *place, remote.text("property"), at)


_TOKEN = re.compile(r"<[A-Za-z][A-Za-z0-9_.:#/ -]*>")


def _find_tokens(node: Node | None) -> Iterator[Finding]:
    """What is to be filled in first in a text of a template for manifests."""
    if node is not None and isinstance(node.value, str):
        for token in dict.fromkeys(_TOKEN.findall(node.value)):
            yield Finding(
                f"{quote(token)} stands for a text that is not there yet", node.span, f"fill in {token} first"
            )


def _rename_keys(
    template: Node, data: Mapping[str, FoundKey], extracts: Sequence[FoundKey]
) -> tuple[list[FoundKey], list[Finding]]:
    keys: list[FoundKey] = []
    reasons: list[Finding] = []
    for name, node in template.children.items():
        renamed = _read_name(node) or ""
        if renamed in data:
            keys.append(data[renamed]._replace(name=name))
        elif len(extracts) == 1:
            keys.append(_assume_property(extracts[0], name, renamed))
        else:
            reasons.append(Finding(f"nothing is read for the template's {quote(name)}", node.key_span))
    return keys, reasons


def _former_external_secret(document: Node, namespace: str, stores: Stores) -> FoundObject:
    """An ExternalSecret of kubernetes-external-secrets, also in the older form with `secretDescriptor`."""
    bare = bare_object(document, namespace)
    spec = document.nearest("spec" if document.get("spec") is not None else "secretDescriptor")
    back_end = spec.nearest("backendType").span
    provider = provider_called(spec.text("backendType") or "")
    if provider is None:
        return bare.refuse(Finding("its back end is not supported", back_end))
    vault = spec.text("keyVaultName")
    settings = {provider.address: provider.url_of(vault, lambda _: None)} if vault and not provider.has_mounts else {}
    store = stores.default_store(provider, settings, back_end)
    reasons, keys = [*_find_misfits(spec, _FORMER_FIELDS)], list[FoundKey]()
    for item in spec.items_at("data"):
        key, at = item.text("name"), item.nearest("key").span
        place = _api_place_of(store, item.text("key") or "", at)
        if isinstance(place, Finding):
            reasons.append(place)
        elif not key:
            reasons.append(Finding("a key has no `name`", item.span, "write it beside `key`"))
        else:
            keys.append(FoundKey(key, *place, item.text("property"), at))
    labels = spec.text_map("template", "metadata", "labels")
    annotations = spec.text_map("template", "metadata", "annotations")
    secret = FoundSecret(namespace, bare.name, tuple(keys), bare.at, labels, annotations)
    return replace(bare, secrets=(secret,), reasons=tuple(reasons))


def _secret_provider_class(document: Node, namespace: str, stores: Stores) -> FoundObject:
    """A SecretProviderClass of the CSI driver: only the Secrets that its `secretObjects` make."""
    bare = bare_object(document, namespace)
    provider = provider_called(document.text("spec", "provider") or "")
    if provider is None or not provider.csi_names:
        return bare.refuse(Finding("its provider is not supported", document.nearest("spec", "provider").span))
    made = document.items_at("spec", "secretObjects")
    if not made:
        help_text = "pods read it as files of a volume; add `secretObjects` to make a Secret of it"
        return bare.refuse(Finding("it has no `secretObjects`", bare.at, help_text))
    parameters = document.nearest("spec", "parameters")
    store = stores.default_store(provider, provider.csi_settings(parameters.text_map()), parameters.span)
    items: dict[str, Node] = {}
    for item in provider_objects(document.source.path, parameters.text("objects") or "") or ():
        alias = next((text for name in provider.csi_names if (text := item.text(name))), None)
        if alias is not None:
            items[alias] = item
    secrets, reasons = list[FoundSecret](), list[Finding]()
    for each in made:
        reasons += _find_misfits(each, _CSI_FIELDS)
        keys: list[FoundKey] = []
        for data in each.items_at("data"):
            found = _csi_key(data, items, store)
            if isinstance(found, Finding):
                reasons.append(found)
            else:
                keys.append(found)
        labels, annotations = each.text_map("labels"), each.text_map("annotations")
        name, at = each.text("secretName") or "", each.nearest("secretName").span
        secrets.append(FoundSecret(namespace, name, tuple(keys), at, labels, annotations))
    return replace(bare, secrets=tuple(secrets), reasons=tuple(reasons))


def _csi_key(data: Node, items: Mapping[str, Node], store: SourceStore) -> FoundKey | Finding:
    provider = store.provider
    wanted, at = data.text("objectName") or "", data.nearest("objectName").span
    item = items.get(wanted)
    if item is None:
        return Finding(f"`objects` has no {quote(wanted)}", at)
    # The item's own lines are those of a text in the text: the line that names it is shown.
    for name, allowed in provider.csi_only.items():
        for reason in _find_other_value(item.children.get(name), allowed, name):
            return reason._replace(at=at)
    place = _api_place_of(store, item.text(provider.csi_key) or "", at)
    if isinstance(place, Finding):
        return place
    property_name = item.text(provider.csi_property) if provider.csi_property else None
    if provider.csi_property and property_name is None:
        return Finding(f"its object has no `{provider.csi_property}`: it would be the whole reply of the API", at)
    return FoundKey(data.text("key") or "", *place, property_name, at)


def _place_of(store: SourceStore, key: str, at: Span) -> tuple[SourceStore, str] | Finding:
    """The store and the name that the operator asks it for; a Vault without a mount has it in front of the key."""
    mount = store.text("mount") or ""
    if store.provider.has_mounts and not mount:
        mount, slash, key = key.partition("/data/") if "/data/" in key else key.partition("/")
        if not slash:
            return Finding("its key has no mount in front, and the store has no `path`", at)
        return store.with_setting("mount", mount), key
    try:
        name = store.provider.operator_name(mount, key)
        # `/team/db` is the path `team/db`; a name without paths keeps its capitals.
        return store, store.provider.remote_name(name) if store.provider.has_paths else name
    except (InvalidReferenceError, UnprovenReferenceError) as error:
        return Finding(str(error), at)


def _api_place_of(store: SourceStore, path: str, at: Span) -> tuple[SourceStore, str] | Finding:
    """The same of a path of Vault's API, `MOUNT/data/NAME`, or of the name of a Key Vault's secret."""
    path = path.strip("/")
    if store.provider.has_mounts and "/data/" not in path:
        message = f"{quote(path)} is not a path of version 2 of the KV engine"
        return Finding(message, at, "only MOUNT/data/NAME is supported")
    return _place_of(store, path, at)


def _find_misfits(node: Node, fields: _Fields, path: tuple[str, ...] = ()) -> Iterator[Finding]:
    """The fields of an object that an import does not read, and other values than it takes; in a list of each item."""
    for item in node.items:
        yield from _find_misfits(item, fields, path)
    for name, member in node.children.items():
        inside = (*path, name) if name != "spec" else path
        if name not in fields:
            shown = ".".join(inside) if _WORD.fullmatch(name) else f"a field of {'.'.join(path) or 'it'}"
            yield Finding(f"`{shown}` is not supported", member.key_span, _LEAVE)
        elif isinstance(known := fields[name], tuple):
            yield from _find_other_value(member, known, ".".join(inside))
        elif known is not None:
            yield from _find_misfits(member, known, inside)


def _find_other_value(node: Node | None, allowed: Sequence[object], title: str) -> Iterator[Finding]:
    """A finding for a value that is not among the `allowed` ones."""
    if node is not None and node.value not in (None, *allowed):
        # A word of a closed set; any other text may be anything.
        is_word = isinstance(node.value, str) and _WORD.fullmatch(node.value)
        shown = f": {node.value}" if is_word and allowed else ""
        yield Finding(f"`{title}{shown}` is not supported", node.key_span, _LEAVE)
