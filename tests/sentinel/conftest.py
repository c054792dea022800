"""Credential-shaped values, the places of the input where one can stand, and all outputs of a project that holds one.

The shapes are put together here, so that no scanner takes this file for a leak.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from compiler.cli.main import main
from compiler.cli.terminal.contents import text_of
from compiler.model.document import Diagnostic
from compiler.pipeline import compile_project, plan_values
from compiler.render.content import CommandRun, show
from compiler.render.formats import FORMATS
from compiler.rules import ALL_RULES
from tests.platforms import BASE, CATALOGUE, write_project

ROOT = Path(__file__).resolve().parents[2]
_LETTERS = "k7Q" + "w9Zr2Lx4Vt8Hs6Yd1Mf3Bn5Gc0Jp"
SHAPES = {
    "github": "ghp_" + _LETTERS + "Ab1Cd",
    "openai": "sk-" + "proj-" + _LETTERS,
    "aws": "AKIA" + "Q7W9Z2L4V8H6Y1M3",
    "vault": "hvs." + _LETTERS,
    "slack": "xoxb-" + "1234567890-" + _LETTERS,
    "jwt": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + _LETTERS,
    "pem": "-----BEGIN RSA " + "PRIVATE KEY-----" + _LETTERS * 2 + "-----END RSA " + "PRIVATE KEY-----",
    "base64": base64.b64encode(bytes(range(7, 256, 8))).decode(),
    "url": "https://root:" + "Tr0ub4dor9-3@vault.example.com",
}
# What must not be shown of each: of a URL its password only.
SECRET_PARTS = {**SHAPES, "url": "Tr0ub4dor9-3"}
# No form, no randomness: only its place tells that it may be a secret.
PLAIN = "hunter2-plain"

ENVIRONMENT, CATALOGUE_FILE = "environments/prod.yaml", "environments/catalogue.yaml"

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """A place that a schema describes: the file, the way down to it, and the JSON types that it may hold."""

    file: str
    path: Path_
    types: tuple[str, ...]

    def text(self, value: object) -> str:
        """The file with `value` at this place and nothing that is not on the way to it."""
        node = value
        for part in reversed(self.path):
            node = [node] if isinstance(part, int) else {part: node}
        return json.dumps(node) + "\n"


@cache
def places() -> tuple[Place, ...]:
    """Every kind of node of both schemas, the files' tops included."""
    found = []
    for file, name in ((ENVIRONMENT, "environment"), (CATALOGUE_FILE, "catalogue")):
        schema = json.loads((ROOT / f"schemas/{name}.schema.json").read_text("utf-8"))
        found += [Place(file, path, types) for path, types in _walk(schema, schema["definitions"], ())]
    return tuple(found)


_IDS = {"secrets": "github", "stores": "vault", "keys": "GITHUB_TOKEN"}


def _walk(schema: dict[str, Any], definitions: dict[str, Any], path: Path_) -> Iterator[tuple[Path_, tuple[str, ...]]]:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/definitions/")]
    types = schema["type"]
    yield path, (types,) if isinstance(types, str) else tuple(types)
    for name, child in schema.get("properties", {}).items():
        yield from _walk(child, definitions, (*path, name))
    if isinstance(schema.get("additionalProperties"), dict):
        name = _IDS.get(str(path[-1]), "example")
        yield from _walk(schema["additionalProperties"], definitions, (*path, name))
    if "items" in schema:
        yield from _walk(schema["items"], definitions, (*path, 0))


@dataclass(frozen=True)
class Said:
    """All that a project's diagnostics and values files say, and the diagnostics themselves."""

    text: str
    diagnostics: tuple[Diagnostic, ...]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_project(tmp_path, base=BASE)
    write(tmp_path, {})
    return tmp_path


def write(project: Path, files: dict[str, str]) -> None:
    """Puts `files` in place; what they leave out is as it was."""
    for path, text in ({ENVIRONMENT: "labels: {a: b}\n", CATALOGUE_FILE: CATALOGUE} | files).items():
        # A file that is cut to nothing first is written to the disk at once by some file systems.
        (project / path).unlink(missing_ok=True)
        (project / path).write_text(text, "utf-8")


def everything_said(project: Path, formats: Iterable[str] = FORMATS) -> Said:
    """Diagnostics in these formats and as each is given them, their raw messages, notes and values files.

    The program is not started.
    """
    result = compile_project(project)
    diagnostics, texts = result.diagnostics, list(result.notes)
    if result.project is not None and not result.failed:
        files, found = plan_values(result.project, project / "chart", "chart", project)
        diagnostics = (*diagnostics, *found)
        texts += [file.output.text for file in files]
    shown = show(diagnostics)
    # SARIF lists the rules that it is given, the same hundred each time: here those that found something.
    found_by = tuple(rule for rule in ALL_RULES if rule.id in {each.rule for each in diagnostics})
    texts += [text_of(FORMATS[name](shown, found_by, CommandRun("compile")), colour=True) for name in formats]
    texts.append(repr(shown))
    for each in diagnostics:
        texts += [each.message, each.help or "", *(related.message for related in each.related), repr(each)]
    return Said("\n".join(texts), diagnostics)


def printed(capsys: pytest.CaptureFixture[str], project: Path, *arguments: str) -> str:
    """What the program writes to both streams, and to its values files."""
    main(["--debug", "--root", str(project), *arguments])
    streams = capsys.readouterr()
    written = [path.read_text("utf-8") for path in sorted(project.glob("chart/*"))]
    return "\n".join((streams.out, streams.err, *written))
