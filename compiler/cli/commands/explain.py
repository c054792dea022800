"""Runs `explain`, which shows where an environment's values come from and where a key is stored."""

from collections.abc import Iterator, Sequence
from typing import Any

from compiler.cli.invocation import Invocation, code_of, outside, report_errors, tell_notes
from compiler.cli.parser import REPORT_FORMATS, Parser, add_format
from compiler.operations.explain import Explanation, explain
from compiler.pipeline import compile_project
from compiler.refusal import FOUND
from compiler.render.content import Line, members

DESCRIPTION = """Shows where each value of an environment comes from: the line that sets it, what it overrides, what a
layer removes, and defaults. PATH selects one value, such as `store` or `secrets.github.use`; one secret, such as
`github`, with the place of each key; or one key, such as `github/GITHUB_APP_ID`, with all that decides where it is."""
EXAMPLES = (
    "platform-secrets explain prod",
    "platform-secrets explain prod store",
    "platform-secrets explain staging jira",
    "platform-secrets explain staging jira/ATLASSIAN_TOKEN --format json",
)


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment")
    parser.add_argument("path", metavar="PATH", nargs="?", help="a value, a secret, or a key as SECRET/KEY")
    add_format(parser, REPORT_FORMATS)


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    names = [arguments.environment]
    result = compile_project(invocation.root, names, outside(None, names))
    report_errors(result.diagnostics)
    tell_notes(result)
    if result.project is None or not result.project.environments:
        return FOUND
    (environment,) = result.project.environments
    found = explain(environment, arguments.path)
    invocation.lines(_lines(found))
    code = code_of(result.diagnostics)
    return invocation.report(lambda: {"values": [_data(each) for each in found]}, code, environment.name)


def _lines(found: Sequence[Explanation]) -> Iterator[Line]:
    for each in found:
        value = {"removed": "removed", "unused": "not in use"}.get(each.origin) if each.value is None else each.value
        where = ("  ", each.where) if each.where is not None else ()
        yield each.path, ": ", value or "", *where, _remark(each)
        yield from (("    over ", value, "  ", where) for value, where in each.overrode)


def _remark(each: Explanation) -> str:
    origin = {"default": "default", "usual": "default", "catalogue": "from the catalogue"}.get(each.origin)
    parts = [part for part in (origin, each.note if each.origin != "usual" else "") if part]
    return f"  ({'; '.join(parts)})" if parts else ""


def _data(each: Explanation) -> dict[str, Any]:
    return {
        "path": each.path,
        "value": each.value,
        "origin": "default" if each.origin == "usual" else each.origin,
        "where": each.where,
        "overrode": [{"value": value, "where": where} for value, where in each.overrode],
        **members(each, "note"),
    }
