"""Builds the data of an environment's values file: fully resolved, so that the chart only loops and prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.operator_release import NEWEST, parse_minor
from compiler.model.store_object import store_object
from compiler.model.values_data import ALLOW_EMPTY, EXTERNAL_SECRETS, PART_OF_VALUE, STORES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from compiler.model.environment import Environment, Secret, Store
    from compiler.model.values_data import ValuesData

# Fields that ESO's CRD defaults inside each reference: written out, or Argo CD sees a difference that nobody made.
# Harmless in every version; `nullBytePolicy` exists, with a default, from 2.3 to 2.6 only (read in the CRDs).
_DEFAULTS = {"conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None"}
_NULL_BYTE_POLICY = ((2, 3), (2, 6))


def values_of(environment: Environment) -> dict[str, ValuesData]:
    """The values of an environment that passed every rule: map by secret id, defaulted fields, rendered stores."""
    minor = parse_minor(environment.operator or "") or NEWEST
    data: dict[str, ValuesData] = {
        EXTERNAL_SECRETS: {name: _external_secret(secret) for name, secret in environment.secrets.items()},
        "remoteRefDefaults": _remote_ref_defaults(minor),
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


def _remote_ref_defaults(minor: tuple[int, int]) -> dict[str, ValuesData]:
    first, last = _NULL_BYTE_POLICY
    extra = {"nullBytePolicy": "Ignore"} if first <= minor <= last else {}
    return {**_DEFAULTS, **extra}


def _external_secret(secret: Secret) -> ValuesData:
    if secret.store is None or secret.namespace is None or secret.refresh is None:
        raise ValueError("only an environment that passed every rule has values")
    data: dict[str, ValuesData] = {"name": secret.entry.target, "namespace": secret.namespace}
    data |= {member: dict(texts) for member, texts in _metadata(secret) if texts}
    data["storeRef"] = _store_ref(secret.store)
    data["refreshInterval"] = secret.refresh.text
    data["syncWave"] = str(secret.entry.sync_wave)
    data["fetch"] = secret.fetch
    keys: list[ValuesData] = []
    elsewhere: dict[str, ValuesData] = {}
    for item in secret.keys:
        name, place = item.key.name, item.place
        if place is None:
            raise ValueError("only an environment that passed every rule has values")
        if place.remote_key == secret.remote and place.property == name:
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


def _metadata(secret: Secret) -> Iterable[tuple[str, Mapping[str, str]]]:
    return (
        ("labels", secret.labels),
        ("annotations", secret.annotations),
        ("secretLabels", secret.secret_labels),
        ("secretAnnotations", secret.secret_annotations),
    )


def _store_ref(store: Store) -> ValuesData:
    return {"kind": store.kind, "name": store.name}
