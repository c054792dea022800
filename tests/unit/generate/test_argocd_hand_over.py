from dataclasses import replace
from pathlib import Path

import pytest

from compiler.generate.argocd import FORMS, ArgoOptions, argocd_texts, hand_over
from compiler.model.environment import Environment
from compiler.pipeline import compile_project
from tests.github_project import BASE, CATALOGUE

OLD = ArgoOptions("application", "https://git/a.git", cluster={"dev": "lab"}, out="argocd", apps="argocd")
NEW = replace(OLD, project="shop-secrets")
ORPHAN = '{"metadata":{"finalizers":null}}'


@pytest.fixture
def environments(tmp_path: Path) -> tuple[Environment, ...]:
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "base.yaml").write_text(BASE, "utf-8")
    (folder / "catalogue.yaml").write_text(CATALOGUE, "utf-8")
    for name in ("dev", "prod"):
        (folder / f"{name}.yaml").write_text("{}\n", "utf-8")
    result = compile_project(tmp_path)
    assert result.project is not None
    return result.project.environments


def texts(form: str, options: ArgoOptions, environments: tuple[Environment, ...]) -> list[str]:
    options = replace(options, form=form)
    if form == "multi-source":
        options = replace(options, chart_repo="ghcr.io/charts", chart_revision="0.1.0", chart="platform-secrets")
    if form == "app-of-apps":
        options = replace(options, platform_repo="ghcr.io/charts", platform_chart="ai", platform_version="1")
    return list(argocd_texts(environments, options)[0].values())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("later", FORMS)
def test_no_form_renames_where_the_project_stays(form: str, later: str, environments: tuple[Environment, ...]) -> None:
    before, after = texts(form, OLD, environments), texts(later, OLD, environments)
    assert list(hand_over(before, after, environments, OLD)) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("later", FORMS)
def test_another_project_is_handed_over_whatever_the_form(
    form: str, later: str, environments: tuple[Environment, ...]
) -> None:
    before, after = texts(form, OLD, environments), texts(later, NEW, environments)
    found = dict(hand_over(before, after, environments, NEW))
    dev, prod = found
    assert dev.startswith('dev: the Application "platform-secrets-dev" is named "shop-secrets-dev" now, and Argo CD ')
    lines = found[prod]
    kubectl = "kubectl --namespace argocd"
    deleted = [line.removeprefix(f"{kubectl} delete ") for line in lines if " delete " in line]
    makers = {
        "applicationset": ["applicationset platform-secrets --cascade=orphan"],
        "app-of-apps": ["application platform-secrets-prod-apps"],
    }
    assert deleted == [*makers.get(form, []), "application platform-secrets-prod"]
    assert f"{kubectl} patch application platform-secrets-prod --type merge --patch '{ORPHAN}'" in lines
    assert lines[-2:] == [
        "kubectl --namespace ai-platform annotate externalsecret agent-github-secrets argocd.argoproj.io/tracking-id-",
        "kubectl apply -f argocd",
    ]
    assert found[dev][-2].endswith('tracking-id-  # in the cluster "lab"')


def test_the_finalizer_goes_before_the_application(environments: tuple[Environment, ...]) -> None:
    """One that somebody has added would delete all that is deployed."""
    before, after = (texts("app-of-apps", options, environments) for options in (OLD, NEW))
    for _, lines in hand_over(before, after, environments, NEW):
        for number, line in enumerate(lines):
            if " delete application " in line:
                assert lines[number - 1].startswith(line.replace(" delete ", " patch "))


def test_rendered_stores_are_handed_over_too(tmp_path: Path) -> None:
    auth = "auth: {kubernetes: {role: e, mountPath: k, serviceAccount: {name: e, namespace: e, audiences: [v]}}}"
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "base.yaml").write_text(BASE, "utf-8")
    (folder / "catalogue.yaml").write_text(CATALOGUE, "utf-8")
    for name, kind in (("dev", "SecretStore"), ("prod", "ClusterSecretStore")):
        where = "conditions: {namespaces: [ai-platform]}, " if name == "prod" else ""
        store = f"stores: {{vault: {{render: true, kind: {kind}, {where}{auth}}}}}\n"
        (folder / f"{name}.yaml").write_text(store, "utf-8")
    result = compile_project(tmp_path)
    assert result.project is not None
    chosen = result.project.environments
    found = hand_over(texts("application", OLD, chosen), texts("application", NEW, chosen), chosen, NEW)
    dev, prod = (lines for _, lines in found)
    assert any(line.startswith("kubectl --namespace ai-platform annotate secretstore vault-store ") for line in dev)
    assert any(line.startswith("kubectl annotate clustersecretstore vault-store ") for line in prod)


def test_an_environment_that_is_left_out_is_not_renamed(environments: tuple[Environment, ...]) -> None:
    before = texts("application", OLD, environments)
    only = tuple(each for each in environments if each.name == "dev")
    found = list(hand_over(before, texts("application", NEW, only), only, NEW))
    assert [note.partition(":")[0] for note, _ in found] == ["dev"]


@pytest.mark.parametrize(
    "text", ["kind: [", "kind: Application\nspec: 1\n", "kind: ApplicationSet\nmetadata: []\n", "- 1\n"]
)
def test_a_file_in_another_form_names_nothing(text: str, environments: tuple[Environment, ...]) -> None:
    assert list(hand_over([text], texts("application", NEW, environments), environments, NEW)) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_former_file_that_somebody_edited_still_names_what_it_deploys(
    form: str, environments: tuple[Environment, ...]
) -> None:
    after = texts(form, NEW, environments)
    usual = list(hand_over(texts(form, OLD, environments), after, environments, NEW))
    for old, new in (("name: ", "name: &own "), ("releaseName: ", "releaseName: !!str ")):
        edited = [text.replace(old, new) for text in texts(form, OLD, environments)]
        assert list(hand_over(edited, after, environments, NEW)) == usual
    # What follows it may be damaged: it was deployed before.
    damaged = [f"{text}---\nkind: [\n" for text in texts(form, OLD, environments)]
    assert list(hand_over(damaged, after, environments, NEW)) == usual
