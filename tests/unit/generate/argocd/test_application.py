from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.generate.argocd import (
    application,
    destination,
    one_source,
    platform_spec,
    root_project,
    root_spec,
    secrets_spec,
    two_sources,
)
from tests.unit.generate.argocd.asked import CHART, DEV, PLATFORM, PROD, WANTED


def test_deleting_an_application_deletes_nothing_else() -> None:
    made = application("a", WANTED, {"x": 1}, "-10")
    assert made == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": "a",
            "namespace": "argocd",
            "annotations": {
                "argocd.argoproj.io/sync-wave": "-10",
                "argocd.argoproj.io/compare-options": "ServerSideDiff=true",
            },
        },
        "spec": {"x": 1},
    }
    assert "argocd.argoproj.io/sync-wave" not in application("a", WANTED, {})["metadata"]["annotations"]


def test_the_cluster_is_the_environments_own_or_argo_cds() -> None:
    assert destination(WANTED, "prod") == {"name": "west"}
    assert destination(WANTED, "dev") == {"server": "https://kubernetes.default.svc"}


def test_only_where_a_person_is_asked_it_prunes() -> None:
    for deployed in (PROD, DEV):
        spec = secrets_spec(WANTED, one_source(WANTED, "values-x.yaml"), deployed)
        assert spec["syncPolicy"]["automated"] == {"prune": deployed.is_asked, "selfHeal": True}
        assert spec["destination"]["namespace"] == "platform"
        assert spec["project"] == "secrets"


def test_one_source_is_the_charts_folder() -> None:
    assert one_source(WANTED, "values-prod.yaml")["source"] == {
        "repoURL": "https://git/a.git",
        "targetRevision": "main",
        "path": "chart",
        "helm": {
            "releaseName": "platform-secrets",
            "valueFiles": ["values-prod.yaml"],
            "ignoreMissingValueFiles": False,
        },
    }


@pytest.mark.parametrize(("path", "file"), [("chart", "$values/chart/v.yaml"), (".", "$values/v.yaml")])
def test_of_two_sources_the_second_has_the_values(path: str, file: str) -> None:
    wanted = replace(WANTED, chart=CHART, path=path)
    chart, values = two_sources(wanted, "v.yaml")["sources"]
    assert chart["chart"] == "platform-secrets"
    assert "path" not in chart
    assert chart["helm"]["valueFiles"] == [file]
    assert values == {"repoURL": "https://git/a.git", "targetRevision": "main", "ref": "values"}


def test_a_chart_of_a_repository_has_a_path() -> None:
    wanted = replace(WANTED, chart=replace(CHART, chart=None))
    chart, _ = two_sources(wanted, "v.yaml")["sources"]
    assert (chart["path"], "chart" in chart, chart["targetRevision"]) == ("chart", False, "0.1.0")
    with pytest.raises(ValueError, match="two sources"):
        two_sources(WANTED, "v.yaml")


def test_the_platform_has_its_own_chart_project_and_values() -> None:
    spec = platform_spec(WANTED, PLATFORM, PROD)
    assert spec["project"] == "default"
    assert spec["sources"][0] == {
        "repoURL": "registry/charts",
        "chart": "ai",
        "targetRevision": "0.6.0",
        "helm": {"valueFiles": ["$values/platform/values/values-prod.yaml"], "ignoreMissingValueFiles": False},
    }
    assert spec["destination"] == {"name": "west", "namespace": "platform"}


def test_the_root_reads_the_environments_folder_and_prunes_none() -> None:
    spec = root_spec(WANTED, "prod")
    assert spec["project"] == root_project(WANTED) == "secrets-apps"
    assert spec["source"]["path"] == "deploy/argocd/prod"
    assert spec["destination"] == {"server": "https://kubernetes.default.svc", "namespace": "argocd"}
    assert spec["syncPolicy"]["automated"]["prune"] is False
