"""Reads the files of the chart from the installed package, or from the checkout."""

from __future__ import annotations

from pathlib import Path

# A checkout's folder also holds its environments' values files, and what an editor leaves there.
FILES = (
    ".helmignore",
    "Chart.yaml",
    "README.md",
    "values.yaml",
    "values.schema.json",
    "templates/NOTES.txt",
    "templates/_helpers.tpl",
    "templates/cluster-secret-store.yaml",
    "templates/external-secret.yaml",
    "templates/secret-store.yaml",
)
_PACKAGED = Path(__file__).parents[2] / "chart"
_CHECKED_OUT = Path(__file__).parents[3] / "chart"


def chart_files() -> dict[str, str]:
    """Every file of the chart by its path in a project."""
    return {f"chart/{name}": (_folder() / name).read_text("utf-8") for name in FILES}


def values_schema() -> str:
    """The JSON Schema of the chart's values."""
    return (_folder() / "values.schema.json").read_text("utf-8")


def _folder() -> Path:
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKED_OUT
