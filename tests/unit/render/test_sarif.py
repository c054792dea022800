import json
from collections.abc import Sequence
from typing import Any

import jsonschema

import compiler
from compiler.cli.terminal.contents import text_of
from compiler.model.diagnostic import Diagnostic
from compiler.model.document import Source, Span
from compiler.render.content import CommandRun, Shown, show
from compiler.render.formats import render_sarif
from compiler.rules.api import Rule


def closed(required: str, optional: str = "", /, **properties: object) -> dict[str, Any]:
    names = [*required.split(), *optional.split()]
    assert set(names) == set(properties)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": properties,
    }


TEXT = {"type": "string", "minLength": 1}
ONE_OR_MORE = {"type": "integer", "minimum": 1}
MESSAGE = closed("text", text=TEXT)
# RFC 3986 path characters only, relative, with forward slashes.
URI = {"type": "string", "pattern": "^[A-Za-z0-9._~-](?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})*$"}
ARTIFACT = closed("uri uriBaseId", uri=URI, uriBaseId={"const": "%SRCROOT%"})
LEVEL = {"enum": ["error", "warning"]}
# The parts of SARIF 2.1.0 that are written, stricter than the standard's own schema: closed, nothing empty.
SCHEMA = closed(
    "$schema version runs",
    **{
        "$schema": {
            "const": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
        },
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": closed(
                "tool originalUriBaseIds columnKind results",
                tool=closed(
                    "driver",
                    driver=closed(
                        "name semanticVersion rules",
                        name={"const": "platform-secrets"},
                        semanticVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
                        rules={
                            "type": "array",
                            "uniqueItems": True,
                            "items": closed(
                                "id shortDescription fullDescription help defaultConfiguration",
                                id={"type": "string", "pattern": "^[a-z0-9-]+$"},
                                shortDescription=MESSAGE,
                                fullDescription=MESSAGE,
                                help=closed("text markdown", text=TEXT, markdown=TEXT),
                                defaultConfiguration=closed("level", level=LEVEL),
                            ),
                        },
                    ),
                ),
                originalUriBaseIds=closed("%SRCROOT%", **{"%SRCROOT%": closed("description", description=MESSAGE)}),
                columnKind={"const": "unicodeCodePoints"},
                results={
                    "type": "array",
                    "items": closed(
                        "ruleId level message locations partialFingerprints",
                        "ruleIndex relatedLocations",
                        ruleId=TEXT,
                        ruleIndex={"type": "integer", "minimum": 0},
                        level=LEVEL,
                        message=MESSAGE,
                        locations={
                            "type": "array",
                            "minItems": 1,
                            "maxItems": 1,
                            "items": closed(
                                "physicalLocation",
                                physicalLocation=closed(
                                    "artifactLocation region",
                                    artifactLocation=ARTIFACT,
                                    region=closed(
                                        "startLine startColumn endLine endColumn",
                                        startLine=ONE_OR_MORE,
                                        startColumn=ONE_OR_MORE,
                                        endLine=ONE_OR_MORE,
                                        endColumn=ONE_OR_MORE,
                                    ),
                                ),
                            ),
                        },
                        partialFingerprints=closed(
                            "primaryLocationLineHash",
                            primaryLocationLineHash={"type": "string", "pattern": "^[0-9a-f]{16}:[1-9][0-9]*$"},
                        ),
                        relatedLocations={
                            "type": "array",
                            "minItems": 1,
                            "items": closed(
                                "id message physicalLocation",
                                id={"type": "integer", "minimum": 0},
                                message=MESSAGE,
                                physicalLocation=closed(
                                    "artifactLocation region",
                                    artifactLocation=ARTIFACT,
                                    region=closed(
                                        "startLine startColumn", startLine=ONE_OR_MORE, startColumn=ONE_OR_MORE
                                    ),
                                ),
                            ),
                        },
                    ),
                },
            ),
        },
    },
)


