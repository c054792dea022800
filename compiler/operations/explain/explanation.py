"""Describes a value of an environment and where it comes from, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.model.document import Node
    from compiler.model.source import Span


@dataclass(frozen=True, slots=True)
class Earlier:
    """A value that an earlier layer gave, and where."""

    value: str
    where: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where one value comes from.

    `value` is None where a layer removed it, or where a key is not in use. `origin` is written, default, catalogue,
    inherited (from the environment or the catalogue), usual (a default that is shown only on request), removed,
    resolved (a key's place) or unused. `where` is `file:line:column`, or the option or variable that said so.
    """

    path: str
    value: str | None
    origin: str
    where: str | None = None
    overrode: tuple[Earlier, ...] = ()
    note: str = ""


def shown_value(node: Node) -> str:
    """The value as YAML would have it on one line, a map by its keys."""
    value = node.value
    if isinstance(value, dict):
        return f"{{{', '.join(value)}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(shown_value(item) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def shown_where(span: Span) -> str:
    """`file:line:column`; for what came from outside the files, the option or variable alone."""
    return span.where if "/" in span.path else span.path
