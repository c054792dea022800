from dataclasses import replace
from pathlib import Path

import pytest

from compiler.model.environment import Project
from compiler.operations.values_files import prune
from compiler.pipeline import compile_project

ROOT = Path(__file__).resolve().parents[4]
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
    found = compile_project(tmp_path).project
    assert found is not None
    return found


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
    moved = compile_project(tmp_path).project
    assert moved is not None
    assert prune(moved, tmp_path)[0] == ()
    assert (tmp_path / "chart/values-old.yaml").is_file()
