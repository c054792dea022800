"""Diagnostics as a JUnit report, for CI servers that show test results: a test case for each file."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.render.text import render as render_text
from compiler.render.text import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.render.interface import Shown
    from compiler.render.omission import Omission
    from compiler.rules.interface import Rule

# What XML 1.0 allows in a document, escaped or not.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(
    shown: Sequence[Shown], rules: Sequence[Rule], *, colour: bool = False, omission: Omission | None = None
) -> str:
    """One suite: a file with errors is a failed case, its warnings are the case's output.

    Servers show only the first failure of a case, so that a file's errors are one. With no diagnostic there is one
    passed case, because some servers take an empty suite for a broken run.
    """
    del rules, colour, omission
    by_path: dict[str, list[Shown]] = {}
    for each in shown:
        by_path.setdefault(each.path, []).append(each)
    cases = [_case(path, found) for path, found in by_path.items()] or [_case("environments", [])]
    failed = sum(any(each.severity is Severity.ERROR for each in found) for found in by_path.values())
    counts = f'tests="{len(cases)}" failures="{failed}" errors="0"'
    return "\n".join(
        (
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<testsuites name="platform-secrets" {counts}>',
            f'  <testsuite name="platform-secrets" {counts}>',
            *cases,
            "  </testsuite>",
            "</testsuites>",
            "",
        )
    )


def _case(path: str, found: list[Shown]) -> str:
    errors = [each for each in found if each.severity is Severity.ERROR]
    warnings = [each for each in found if each.severity is Severity.WARNING]
    lines = [f'    <testcase classname="platform-secrets" name="{_xml(path)}">']
    if errors:
        rules = ", ".join(dict.fromkeys(each.rule for each in errors))
        attributes = f'type="{_xml(rules)}" message="{_xml(summary(errors))}"'
        lines.append(f"      <failure {attributes}>{_xml(render_text(errors, ()))}</failure>")
    if warnings:
        lines.append(f"      <system-out>{_xml(render_text(warnings, ()))}</system-out>")
    return "\n".join([*lines, "    </testcase>"])


def _xml(text: str) -> str:
    """`text` in ASCII, as the content of an element or attribute."""
    return escape(_NOT_XML.sub("", text)).encode("ascii", "xmlcharrefreplace").decode()
