"""Runs `diff`, which compares two environments, two stores of an environment, or an environment and a file."""

from argparse import Namespace
from pathlib import Path

from compiler.cli.invocation import Invocation, outside, require_sound
from compiler.cli.parser import DIFF_FORMATS, Parser, add_format
from compiler.model.facts import MAX_MANIFEST_BYTES
from compiler.operations.diff import Side, compare_sides, side_of_content, side_of_environment
from compiler.pipeline import compile_project
from compiler.refusal import FOUND, OK, Refusal, system_reason
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
    parser.add_option("--store", "ID", "compare the environment with itself on this store")
    parser.add_option("--against", "FILE", "compare with this values or manifest file; - for standard input")
    add_format(parser, DIFF_FORMATS)


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    given = [name for name in ("other", "store", "against") if getattr(arguments, name) is not None]
    if len(given) != 1:
        raise Refusal(
            "usage", "name exactly one thing to compare with", "give another environment, --store ID or --against FILE"
        )
    (before_title, before), (after_title, after) = _sides(arguments, invocation.root)
    found = compare_sides(before, after)
    lines = markdown if arguments.format == "markdown" else comparison_lines
    invocation.lines(lines(before_title, after_title, found))
    content = {"before": before_title, "after": after_title, **comparison_data(found)}
    return invocation.report(lambda: content, FOUND if found.is_different else OK, arguments.environment)


_Titled = tuple[str, "Side"]


def _sides(arguments: Namespace, root: Path) -> tuple[_Titled, _Titled]:
    """Both sides by name. Raises InputError where an environment has errors."""
    name = arguments.environment
    if arguments.other is not None:
        wanted = [name, arguments.other]
        project = require_sound(compile_project(root, wanted, outside(None, wanted)))
        sides = {each.name: side_of_environment(each) for each in project.environments}
        return (name, sides[name]), (arguments.other, sides[arguments.other])
    # The file first: a wrong name is found before anything is compiled.
    content = _content_of(arguments.against) if arguments.against is not None else None
    result = compile_project(root, [name], outside(None, [name]))
    (as_is,) = require_sound(result).environments
    if content is not None:
        shown = _show_path(arguments.against)
        return (shown, side_of_content(content, shown, as_is.subchart)), (name, side_of_environment(as_is))
    on_other = compile_project(root, [name], outside(arguments.store, [name]))
    (switched,) = require_sound(on_other, told=result.notes).environments
    return (name, side_of_environment(as_is)), (f"{name} on {arguments.store}", side_of_environment(switched))


def _show_path(path: str) -> str:
    return _STDIN if path == "-" else path


def _content_of(path: str) -> bytes:
    try:
        with open(0, "rb", closefd=False) if path == "-" else Path(path).open("rb") as file:
            return file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        message = f"{_show_path(path)} cannot be read: {system_reason(error)}"
        raise Refusal("usage", message, "name a values file or a manifest file") from None
