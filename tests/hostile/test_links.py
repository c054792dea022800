"""Links in a stranger's project: no command makes, replaces or deletes a file that they lead to elsewhere."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Done, run_command

OURS = "# Compiled from environments/base.yaml. Do not edit.\n"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder beside the project, with what a compile would replace and what `--prune` would remove."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("values-prod.yaml", "values-gone.yaml"):
        (folder / name).write_text(OURS, "utf-8")
    return folder


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    monkeypatch.chdir(project)
    return lambda *argv: run_command(capsys, *argv)


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "command",
    [
        ("compile",),
        ("compile", "--check"),
        ("compile", "--prune"),
        ("compile", "prod", "--out", "chart"),
        ("compile", "prod", "--out", "chart/new/folder"),
        ("compile", "prod", "--out", "{project}/chart"),
        ("new", "chart"),
    ],
)
def test_a_chart_that_is_a_link_out_is_not_written(
    run: Callable[..., Done], project: Path, elsewhere: Path, command: tuple[str, ...]
) -> None:
    (project / "chart").symlink_to(elsewhere)
    before = contents(elsewhere)
    done = run(*(word.format(project=project) for word in command))
    assert done.code == (3 if command[0] == "new" else 1)
    assert "leads out of the project through a link" in done.err
    assert done.out == ""
    assert contents(elsewhere) == before
    assert sorted(path.name for path in elsewhere.iterdir()) == sorted(before)


def test_a_chart_folder_that_is_a_link_out_gets_no_file(
    run: Callable[..., Done], project: Path, elsewhere: Path
) -> None:
    (project / "chart").mkdir()
    (project / "chart/templates").symlink_to(elsewhere)
    before = contents(elsewhere)
    assert run("new", "chart").code == 3
    assert contents(elsewhere) == before
    assert list((project / "chart").iterdir()) == [project / "chart/templates"]


def test_environments_that_are_a_link_out_get_no_file(run: Callable[..., Done], project: Path, elsewhere: Path) -> None:
    shutil.copytree(project / "environments", elsewhere / "environments")
    shutil.rmtree(project / "environments")
    (project / "environments").symlink_to(elsewhere / "environments")
    before = contents(elsewhere)
    done = run("new", "environment", "qa")
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        "error: environments/qa.yaml leads out of the project through a link\nhelp: replace the link with a folder\n"
    )
    assert run("new", "secret", "grafana", "--key", "TOKEN").code == 2
    assert contents(elsewhere) == before


@pytest.mark.parametrize(
    "command",
    [
        ("compile", "nowhere"),
        ("compile",),
        ("explain", "nowhere"),
        ("verify", "nowhere"),
        ("new", "environment", "qa", "--extends", "nowhere"),
        ("completion", "--names"),
    ],
)
@pytest.mark.parametrize("link", ["environments", "environments/layers", "chart"])
def test_the_names_of_files_elsewhere_are_not_listed(
    run: Callable[..., Done], project: Path, elsewhere: Path, link: str, command: tuple[str, ...]
) -> None:
    for name in ("planted-name.yaml", "values-planted-name.yaml"):
        (elsewhere / name).write_text("labels: {a: b}\n", "utf-8")
    shutil.rmtree(project / link, ignore_errors=True)
    (project / link).symlink_to(elsewhere)
    done = run(*command)
    assert "planted" not in done.out + done.err


def test_a_chart_that_is_a_link_inside_is_written(run: Callable[..., Done], project: Path) -> None:
    (project / "deploy").mkdir()
    (project / "chart").symlink_to("deploy")
    assert run("compile").code == 0
    assert (project / "deploy/values-prod.yaml").is_file()


def test_a_folder_that_a_person_names_elsewhere_is_written(
    run: Callable[..., Done], project: Path, tmp_path: Path, elsewhere: Path
) -> None:
    (tmp_path / "mine").symlink_to(elsewhere)
    assert run("compile", "prod", "--out", tmp_path / "mine").code == 0
    assert (elsewhere / "values-prod.yaml").read_text("utf-8") != OURS


@pytest.mark.parametrize(
    ("shown", "command"),
    [
        ("FILE", ("backup", "prod", "{file}", "--recipient", "age1x", "--replace")),
        ("--audit", ("put", "prod", "github", "--audit", "{file}", "--apply")),
        ("--audit", ("migrate", "prod", "--to", "azure", "--audit={file}", "--apply")),
        ("--audit", ("migrate", "prod", "--undo", "20250101-000000-000000", "--audit={file}", "--apply")),
        ("--audit", ("restore", "prod", "prod.age", "--audit", "{file}", "--apply")),
    ],
)
@pytest.mark.parametrize("file", ["linked/file", "file"])
def test_a_file_that_is_named_in_the_project_stays_in_it(
    run: Callable[..., Done], project: Path, elsewhere: Path, shown: str, command: tuple[str, ...], file: str
) -> None:
    (project / "linked").symlink_to(elsewhere)
    (project / "file").symlink_to(elsewhere / "values-prod.yaml")
    before = contents(elsewhere)
    done = run(*(word.format(file=file) for word in command))
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        f"error: {shown} leads out of the project through a link\nhelp: name the file that it leads to\n"
    )
    assert contents(elsewhere) == before
