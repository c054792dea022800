import json

from compiler.cli.terminal.contents import text_of
from compiler.render.content import CommandRun, Shown
from compiler.render.formats import render_json


def test_json(two: tuple[Shown, ...]) -> None:
    text = text_of(render_json(two, (), CommandRun("compile")))
    assert text.isascii()
    assert text.endswith("}\n")
    assert json.loads(text) == {
        "format": 1,
        "command": "compile",
        "environment": None,
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
        "summary": {"errors": 1, "warnings": 1, "notes": 0},
        "exitCode": 0,
    }


def test_no_diagnostics_are_an_object_too() -> None:
    assert json.loads(text_of(render_json((), (), CommandRun("compile")))) == {
        "format": 1,
        "command": "compile",
        "environment": None,
        "diagnostics": [],
        "summary": {"errors": 0, "warnings": 0, "notes": 0},
        "exitCode": 0,
    }


def test_the_commands_own_members_stand_before_the_diagnostics(two: tuple[Shown, ...]) -> None:
    run = CommandRun("verify", "prod", 1, content={"valuesFile": None})
    data = json.loads(text_of(render_json(two, (), run)))
    assert list(data) == ["format", "command", "environment", "valuesFile", "diagnostics", "summary", "exitCode"]
    assert (data["environment"], data["exitCode"], data["valuesFile"]) == ("prod", 1, None)
