from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from compiler.generate.argocd import ChartSource, Platform, Wanted
from compiler.generate.argocd_files import Given, wanted_of, words_of
from compiler.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

REPO = "https://git.example.com/secrets.git"
PLATFORM = {
    "--platform-repo": "ghcr.io/charts",
    "--platform-chart": "ai",
    "--platform-version": "0.6.0",
    "--platform-values": "platform/values",
}


def given(form: str | None = "application", out: tuple[Path, str] | None = None, **options: object) -> Given:
    named = {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    return Given(form, {"--form": form, "--repo": REPO, **named}, out)


def refused(asked: Given, root: Path) -> tuple[str, str | None]:
    with pytest.raises(Refusal) as caught:
        wanted_of(asked, root)
    assert caught.value.kind == "usage"
    return caught.value.message, caught.value.help


def test_what_is_not_said_is_by_default(tmp_path: Path) -> None:
    assert wanted_of(given(), tmp_path) == Wanted(REPO, "main", "chart", "platform-secrets", "argocd")


def test_every_option_counts(tmp_path: Path) -> None:
    asked = given(
        revision="v1", path="deploy/chart", project="shop", namespace="gitops", cluster=["prod=west", "dev=lab"]
    )
    clusters = {"prod": "west", "dev": "lab"}
    assert wanted_of(asked, tmp_path) == Wanted(REPO, "v1", "deploy/chart", "shop", "gitops", clusters)


def test_the_chart_is_in_the_same_repository_unless_said(tmp_path: Path) -> None:
    assert wanted_of(given("multi-source"), tmp_path).chart == ChartSource(REPO, "main")
    asked = given("multi-source", chart_repo="ghcr.io/charts", chart_revision="0.1.0", chart="platform-secrets")
    assert wanted_of(asked, tmp_path).chart == ChartSource("ghcr.io/charts", "0.1.0", "platform-secrets")


def test_the_platform_is_told_whole_or_not_at_all(tmp_path: Path) -> None:
    asked = given("app-of-apps")
    assert wanted_of(asked, tmp_path).platform is None
    whole = Given("app-of-apps", {**asked.options, **PLATFORM}, None)
    assert wanted_of(whole, tmp_path).platform == Platform(
        "ghcr.io/charts", "ai", "0.6.0", "platform/values", "default"
    )
    part = Given("app-of-apps", {**asked.options, "--platform-chart": "ai"}, None)
    assert refused(part, tmp_path)[0] == (
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
    folder = None if out is None else (tmp_path / out, out)
    assert wanted_of(given("app-of-apps", folder, path=path), tmp_path).apps == apps


def test_applications_of_an_app_of_apps_are_in_the_project(tmp_path: Path) -> None:
    message, _ = refused(given("app-of-apps", (tmp_path, "..")), tmp_path / "project")
    assert message == "--out of app-of-apps is not in the project"
    message, _ = refused(given("app-of-apps", path="deploy/helm"), tmp_path)
    assert message == '--path of app-of-apps does not end in "chart"'


def test_a_folder_of_links_in_a_circle_is_taken_as_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert wanted_of(given("app-of-apps", (tmp_path / "loop", "loop")), tmp_path).apps == "loop"


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
    named = f"--{option.replace('_', '-')}"
    message, way_out = refused(Given(form, {**given(form).options, named: repo}, None), tmp_path)
    assert message == f"--{option.replace('_', '-')} has a credential in it, which would be committed"
    assert way_out is not None
    assert "hunter2" not in message + way_out
    assert "ghp_" not in message + way_out


@pytest.mark.parametrize("repo", ["git@github.com:ai/secrets.git", "ssh://git@git.example.com/a.git", REPO])
def test_a_user_of_ssh_is_none(tmp_path: Path, repo: str) -> None:
    assert wanted_of(given(repo=repo), tmp_path).repo == repo


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
    assert refused(given(**options), tmp_path)[0] == message


@pytest.mark.parametrize("out", ["a\nkind: X", "a\x85b", "a\x1b[31m", "a\udcff"])
def test_a_folder_that_would_end_the_comment_above_each_file_is_refused(tmp_path: Path, out: str) -> None:
    message, way_out = refused(given(out=(tmp_path / out, out)), tmp_path)
    assert message == "--out has a character that cannot be printed"
    assert way_out == "name another folder"


def test_a_credential_in_the_folder_s_name_is_refused_and_not_shown(tmp_path: Path) -> None:
    out = "ghp_0123456789abcdef0123"
    message, _ = refused(given(out=(tmp_path / out, out)), tmp_path)
    assert message == "--out has a credential in it, which would be committed"


def test_a_form_is_needed_and_a_registry_has_versions(tmp_path: Path) -> None:
    assert refused(given(None), tmp_path)[0] == "argocd needs --form"
    assert refused(given("multi-source", chart="x"), tmp_path)[0] == "--chart needs --chart-repo"
    asked = given("multi-source", chart="x", chart_repo="ghcr.io/charts")
    assert refused(asked, tmp_path)[0] == "--chart needs --chart-revision"


def test_the_arguments_come_back_in_one_order(tmp_path: Path) -> None:
    out = (tmp_path / "argocd", "argocd")
    asked = given(out=out, revision="main", path=None, cluster=["prod=west", "dev=lab"], out_="x")
    options = {**asked.options, "--out": "argocd/"}
    del options["--out-"]
    assert words_of(Given("application", options, out), ["dev", "prod"]) == [
        *("generate", "argocd", "dev", "prod", "--form", "application", "--repo", REPO),
        *("--cluster", "dev=lab", "--cluster", "prod=west", "--out", "argocd"),
    ]
