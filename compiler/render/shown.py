"""Defines what an output format is given to show: diagnostics with a piece of their source, and the state of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from compiler.model.record import dataclass

if TYPE_CHECKING:
    from compiler.model.diagnostic import Severity


@dataclass(frozen=True, slots=True)
class ShownRelated:
    """Another place that explains a diagnostic; `line` and `column` are 1-based and count characters.

    Those of keys have the same `about` and a `key` each, for who tells them together.
    """

    message: str
    path: str
    line: int
    column: int
    about: str = ""
    key: str = ""


class ShownKey(NamedTuple):
    """The status and place of one key that `verify` checked; `found` are the indexes of its diagnostics among all.

    `status` is ok, warning or error.
    """

    secret: str
    key: str
    store: str
    name: str
    property: str | None
    status: str
    found: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """One diagnostic as formats get it, with the secrets that its places mark concealed; the outlet does the rest.

    Lines and columns are 1-based, count characters and name places in
    the file; the end is exclusive, and does not tell the length of what is concealed. `source_line` is a part of the
    line of at most 160 terminal cells, None where the file could not be read; `brief` tells that people need not see
    it. `caret` and `caret_width` are in
    cells of `source_line`.
    """

    rule: str
    severity: Severity
    message: str
    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    source_line: str | None = None
    caret: int = 0
    caret_width: int = 1
    help: str | None = None
    related: tuple[ShownRelated, ...] = ()
    brief: bool = False
