"""Diagnostics as a JUnit report, for CI servers that show test results: a test case for each file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.render.content import Element
from compiler.render.text import lines, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.render.interface import Shown
    from compiler.rules.interface import Rule

_NAME = "platform-secrets"


def render(shown: Sequence[Shown], rules: Sequence[Rule]) -> Element:
    """One suite: a file with errors is a failed case, its warnings are the case's output.

    Servers show only the first failure of a case, so that a file's errors are one. With no diagnostic there is one
    passed case, because some servers take an empty suite for a broken run.
    """
    del rules
    by_path: dict[str, list[Shown]] = {}
    for each in shown:
        by_path.setdefault(each.path, []).append(each)
    cases = [_case(path, found) for path, found in by_path.items()] or [_case("environments", [])]
    failed = sum(any(each.severity is Severity.ERROR for each in found) for found in by_path.values())
    counts = {"tests": str(len(cases)), "failures": str(failed), "errors": "0"}
    suite = Element("testsuite", {"name": _NAME, **counts}, cases)
    return Element("testsuites", {"name": _NAME, **counts}, [suite])


def _case(path: str, found: list[Shown]) -> Element:
    errors = [each for each in found if each.severity is Severity.ERROR]
    warnings = [each for each in found if each.severity is Severity.WARNING]
    children = []
    if errors:
        rules = ", ".join(dict.fromkeys(each.rule for each in errors))
        children.append(Element("failure", {"type": rules, "message": summary(errors)}, text=[*lines(errors)]))
    if warnings:
        children.append(Element("system-out", text=[*lines(warnings)]))
    return Element("testcase", {"classname": _NAME, "name": path}, children)
