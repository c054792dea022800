from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[4]


def _all_files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_comes_next_is_for_the_same_project(
    run: Callable[..., Any], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.parent)
    done = run("new", "environment", "qa", "--root", "project")
    assert done.out.endswith(", then run platform-secrets --root project compile qa\n")


def test_an_environment_compiles_at_once(run: Callable[..., Any], project: Path) -> None:
    before = _all_files(project)
    done = run("new", "environment", "prod-eu", "--extends", "prod")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("environments/prod-eu.yaml: written\nnext: ")
    after = _all_files(project)
    text = after.pop("environments/prod-eu.yaml").decode()
    assert after == before
    assert text.startswith("# yaml-language-server: $schema=../schemas/environment.schema.json\n")
    assert text.endswith("\nextends: [prod]\n")
    assert run("compile", "prod-eu").out.endswith("chart/values-prod-eu.yaml: written, 7 secrets, 22 keys\n")
    assert run("diff", "prod", "prod-eu").code == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("environment", "prod"), "environments/prod.yaml already exists"),
        (("environment", "base"), '"base" is a reserved name'),
        (("environment", "catalogue"), '"catalogue" is a reserved name'),
        (("environment", "Prod EU"), "the environment's name is invalid"),
        (("environment", "../up"), "the environment's name is invalid"),
        (("environment",), "the new environment needs a name"),
        (("environment", "qa", "--extends", "prd"), 'there is no layer "prd"\nhelp: did you mean "prod"?'),
        (("environment", "qa", "--target", "x"), "--target is an option of `new secret`"),
        (("secret", "x", "--extends", "prod"), "--extends is an option of `new environment`"),
        (("secret", "github"), 'the catalogue already has a secret "github"'),
        (("secret", "GitHub"), "the secret's name is invalid"),
        (("project",), "the folder of a new project must be empty"),
        (("chart", "x"), "a chart takes no name"),
        (("nonsense", "x"), "argument kind: invalid choice"),
    ],
)
def test_what_exists_or_has_no_form_is_refused(
    run: Callable[..., Any], project: Path, arguments: tuple[str, ...], reason: str
) -> None:
    before = _all_files(project)
    done = run("new", *arguments)
    assert (done.code, done.out) == (2, "")
    assert reason in done.err
    assert _all_files(project) == before


def test_a_secret_is_added_and_every_byte_kept(
    run: Callable[..., Any], project: Path, edit: Callable[[str, str, str], None]
) -> None:
    old = (project / "environments/catalogue.yaml").read_bytes()
    done = run("new", "secret", "grafana", "--key", "GRAFANA_TOKEN", "--key", "GRAFANA_URL")
    assert (done.code, done.err) == (0, "")
    new = (project / "environments/catalogue.yaml").read_bytes()
    assert new.startswith(old)
    edit("environments/base.yaml", "secrets:\n", "secrets:\n  grafana: {}\n")
    assert run("compile", "dev").out == "chart/values-dev.yaml: written, 8 secrets, 23 keys\n"


def test_a_secret_that_a_rule_refuses_is_not_written(run: Callable[..., Any], project: Path) -> None:
    before = _all_files(project)
    done = run("new", "secret", "grafana", "--azurekv", "a_b")
    assert (done.code, done.out) == (1, "")
    assert "error[invalid-key-vault-name]" in done.err
    assert _all_files(project) == before


def test_a_damaged_catalogue_is_left_alone(
    run: Callable[..., Any], project: Path, edit: Callable[[str, str, str], None]
) -> None:
    edit("environments/catalogue.yaml", "target:", "tarket:")
    done = run("new", "secret", "grafana")
    assert (done.code, "error[unknown-key]" in done.err) == (2, True)


def test_a_catalogue_in_braces_is_left_alone(run: Callable[..., Any], project: Path) -> None:
    (project / "environments/catalogue.yaml").write_text("secrets: {}\n", "utf-8")
    done = run("new", "secret", "grafana")
    assert (done.code, "help: " in done.err) == (2, True)


def test_a_project_compiles_at_once(run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "fresh"
    done = run("new", "project", folder)
    assert (done.code, done.err) == (0, "")
    # Pasted in order, the lines work.
    line = f"next: cd {folder}, then platform-secrets new secret NAME, then platform-secrets compile"
    assert done.out.splitlines()[-1] == line
    monkeypatch.chdir(folder)
    done = run("compile", "--strict")
    assert (done.code, done.out, done.err) == (0, "chart/values-dev.yaml: written, 1 secret, 1 key\n", "")
    assert run("new", "secret", "second").code == 0
    assert run("new", "environment", "prod").code == 0


def test_a_project_has_its_chart_and_keeps_a_repositorys_own_ignore_file(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "fresh"
    (folder / ".git").mkdir(parents=True)
    (folder / ".gitignore").write_text("mine\n", "utf-8")
    done = run("new", "project", folder)
    assert (done.code, done.err) == (0, "")
    assert ".gitignore: written" not in done.out
    assert (folder / ".gitignore").read_text("utf-8") == "mine\n"
    assert (folder / "chart/Chart.yaml").read_bytes() == (ROOT / "chart/Chart.yaml").read_bytes()


def test_the_chart_is_added_to_a_project_without_one_and_never_replaced(run: Callable[..., Any], project: Path) -> None:
    before = _all_files(project)
    done = run("new", "chart")
    assert (done.code, done.out) == (2, "")
    assert "error: chart/.helmignore already exists\nhelp: move it away first to add the chart again" in done.err
    assert _all_files(project) == before
    (project / "chart").rename(project / "elsewhere")
    done = run("new", "chart")
    assert (done.code, done.out.splitlines()[-1]) == (0, "next: platform-secrets render ENV")
    assert _all_files(project / "chart") == _all_files(project / "elsewhere")


def test_a_folder_for_the_chart_that_cannot_be_made(run: Callable[..., Any], project: Path) -> None:
    (project / "chart").rename(project / "elsewhere")
    (project / "chart").write_text("", "utf-8")
    done = run("new", "chart")
    assert (done.code, "error: a folder cannot be created" in done.err) == (3, True)


def test_a_project_in_a_folder_that_cannot_be_made(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    assert run("new", "project", tmp_path / "file").code == 3


def test_an_environment_that_cannot_be_written(run: Callable[..., Any], project: Path) -> None:
    # A link to nowhere is something that exists, and no file may be made through it.
    (project / "environments/qa.yaml").symlink_to("/nowhere/at/all")
    assert run("new", "environment", "qa").code == 2


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("new_environment", "nothing was written"),
        ("write_new", "either all files were written or none"),
        ("standard_output", "the files were written"),
    ],
)
def test_an_interrupt_says_what_was_written(
    run: Callable[..., Any], project: Path, monkeypatch: pytest.MonkeyPatch, where: str, said: str
) -> None:
    assert project

    def interrupt(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"compiler.cli.commands.new.{where}", interrupt)
    done = run("new", "environment", "qa")
    assert (done.code, done.err) == (130, f"interrupted; {said}\n")
