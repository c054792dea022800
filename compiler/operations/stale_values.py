"""Compares a values file on disk, by text and by meaning, with what is compiled.

A file that somebody edited may hold anything, for example a password under a key of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import unified_diff
from typing import Any

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.document import Source, Span
from compiler.model.values import subchart_of
from compiler.packaged import values_schema
from compiler.pipeline import ValuesFile
from compiler.stages.emit import values_tree
from compiler.text.command_line import command_line
from compiler.text.credential import CONCEALED
from compiler.text.wording import first_difference

Bounds = tuple[int, int]
_SCALARS = (str, bool, int, float)
# Between values: what a YAML file has there beside white space and punctuation is a comment.
_NO_PUNCTUATION = re.compile(r"#[^\n]*|[^\s\-:,?|>'\"{}\[\]#]+")


class ChartValues:
    """Tells by the chart's schema which values have a place."""

    def __init__(self) -> None:
        self._schema = values_schema()

    def part(self, *names: str) -> dict[str, Any] | None:
        """The schema of a part of the values, such as of a member of the file and in it of what lies below each id."""
        schema: dict[str, Any] | None = self._schema
        for name in names:
            schema = self._of(schema, name)
        return schema

    def known(self, data: Any, schema: dict[str, Any] | None) -> Any:  # noqa: ANN401 - foreign data of any shape
        """`data` with `…` for every value that has no place in `schema`; what lies below such a one is one `…` too."""
        kind = self._kind(schema)
        if kind == "scalar" and (data is None or isinstance(data, _SCALARS)):
            return data
        if kind == "object" and isinstance(data, dict):
            return {key: self.known(value, self._of(schema, str(key))) for key, value in data.items()}
        if kind == "array" and isinstance(data, list):
            return [self.known(item, self._of(schema, "")) for item in data]
        return CONCEALED

    def hidden(self, text: str, root: Any) -> list[Bounds]:  # noqa: ANN401 - a node of PyYAML, which types none
        """The bounds in `text`, whose tree is `root`, of all that may not be shown; in order.

        The tree is one of `emit.values_tree`, so it has no anchor, tag or key that is no scalar. Of a comment in the
        first line nothing is hidden: it is the compiler's own.
        """
        found: list[Bounds] = []
        at = text.find("\n") + 1 if text.startswith("#") else 0
        for start, end, is_shown in [*sorted(self._nodes(root)), (len(text), len(text), True)]:
            found += (gap.span() for gap in _NO_PUNCTUATION.finditer(text, at, max(at, start)))
            if not is_shown:
                # A block of text ends after its line break, which the next line needs.
                found.append((start, start + len(text[start:end].rstrip())))
            at = max(at, end)
        return found

    def _nodes(self, root: Any) -> Iterator[tuple[int, int, bool]]:  # noqa: ANN401
        """Each key and each value that stands by itself, with its place and whether it may be shown."""
        waiting: list[tuple[Any, dict[str, Any] | None]] = [(root, self._schema)]
        if _is_nested(root):
            ((key, values),) = root.value
            yield key.start_mark.index, key.end_mark.index, True
            waiting = [(values, self._schema)]
        while waiting:
            node, schema = waiting.pop()
            kind = self._kind(schema)
            if kind == "array" and node.id == "sequence":
                waiting += ((item, self._of(schema, "")) for item in node.value)
            elif kind == "object" and node.id == "mapping":
                for key, value in node.value:
                    yield key.start_mark.index, key.end_mark.index, True
                    waiting.append((value, self._of(schema, key.value)))
            else:
                yield node.start_mark.index, node.end_mark.index, kind == "scalar" == node.id

    def _of(self, schema: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
        """The schema of a member or an item; None where it has no place."""
        whole = self._resolved(schema or {})
        found = whole.get("items") or whole.get("properties", {}).get(name) or whole.get("additionalProperties")
        return found if isinstance(found, dict) else None

    def _kind(self, schema: dict[str, Any] | None) -> str | None:
        if schema is None:
            return None
        whole = self._resolved(schema)
        if "properties" in whole or "additionalProperties" in whole or whole.get("type") == "object":
            return "object"
        return "array" if whole.get("type") == "array" else "scalar"

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self._schema["definitions"][schema["$ref"].rpartition("/")[2]]
        return schema


def _is_nested(root: Any) -> bool:  # noqa: ANN401 - a node of PyYAML
    if root.id != "mapping" or len(root.value) != 1:
        return False
    ((key, values),) = root.value
    below = [name.value for name, _ in values.value] if values.id == "mapping" else []
    return subchart_of({key.value: below}) is not None


# Lines of the one times lines of the other, which is what comparing them may take: about a second's worth.
_MOST_PAIRS = 25_000_000


def stale_values(file: ValuesFile) -> Diagnostic:
    """`stale-values`, at the first line that differs."""
    shown, old = file.output.shown, file.old
    way_out = f"run `{command_line('compile', file.environment)}` and commit the result"
    if old is None:
        message = f"{shown} is missing"
        return Diagnostic("stale-values", Severity.ERROR, message, Span(Source(shown)), help=way_out)
    start = first_difference(old, file.output.text)
    message = f'{shown} is not what "{file.environment}" compiles to'
    source = Source(shown, old)
    line_start, line_end = source.line_bounds(source.place(start)[0])
    # Only of the line that is shown: a message is searched for every text that is concealed.
    conceals = tuple(
        Span(source, *bounds) for bounds in _hidden(old) if bounds[1] > line_start and bounds[0] < line_end
    )
    span = Span(source, start, start)
    return Diagnostic("stale-values", Severity.ERROR, message, span, help=way_out, conceals=conceals)


def differing_lines(file: ValuesFile) -> Iterator[str]:
    """A unified diff from the file to what it should be, or a line that says so where that would take long to make.

    Hidden is what the compiler did not write: comments, and values under keys that the chart does not know.
    """
    shown = file.output.shown
    if (file.old or "").count("\n") * file.output.text.count("\n") > _MOST_PAIRS:
        return iter([f"{shown} has too many lines to compare them"])
    old = _without(file.old or "", _hidden(file.old or "")).splitlines()
    new = file.output.text.splitlines()
    return unified_diff(old, new, shown, f"{shown} (compiled)", lineterm="")


def _hidden(text: str) -> list[Bounds]:
    if not text:
        return []
    root = values_tree(text)
    # A text that is not YAML was not written by the compiler, so all of it is hidden.
    return ChartValues().hidden(text, root) if root is not None else [(text.find("\n") + 1, len(text))]


def _without(text: str, hidden: list[Bounds]) -> str:
    shown: list[str] = []
    at = 0
    for start, end in hidden:
        shown += (text[at:start], CONCEALED)
        at = end
    return "".join((*shown, text[at:]))
