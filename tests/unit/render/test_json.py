from __future__ import annotations

import json
from typing import TYPE_CHECKING

from compiler.cli.terminal.contents import text_of
from compiler.render.json import render

if TYPE_CHECKING:
    from compiler.render.interface import Shown


def test_json(two: tuple[Shown, ...]) -> None:
    text = text_of(render(two, ()))
    assert text.isascii()
    assert text.endswith("}\n")
    assert json.loads(text) == {
        "version": 1,
        "diagnostics": [
            {
                "rule": "unknown-secret",
                "severity": "error",
                "message": 'no secret named "gihub" in the catalogue',
                "path": "environments/prod.yaml",
                "line": 3,
                "column": 3,
                "endLine": 3,
                "endColumn": 8,
                "help": 'did you mean "github"?',
                "related": [
                    {"message": '"github" is defined', "path": "environments/catalogue.yaml", "line": 2, "column": 3}
                ],
            },
            {
                "rule": "insecure-address",
                "severity": "warning",
                "message": "the address is not https",
                "path": "environments/prod.yaml",
                "line": 7,
                "column": 13,
                "endLine": 7,
                "endColumn": 37,
                "help": None,
                "related": [],
            },
        ],
        "summary": {"errors": 1, "warnings": 1},
    }


def test_no_diagnostics_are_an_object_too() -> None:
    assert json.loads(text_of(render((), ()))) == {
        "version": 1,
        "diagnostics": [],
        "summary": {"errors": 0, "warnings": 0},
    }
