from __future__ import annotations

import yaml

from compiler.generate.argocd import health_patch, script


def test_the_patch_has_each_script_under_argo_cds_name_of_its_kind() -> None:
    assert yaml.safe_load(health_patch()) == {
        "data": {
            "resource.customizations.health.external-secrets.io_ExternalSecret": script(
                "external-secrets.io/ExternalSecret"
            ),
            "resource.customizations.health.argoproj.io_Application": script("argoproj.io/Application"),
        }
    }


def test_scripts_stand_as_they_are_written() -> None:
    """As a block, so that a review sees the lines."""
    lines = health_patch().splitlines()
    for line in script("external-secrets.io/ExternalSecret").splitlines():
        assert (f"    {line}" if line else "") in lines