def run_of(shown: Sequence[Shown], rules: Sequence[Rule]) -> dict[str, Any]:
    text = text_of(render_sarif(shown, rules, CommandRun("compile")))
    assert text.isascii()
    log = json.loads(text)
    jsonschema.validate(log, SCHEMA)
    run: dict[str, Any] = log["runs"][0]
    return run


def fingerprints(run: dict[str, Any]) -> list[str]:
    return [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]


def test_every_rule_is_described_and_results_point_at_theirs(two: tuple[Shown, ...], rules: tuple[Rule, ...]) -> None:
    run = run_of(two, rules)
    driver = run["tool"]["driver"]
    assert driver["semanticVersion"] == compiler.__version__
    assert [rule["id"] for rule in driver["rules"]] == ["insecure-address", "unknown-secret"]
    assert driver["rules"][0]["shortDescription"] == {"text": "A store is reached without TLS."}
    assert driver["rules"][0]["help"]["markdown"] == "A store is reached without TLS.\n\nUse `https:`."
    assert [rule["defaultConfiguration"]["level"] for rule in driver["rules"]] == ["warning", "error"]
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_a_result(two: tuple[Shown, ...], rules: tuple[Rule, ...]) -> None:
    typo, address = run_of(two, rules)["results"]
    assert (typo["level"], address["level"]) == ("error", "warning")
    assert typo["message"]["text"] == 'no secret named "gihub" in the catalogue\nhelp: did you mean "github"?'
    place = typo["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "environments/prod.yaml", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 3, "startColumn": 3, "endLine": 3, "endColumn": 8}
    note = typo["relatedLocations"][0]
    assert note["message"]["text"] == '"github" is defined'
    assert note["physicalLocation"]["region"] == {"startLine": 2, "startColumn": 3}
    assert "relatedLocations" not in address


def test_no_diagnostics_and_an_unlisted_rule(two: tuple[Shown, ...], rules: tuple[Rule, ...]) -> None:
    assert run_of((), rules)["results"] == []
    assert "ruleIndex" not in run_of(two, ())["results"][0]


def test_uris_are_percent_encoded(two: tuple[Shown, ...], rules: tuple[Rule, ...]) -> None:
    run = run_of([two[1]._replace(path="environments/größe 1#?:%.yaml")], rules)
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "environments/gr%C3%B6%C3%9Fe%201%23%3F%3A%25.yaml"


def test_fingerprints_follow_the_line(typo: Diagnostic, rules: tuple[Rule, ...]) -> None:
    source = typo.span.source
    moved = Source(source.path, "# a comment\n\n" + source.text)
    shift = len(moved.text) - len(source.text)
    later = typo._replace(span=Span(moved, typo.span.start + shift, typo.span.end + shift))
    assert fingerprints(run_of(show([typo]), rules)) == fingerprints(run_of(show([later]), rules))


def test_fingerprints_tell_findings_apart(two: tuple[Shown, ...], rules: tuple[Rule, ...]) -> None:
    variants = [
        two[0],
        two[0],
        two[0]._replace(path="environments/dev.yaml"),
        two[0]._replace(rule="insecure-address"),
        two[0]._replace(message="another"),
        two[0]._replace(source_line="another: {}"),
    ]
    found = fingerprints(run_of(variants, rules))
    assert len(set(found)) == len(variants)
    assert found[1] == found[0].replace(":1", ":2")


def test_fingerprints_do_not_depend_on_a_concealed_value(typo: Diagnostic, rules: tuple[Rule, ...]) -> None:
    def fingerprint(value: str) -> list[str]:
        source = Source("a.yaml", f"pasword: {value}\n")
        conceals = (Span(source, 9, 9 + len(value)),)
        return fingerprints(run_of(show([typo._replace(span=Span(source, 0, 7), conceals=conceals)]), rules))

    assert fingerprint("hunter2") == fingerprint("another password")
