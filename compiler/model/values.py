"""Builds the data of an environment's values file, fully resolved, and the ExternalSecrets that the chart makes of it.

Values below a subchart's name are known by their form alone, as a values file must be understood without its
environment: the file has one member, which has members of this chart's values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from compiler.model.environment import ALL_KEYS, BUNDLE, EXTRACT, OWNER, PER_KEY, RETAIN, is_template_field, pass_text
from compiler.model.facts import (
    ALLOW_EMPTY,
    ANNOTATION,
    EXTERNAL_SECRETS,
    LABEL,
    NEWEST,
    PART_OF,
    PART_OF_VALUE,
    STORES,
    SYNC_OPTIONS,
    asks_before_pruning,
    duration_text,
    parse_minor,
)
from compiler.model.store import store_object
from compiler.text.credential import CONCEALED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from compiler.model.document import Span
    from compiler.model.environment import Environment, Secret, Store
    from compiler.model.facts import ValuesData

    _PlainMap = dict[str, Any]
    _Fields = dict[str, str]
    # A remote secret, and its property or None for the whole.
    _Place = tuple[str, str | None]


# Fields that ESO's CRD defaults inside each reference: written out, or Argo CD sees a difference that nobody made.
# Harmless in every version; `nullBytePolicy` exists, with a default, from 2.3 to 2.6 only (read in the CRDs).
_DEFAULTS = {"conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None"}
_NULL_BYTE_POLICY = ((2, 3), (2, 6))


def values_of(environment: Environment) -> dict[str, ValuesData]:
    """The values of an environment that passed every rule: map by secret id, defaulted fields, rendered stores."""
    minor = parse_minor(environment.operator or "") or NEWEST
    first, last = _NULL_BYTE_POLICY
    null_bytes = {"nullBytePolicy": "Ignore"} if first <= minor <= last else {}
    data: dict[str, ValuesData] = {
        EXTERNAL_SECRETS: {name: _external_secret(secret) for name, secret in environment.secrets.items()},
        "remoteRefDefaults": {**_DEFAULTS, **null_bytes},
    }
    if environment.root.text("partOf"):
        data[PART_OF_VALUE] = environment.part_of
    for kind, key in (("ClusterSecretStore", "clusterSecretStores"), ("SecretStore", "secretStores")):
        rendered: dict[str, ValuesData] = {
            store.id: store_object(store, environment.root.text("namespace") or "", minor)
            for store in environment.stores.values()
            if store.rendered and store.kind == kind
        }
        if rendered:
            data[key] = rendered
    if not any(data.get(each) for each in (EXTERNAL_SECRETS, *STORES)):
        data[ALLOW_EMPTY] = True
    return data


def _external_secret(secret: Secret) -> ValuesData:
    if secret.store is None or secret.namespace is None or secret.refresh is None:
        raise ValueError("only an environment that passed every rule has values")
    entry = secret.entry
    data: dict[str, ValuesData] = {"name": entry.target, "namespace": secret.namespace}
    if entry.external_secret != entry.target:
        data["externalSecret"] = entry.external_secret
    metadata = {
        "labels": secret.labels,
        "annotations": secret.annotations,
        "secretLabels": secret.secret_labels,
        "secretAnnotations": secret.secret_annotations,
    }
    data |= {member: dict(texts) for member, texts in metadata.items() if texts}
    data["storeRef"] = {"kind": secret.store.kind, "name": secret.store.name}
    data["refreshInterval"] = duration_text(secret.refresh)
    data["syncWave"] = str(entry.sync_wave)
    data |= _what_is_made(secret)
    data["fetch"] = secret.fetch
    keys: list[ValuesData] = []
    elsewhere: dict[str, ValuesData] = {}
    for item in secret.keys:
        name, place = item.key.name, item.place
        if place is None:
            raise ValueError("only an environment that passed every rule has values")
        if name == ALL_KEYS:
            data["remoteKey"] = place.remote_key
        elif place.remote_key == secret.remote and place.property == name:
            keys.append(name)
        elif place.property is None:
            elsewhere[name] = {"key": place.remote_key}
        else:
            elsewhere[name] = {"key": place.remote_key, "property": place.property}
    if keys and secret.remote is not None:
        data["remoteKey"] = secret.remote
        data["keys"] = keys
    if elsewhere:
        data["data"] = elsewhere
    return data


def _what_is_made(secret: Secret) -> dict[str, ValuesData]:
    """What the Secret has beside the fetched keys; empty for most, as the chart knows the defaults."""
    entry = secret.entry
    data: dict[str, ValuesData] = {}
    if entry.type is not None:
        data["type"] = entry.type
    if entry.creation_policy != OWNER:
        data["creationPolicy"] = entry.creation_policy
    if entry.deletion_policy != RETAIN:
        data["deletionPolicy"] = entry.deletion_policy
    is_bundle = secret.fetch == BUNDLE
    # The chart itself passes on the keys of a bundle, if `.KEY` can name them all.
    if entry.template or (is_bundle and not all(is_template_field(item.key.name) for item in secret.keys)):
        data["templateData"] = dict(secret.template)
    return data


# One of these is in every file of this chart's values.
_MARKS = frozenset({EXTERNAL_SECRETS, *STORES})
# Keys that are no chart's name: Helm's own, and those of this chart, which stand where a name would.
_NO_NAMES = frozenset({"global", "tags", "remoteRefDefaults", PART_OF_VALUE, ALLOW_EMPTY, *_MARKS})


def nest(values: dict[str, ValuesData], subchart: str | None) -> dict[str, ValuesData]:
    """The data of a values file: `values`, or a map of them alone under the name `subchart`."""
    return values if subchart is None else {subchart: values}


def find_values(data: object, wanted: str | None = None) -> tuple[str | None, Any] | None:
    """The name that this chart's values are nested under, if any, and the values; None where there are none."""
    if not isinstance(data, dict):
        return None
    if _MARKS & data.keys():
        return None, data
    below = {name: value if isinstance(value, dict) else {} for name, value in data.items()}
    if wanted is not None and wanted not in _NO_NAMES and _MARKS & below.get(wanted, {}).keys():
        return wanted, data[wanted]
    name = subchart_of(below)
    return (name, data[name]) if name is not None else None


