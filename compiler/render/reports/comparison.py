"""Describes what differs between two environments, or an environment and a file, as text, as Markdown and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.render.content import Code, Words
from compiler.render.reports.changes import as_data, change_lines, change_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.operations.chart.diff import Comparison
    from compiler.render.content import Piece

    Pieces = tuple[Piece, ...]

# The one side is an environment, which tells them all: this is of the file that it is compared with.
_NOT_COMPARED = "addresses not compared, as {} does not tell them: "


def comparison_lines(before: str, after: str, found: Comparison) -> Iterator[Pieces]:
    """The comparison in words, a line for each store that is elsewhere."""
    yield "from ", before, " to ", after, ":" if found.is_different else ": no differences"
    for each in found.addresses:
        yield "  ", each.store, ": ", each.before, " -> ", each.after
    for change in found.changes:
        yield from (("  ", *line) for line in change_lines(change))
    if found.uncompared:
        yield _NOT_COMPARED.format(before), ", ".join(found.uncompared)


def markdown(before: str, after: str, found: Comparison) -> Iterator[Pieces]:
    """A section for a pull request: a table with a row for each store that is elsewhere, and for each Secret."""
    yield "### ", Code(before), " → ", Code(after)
    yield ("",)
    if found.is_different:
        yield ("| | what | details |",)
        yield ("|---|---|---|",)
        for each in found.addresses:
            yield "| changed | ", Code(each.store), " | ", Words(each.before), " -> ", Words(each.after), " |"
        yield from map(change_row, found.changes)
    else:
        yield ("No differences.",)
    if found.uncompared:
        yield ("",)
        yield Words(_NOT_COMPARED.format(before)), Words(", ".join(found.uncompared))


def comparison_data(found: Comparison) -> dict[str, Any]:
    """The comparison as JSON has it."""
    return {
        "addresses": [{"store": each.store, "before": each.before, "after": each.after} for each in found.addresses],
        "addressesNotCompared": list(found.uncompared),
        "changes": [as_data(change) for change in found.changes],
    }
