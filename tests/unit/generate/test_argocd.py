from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from compiler.generate.argocd import (
    FORMS,
    ArgoOptions,
    _application,
    _apps_project,
    _destination,
    _namespaces,
    _platform_spec,
    _root_spec,
    _secrets_application,
    _secrets_project,
    _secrets_source,
    argocd_texts,
    hand_over,
    health_patch,
    health_script,
    manifests,
    parse_options,
    to_arguments,
    unmade_namespaces,
)
from compiler.model.document import Diagnostic
from compiler.model.environment import Environment
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from tests.platforms import BASE, CATALOGUE, write_project

WANTED = ArgoOptions(
    "application", "https://git/a.git", "main", "chart", "secrets", "argocd", {"prod": "west"}, apps="deploy/argocd"
)


def environment(name: str, *namespaces: str, sync_options: str, stores: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401
    """What is read of one that has a secret in each of the `namespaces`, its own first, and renders `stores`."""
    annotations = {"argocd.argoproj.io/sync-options": sync_options}
    secrets = {each: SimpleNamespace(namespace=each, annotations=annotations) for each in reversed(namespaces)}
    rendered = {name: SimpleNamespace(name=name, kind=kind, rendered=True) for name, kind in (stores or {}).items()}
    rendered["other"] = SimpleNamespace(name="other", kind="ClusterSecretStore", rendered=False)
    root = SimpleNamespace(text={"namespace": namespaces[0]}.get)
    return SimpleNamespace(name=name, root=root, secrets=secrets, stores=rendered)


PROD = environment("prod", "platform", "web", sync_options="Prune=confirm,Delete=confirm")
DEV = environment("dev", "platform", sync_options="Delete=confirm")
FROM_REGISTRY = replace(
    WANTED,
    form="multi-source",
    chart_repo="registry/charts",
    chart_revision="0.1.0",
    chart="platform-secrets",
)
WITH_PLATFORM = replace(
    WANTED,
    form="app-of-apps",
    platform_repo="registry/charts",
    platform_chart="ai",
    platform_version="0.6.0",
    platform_values="platform/values",
)


def test_deleting_an_application_deletes_nothing_else() -> None:
    made = _application("a", WANTED, {"x": 1}, "-10")
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
    assert "argocd.argoproj.io/sync-wave" not in _application("a", WANTED, {})["metadata"]["annotations"]


def test_the_cluster_is_the_environments_own_or_argo_cds() -> None:
    assert _destination(WANTED, "prod", "platform") == {"name": "west", "namespace": "platform"}
    assert _destination(WANTED, "dev", "a") == {"server": "https://kubernetes.default.svc", "namespace": "a"}


def test_only_where_a_person_is_asked_it_prunes() -> None:
    for each, prunes in ((PROD, True), (DEV, False)):
        spec = _secrets_application(WANTED, each)["spec"]
        assert spec["syncPolicy"]["automated"] == {"prune": prunes, "selfHeal": True}
        assert spec["destination"]["namespace"] == "platform"
        assert spec["project"] == "secrets"


def test_one_source_is_the_charts_folder() -> None:
    assert _secrets_source(WANTED, "values-prod.yaml")["source"] == {
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
    chart, values = _secrets_source(replace(FROM_REGISTRY, path=path), "v.yaml")["sources"]
    assert chart["chart"] == "platform-secrets"
    assert "path" not in chart
    assert chart["helm"]["valueFiles"] == [file]
    assert values == {"repoURL": "https://git/a.git", "targetRevision": "main", "ref": "values"}


def test_a_chart_of_a_repository_has_a_path() -> None:
    chart, _ = _secrets_source(replace(FROM_REGISTRY, chart=None), "v.yaml")["sources"]
    assert (chart["path"], "chart" in chart, chart["targetRevision"]) == ("chart", False, "0.1.0")


def test_the_chart_is_in_the_same_repository_unless_said() -> None:
    chart, _ = _secrets_source(replace(WANTED, form="multi-source"), "v.yaml")["sources"]
    assert (chart["repoURL"], chart["targetRevision"], chart["path"]) == ("https://git/a.git", "main", "chart")


def test_the_platform_has_its_own_chart_project_and_values() -> None:
    spec = _platform_spec(WITH_PLATFORM, PROD)
    assert spec["project"] == "default"
    assert spec["sources"][0] == {
        "repoURL": "registry/charts",
        "chart": "ai",
        "targetRevision": "0.6.0",
        "helm": {"valueFiles": ["$values/platform/values/values-prod.yaml"], "ignoreMissingValueFiles": False},
    }
    assert spec["destination"] == {"name": "west", "namespace": "platform"}


def test_the_root_reads_the_environments_folder_and_prunes_none() -> None:
    spec = _root_spec(WANTED, "prod")
    assert spec["project"] == "secrets-apps"
    assert spec["source"]["path"] == "deploy/argocd/prod"
    assert spec["destination"] == {"server": "https://kubernetes.default.svc", "namespace": "argocd"}
    assert spec["syncPolicy"]["automated"]["prune"] is False


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
    assert list(manifests(replace(WANTED, form=form), [PROD, DEV])) == names
    assert form in FORMS


def test_names_begin_with_the_projects() -> None:
    found = manifests(WITH_PLATFORM, [PROD])
    names = [manifest["metadata"]["name"] for every in found.values() for manifest in every]
    assert names == ["secrets", "secrets-apps", "secrets-prod-apps", "secrets-prod", "ai-prod"]
    assert [name for name in found if name.endswith("platform.yaml")] == ["prod/platform.yaml"]


def test_a_set_has_an_element_for_each_environment() -> None:
    (made,) = manifests(replace(WANTED, form="applicationset"), [PROD, DEV])["applicationset.yaml"]
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
    for environments, prunes in (([PROD], True), ([PROD, DEV], False)):
        (made,) = manifests(replace(WANTED, form="applicationset"), environments)["applicationset.yaml"]
        assert made["spec"]["template"]["spec"]["syncPolicy"]["automated"]["prune"] is prunes


def test_the_patch_has_each_script_under_argo_cds_name_of_its_kind() -> None:
    assert yaml.safe_load(health_patch()) == {
        "data": {
            "resource.customizations.health.external-secrets.io_ExternalSecret": health_script(
                "external-secrets.io/ExternalSecret"
            ),
            "resource.customizations.health.argoproj.io_Application": health_script("argoproj.io/Application"),
        }
    }


def test_scripts_stand_as_they_are_written() -> None:
    """As a block, so that a review sees the lines."""
    lines = health_patch().splitlines()
    for line in health_script("external-secrets.io/ExternalSecret").splitlines():
        assert (f"    {line}" if line else "") in lines


def test_every_place_and_kind_is_listed_once() -> None:
    stores = {"own": "SecretStore", "vault": "ClusterSecretStore"}
    rendering = environment("prod", "platform", "web", sync_options="", stores=stores)
    spec = _secrets_project(FROM_REGISTRY, [rendering, rendering, DEV])["spec"]
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
    assert _secrets_project(WANTED, [DEV])["spec"]["sourceRepos"] == ["https://git/a.git"]


def test_the_root_may_make_applications_alone() -> None:
    made = _apps_project(WANTED)
    assert made["metadata"] == {"name": "secrets-apps", "namespace": "argocd"}
    assert made["spec"]["namespaceResourceWhitelist"] == [{"group": "argoproj.io", "kind": "Application"}]
    # No list, no kind: so Argo CD reads it.
    assert "clusterResourceWhitelist" not in made["spec"]


def test_an_environments_own_namespace_is_the_first() -> None:
    assert _namespaces(environment("prod", "own", "other", sync_options="")) == ["own", "other"]


REPO = "https://git.example.com/secrets.git"
PLATFORM = {
    "platform_repo": "ghcr.io/charts",
    "platform_chart": "ai",
    "platform_version": "0.6.0",
    "platform_values": "platform/values",
}


def typed(form: str | None = "application", **options: object) -> dict[str, object]:
    """The options as argparse has them."""
    return {"form": form, "repo": REPO, **options}


def refused(options: dict[str, object], root: Path) -> tuple[str, str | None]:
    with pytest.raises(Refusal) as caught:
        parse_options(options, root)
    assert caught.value.kind == "usage"
    return caught.value.message, caught.value.help


def test_what_is_not_said_is_by_default(tmp_path: Path) -> None:
    assert parse_options(typed(), tmp_path) == ArgoOptions("application", REPO)


def test_every_option_counts(tmp_path: Path) -> None:
    asked = typed(
        revision="v1", path="deploy/chart", project="shop", namespace="gitops", cluster=["prod=west", "dev=lab"]
    )
    clusters = {"prod": "west", "dev": "lab"}
    expected = ArgoOptions("application", REPO, "v1", "deploy/chart", "shop", "gitops", clusters)
    assert parse_options(asked, tmp_path) == expected


def test_the_platform_is_told_whole_or_not_at_all(tmp_path: Path) -> None:
    assert parse_options(typed("app-of-apps"), tmp_path).platform_chart is None
    whole = parse_options(typed("app-of-apps", **PLATFORM), tmp_path)
    assert (whole.platform_chart, whole.platform_values, whole.platform_project) == (
        "ai",
        "platform/values",
        "default",
    )
    assert refused(typed("app-of-apps", platform_chart="ai"), tmp_path)[0] == (
        "the platform's Application needs --platform-repo, --platform-version, --platform-values"
    )


@pytest.mark.parametrize(
    ("path", "out", "apps"),
    [
        ("chart", "a/../deploy", "deploy"),
        ("chart", None, "argocd"),
        ("chart", "deploy/argocd", "deploy/argocd"),
        ("teams/ai/chart", "argocd", "teams/ai/argocd"),
    ],
)
def test_where_the_applications_will_be_in_the_repository(
    tmp_path: Path, path: str, out: str | None, apps: str
) -> None:
    folder = None if out is None else str(tmp_path / out)
    assert parse_options(typed("app-of-apps", out=folder, path=path), tmp_path).apps == apps


def test_applications_of_an_app_of_apps_are_in_the_project(tmp_path: Path) -> None:
    message, _ = refused(typed("app-of-apps", out=str(tmp_path)), tmp_path / "project")
    assert message == "--out of app-of-apps is not in the project"
    message, _ = refused(typed("app-of-apps", path="deploy/helm"), tmp_path)
    assert message == '--path of app-of-apps does not end in "chart"'


def test_a_folder_of_links_in_a_circle_is_taken_as_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert parse_options(typed("app-of-apps", out=str(tmp_path / "loop")), tmp_path).apps == "loop"


@pytest.mark.parametrize(
    "repo",
    [
        "https://ghp_0123456789abcdef0123@git.example.com/a.git",
        "https://someone@git.example.com/a.git",
        "ssh://git:hunter2hunter2@git.example.com/a.git",
        "user:hunter2hunter2@ghcr.io/charts",
        "HTTPS://user:hunter2hunter2@git.example.com/a.git",
        "https://git.example.com/ghp_0123456789abcdef0123/a.git",
    ],
)
@pytest.mark.parametrize("option", ["repo", "chart_repo", "platform_repo"])
def test_a_credential_is_refused_and_not_shown(tmp_path: Path, option: str, repo: str) -> None:
    form = {"chart_repo": "multi-source", "platform_repo": "app-of-apps"}.get(option, "application")
    message, way_out = refused(typed(form, **{option: repo}), tmp_path)
    assert message == f"--{option.replace('_', '-')} has a credential in it, which would be committed"
    assert way_out is not None
    assert "hunter2" not in message + way_out
    assert "ghp_" not in message + way_out


@pytest.mark.parametrize("repo", ["git@github.com:ai/secrets.git", "ssh://git@git.example.com/a.git", REPO])
def test_a_user_of_ssh_is_none(tmp_path: Path, repo: str) -> None:
    assert parse_options(typed(repo=repo), tmp_path).repo == repo


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "../chart"}, "--path is not the path of a folder in the repository"),
        ({"path": "/chart"}, "--path is not the path of a folder in the repository"),
        ({"path": "chart/"}, "--path is not the path of a folder in the repository"),
        ({"project": "Shop"}, "--project may only have lower-case letters, digits, inner hyphens and dots"),
        ({"project": "a" * 64}, "--project has 64 characters, and Kubernetes allows 63"),
        ({"namespace": "a.b"}, "--namespace may only have lower-case letters, digits and inner hyphens"),
        (
            {"revision": "a b"},
            "--revision may only have printable ASCII without spaces, and begins with a letter or digit",
        ),
        (
            {"revision": "-x"},
            "--revision may only have printable ASCII without spaces, and begins with a letter or digit",
        ),
        ({"cluster": ["prod"]}, "--cluster is ENV=NAME"),
        ({"cluster": ["prod=a", "prod=b"]}, '--cluster names "prod" twice'),
        (
            {"cluster": ["prod=a b"]},
            "--cluster may only have printable ASCII without spaces, and begins with a letter or digit",
        ),
        ({"chart": "x"}, "--chart is an option of --form multi-source"),
        ({"platform_chart": "x"}, "--platform-chart is an option of --form app-of-apps"),
        ({"repo": None}, "argocd needs --repo"),
        ({"repo": "https//git.example.com/a.git"}, "--repo is not the URL of a repository"),
        ({"repo": "https:/git.example.com/a.git"}, "--repo is not the URL of a repository"),
        ({"repo": "git.example.com/a.git"}, "--repo is not the URL of a repository"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    assert refused(typed(**options), tmp_path)[0] == message


@pytest.mark.parametrize("out", ["a\nkind: X", "a\x85b", "a\x1b[31m", "a\udcff"])
def test_a_folder_that_would_end_the_comment_above_each_file_is_refused(tmp_path: Path, out: str) -> None:
    message, way_out = refused(typed(out=out), tmp_path)
    assert message == "--out has a character that cannot be printed"
    assert way_out == "name another folder"


def test_a_credential_in_the_folder_s_name_is_refused_and_not_shown(tmp_path: Path) -> None:
    out = "ghp_0123456789abcdef0123"
    message, _ = refused(typed(out=out), tmp_path)
    assert message == "--out has a credential in it, which would be committed"


def test_a_form_is_needed_and_a_registry_has_versions(tmp_path: Path) -> None:
    assert refused(typed(None), tmp_path)[0] == "argocd needs --form"
    assert refused(typed("multi-source", chart="x"), tmp_path)[0] == "--chart needs --chart-repo"
    asked = typed("multi-source", chart="x", chart_repo="ghcr.io/charts")
    assert refused(asked, tmp_path)[0] == "--chart needs --chart-revision"


def test_the_arguments_come_back_in_one_order(tmp_path: Path) -> None:
    chosen, _ = project_of(tmp_path, {"dev": ASKS, "prod": ASKS})
    asked = typed(out="argocd/", revision="main", path=None, cluster=["prod=west", "dev=lab"])
    assert to_arguments(parse_options(asked, tmp_path), chosen) == [
        *("generate", "argocd", "dev", "prod", "--form", "application", "--repo", REPO),
        *("--cluster", "dev=lab", "--cluster", "prod=west", "--out", "argocd"),
    ]


ASKS = "annotations: {argocd.argoproj.io/sync-options: 'Prune=confirm,Delete=confirm'}\n"
RENDERED = (
    "stores: {vault: {render: true, conditions: {namespaces: [ai-platform]}, auth: {kubernetes: {role: eso, "
    "mountPath: kubernetes, serviceAccount: {name: eso, namespace: eso, audiences: [vault]}}}}}\n"
)


def project_of(
    root: Path, environments: Mapping[str, str], clusters: Mapping[str, str] | None = None
) -> tuple[tuple[Environment, ...], ArgoOptions]:
    result = compile_project(write_project(root, base=BASE, catalogue=CATALOGUE, **environments))
    assert result.project is not None
    return result.project.environments, ArgoOptions("application", REPO, project="secrets", cluster=clusters or {})


def texts(
    root: Path, environments: Mapping[str, str], clusters: Mapping[str, str] | None = None
) -> tuple[dict[str, str], tuple[Diagnostic, ...]]:
    return argocd_texts(*project_of(root, environments, clusters))


def test_each_file_says_how_it_is_made_and_reads_back(tmp_path: Path) -> None:
    made, found = texts(tmp_path, {"prod": ASKS})
    assert found == ()
    assert list(made) == ["00-project.yaml", "application-prod.yaml"]
    for text in made.values():
        assert text.startswith(
            "# Generated by `platform-secrets generate argocd`. Do not edit; run:\n"
            f"#   platform-secrets generate argocd prod --form application --repo {REPO} --project secrets\n"
            "apiVersion: "
        )
    project = yaml.safe_load(made["00-project.yaml"])
    assert project["spec"]["destinations"][0]["namespace"] == "ai-platform"
    assert yaml.safe_load(made["application-prod.yaml"])["spec"]["syncPolicy"]["automated"]["prune"] is True


def test_every_namespace_and_rendered_store_is_allowed(tmp_path: Path) -> None:
    more = "secrets: {github: {namespace: web}}\n"
    project = yaml.safe_load(texts(tmp_path, {"prod": ASKS + RENDERED + more})[0]["00-project.yaml"])["spec"]
    assert [each["namespace"] for each in project["destinations"]] == ["ai-platform", "web"]
    assert {"group": "external-secrets.io", "kind": "ClusterSecretStore", "name": "vault-store"} in project[
        "clusterResourceWhitelist"
    ]


def test_a_rendered_store_of_a_namespace_is_allowed_by_its_kind(tmp_path: Path) -> None:
    text = ASKS + RENDERED.replace("render: true", "render: true, kind: SecretStore")
    project = yaml.safe_load(texts(tmp_path, {"prod": text})[0]["00-project.yaml"])["spec"]
    assert {"group": "external-secrets.io", "kind": "SecretStore"} in project["namespaceResourceWhitelist"]
    assert [each["kind"] for each in project["clusterResourceWhitelist"]] == ["Namespace"]


@pytest.mark.parametrize(
    ("text", "lacking", "line", "prunes"),
    [
        ("{}\n", "Prune=confirm,Delete=confirm", ("environments/base.yaml", 8), False),
        (ASKS.replace("Prune=confirm,", ""), "Prune=confirm", ("environments/prod.yaml", 1), False),
        (ASKS.replace(",Delete=confirm", ""), "Delete=confirm", ("environments/prod.yaml", 1), True),
    ],
)
def test_what_would_go_unasked_is_told(
    tmp_path: Path,
    text: str,
    lacking: str,
    line: tuple[str, int],
    prunes: bool,  # noqa: FBT001
) -> None:
    made, (found,) = texts(tmp_path, {"prod": text})
    assert found.rule == "unconfirmed-prune"
    assert found.message == (
        f'1 ExternalSecret of "prod" would be deleted without confirmation, as {lacking} is missing: "github"'
    )
    assert (found.span.path, found.span.line) == line
    assert yaml.safe_load(made["application-prod.yaml"])["spec"]["syncPolicy"]["automated"]["prune"] is prunes


@pytest.mark.parametrize(
    ("environments", "clusters", "message"),
    [
        ({"prod": ASKS}, {"qa": "x"}, '--cluster names "qa", which is not generated'),
        ({"prod": "secrets: {github: {enabled: false}}\n"}, {}, '"prod" has no secret to deploy'),
        ({"prod": "subchart: secrets\n"}, {}, '"prod" nests its values under "secrets"'),
        (
            {"dev": ASKS, "prod": ASKS},
            {},
            '"dev" and "prod" both make "ai-platform/agent-github-secrets" in one cluster',
        ),
        (
            {"dev": ASKS, "prod": ASKS},
            {"dev": "west", "prod": "west"},
            '"dev" and "prod" both make "ai-platform/agent-github-secrets" in one cluster',
        ),
    ],
)
def test_what_argo_cd_could_not_deploy_is_refused(
    tmp_path: Path, environments: dict[str, str], clusters: dict[str, str], message: str
) -> None:
    with pytest.raises(Refusal) as caught:
        texts(tmp_path, environments, clusters)
    assert caught.value.message == message
    assert caught.value.help


def test_two_environments_share_a_cluster_in_namespaces_of_their_own(tmp_path: Path) -> None:
    made, _ = texts(tmp_path, {"dev": f"{ASKS}namespace: dev\n", "prod": ASKS})
    assert len(made) == 3


WEB = "secrets: {github: {namespace: web}}\n"


@pytest.mark.parametrize(
    ("environments", "clusters", "noted"),
    [
        ({"prod": ASKS}, {}, []),
        ({"prod": ASKS + WEB}, {}, ['prod: no Application of these makes the namespace "web"']),
        # The other environment's Application makes it, in that cluster.
        ({"prod": ASKS + WEB, "site": "namespace: web\n"}, {}, []),
        ({"prod": ASKS + WEB, "site": "namespace: web\n"}, {"site": "west"}, ["prod: no Application of these"]),
    ],
)
def test_namespaces_that_nothing_makes_are_told(
    tmp_path: Path, environments: dict[str, str], clusters: dict[str, str], noted: list[str]
) -> None:
    found = list(unmade_namespaces(*project_of(tmp_path, environments, clusters)))
    assert len(found) == len(noted)
    assert all(each.startswith(start) for each, start in zip(found, noted, strict=True))


OLD = ArgoOptions("application", "https://git/a.git", cluster={"dev": "lab"}, out="argocd", apps="argocd")
NEW = replace(OLD, project="shop-secrets")
ORPHAN = '{"metadata":{"finalizers":null}}'


@pytest.fixture
def environments(tmp_path: Path) -> tuple[Environment, ...]:
    result = compile_project(write_project(tmp_path, base=BASE, catalogue=CATALOGUE, dev="{}\n", prod="{}\n"))
    assert result.project is not None
    return result.project.environments


def texts_of_form(form: str, options: ArgoOptions, environments: tuple[Environment, ...]) -> list[str]:
    options = replace(options, form=form)
    if form == "multi-source":
        options = replace(options, chart_repo="ghcr.io/charts", chart_revision="0.1.0", chart="platform-secrets")
    if form == "app-of-apps":
        options = replace(options, platform_repo="ghcr.io/charts", platform_chart="ai", platform_version="1")
    return list(argocd_texts(environments, options)[0].values())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("later", FORMS)
def test_no_form_renames_where_the_project_stays(form: str, later: str, environments: tuple[Environment, ...]) -> None:
    before, after = texts_of_form(form, OLD, environments), texts_of_form(later, OLD, environments)
    assert list(hand_over(before, after, environments, OLD)) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("later", FORMS)
def test_another_project_is_handed_over_whatever_the_form(
    form: str, later: str, environments: tuple[Environment, ...]
) -> None:
    before, after = texts_of_form(form, OLD, environments), texts_of_form(later, NEW, environments)
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
    before, after = (texts_of_form("app-of-apps", options, environments) for options in (OLD, NEW))
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
    found = hand_over(texts_of_form("application", OLD, chosen), texts_of_form("application", NEW, chosen), chosen, NEW)
    dev, prod = (lines for _, lines in found)
    assert any(line.startswith("kubectl --namespace ai-platform annotate secretstore vault-store ") for line in dev)
    assert any(line.startswith("kubectl annotate clustersecretstore vault-store ") for line in prod)


def test_an_environment_that_is_left_out_is_not_renamed(environments: tuple[Environment, ...]) -> None:
    before = texts_of_form("application", OLD, environments)
    only = tuple(each for each in environments if each.name == "dev")
    found = list(hand_over(before, texts_of_form("application", NEW, only), only, NEW))
    assert [note.partition(":")[0] for note, _ in found] == ["dev"]


@pytest.mark.parametrize(
    "text", ["kind: [", "kind: Application\nspec: 1\n", "kind: ApplicationSet\nmetadata: []\n", "- 1\n"]
)
def test_a_file_in_another_form_names_nothing(text: str, environments: tuple[Environment, ...]) -> None:
    assert list(hand_over([text], texts_of_form("application", NEW, environments), environments, NEW)) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_former_file_that_somebody_edited_still_names_what_it_deploys(
    form: str, environments: tuple[Environment, ...]
) -> None:
    after = texts_of_form(form, NEW, environments)
    usual = list(hand_over(texts_of_form(form, OLD, environments), after, environments, NEW))
    for old, new in (("name: ", "name: &own "), ("releaseName: ", "releaseName: !!str ")):
        edited = [text.replace(old, new) for text in texts_of_form(form, OLD, environments)]
        assert list(hand_over(edited, after, environments, NEW)) == usual
    # What follows it may be damaged: it was deployed before.
    damaged = [f"{text}---\nkind: [\n" for text in texts_of_form(form, OLD, environments)]
    assert list(hand_over(damaged, after, environments, NEW)) == usual