def subchart_of(members: Mapping[Any, Collection[Any]]) -> str | None:
    """The name that a file's values are nested under; `members` are the keys below each of the file's own."""
    if len(members) != 1:
        return None
    ((name, below),) = members.items()
    return name if isinstance(name, str) and name not in _NO_NAMES and not _MARKS.isdisjoint(below) else None


def nesting_change(before: str | None, after: str | None) -> tuple[SecretChange, ...]:
    """That the values are nested under another name than before, or no longer, or newly."""
    if before == after:
        return ()
    return (SecretChange("the values file", "changed", fields=(("subchart", before or "", after or ""),)),)


_METADATA = {
    "labels": "label",
    "annotations": "annotation",
    "secretLabels": "secret label",
    "secretAnnotations": "secret annotation",
}
# Without a template External Secrets Operator copies all labels and annotations of an ExternalSecret to its Secret.
_COPIES, _OWN, _COPIED = "secret metadata", "its own", "copied from the ExternalSecret"
# The remote secret of which all is fetched, and the keys of the Secret that has all of it.
_FETCHED, _KEYS, _ALL_KEYS = "fetched", "keys", "every property"
# What the chart prints where a values file says nothing, and empty for what it then does not print.
_POLICIES = {"creationPolicy": OWNER, "deletionPolicy": RETAIN}
_DEFAULTED = {"externalSecret": "", "type": "", **_POLICIES}
# The labels that the chart writes itself, whatever an environment says.
CHART_LABELS = frozenset(f"app.kubernetes.io/{name}" for name in ("name", "component", "part-of", "managed-by"))


class SecretOutline(NamedTuple):
    """One ExternalSecret by meaning: its settings, and the place of each key."""

    fields: Mapping[str, str]
    keys: Mapping[str, tuple[str, str | None]]


class SecretChange(NamedTuple):
    """The change of one Secret."""

    title: str
    kind: str  # added, removed or changed
    keys_added: tuple[str, ...] = ()
    keys_removed: tuple[str, ...] = ()
    keys_moved: tuple[tuple[str, str, str], ...] = ()
    fields: tuple[tuple[str, str, str], ...] = ()  # name, before and after, as `keys_moved`
    is_asked: bool = False  # Argo CD deletes it only when a person confirms


