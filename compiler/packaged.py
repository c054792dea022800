"""Reads the chart, the schemas and the checksums of all their releases from the installed package, or the checkout."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from compiler.stages.validate import schema_text, with_every_provider

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
# Of the project's schemas those of its own files; of the chart's files those that decide what is printed.
SCHEMAS = ("environment", "catalogue", "values")
_SAY_NOTHING = (".helmignore", "README.md", "NOTES.txt")
_PACKAGED = Path(__file__).parent / "chart"
RELEASED = Path(__file__).parent / "released.json"
_CHECKED_OUT = Path(__file__).parents[1] / "chart"


def chart_files() -> dict[str, str]:
    """Every file of the chart by its path in a project."""
    texts = {name: (_folder() / name).read_text("utf-8") for name in FILES}
    return {f"chart/{name}": text for name, text in {**texts, SCHEMA: _complete("values", texts[SCHEMA])}.items()}


def schema_files() -> dict[str, str]:
    """The schemas of a project by their paths in it."""
    return {f"schemas/{name}.schema.json": _complete(name, schema_text(name)) for name in SCHEMAS}


def decides(path: str) -> bool:
    """Whether a file of the project can change what the chart prints."""
    return path.startswith("chart/") and not path.endswith(_SAY_NOTHING)


def checksum(text: str) -> str:
    """The SHA-256 of a text, whichever line breaks Git gave it."""
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()


def released() -> dict[str, dict[str, str]]:
    """The checksum of each file of the chart and the schemas by its path, of every release, the oldest first."""
    found: dict[str, dict[str, str]] = json.loads(RELEASED.read_text("utf-8"))
    return found


def _complete(name: str, text: str) -> str:
    """The text of a schema, written anew only where the registry has a provider that the shipped one lacks."""
    shipped = json.loads(text)
    complete = with_every_provider(name, shipped)
    return text if complete is shipped else json.dumps(complete, indent=2, ensure_ascii=False) + "\n"


def values_schema() -> dict[str, Any]:
    """The JSON Schema of the chart's values."""
    return with_every_provider("values", json.loads((_folder() / SCHEMA).read_text("utf-8")))


def _folder() -> Path:
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKED_OUT
