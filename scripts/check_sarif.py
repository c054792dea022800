"""Checks SARIF files (`-` for standard input, a sample where none is named) against the standard's published schema.

The schema comes with an npm package of 100 MB, so that the tests check only the parts that are used.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft7Validator

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compiler.cli.terminal.contents import text_of  # noqa: E402 - run by path, without installing
from compiler.model.document import Diagnostic, Related, Severity, Source, Span  # noqa: E402  # noqa: E402
from compiler.render.content import CommandRun, show  # noqa: E402
from compiler.render.formats import render_sarif  # noqa: E402
from compiler.rules.api import Rule, Scope  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOOLS = ROOT / ".tools"
PACKAGE = "@microsoft/sarif-multitool-linux"
SCHEMA = TOOLS / "sarif" / "node_modules" / PACKAGE / "sarif-2.1.0.json"
CANNOT_RUN = 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help="a SARIF file, or - for standard input")
    files = parser.parse_args(arguments).files
    if not SCHEMA.is_file():
        print(f"the schema is not here; get it with: npm install --prefix .tools/sarif {PACKAGE}", file=sys.stderr)
        return CANNOT_RUN
    validator = Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8-sig")))
    problems = [f"{name}: {problem}" for name, log in logs(files) for problem in problems_of(validator, log)]
    print("\n".join(problems) or "valid SARIF 2.1.0")
    return 1 if problems else 0


def logs(files: Sequence[str]) -> Iterator[tuple[str, Any]]:
    if not files:
        yield "sample", json.loads(text_of(render_sarif(show(sample()), [SAMPLE_RULE], CommandRun("compile"))))
    for name in files:
        yield name, json.loads(sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8"))


def problems_of(validator: Draft7Validator, log: object) -> Iterator[str]:
    for error in validator.iter_errors(log):
        yield f"{error.json_path}: {error.message}"


SAMPLE_RULE = Rule(
    "unknown-secret",
    Severity.ERROR,
    Scope.ENVIRONMENT,
    docstring="An environment lists a secret that the catalogue does not have.\n\nNothing would be rendered for it.",
)


def sample() -> list[Diagnostic]:
    """Every part that is ever written: help, a related place, a rule that is not listed, a file that was not read."""
    source = Source("environments/größe 1.yaml", "secrets:\n  gihub: {}\n")
    place = Span(source, 11, 16)
    return [
        Diagnostic(
            "unknown-secret", Severity.ERROR, "no such secret", place, "a way out", (Related("it is defined", place),)
        ),
        Diagnostic("unlisted", Severity.WARNING, "cannot be read", Span(Source("environments/prod.yaml"))),
    ]


if __name__ == "__main__":
    sys.exit(main())