# By namespace and name.
Outlines = dict[tuple[str, ...], SecretOutline]


def outlines_of_values(data: ValuesData | None) -> Outlines:
    """The Secrets of a values file's data, by namespace and name; what has another form is left out."""
    found: Outlines = {}
    data = data if isinstance(data, dict) else {}
    secrets = data.get(EXTERNAL_SECRETS)
    for secret in secrets.values() if isinstance(secrets, dict) else ():
        if not isinstance(secret, dict):
            continue
        keys: dict[str, _Place] = {}
        listed = secret.get("keys")
        for key in listed if isinstance(listed, list) else ():
            keys[_text(key)] = (_text(secret.get("remoteKey", "")), _text(key))
        elsewhere = secret.get("data")
        for key, place in (elsewhere if isinstance(elsewhere, dict) else {}).items():
            if isinstance(place, dict):
                keys[key] = (_text(place.get("key", "")), _optional(place.get("property")))
        fetched, store = keys, secret.get("storeRef")
        fields = {name: _text(secret.get(name, "")) for name in ("refreshInterval", "syncWave", "fetch")}
        fields |= {name: _text(secret.get(name, own)) for name, own in _DEFAULTED.items()}
        if isinstance(texts := secret.get("templateData"), dict):
            # With a template of its own, what is extracted is no more than a bundle.
            fields["fetch"] = BUNDLE if fields["fetch"] == EXTRACT else fields["fetch"]
            keys = {key: _place_behind(text, key, fetched) for key, text in texts.items()}
            fields |= _fetch_fields(fetched, keys, secret.get("remoteKey") if fields["fetch"] == BUNDLE else None)
        elif fields["fetch"] == EXTRACT:
            keys, fields = {}, {**fields, _FETCHED: _text(secret.get("remoteKey", ""))}
        fields["store"] = _store(store if isinstance(store, dict) else {})
        fields |= {"partOf": _text(data.get(PART_OF_VALUE, PART_OF)), _COPIES: _OWN}
        for member, kind in _METADATA.items():
            fields |= _flat(kind, secret.get(member))
        found[_text(secret.get("namespace", "")), _text(secret.get("name", ""))] = SecretOutline(fields, keys)
    return found


def outlines_of_manifests(manifests: Iterable[Any]) -> Outlines:
    """The same of rendered ExternalSecrets; other kinds are passed over, and labels that the chart adds left out."""
    found: Outlines = {}
    for manifest in manifests:
        if not isinstance(manifest, dict) or manifest.get("kind") != "ExternalSecret":
            continue
        metadata, spec = manifest.get("metadata") or {}, manifest.get("spec") or {}
        target = spec.get("target") or {}
        template = target.get("template") or {}
        name = _text(target.get("name") or metadata.get("name", ""))
        fields, fetched = _manifest_fields(metadata, spec, template), dict(_manifest_keys(spec, template))
        keys = {key: _place_behind(text, key, fetched) for key, text in (template.get("data") or {}).items()} or fetched
        extracts = [(each.get("extract") or {}).get("key", "") for each in spec.get("dataFrom") or ()]
        if fields["fetch"] == EXTRACT:
            fields[_FETCHED] = _text(extracts[0])
        fields |= _fetch_fields(fetched, keys, extracts[0] if extracts else None)
        found[_text(metadata.get("namespace", "")), name] = SecretOutline(fields, keys)
    return found


def _place_behind(text: object, key: str, fetched: Mapping[str, _Place]) -> _Place:
    """Where a key of the Secret is from: the place that its text passes on, else the text itself."""
    return fetched[key] if key in fetched and text == pass_text(key) else (_text(text), None)


def _fetch_fields(fetched: Mapping[str, _Place], keys: Mapping[str, _Place], bundle: object) -> _Fields:
    """The fetched keys that are not the Secret's, each with its place; a bundle fetches all of a remote secret."""
    if bundle is not None:
        return {_FETCHED: _text(bundle)} if any(fetched.get(key) != at for key, at in keys.items()) else {}
    return {f"fetched {key}": place_text(at) for key, at in fetched.items() if keys.get(key) != at}


