"""Makes the manifests that Helm must render for an environment, from plain data.

Made by separate code on purpose: neither the resolver nor the values nor the chart has a part in it, so that a mistake
in one of them shows as a difference.
"""

from __future__ import annotations

from decimal import Decimal
from re import findall
from typing import TYPE_CHECKING, Any

from compiler.operations.parity.stores import expected_stores

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PlainMap = dict[str, Any]
Manifest = dict[str, Any]

_UNITS = {"h": "3600", "m": "60", "s": "1", "ms": "1e-3", "us": "1e-6", "µs": "1e-6", "μs": "1e-6", "ns": "1e-9"}
_NULL_BYTE_MINORS = ("2.3", "2.4", "2.5", "2.6")


def expected_manifests(environment: PlainMap, catalogue: PlainMap) -> list[Manifest]:
    """The ExternalSecrets, and the stores that are rendered, of the merged `environment`."""
    secrets = [
        _external_secret(environment, secret, entry, catalogue)
        for _, secret, entry in enabled_secrets(environment, catalogue)
    ]
    return [*secrets, *expected_stores(environment)]


def enabled_secrets(environment: PlainMap, catalogue: PlainMap) -> Iterator[tuple[str, PlainMap, PlainMap]]:
    """The id, the environment's settings and the catalogue's entry of each secret that the environment enables."""
    for name, secret in environment.get("secrets", {}).items():
        if secret.get("enabled", True):
            yield name, secret, catalogue["secrets"][name]


def references(
    environment: PlainMap, secret: PlainMap, entry: PlainMap, catalogue: PlainMap, store: PlainMap
) -> dict[str, PlainMap | None]:
    """The `remoteRef` of each key in `store`, without defaulted fields; None where it has no remote name there."""
    provider, found = store["provider"], dict[str, PlainMap | None]()
    for target in entry["keys"]:
        name, said, holder = target, secret, entry
        while "from" in holder["keys"][name]:
            other, name = holder["keys"][name]["from"].split("/")
            said, holder = environment.get("secrets", {}).get(other, {}), catalogue["secrets"][other]
        key, use = holder["keys"][name], said.get("use", holder.get("use"))
        if use is None or "variants" not in key or set(use) & set(key["variants"]):
            remote = said.get("remote", {}).get(provider, holder.get("remote", {}).get(provider))
            own = key.get("remote", {}).get(provider, {})
            found[target] = _reference(name, own, remote, store.get("prefix", ""))
    return found


def is_one_bundle(keys: Mapping[str, PlainMap | None]) -> bool:
    """Whether all `keys` lie in one remote secret, each under its own name."""
    remotes = {place["key"] for place in keys.values() if place is not None}
    return len(remotes) == 1 and all(
        place is not None and place.get("property") == name for name, place in keys.items()
    )


def _reference(key: str, own: PlainMap | str, remote: str | None, prefix: str) -> PlainMap | None:
    said = {"name": own} if isinstance(own, str) else own
    name = said.get("name", remote)
    if name is None:
        return None
    whole = {} if said.get("whole") else {"property": said.get("property", key)}
    return {"key": prefix + name, **whole}


def _external_secret(environment: PlainMap, secret: PlainMap, entry: PlainMap, catalogue: PlainMap) -> Manifest:
    store = environment["stores"][secret.get("store", environment.get("store"))]
    target = entry["target"]
    labels = {
        "app.kubernetes.io/name": target,
        "app.kubernetes.io/component": "secrets",
        "app.kubernetes.io/part-of": environment.get("partOf", "ai-platform-engineering"),
        "app.kubernetes.io/managed-by": "Helm",
        **environment.get("labels", {}),
        **secret.get("labels", {}),
    }
    of_secret = {**environment.get("secretLabels", {}), **secret.get("secretLabels", {})}
    notes = {**environment.get("secretAnnotations", {}), **secret.get("secretAnnotations", {})}
    annotations = {
        "argocd.argoproj.io/sync-wave": str(entry["syncWave"]),
        **environment.get("annotations", {}),
        **secret.get("annotations", {}),
    }
    template: PlainMap = {
        "engineVersion": "v2",
        "mergePolicy": "Replace",
        "metadata": {"labels": {**labels, **of_secret}, **({"annotations": notes} if notes else {})},
    }
    made = {"name": target, "creationPolicy": "Owner", "deletionPolicy": "Retain", "template": template}
    keys = references(environment, secret, entry, catalogue, store)
    defaults = _defaults(environment.get("externalSecretsOperator", "2.9"))
    if secret.get("fetch", environment.get("fetch")) == "bundle":
        template["data"] = {key: f"{{{{ .{key} }}}}" for key in keys}
        (remote,) = {place["key"] for place in keys.values() if place is not None}
        source: PlainMap = {"dataFrom": [{"extract": {"key": remote, **defaults}}]}
    else:
        source = {"data": _per_key(keys, defaults)}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {
            "name": target,
            "namespace": secret.get("namespace", environment.get("namespace")),
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {
            "refreshInterval": _go_duration(secret.get("refreshInterval") or environment["refreshInterval"]),
            "secretStoreRef": {"kind": store.get("kind", "ClusterSecretStore"), "name": store["name"]},
            "target": made,
            **source,
        },
    }


def _per_key(keys: Mapping[str, PlainMap | None], defaults: PlainMap) -> Sequence[PlainMap]:
    return [{"secretKey": key, "remoteRef": {**(place or {}), **defaults}} for key, place in keys.items()]


def _defaults(operator: str) -> PlainMap:
    defaults = {"conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None"}
    return {**defaults, "nullBytePolicy": "Ignore"} if operator in _NULL_BYTE_MINORS else defaults


def _go_duration(text: str) -> str:
    parts = findall(r"([0-9.]+)([^0-9.]+)", text)
    left = int(sum((Decimal(amount) * Decimal(_UNITS[unit]) for amount, unit in parts), Decimal()))
    hours, minutes, seconds = left // 3600, left // 60 % 60, left % 60
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
