"""Holds every form of deployment against Argo CD's definitions, and to what keeps a cluster's secrets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from compiler.generate.argocd import FORMS
from tests.commands import Done
from tests.custom_resources import Definition

CLUSTERS = ("--cluster", "staging=stage", "--cluster", "dev=lab")
PLATFORM: tuple[str, ...] = (
    "--platform-repo",
    "registry.example.com/charts",
    "--platform-chart",
    "ai-platform",
    "--platform-version",
)
PLATFORM += ("0.6.0", "--platform-values", "platform")
MORE: dict[str, tuple[str, ...]] = {"app-of-apps": PLATFORM, "multi-source": ("--chart-revision", "v1.2.0")}
every_form = pytest.mark.parametrize("form", FORMS)


def manifests(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def specs(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of every Application, those that a set makes too."""
    deploying = [each for each in found if each["kind"] != "AppProject"]
    return [each["spec"] if each["kind"] == "Application" else each["spec"]["template"]["spec"] for each in deploying]


@every_form
def test_argo_cd_accepts_every_manifest(
    form: str, generate: Callable[..., Done], definition: Callable[[str], Definition]
) -> None:
    done = generate("--form", form, *CLUSTERS, *MORE.get(form, ()))
    assert (done.code, done.err) == (0, "")
    found = manifests(done.out)
    assert found
    for manifest in found:
        of_kind = definition(manifest["kind"])
        assert of_kind.refusals(manifest) == []
        # What the API server adds, Argo CD would take for a difference.
        assert of_kind.stored(manifest) == manifest
    assert {each["metadata"]["namespace"] for each in found} == {"argocd"}


@every_form
def test_the_definitions_refuse_what_is_wrong(
    form: str, generate: Callable[..., Done], definition: Callable[[str], Definition]
) -> None:
    """That the test above can fail."""
    for manifest in manifests(generate("--form", form, *CLUSTERS, *MORE.get(form, ())).out):
        manifest["spec"]["misspelt"] = True
        assert definition(manifest["kind"]).refusals(manifest) == ["unknown field .spec.misspelt"]


@every_form
def test_no_application_renders_nothing_or_takes_what_is_anothers(form: str, generate: Callable[..., Done]) -> None:
    found = manifests(generate("--form", form, *CLUSTERS, *MORE.get(form, ())).out)
    of_secrets = [spec for spec in specs(found) if spec.get("project") == "platform-secrets"]
    assert of_secrets
    for spec in of_secrets:
        (source, *_) = spec.get("sources", [spec.get("source")])
        assert source["helm"]["ignoreMissingValueFiles"] is False
        assert "FailOnSharedResource=true" in spec["syncPolicy"]["syncOptions"]
        assert spec["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
        assert spec["syncPolicy"]["retry"]["limit"] > 0
    for manifest in found:
        assert "finalizers" not in manifest["metadata"]


@every_form
def test_the_lists_of_the_project_are_closed(form: str, generate: Callable[..., Done]) -> None:
    spec = manifests(generate("--form", form, *CLUSTERS, *MORE.get(form, ())).out)[0]["spec"]
    assert spec["namespaceResourceWhitelist"] == [
        {"group": "external-secrets.io", "kind": "ExternalSecret"},
        {"group": "", "kind": "Secret"},
    ]
    assert spec["clusterResourceWhitelist"] == [{"group": "", "kind": "Namespace", "name": "ai-platform-engineering"}]
    assert {"name": "stage", "namespace": "ai-platform-engineering"} in spec["destinations"]
    assert "*" not in str(spec)


@every_form
def test_files_are_the_same_bytes_again_and_a_stale_one_is_told(
    form: str, generate: Callable[..., Done], project: Path
) -> None:
    words = ("--form", form, *CLUSTERS, *MORE.get(form, ()), "--out", "argocd")
    assert generate("--check", *words).code == 1
    assert not (project / "argocd").exists()
    done = generate(*words)
    written = [line.removesuffix(": written") for line in done.out.splitlines()]
    first = {name: (project / name).read_bytes() for name in written}
    assert generate("prod", "dev", "staging", *words).out.splitlines() == [f"{name}: unchanged" for name in written]
    assert generate("--check", *words).code == 0
    assert {name: (project / name).read_bytes() for name in written} == first
    file = project / written[-1]
    file.write_text(file.read_text("utf-8") + "  # by hand\n", "utf-8")
    done = generate("--check", *words)
    assert done.code == 1
    assert done.rules == ["stale-output"]
    assert f"{written[-1]}: stale" in done.out


@every_form
def test_kubectl_applies_the_projects_before_any_application(
    form: str, generate: Callable[..., Done], project: Path
) -> None:
    """It goes through the files of a folder by their names; a sync whose project is not there fails and is retried."""
    generate("--form", form, *CLUSTERS, *MORE.get(form, ()), "--out", "argocd")
    first, *others = sorted(path for path in (project / "argocd").iterdir() if path.is_file())
    assert {each["kind"] for each in manifests(first.read_text("utf-8"))} == {"AppProject"}
    assert others
    for path in others:
        assert "AppProject" not in {each["kind"] for each in manifests(path.read_text("utf-8"))}


def test_the_head_of_a_file_makes_it_again(generate: Callable[..., Done], project: Path) -> None:
    generate("prod", "--form", "application", "--out", "argocd")
    head = (project / "argocd/00-project.yaml").read_text("utf-8").splitlines()[1]
    assert head == (
        "#   platform-secrets generate argocd prod --form application --repo https://git.example.com/secrets.git"
        " --out argocd"
    )


def test_the_secrets_come_before_the_platform_whose_hooks_read_them(generate: Callable[..., Done]) -> None:
    found = manifests(generate("prod", "--form", "app-of-apps", *PLATFORM).out)
    waves = {
        each["metadata"]["name"]: int(each["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])
        for each in found
        if each["kind"] == "Application" and each["spec"]["project"] != "platform-secrets-apps"
    }
    assert waves["platform-secrets-prod"] < waves["ai-platform-prod"]
    (root,) = [each for each in found if each["metadata"]["name"] == "platform-secrets-prod-apps"]
    assert root["spec"]["source"]["path"] == "argocd/prod"
    # A deleted file must not take an Application along.
    assert root["spec"]["syncPolicy"]["automated"]["prune"] is False


def test_where_nobody_would_be_asked_pruning_is_off_and_it_is_told(
    generate: Callable[..., Done], project: Path
) -> None:
    base = project / "environments/base.yaml"
    base.write_text(base.read_text("utf-8").replace("Prune=confirm,Delete=confirm", "Prune=false"), "utf-8")
    done = generate("prod", "--form", "application")
    assert done.code == 0
    assert done.rules == ["unconfirmed-prune"]
    assert 'environments/base.yaml:26:1: warning[unconfirmed-prune]: 7 ExternalSecrets of "prod" would' in done.err
    assert "argocd.argoproj.io/sync-options: Prune=confirm,Delete=confirm" in done.err
    (spec,) = specs(manifests(done.out))
    assert spec["syncPolicy"]["automated"]["prune"] is False