def _manifest_fields(metadata: Mapping[str, Any], spec: Mapping[str, Any], template: Mapping[str, Any]) -> _Fields:
    annotations, made = dict(metadata.get("annotations") or {}), template.get("metadata") or {}
    target, name = spec.get("target") or {}, metadata.get("name")
    return {
        "refreshInterval": _text(spec.get("refreshInterval", "")),
        "syncWave": _text(annotations.pop(ANNOTATION, "")),
        "fetch": PER_KEY if not spec.get("dataFrom") else BUNDLE if template.get("data") else EXTRACT,
        "externalSecret": _text(name) if target.get("name", name) != name else "",
        "type": _text(template.get("type") or ""),
        **{each: _text(target.get(each) or _DEFAULTED[each]) for each in _POLICIES},
        "store": _store(spec.get("secretStoreRef") or {}),
        "partOf": _text((metadata.get("labels") or {}).get(LABEL, "")),
        _COPIES: _OWN if template else _COPIED,
        **_flat("label", _own_labels(metadata)),
        **_flat("annotation", annotations),
        **_flat("secret label", _own_labels(made)),
        **_flat("secret annotation", made.get("annotations")),
    }


def _manifest_keys(spec: Mapping[str, Any], template: Mapping[str, Any]) -> Iterator[tuple[str, _Place]]:
    for item in spec.get("data") or ():
        reference = item.get("remoteRef") or {}
        yield _text(item.get("secretKey")), (_text(reference.get("key", "")), _optional(reference.get("property")))
    for item in spec.get("dataFrom") or ():
        remote = _text((item.get("extract") or {}).get("key", ""))
        passed = (key for key, text in (template.get("data") or {}).items() if text == pass_text(_text(key)))
        yield from ((_text(key), (remote, _text(key))) for key in passed)


def compare(before: Outlines, after: Outlines) -> tuple[SecretChange, ...]:
    """The Secrets that `after` adds, changes or removes, by name; empty where both mean the same."""
    changes: list[SecretChange] = []
    for place in sorted(before.keys() | after.keys()):
        old, new, title = before.get(place), after.get(place), "/".join(place)
        if old is None and new is not None:
            changes.append(SecretChange(title, "added", keys_added=tuple(new.keys)))
        elif new is None and old is not None:
            options = old.fields.get(f"{_METADATA['annotations']} {SYNC_OPTIONS}", "")
            asked = asks_before_pruning(options)
            changes.append(SecretChange(title, "removed", keys_removed=tuple(old.keys), is_asked=asked))
        elif old is not None and new is not None and (old.fields != new.fields or old.keys != new.keys):
            changes.append(_compare_secret(title, old, new))
    return tuple(changes)


def _compare_secret(title: str, old: SecretOutline, new: SecretOutline) -> SecretChange:
    names = dict.fromkeys((*old.fields, *new.fields))
    is_open = EXTRACT in (old.fields.get("fetch"), new.fields.get("fetch"))
    if is_open and (old.keys or new.keys):
        # Only the store says which keys the Secret gets or loses.
        names[_KEYS] = None
        old, new = (SecretOutline({**each.fields, _KEYS: _key_text(each)}, {}) for each in (old, new))
    return SecretChange(
        title=title,
        kind="changed",
        keys_added=tuple(key for key in new.keys if key not in old.keys),
        keys_removed=tuple(key for key in old.keys if key not in new.keys),
        keys_moved=tuple(
            (key, place_text(old.keys[key]), place_text(new.keys[key]))
            for key in old.keys
            if key in new.keys and old.keys[key] != new.keys[key]
        ),
        fields=tuple(
            (name, old.fields.get(name, ""), new.fields.get(name, ""))
            for name in names
            if old.fields.get(name, "") != new.fields.get(name, "")
        ),
    )


def _key_text(outline: SecretOutline) -> str:
    return ", ".join(outline.keys) or _ALL_KEYS


def place_text(place: tuple[str, str | None]) -> str:
    """A key's place as people read it: `remote[property]`, or `remote` for the whole."""
    remote, name = place
    return f"{remote}[{name}]" if name is not None else remote


def _store(reference: Mapping[str, Any]) -> str:
    return f"{_text(reference.get('kind', ''))}/{_text(reference.get('name', ''))}"


