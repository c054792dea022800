"""Prints diagnostics as a JUnit report for CI servers, with a test case for each file or verified secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.render.content import Element
from compiler.render.text import lines, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.render.content import CommandRun, Shown, ShownKey
    from compiler.rules.api import Rule

_NAME = "platform-secrets"


def render(shown: Sequence[Shown], rules: Sequence[Rule], run: CommandRun) -> Element:
    """One suite: a case for each secret that was verified, and for each file that has anything else.

    What has errors is a failed case, its warnings and notes are the case's output. Servers show only the first failure
    of a case, so that a case's errors are one. With no diagnostic and no secret there is one passed case, because some
    servers take an empty suite for a broken run.
    """
    del rules
    cases = _cases(shown, run.keys or ()) or {"environments": []}
    failed = sum(any(each.severity is Severity.ERROR for each in found) for found in cases.values())
    counts = {"tests": str(len(cases)), "failures": str(failed), "errors": "0"}
    suite = Element("testsuite", {"name": _NAME, **counts}, [_case(name, found) for name, found in cases.items()])
    return Element("testsuites", {"name": _NAME, **counts}, [suite])


def _cases(shown: Sequence[Shown], keys: Sequence[ShownKey]) -> dict[str, list[Shown]]:
    of_secrets: dict[str, set[int]] = {}
    for key in keys:
        of_secrets.setdefault(key.secret, set()).update(key.found)
    cases = {secret: [shown[index] for index in sorted(found)] for secret, found in of_secrets.items()}
    told = set().union(*of_secrets.values())
    for index, each in enumerate(shown):
        if index not in told:
            cases.setdefault(each.path, []).append(each)
    return cases


def _case(name: str, found: list[Shown]) -> Element:
    errors = [each for each in found if each.severity is Severity.ERROR]
    others = [each for each in found if each.severity is not Severity.ERROR]
    children = []
    if errors:
        rules = ", ".join(dict.fromkeys(each.rule for each in errors))
        children.append(
            Element("failure", {"type": rules, "message": summary(errors)}, text=[*lines(errors, each_place=True)])
        )
    if others:
        children.append(Element("system-out", {}, text=[*lines(others, each_place=True)]))
    return Element("testcase", {"classname": _NAME, "name": name}, children)
