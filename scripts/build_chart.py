"""Writes what the chart takes from schemas/values.schema.json: its own schema and the reference in its README.

`--check` writes nothing and exits 1 with a diff when one of the two is stale.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compiler.stages.validate import with_providers  # noqa: E402 - found only with the path above

# Helm hands it to every subchart, so a closed schema must know it.
GLOBAL = {
    "description": "Helm's own: what a parent chart shares with its subcharts. This chart does not read it.",
    "type": "object",
}

README_PART = re.compile(r"(?<=<!-- values: generated -->\n).*?(?=<!-- /values -->)", re.DOTALL)
DOCUMENTED_VALUE = re.compile(r"^# -- (?P<text>.+(?:\n# .+)*)\n(?P<name>\w+):", re.MULTILINE)


def chart_schema(values_schema: dict[str, Any]) -> str:
    schema = {**values_schema, "properties": {**values_schema["properties"], "global": GLOBAL}}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def readme(page: str, values_text: str, values_schema: dict[str, Any]) -> str:
    """The README with its reference rewritten; its prose is written by people and stays."""
    definitions = values_schema["definitions"]
    lines = ["", *_values_table(values_text)]
    for name, definition in definitions.items():
        if "properties" in definition:
            lines += ["", f"### {name}", "", definition["description"], ""]
            lines += ["| Field | Form | Required | Meaning |", "|-------|------|----------|---------|"]
            lines += _fields(definitions, definition, "")
    written, count = README_PART.subn(lambda _: "\n".join(lines) + "\n\n", page)
    if count != 1:
        msg = "chart/README.md: expected exactly one part between the values markers"
        raise ValueError(msg)
    return written


def generate_files(root: Path) -> dict[Path, str]:
    files: dict[Path, str] = {}
    values_schema = json.loads((root / "schemas/values.schema.json").read_text("utf-8"))
    for name in ("environment", "catalogue", "values", "manifests"):
        # What people wrote stays as they formatted it, as long as it says what the registry says.
        path = root / f"schemas/{name}.schema.json"
        found = json.loads(path.read_text("utf-8"))
        wanted = with_providers(name, found)
        if wanted != found:
            files[path] = json.dumps(wanted, indent=2, ensure_ascii=False) + "\n"
            values_schema = wanted if name == "values" else values_schema
    values_text = (root / "chart/values.yaml").read_text("utf-8")
    page = root / "chart/README.md"
    return files | {
        root / "chart/values.schema.json": chart_schema(values_schema),
        page: readme(page.read_text("utf-8"), values_text, values_schema),
    }


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with a diff when a file is stale")
    check = parser.parse_args(argv).check
    stale = False
    for path, wanted in generate_files(root).items():
        found = path.read_text("utf-8") if path.exists() else ""
        if found == wanted:
            continue
        stale = True
        if check:
            name = path.relative_to(root).as_posix()
            diff = difflib.unified_diff(
                found.split("\n"), wanted.split("\n"), name, f"{name}, regenerated", lineterm=""
            )
            print(*diff, sep="\n")
        else:
            path.write_text(wanted, "utf-8", newline="\n")
    return int(check and stale)


def _values_table(values_text: str) -> Iterator[str]:
    """The table that helm-docs makes: each value of values.yaml with its default and its `# --` comment."""
    documented = {match["name"]: match["text"].replace("\n# ", " ") for match in DOCUMENTED_VALUE.finditer(values_text)}
    yield "| Key | Type | Default | Description |"
    yield "|-----|------|---------|-------------|"
    for name, default in yaml.safe_load(values_text).items():
        kind = {dict: "object", bool: "bool"}.get(type(default), "string")
        yield f"| {name} | {kind} | `{json.dumps(default)}` | {documented[name]} |"


def _fields(definitions: dict[str, Any], node: dict[str, Any], prefix: str) -> Iterator[str]:
    """Rows for the fields of an object, and of the objects in it that have no section of their own."""
    for name, field in node["properties"].items():
        path = f"{prefix}{name}"
        required = "yes" if name in node.get("required", ()) else ""
        # What stands beside a `$ref` is more specific than what it points to.
        shape = {**definitions.get(_target(field), {}), **field}
        yield f"| `{path}` | {_form(definitions, field, shape)} | {required} | {shape['description']} |"
        below = shape.get("additionalProperties") or {}
        if "properties" in below:
            yield from _fields(definitions, below, f"{path}.<key>.")
        elif "properties" in shape.get("items", {}):
            yield from _fields(definitions, shape["items"], f"{path}[].")
        elif "properties" in field:
            yield from _fields(definitions, field, f"{path}.")


def _target(field: dict[str, Any]) -> str:
    return str(field.get("$ref", "")).removeprefix("#/definitions/")


def _form(definitions: dict[str, Any], field: dict[str, Any], shape: dict[str, Any]) -> str:
    target = _target(field)
    if "properties" in definitions.get(target, {}):
        return f"[{target}](#{target.lower()})"
    if "const" in shape:
        return f"`{shape['const']}`"
    if "enum" in shape:
        return ", ".join(f"`{value}`" for value in shape["enum"])
    if shape["type"] == "array":
        return "list"
    return "map" if "propertyNames" in shape else str(shape["type"])


if __name__ == "__main__":
    sys.exit(main())
