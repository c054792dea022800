from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.generate.argocd import FORMS, files
from tests.unit.generate.argocd.asked import CHART, DEV, PLATFORM, PROD, WANTED


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ("application", ["00-project.yaml", "application-prod.yaml", "application-dev.yaml"]),
        ("multi-source", ["00-project.yaml", "application-prod.yaml", "application-dev.yaml"]),
        ("applicationset", ["00-project.yaml", "applicationset.yaml"]),
        (
            "app-of-apps",
            ["00-project.yaml", "root-prod.yaml", "prod/secrets.yaml", "root-dev.yaml", "dev/secrets.yaml"],
        ),
    ],
)
def test_each_form_has_its_files(form: str, names: list[str]) -> None:
    assert list(files(form, replace(WANTED, chart=CHART), [PROD, DEV])) == names
    assert form in FORMS


def test_names_begin_with_the_projects() -> None:
    found = files("app-of-apps", replace(WANTED, platform=PLATFORM), [PROD])
    names = [manifest["metadata"]["name"] for manifests in found.values() for manifest in manifests]
    assert names == ["secrets", "secrets-apps", "secrets-prod-apps", "secrets-prod", "ai-prod"]
    assert [name for name in found if name.endswith("platform.yaml")] == ["prod/platform.yaml"]


def test_a_set_has_an_element_for_each_environment() -> None:
    (made,) = files("applicationset", WANTED, [PROD, DEV])["applicationset.yaml"]
    spec = made["spec"]
    assert spec["generators"] == [
        {
            "list": {
                "elements": [
                    {"env": "prod", "cluster": "west", "namespace": "platform"},
                    {"env": "dev", "cluster": "in-cluster", "namespace": "platform"},
                ]
            }
        }
    ]
    assert spec["template"]["metadata"]["name"] == "secrets-{{ .env }}"
    assert spec["template"]["spec"]["source"]["helm"]["valueFiles"] == ["values-{{ .env }}.yaml"]
    assert spec["syncPolicy"] == {"applicationsSync": "create-update", "preserveResourcesOnDeletion": True}
    assert spec["goTemplateOptions"] == ["missingkey=error"]


def test_a_set_prunes_only_where_all_ask() -> None:
    for deployed, prunes in (([PROD], True), ([PROD, DEV], False)):
        (made,) = files("applicationset", WANTED, deployed)["applicationset.yaml"]
        assert made["spec"]["template"]["spec"]["syncPolicy"]["automated"]["prune"] is prunes
