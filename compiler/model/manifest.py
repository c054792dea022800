"""Builds the ExternalSecrets that the chart must render for an environment, from its values as the chart reads them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from compiler.model.document import Span
from compiler.model.environment import BUNDLE, Environment, Store
from compiler.model.facts import ANNOTATION, EXTERNAL_SECRETS, LABEL, PART_OF, PART_OF_VALUE
from compiler.model.values import values_of

PlainMap = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """The ExternalSecret of a secret, by its id, as the chart renders it.

    It reads from `store`; `span` is the line of the environment that asks for it.
    """

    secret: str
    store: Store
    object: Mapping[str, Any]
    span: Span

    @property
    def namespace(self) -> str:
        return str(self.object["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """The name of the ExternalSecret, and of the Secret that it makes."""
        return str(self.object["metadata"]["name"])

    @property
    def title(self) -> str:
        return f"{self.namespace}/{self.name}"


def manifests_of(environment: Environment, only: Collection[str] = ()) -> dict[str, Manifest]:
    """What an environment that passed every rule must have in the cluster, by secret: of `only` these, or of all."""
    values: PlainMap = dict(values_of(environment))
    part_of, defaults = values.get(PART_OF_VALUE, PART_OF), values["remoteRefDefaults"]
    return {
        name: Manifest(
            name,
            secret.store,
            _external_secret(values[EXTERNAL_SECRETS][name], part_of, defaults),
            secret.node.key_span,
        )
        for name, secret in environment.secrets.items()
        if secret.store is not None and (not only or name in only)
    }


def _external_secret(values: PlainMap, part_of: str, defaults: PlainMap) -> PlainMap:
    """As chart/templates/external-secret.yaml renders one entry of `externalSecrets`."""
    name, own_labels = values["name"], values.get("secretLabels", {})
    labels = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": "secrets",
        LABEL: part_of,
        "app.kubernetes.io/managed-by": "Helm",
    }
    made: PlainMap = {"labels": {**labels, **own_labels}}
    if values.get("secretAnnotations"):
        made["annotations"] = dict(values["secretAnnotations"])
    template: PlainMap = {"engineVersion": "v2", "mergePolicy": "Replace", "metadata": made}
    if values["fetch"] == BUNDLE:
        template["data"] = {key: f"{{{{ .{key} }}}}" for key in values["keys"]}
        source: PlainMap = {"dataFrom": [{"extract": {"key": values["remoteKey"], **defaults}}]}
    else:
        source = {"data": [*_data(values, defaults)]}
    target = {"name": name, "creationPolicy": "Owner", "deletionPolicy": "Retain", "template": template}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {
            "name": name,
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


def _data(values: PlainMap, defaults: PlainMap) -> list[PlainMap]:
    """One item a key. Those that lie elsewhere come last and sorted, as a template ranges over a map."""
    places: PlainMap = {key: {"key": values["remoteKey"], "property": key} for key in values.get("keys", ())}
    elsewhere = values.get("data", {})
    places |= {key: elsewhere[key] for key in sorted(elsewhere)}
    return [{"secretKey": key, "remoteRef": {**place, **defaults}} for key, place in places.items()]
