import base64
import json
import re
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import jsonschema
import pytest

import compiler
from compiler.cli import parser
from compiler.cli.terminal.contents import text_of
from compiler.model.document import Diagnostic, Related, Severity, Source, Span
from compiler.render.content import CommandRun, Shown, ShownRelated, show
from compiler.render.formats import (
    FORMATS,
    render_github,
    render_json,
    render_sarif,
    render_text,
    summary,
)
from compiler.rules.api import Rule

TOKEN = "ghp_0123456789abcdefghij0123456789abcdef"
PASSWORD = "correct-horse-battery"  # nothing tells it from a name: its spans must
AWS = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY"
PEM_LINE = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
SENTINELS = (TOKEN, PASSWORD, AWS, PEM_LINE, "shortline")

HOSTILE = f"""\
# {TOKEN}
pasword: {PASSWORD}  # {AWS}
{TOKEN}: 1
stores: {{vault: {{pasword: {PASSWORD}, token: "{TOKEN}", sever: {AWS}}}}}
list: [{TOKEN}, plain]
block: |
  some words
  {TOKEN}
pem: |
  -----BEGIN RSA PRIVATE KEY-----
  {PEM_LINE}
  shortline
  -----END RSA PRIVATE KEY-----
quoted: "postgres://app:{PASSWORD}@db/x?password={PASSWORD}"
"""


@pytest.fixture
def leaking() -> tuple[Shown, ...]:
    """A finding on every line and every word of it, by a rule that repeats the text it looks at."""
    source = Source(f"environments/{TOKEN}.yaml", HOSTILE)
    conceals = []
    start = source.text.find(PASSWORD)
    while start >= 0:
        conceals.append(Span(source, start, start + len(PASSWORD)))
        start = source.text.find(PASSWORD, start + 1)
    careless = f"invalid value {PASSWORD!r} {TOKEN} {AWS} {PEM_LINE}"
    found = [
        Diagnostic(
            "unknown-key",
            severity,
            careless,
            Span(source, offset, min(len(HOSTILE), offset + 30)),
            help=careless,
            related=(Related(careless, Span(source, offset, offset)),),
            conceals=tuple(conceals),
        )
        for offset, severity in zip(range(0, len(HOSTILE), 3), cycle(Severity), strict=False)
    ]
    return show(found)


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_shows_a_secret(name: str, leaking: tuple[Shown, ...], rules: tuple[Rule, ...]) -> None:
    output = text_of(FORMATS[name](leaking, rules, CommandRun("compile")), colour=True)
    assert "unknown-key" in output
    for sentinel in SENTINELS:
        assert sentinel not in output
        assert base64.b64encode(sentinel.encode()).decode().rstrip("=") not in output
        assert sentinel[:12] not in output or sentinel == "shortline"
        assert sentinel[-8:] not in output


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_ends_its_output(name: str, two: tuple[Shown, ...], rules: tuple[Rule, ...]) -> None:
    assert text_of(FORMATS[name](two, rules, CommandRun("compile"))).endswith("\n")


def test_a_command_offers_every_format() -> None:
    assert tuple(FORMATS) == parser.FORMATS


EXPECTED = """\
environments/prod.yaml:3:3: error[unknown-secret]: no secret named "gihub" in the catalogue
3 |   gihub: {}
  |   ^^^^^
  note: "github" is defined at environments/catalogue.yaml:2:3
  help: did you mean "github"?

environments/prod.yaml:7:13: warning[insecure-address]: the address is not https
7 |     server: http://vault.example.com
  |             ^^^^^^^^^^^^^^^^^^^^^^^^

1 error, 1 warning
"""


def test_text(two: tuple[Shown, ...]) -> None:
    assert text_of(render_text(two, (), CommandRun("compile"))) == EXPECTED


def test_nothing_for_none() -> None:
    assert text_of(render_text((), (), CommandRun("compile"))) == ""


def test_a_file_that_could_not_be_read_has_no_excerpt(two: tuple[Shown, ...]) -> None:
    unread = two[1]._replace(source_line=None, help="make it readable")
    assert text_of(render_text([unread], (), CommandRun("compile"))) == (
        "environments/prod.yaml:7:13: warning[insecure-address]: the address is not https\n"
        "help: make it readable\n\n1 warning\n"
    )


def test_colour_only_adds_escapes(two: tuple[Shown, ...]) -> None:
    coloured = text_of(render_text(two, (), CommandRun("compile")), colour=True)
    assert "\x1b[1;31merror[unknown-secret]:\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == EXPECTED
    assert all(line.count("\x1b[0m") * 2 == line.count("\x1b") for line in coloured.splitlines())


def test_summary_counts_in_words(two: tuple[Shown, ...]) -> None:
    error = two[0]._replace(severity=Severity.ERROR)
    assert summary([error, error]) == "2 errors"
    assert summary([two[1], two[1], error]) == "1 error, 2 warnings"
    note = two[1]._replace(severity=Severity.NOTE)
    assert summary([note, two[1], note]) == "1 warning, 2 notes"


