"""templates/cluster-secret-store.yaml and secret-store.yaml: the provider is printed as it is given."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]
VALUES = Path(__file__).parent / "values"


@pytest.mark.parametrize("sample", ["mixed", "vault-auth", "azure-auth"])
def test_each_store_is_printed_whole_and_once(sample: str, rendered: Callable[..., list[Manifest]]) -> None:
    values = yaml.load((VALUES / f"{sample}.yaml").read_text("utf-8"), yaml.CSafeLoader)
    expected = [
        _store("ClusterSecretStore", {}, {"conditions": store["conditions"]}, store)
        for store in values["clusterSecretStores"].values()
    ]
    expected += [
        _store("SecretStore", {"namespace": store["namespace"]}, {}, store) for store in values["secretStores"].values()
    ]
    printed = [each for each in rendered(sample) if each["kind"] != "ExternalSecret"]
    assert sorted(printed, key=_identity) == sorted(expected, key=_identity)


def _store(kind: str, place: dict[str, str], conditions: Manifest, store: Manifest) -> Manifest:
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": kind,
        "metadata": {
            "name": store["name"],
            **place,
            "labels": {
                "app.kubernetes.io/name": store["name"],
                "app.kubernetes.io/component": "secret-store",
                "app.kubernetes.io/part-of": "ai-platform-engineering",
                "app.kubernetes.io/managed-by": "Helm",
            },
            "annotations": {"argocd.argoproj.io/sync-wave": store["syncWave"]},
        },
        "spec": {**conditions, "provider": store["provider"]},
    }


def _identity(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]
