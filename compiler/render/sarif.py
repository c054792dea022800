"""Prints diagnostics as SARIF 2.1.0, which code scanning services and editors read, with every rule described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import compiler
from compiler.render.content import Data, Fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.render.content import CommandRun, Shown, ShownRelated
    from compiler.rules.api import Rule

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# The name that GitHub gives the root of a repository.
_ROOT = "%SRCROOT%"
# The only fingerprint that GitHub looks at; without it, GitHub makes one of the lines around.
_FINGERPRINT = "primaryLocationLineHash"


def render(shown: Sequence[Shown], rules: Sequence[Rule], run: CommandRun) -> Data:
    """One run with all `rules` and a result for each diagnostic; URIs are relative to the project's root."""
    del run
    index = {rule.id: position for position, rule in enumerate(rules)}
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "platform-secrets",
                        "semanticVersion": compiler.__version__,
                        "rules": [_rule(rule) for rule in rules],
                    }
                },
                "originalUriBaseIds": {_ROOT: {"description": {"text": "The project's root."}}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, index) for each in shown],
            }
        ],
    }
    return Data(log)


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "help": {"text": rule.text, "markdown": rule.text},
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _result(each: Shown, index: dict[str, int]) -> dict[str, Any]:
    region = {
        "startLine": each.line,
        "startColumn": each.column,
        "endLine": each.end_line,
        "endColumn": each.end_column,
    }
    result: dict[str, Any] = {"ruleId": each.rule}
    if each.rule in index:
        result["ruleIndex"] = index[each.rule]
    result |= {
        "level": each.severity.value,
        "message": {"text": f"{each.message}\nhelp: {each.help}" if each.help else each.message},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(each.path), "region": region}}],
        "partialFingerprints": {_FINGERPRINT: _fingerprint(each)},
    }
    if each.related:
        result["relatedLocations"] = [_related(note, number) for number, note in enumerate(each.related)]
    return result


def _related(note: ShownRelated, number: int) -> dict[str, Any]:
    return {
        "id": number,
        "message": {"text": note.message},
        "physicalLocation": {
            "artifactLocation": _artifact(note.path),
            "region": {"startLine": note.line, "startColumn": note.column},
        },
    }


def _artifact(path: str) -> dict[str, str]:
    # A name on the disk may be no Unicode.
    return {"uri": quote(path.encode(errors="backslashreplace")), "uriBaseId": _ROOT}


def _fingerprint(each: Shown) -> Fingerprint:
    """The same wherever the line moves to."""
    return Fingerprint((each.rule, each.path, each.message, (each.source_line or "").strip()))
