"""Lists the Secrets that values or manifests make, with the place of each key, and compares two such lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.model.confirmed_deletion import SYNC_OPTIONS, asks_before_pruning
from compiler.model.environment import BUNDLE, PER_KEY
from compiler.model.part_of import LABEL, PART_OF
from compiler.model.record import dataclass
from compiler.model.sync_wave import ANNOTATION
from compiler.model.values_data import EXTERNAL_SECRETS, PART_OF_VALUE
from compiler.text.credential import CONCEALED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from compiler.model.values_data import ValuesData

    _Fields = dict[str, str]
    # A remote secret, and its property or None for the whole.
    _Place = tuple[str, str | None]

_METADATA = {
    "labels": "label",
    "annotations": "annotation",
    "secretLabels": "secret label",
    "secretAnnotations": "secret annotation",
}
# Without a template External Secrets Operator copies all labels and annotations of an ExternalSecret to its Secret.
_COPIES, _OWN, _COPIED = "secret metadata", "its own", "copied from the ExternalSecret"
# The labels that the chart writes itself, whatever an environment says.
_CHART_LABELS = frozenset(f"app.kubernetes.io/{name}" for name in ("name", "component", "part-of", "managed-by"))


@dataclass(frozen=True, slots=True)
class SecretOutline:
    """One ExternalSecret by meaning.

    `fields` are its settings, `keys` the place of each key: the remote secret and its property, None for the whole.
    """

    namespace: str
    name: str
    fields: Mapping[str, str]
    keys: Mapping[str, tuple[str, str | None]]

    @property
    def title(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class SecretChange:
    """What became of one Secret: `kind` is added, removed or changed; `fields` and `keys` hold before and after.

    `is_asked` says of a removed one that Argo CD deletes it only when a person confirms.
    """

    title: str
    kind: str
    keys_added: tuple[str, ...] = ()
    keys_removed: tuple[str, ...] = ()
    keys_moved: tuple[tuple[str, str, str], ...] = ()
    fields: tuple[tuple[str, str, str], ...] = ()
    is_asked: bool = False


Outlines = dict[tuple[str, str], SecretOutline]


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
        store = secret.get("storeRef")
        fields = {name: _text(secret.get(name, "")) for name in ("refreshInterval", "syncWave", "fetch")}
        fields["store"] = _store(store if isinstance(store, dict) else {})
        fields |= {"partOf": _text(data.get(PART_OF_VALUE, PART_OF)), _COPIES: _OWN}
        for member, kind in _METADATA.items():
            fields |= _flat(kind, secret.get(member))
        _add(found, SecretOutline(_text(secret.get("namespace", "")), _text(secret.get("name", "")), fields, keys))
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
        fields, keys = _manifest_fields(metadata, spec, template), dict(_manifest_keys(spec, template))
        _add(found, SecretOutline(_text(metadata.get("namespace", "")), name, fields, keys))
    return found


def _manifest_fields(metadata: Mapping[str, Any], spec: Mapping[str, Any], template: Mapping[str, Any]) -> _Fields:
    annotations, made = dict(metadata.get("annotations") or {}), template.get("metadata") or {}
    return {
        "refreshInterval": _text(spec.get("refreshInterval", "")),
        "syncWave": _text(annotations.pop(ANNOTATION, "")),
        "fetch": BUNDLE if spec.get("dataFrom") else PER_KEY,
        "store": _store(spec.get("secretStoreRef") or {}),
        "partOf": _text((metadata.get("labels") or {}).get(LABEL, "")),
        _COPIES: _OWN if template else _COPIED,
        **_flat("label", _added(metadata)),
        **_flat("annotation", annotations),
        **_flat("secret label", _added(made)),
        **_flat("secret annotation", made.get("annotations")),
    }


def _manifest_keys(spec: Mapping[str, Any], template: Mapping[str, Any]) -> Iterator[tuple[str, _Place]]:
    for item in spec.get("data") or ():
        reference = item.get("remoteRef") or {}
        yield _text(item.get("secretKey")), (_text(reference.get("key", "")), _optional(reference.get("property")))
    for item in spec.get("dataFrom") or ():
        remote = _text((item.get("extract") or {}).get("key", ""))
        yield from ((_text(key), (remote, _text(key))) for key in template.get("data") or {})


def compare(before: Outlines, after: Outlines) -> tuple[SecretChange, ...]:
    """What `after` adds, changes and removes, by Secret, in the order of names; empty where both mean the same."""
    changes: list[SecretChange] = []
    for place in sorted(before.keys() | after.keys()):
        old, new = before.get(place), after.get(place)
        if old is None and new is not None:
            changes.append(SecretChange(new.title, "added", keys_added=tuple(new.keys)))
        elif new is None and old is not None:
            options = old.fields.get(f"{_METADATA['annotations']} {SYNC_OPTIONS}", "")
            asked = asks_before_pruning(options)
            changes.append(SecretChange(old.title, "removed", keys_removed=tuple(old.keys), is_asked=asked))
        elif old is not None and new is not None and (old.fields != new.fields or old.keys != new.keys):
            changes.append(_changed(old, new))
    return tuple(changes)


def _changed(old: SecretOutline, new: SecretOutline) -> SecretChange:
    both = [key for key in old.keys if key in new.keys]
    names = dict.fromkeys((*old.fields, *new.fields))
    return SecretChange(
        title=new.title,
        kind="changed",
        keys_added=tuple(key for key in new.keys if key not in old.keys),
        keys_removed=tuple(key for key in old.keys if key not in new.keys),
        keys_moved=tuple(
            (key, place_text(old.keys[key]), place_text(new.keys[key]))
            for key in both
            if old.keys[key] != new.keys[key]
        ),
        fields=tuple(
            (name, old.fields.get(name, ""), new.fields.get(name, ""))
            for name in names
            if old.fields.get(name, "") != new.fields.get(name, "")
        ),
    )


def place_text(place: tuple[str, str | None]) -> str:
    """A key's place as people read it: `remote[property]`, or `remote` for the whole."""
    remote, name = place
    return f"{remote}[{name}]" if name is not None else remote


def _store(reference: Mapping[str, Any]) -> str:
    return f"{_text(reference.get('kind', ''))}/{_text(reference.get('name', ''))}"


def _flat(kind: str, members: object) -> dict[str, str]:
    return {f"{kind} {key}": _text(value) for key, value in members.items()} if isinstance(members, dict) else {}


def _added(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (metadata.get("labels") or {}).items() if key not in _CHART_LABELS}


def _optional(value: object) -> str | None:
    return None if value is None else _text(value)


def _text(value: object) -> str:
    # A tree where a text belongs is none of ours, and whatever it holds is not for showing.
    return CONCEALED if isinstance(value, dict | list) else str(value)


def _add(found: Outlines, outline: SecretOutline) -> None:
    found[outline.namespace, outline.name] = outline
