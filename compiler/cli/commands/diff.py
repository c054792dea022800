"""Runs `diff`, which compares two environments, two stores of an environment, or an environment and a file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from compiler.cli.compiling import compiled, environments, outside
from compiler.cli.exit_codes import FOUND, code_of
from compiler.cli.invocation import Invocation
from compiler.cli.parser import Parser, add_format, add_store
from compiler.cli.terminal.outlet import standard_output
from compiler.model.facts import MAX_MANIFEST_BYTES
from compiler.operations.diff import Side, compare_sides, side_of_content, side_of_environment
from compiler.refusal import Refusal, system_reason
from compiler.render.content import DIFF_FORMATS, Data, envelope
from compiler.render.reports.changes import comparison_data, comparison_lines, markdown

DESCRIPTION = """Compares Secrets, keys, their remote places, stores, their addresses and settings of two environments,
of one environment on two stores, or of a file and an environment; order and formatting do not matter. Where a file does
not tell the addresses of stores, it says so. Exits 1 if they differ."""
EXAMPLES = (
    "platform-secrets diff dev prod",
    "platform-secrets diff prod --store vault --format markdown",
    "platform-secrets diff prod --against chart/values-prod.yaml",
    "helm get manifest platform-secrets | platform-secrets diff prod --against -",
)
_STDIN = "standard input"


def configure(parser: Parser) -> None:
    parser.add_argument("environment", metavar="ENV", help="the environment")
    parser.add_argument("other", metavar="OTHER", nargs="?", help="another environment")
    add_store(parser, "compare the environment with itself on this store")
    parser.add_argument(
        "--against", metavar="FILE", help="compare with this values or manifest file; - for standard input"
    )
    add_format(parser, DIFF_FORMATS)


def run(arguments: Namespace, invocation: Invocation) -> int:
    given = [name for name in ("other", "store", "against") if getattr(arguments, name) is not None]
    if len(given) != 1:
        raise Refusal(
            "usage", "name exactly one thing to compare with", "give another environment, --store ID or --against FILE"
        )
    sides = _sides(arguments, invocation)
    if sides is None:
        return FOUND
    (before_title, before), (after_title, after) = sides
    found = compare_sides(before, after)
    code = code_of((), is_different=found.is_different)
    outlet = standard_output()
    if arguments.format == "json":
        content = {"before": before_title, "after": after_title, **comparison_data(found)}
        outlet.show(Data(envelope("diff", arguments.environment, code, content)))
    elif arguments.format == "markdown":
        outlet.lines(markdown(before_title, after_title, found))
    else:
        outlet.lines(comparison_lines(before_title, after_title, found))
    return code


_Titled = tuple[str, "Side"]


def _sides(arguments: Namespace, invocation: Invocation) -> tuple[_Titled, _Titled] | None:
    """Both sides by name; None where an environment has errors, which are then shown."""
    name, root = arguments.environment, invocation.root
    if arguments.other is not None:
        wanted = [name, arguments.other]
        found = {each.name: each for each in environments(compiled(root, wanted, outside(None, wanted)))}
        if not found:
            return None
        return (name, side_of_environment(found[name])), (
            arguments.other,
            side_of_environment(found[arguments.other]),
        )
    # The file first: a wrong name is found before anything is compiled.
    content = _content_of(arguments.against) if arguments.against is not None else None
    as_is_result = compiled(root, [name], outside(None, [name]))
    as_is = environments(as_is_result)
    if not as_is:
        return None
    side = side_of_environment(as_is[0])
    if content is not None:
        shown = _shown(arguments.against)
        return (shown, side_of_content(content, shown, as_is[0].subchart)), (name, side)
    on_other = compiled(root, [name], outside(arguments.store, [name]))
    switched = environments(on_other, told=as_is_result.notes)
    if not switched:
        return None
    return (name, side), (f"{name} on {arguments.store}", side_of_environment(switched[0]))


def _shown(path: str) -> str:
    return _STDIN if path == "-" else path


def _content_of(path: str) -> bytes:
    try:
        with open(0, "rb", closefd=False) if path == "-" else Path(path).open("rb") as file:
            return file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        message = f"{_shown(path)} cannot be read: {system_reason(error)}"
        raise Refusal("usage", message, "name a values file or a manifest file") from None
