"""Diagnostics as GitHub's workflow commands, which put them on the lines of a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.render.interface import Shown
    from compiler.render.omission import Omission
    from compiler.rules.interface import Rule


def render(
    shown: Sequence[Shown], rules: Sequence[Rule], *, colour: bool = False, omission: Omission | None = None
) -> str:
    """One `::error …::message` or `::warning …::message` for each diagnostic; related places and help follow in it."""
    del rules, colour, omission
    return "".join(f"::{each.severity.value} {_properties(each)}::{_data(_text(each))}\n" for each in shown)


def _properties(each: Shown) -> str:
    properties: dict[str, str | int] = {"file": each.path, "line": each.line, "endLine": each.end_line}
    # GitHub takes columns only where all is on one line.
    if each.line == each.end_line:
        properties |= {"col": each.column, "endColumn": each.end_column}
    properties["title"] = each.rule
    return ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())


def _text(each: Shown) -> str:
    notes = [f"note: {note.message} at {note.path}:{note.line}:{note.column}" for note in each.related]
    return "\n".join([each.message, *notes, *([f"help: {each.help}"] if each.help else [])])


# The escapes of GitHub's own toolkit (actions/toolkit, packages/core/src/command.ts).
def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
