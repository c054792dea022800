from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.chart.packaged import chart_files
from compiler.operations.edit.new_project import project_files
from compiler.pipeline import compile_project

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_project_compiles_without_a_word(tmp_path: Path) -> None:
    for path, text in project_files().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    result = compile_project(tmp_path)
    assert (result.diagnostics, result.project is not None) == ((), True)
    for name in ("environment", "catalogue", "values"):
        assert (tmp_path / f"schemas/{name}.schema.json").stat().st_size > 1000


def test_a_new_project_has_the_chart_that_its_values_are_for() -> None:
    assert chart_files().items() <= project_files().items()


def test_a_new_project_has_the_target_that_its_values_files_name_and_hides_its_journals() -> None:
    files = project_files()
    assert "\nvalues: ##" in files["Makefile"]
    assert "/.platform-secrets/" in files[".gitignore"].splitlines()
