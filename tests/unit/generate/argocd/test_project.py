from __future__ import annotations

from dataclasses import replace

from compiler.generate.argocd import apps_project, secrets_project
from tests.unit.generate.argocd.asked import CHART, DEV, PROD, WANTED

STORE = ("external-secrets.io", "SecretStore")


def test_every_place_and_kind_is_listed_once() -> None:
    rendering = replace(PROD, kinds=(STORE,), cluster_stores=("vault",))
    spec = secrets_project(replace(WANTED, chart=CHART), [rendering, rendering, DEV])["spec"]
    assert spec == {
        "description": "ExternalSecrets of the platform",
        "sourceRepos": ["https://git/a.git", "registry/charts"],
        "destinations": [
            {"name": "west", "namespace": "platform"},
            {"name": "west", "namespace": "web"},
            {"server": "https://kubernetes.default.svc", "namespace": "platform"},
        ],
        "clusterResourceWhitelist": [
            {"group": "", "kind": "Namespace", "name": "platform"},
            {"group": "external-secrets.io", "kind": "ClusterSecretStore", "name": "vault"},
        ],
        "namespaceResourceWhitelist": [
            {"group": "external-secrets.io", "kind": "ExternalSecret"},
            {"group": "external-secrets.io", "kind": "SecretStore"},
            {"group": "", "kind": "Secret"},
        ],
    }


def test_one_repository_is_one_source() -> None:
    assert secrets_project(WANTED, [DEV])["spec"]["sourceRepos"] == ["https://git/a.git"]


def test_the_root_may_make_applications_alone() -> None:
    made = apps_project(WANTED)
    assert made["metadata"] == {"name": "secrets-apps", "namespace": "argocd"}
    assert made["spec"]["namespaceResourceWhitelist"] == [{"group": "argoproj.io", "kind": "Application"}]
    # No list, no kind: so Argo CD reads it.
    assert "clusterResourceWhitelist" not in made["spec"]