def test_a_note_is_named_as_one(two: tuple[Shown, ...]) -> None:
    shown = text_of(render_text([two[1]._replace(severity=Severity.NOTE)], (), CommandRun("compile")))
    assert shown.startswith("environments/prod.yaml:7:13: note[insecure-address]: the address is not https\n")
    assert shown.endswith("\n1 note\n")


def test_what_is_omitted_is_said_and_counted(two: tuple[Shown, ...]) -> None:
    omitted = [Diagnostic("insecure-address", Severity.WARNING, "x", Span(Source("a.yaml")))] * 980
    run = CommandRun("compile", left_out=omitted, see_all="`--all` shows them")
    assert text_of(render_text(two, (), run)) == EXPECTED.replace(
        "1 error, 1 warning",
        '980 more findings of "insecure-address" not shown; `--all` shows them\n\n1 error, 981 warnings',
    )


def brief(*keys: str, path: str = "environments/catalogue.yaml") -> Shown:
    about = 'of "github"'
    notes = [ShownRelated(f'"{key}" {about}', path, 8 + line, 7, about, key) for line, key in enumerate(keys)]
    return Shown(
        "missing-secret",
        Severity.ERROR,
        '"gh" is not in "vault"',
        "environments/dev.yaml",
        3,
        3,
        3,
        9,
        source_line="  github: {}",
        help="create it",
        related=tuple(notes),
        brief=True,
    )


def test_what_the_line_says_nothing_of_is_told_without_it_and_one_below_the_other() -> None:
    assert text_of(render_text([brief("A", "B"), brief("A")], (), CommandRun("verify"))) == (
        'environments/dev.yaml:3:3: error[missing-secret]: "gh" is not in "vault"; '
        '"A", "B" of "github" at environments/catalogue.yaml:8-9\n'
        "  help: create it\n"
        'environments/dev.yaml:3:3: error[missing-secret]: "gh" is not in "vault"; '
        '"A" of "github" at environments/catalogue.yaml:8:7\n'
        "  help: create it\n"
        "\n"
        "2 errors\n"
    )


def test_keys_that_are_more_than_a_line_are_counted_and_each_file_has_its_own_note() -> None:
    many = brief(*(f"A_KEY_OF_SOME_LENGTH_{number}" for number in range(5)))
    elsewhere = ShownRelated('"B" of "github"', "environments/other.yaml", 2, 1, 'of "github"', "B")
    plain = ShownRelated("removed here", "environments/other.yaml", 9, 1)
    text = text_of(render_text([many._replace(related=(*many.related, plain, elsewhere))], (), CommandRun("verify")))
    five = '5 keys of "github" at environments/catalogue.yaml:8-12'
    assert [line for line in text.splitlines() if " at " in line] == [
        f'environments/dev.yaml:3:3: error[missing-secret]: "gh" is not in "vault"; {five}',
        "  note: removed here at environments/other.yaml:9:1",
        '  note: "B" of "github" at environments/other.yaml:2:1',
    ]


def test_keys_of_one_line_have_that_line() -> None:
    one_line = tuple(note._replace(line=8) for note in brief("A", "B").related)
    text = text_of(render_text([brief()._replace(related=one_line)], (), CommandRun("verify")))
    assert '; "A", "B" of "github" at environments/catalogue.yaml:8\n' in text


def test_commands(two: tuple[Shown, ...]) -> None:
    assert text_of(render_github(two, (), CommandRun("compile"))) == (
        "::error file=environments/prod.yaml,line=3,endLine=3,col=3,endColumn=8,title=unknown-secret"
        '::no secret named "gihub" in the catalogue'
        '%0Anote: "github" is defined at environments/catalogue.yaml:2:3'
        '%0Ahelp: did you mean "github"?\n'
        "::warning file=environments/prod.yaml,line=7,endLine=7,col=13,endColumn=37,title=insecure-address"
        "::the address is not https\n"
    )
    assert text_of(render_github((), (), CommandRun("compile"))) == ""


def test_a_note_is_a_notice(two: tuple[Shown, ...]) -> None:
    command = text_of(render_github([two[1]._replace(severity=Severity.NOTE)], (), CommandRun("compile")))
    assert command.startswith("::notice file=environments/prod.yaml,line=7,")


def test_columns_are_left_out_where_github_would_refuse_them(two: tuple[Shown, ...]) -> None:
    command = text_of(render_github([two[1]._replace(end_line=9)], (), CommandRun("compile")))
    assert command.startswith("::warning file=environments/prod.yaml,line=7,endLine=9,title=insecure-address::")


def test_nothing_in_a_diagnostic_can_end_the_command(two: tuple[Shown, ...]) -> None:
    hostile = two[1]._replace(path="a,b:c%\n.yaml", message="100%\r\n::error::x", rule="r,:")
    assert text_of(render_github([hostile], (), CommandRun("compile"))) == (
        "::warning file=a%2Cb%3Ac%25\\x0a.yaml,line=7,endLine=7,col=13,endColumn=37,title=r%2C%3A"
        "::100%25\\x0d\\x0a::error::x\n"
    )


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