def _flat(kind: str, members: object) -> dict[str, str]:
    return {f"{kind} {key}": _text(value) for key, value in members.items()} if isinstance(members, dict) else {}


def _own_labels(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (metadata.get("labels") or {}).items() if key not in CHART_LABELS}


def _optional(value: object) -> str | None:
    return None if value is None else _text(value)


def _text(value: object) -> str:
    # This compiler writes a text here, not a tree: do not show what the tree holds.
    return CONCEALED if isinstance(value, dict | list) else str(value)


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """The ExternalSecret of a secret, by its id, as the chart renders it."""

    secret: str
    store: Store
    object: Mapping[str, Any]
    span: Span  # the line of the environment that asks for it
    # The keys that must be there, of a Secret that has every property; None where the object names all.
    listed: tuple[str, ...] | None = None
    environment: str = ""  # empty where it is of a values file

    @property
    def namespace(self) -> str:
        return str(self.object["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """The name of the ExternalSecret."""
        return str(self.object["metadata"]["name"])

    @property
    def title(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def target(self) -> str:
        """The name of the Secret that it makes."""
        return str(self.object["spec"]["target"]["name"])

    @property
    def target_title(self) -> str:
        return f"{self.namespace}/{self.target}"


def manifests_of(environment: Environment, only: Collection[str] = ()) -> dict[str, Manifest]:
    """What an environment that passed every rule must have in the cluster, by secret: of `only` these, or of all."""
    values: _PlainMap = dict(values_of(environment))
    part_of, defaults = values.get(PART_OF_VALUE, PART_OF), values["remoteRefDefaults"]
    return {
        name: Manifest(
            name,
            secret.store,
            _render_external_secret(values[EXTERNAL_SECRETS][name], part_of, defaults),
            secret.node.key_span,
            secret.target_keys if secret.takes_all else None,
            environment.name,
        )
        for name, secret in environment.secrets.items()
        if secret.store is not None and (not only or name in only)
    }


def _render_external_secret(values: _PlainMap, part_of: str, defaults: _PlainMap) -> _PlainMap:
    """As chart/templates/external-secret.yaml renders one entry of `externalSecrets`."""
    name, own_labels = values["name"], values.get("secretLabels", {})
    labels = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": "secrets",
        LABEL: part_of,
        "app.kubernetes.io/managed-by": "Helm",
    }
    made: _PlainMap = {"labels": {**labels, **own_labels}}
    if values.get("secretAnnotations"):
        made["annotations"] = dict(values["secretAnnotations"])
    template: _PlainMap = {"engineVersion": "v2", "mergePolicy": "Replace", "metadata": made}
    if "type" in values:
        template["type"] = values["type"]
    if values["fetch"] == BUNDLE:
        template["data"] = {key: pass_text(key) for key in values["keys"]}
    if values["fetch"] == PER_KEY:
        source: _PlainMap = {"data": [*_render_data(values, defaults)]}
    else:
        source = {"dataFrom": [{"extract": {"key": values["remoteKey"], **defaults}}]}
    if "templateData" in values:
        template["data"] = dict(values["templateData"])
    policies = {each: values.get(each, _DEFAULTED[each]) for each in _POLICIES}
    target = {"name": name, **policies, "template": template}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {
            "name": values.get("externalSecret", name),
            "namespace": values["namespace"],
            "labels": {**labels, **values.get("labels", {})},
            "annotations": {ANNOTATION: values["syncWave"], **values.get("annotations", {})},
        },
        "spec": {
            "refreshInterval": values["refreshInterval"],
            "secretStoreRef": dict(values["storeRef"]),
            "target": target,
            **source,
        },
    }


def _render_data(values: _PlainMap, defaults: _PlainMap) -> list[_PlainMap]:
    """One item a key. Those that lie elsewhere come last and sorted, as a template ranges over a map."""
    places: _PlainMap = {key: {"key": values["remoteKey"], "property": key} for key in values.get("keys", ())}
    elsewhere = values.get("data", {})
    places |= {key: elsewhere[key] for key in sorted(elsewhere)}
    return [{"secretKey": key, "remoteRef": {**place, **defaults}} for key, place in places.items()]


def child(data: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The map under `path`, an empty one where there is none."""
    for key in path:
        found = data.get(key)
        data = found if isinstance(found, dict) else {}
    return data
