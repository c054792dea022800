"""Reads the files of the chart from the installed package, or from the checkout."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from compiler.model.facts import MAX_BYTES
from compiler.stages.validate import with_every_provider

SCHEMA = "values.schema.json"
# A checkout's folder also holds its environments' values files, and what an editor leaves there.
FILES = (
    ".helmignore",
    "Chart.yaml",
    "README.md",
    "values.yaml",
    SCHEMA,
    "templates/NOTES.txt",
    "templates/_helpers.tpl",
    "templates/cluster-secret-store.yaml",
    "templates/external-secret.yaml",
    "templates/secret-store.yaml",
)
# The files of it that print nothing.
_SAY_NOTHING = (".helmignore", "README.md", "NOTES.txt")
_PACKAGED = Path(__file__).parent / "chart"
_CHECKED_OUT = Path(__file__).parents[1] / "chart"


def chart_files() -> dict[str, str]:
    """Every file of the chart by its path in a project."""
    files = {f"chart/{name}": (_folder() / name).read_text("utf-8") for name in FILES}
    return {**files, f"chart/{SCHEMA}": json.dumps(values_schema(), indent=2, ensure_ascii=False) + "\n"}


def edited_files(root: Path) -> list[str]:
    """The files of the project's chart that decide what is printed and are not those that values are compiled for."""
    known = {path: text for path, text in chart_files().items() if not path.endswith(_SAY_NOTHING)}
    return [path for path, text in known.items() if (there := _text(root / path)) is not None and there != text]


def _text(path: Path) -> str | None:
    """The text of a regular file of a reasonable size, or None."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            return None
        return opened.read(MAX_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")


def values_schema() -> dict[str, Any]:
    """The JSON Schema of the chart's values."""
    return with_every_provider("values", json.loads((_folder() / SCHEMA).read_text("utf-8")))


def _folder() -> Path:
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKED_OUT
