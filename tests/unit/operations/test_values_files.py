from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.model.document import Diagnostic, Severity, Source, Span
from compiler.model.environment import Project
from compiler.operations.values_files import ValuesOutcome, note_unmade_stores, prune, write_values_files
from compiler.pipeline import compile_project
from tests.platforms import project_of, write_agents_project

WARNING = Diagnostic("some-rule", Severity.WARNING, "look", Span(Source("environments/prod.yaml")))
ERROR = Diagnostic("some-rule", Severity.ERROR, "no", Span(Source("environments/prod.yaml")))


@pytest.fixture
def _project(tmp_path: Path) -> None:
    write_agents_project(tmp_path)


def done(root: Path, found: Sequence[Diagnostic] = (), **options: Any) -> ValuesOutcome:  # noqa: ANN401
    project = project_of(root)
    return write_values_files(project, root, found, **options)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []


@pytest.mark.usefixtures("_project")
def test_an_error_that_is_known_already_leaves_all_as_it_is(tmp_path: Path) -> None:
    written = done(tmp_path, [ERROR])
    assert (written.is_written, written.failed, written.diagnostics) == (False, True, (ERROR,))
    assert names(tmp_path / "chart") == []


@pytest.mark.usefixtures("_project")
def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    # Nobody makes a folder there, root included.
    written = done(tmp_path, out="/proc/nowhere")
    assert (written.is_written, [each.rule for each in written.diagnostics]) == (False, ["unwritable-output"])
    assert written.diagnostics[0].help == "name another folder with `--out`"


@pytest.mark.usefixtures("_project")
def test_files_without_an_environment_go_with_what_was_said_of_them(tmp_path: Path) -> None:
    done(tmp_path)
    (tmp_path / "chart/values-prod.yaml").rename(tmp_path / "chart/values-old.yaml")
    result = compile_project(tmp_path)
    assert [each.rule for each in result.diagnostics] == ["orphan-values"]
    written = done(tmp_path, result.diagnostics, prunes=True)
    assert (written.pruned, written.diagnostics) == (("chart/values-old.yaml",), ())
    assert names(tmp_path / "chart") == ["values-prod.yaml"]


@pytest.mark.usefixtures("_project")
def test_a_store_is_said_to_be_made_elsewhere_once(tmp_path: Path) -> None:
    written = done(tmp_path)
    project = project_of(tmp_path)
    note = note_unmade_stores(project, written.files, tmp_path)
    (store,) = project.environments[0].stores_in_use()
    assert note.startswith(
        f'this project does not make the ClusterSecretStore "{store.name}": it has to be in the cluster'
    )
    assert f"platform-secrets new store {store.id} --auth " in note
    # The values file has its name now.
    assert note_unmade_stores(project, done(tmp_path).files, tmp_path) == ""


@pytest.mark.usefixtures("_project")
def test_the_stores_that_nobody_makes_are_in_one_note_and_not_again_for_the_next_environment(tmp_path: Path) -> None:
    (tmp_path / "environments/qa.yaml").write_text("secrets: {jira: {store: azure}}\n", "utf-8")

    def note(name: str) -> str:
        project = project_of(tmp_path, name)
        return note_unmade_stores(project, write_values_files(project, tmp_path, ()).files, tmp_path)

    assert note("qa") == (
        'this project does not make the ClusterSecretStore "vault-store" and the ClusterSecretStore '
        '"azure-store": they have to be in the cluster already, or `platform-secrets new store vault --auth '
        "kubernetes` and `platform-secrets new store azure --auth workloadIdentity` have the chart make them"
    )
    assert note("prod") == ""
    (tmp_path / "chart/values-qa.yaml").unlink()
    (tmp_path / "chart/values-prod.yaml").unlink()
    assert "azure" not in note("prod")
    assert note("qa").startswith('this project does not make the ClusterSecretStore "azure-store": it has')


ROOT = Path(__file__).resolve().parents[3]
OURS = "# Compiled from environments/base.yaml. Do not edit.\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    chart = tmp_path / "chart"
    chart.mkdir()
    (chart / "values-dev.yaml").write_text(OURS, "utf-8")
    (chart / "values-old.yaml").write_text(OURS, "utf-8")
    (chart / "values-theirs.yaml").write_text("a: 1\n", "utf-8")
    (chart / "values-empty.yaml").write_text("", "utf-8")
    (chart / "values-link.yaml").symlink_to(chart / "values-dev.yaml")
    (chart / "values.yaml").write_text(OURS, "utf-8")
    (tmp_path / "environments").mkdir()
    for name in ("base", "dev", "catalogue"):
        text = (ROOT / f"environments/{name}.yaml").read_text("utf-8")
        (tmp_path / f"environments/{name}.yaml").write_text(text, "utf-8")
    return project_of(tmp_path)


def test_only_our_own_regular_files_go(project: Project, tmp_path: Path) -> None:
    removed, diagnostics = prune(project, tmp_path)
    assert removed == ("chart/values-old.yaml",)
    assert [(each.rule, each.span.path) for each in diagnostics] == [
        ("foreign-output", "chart/values-empty.yaml"),
        ("unwritable-output", "chart/values-link.yaml"),
        ("foreign-output", "chart/values-theirs.yaml"),
    ]
    assert sorted(path.name for path in (tmp_path / "chart").iterdir()) == [
        "values-dev.yaml",
        "values-empty.yaml",
        "values-link.yaml",
        "values-theirs.yaml",
        "values.yaml",
    ]


def test_a_file_that_cannot_be_removed_is_told(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    removed, diagnostics = prune(project, tmp_path)
    assert removed == ()
    assert "chart/values-old.yaml cannot be removed: permission denied" in [each.message for each in diagnostics]


def test_nothing_is_removed_where_a_link_leads_out(project: Project, tmp_path: Path) -> None:
    inside = tmp_path / "project"
    inside.mkdir()
    (inside / "chart").symlink_to(tmp_path / "chart")
    removed, (diagnostic,) = prune(project, inside)
    assert (removed, diagnostic.rule, diagnostic.span.path) == ((), "unwritable-output", "chart")
    assert (tmp_path / "chart/values-old.yaml").is_file()


def test_an_old_file_for_a_parent_chart_is_ours_too(project: Project, tmp_path: Path) -> None:
    (tmp_path / "chart/values-old.yaml").write_text(f"{OURS}secrets:\n  externalSecrets: {{}}\n", "utf-8")
    (tmp_path / "chart/values-parent.yaml").write_text("secrets:\n  externalSecrets: {}\n", "utf-8")
    named = replace(project, values_files={name: f"chart/values-{name}.yaml" for name in ("dev", "old", "parent")})
    removed, diagnostics = prune(named, tmp_path)
    assert removed == ("chart/values-old.yaml",)
    assert [(each.rule, each.span.path) for each in diagnostics] == [("foreign-output", "chart/values-parent.yaml")]


def test_values_stay_whose_environment_was_moved(project: Project, tmp_path: Path) -> None:
    (tmp_path / "environments/eu").mkdir()
    (tmp_path / "environments/eu/old.yaml").write_text("", "utf-8")
    moved = project_of(tmp_path)
    assert prune(moved, tmp_path)[0] == ()
    assert (tmp_path / "chart/values-old.yaml").is_file()
