"""What a format is given, and the formats there are: shown diagnostics and the rules in, the whole output as text."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from compiler.model.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.model.diagnostic import Severity
    from compiler.render.omission import Omission
    from compiler.rules.interface import Rule


@dataclass(frozen=True, slots=True)
class ShownRelated:
    """Another place that explains a diagnostic; `line` and `column` are 1-based and count characters."""

    message: str
    path: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One diagnostic as it may be shown to anyone: printable, on one line each, and without what may be a secret.

    Formats get nothing else, so that none can leak. Lines and columns are 1-based, count characters and name places in
    the file; the end is exclusive, and does not tell the length of what is concealed. `source_line` is a part of the
    line of at most 160 terminal cells, nothing where the file could not be read; `caret` and `caret_width` are in
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


class Format(Protocol):
    """A module of this package that turns a run's diagnostics into one text, which ends with a line break.

    Only the text format uses `colour`, and `omission`, what `shown` lacks of the run: the other formats are given all.
    `rules` are all there are, for formats that describe them.
    """

    def render(
        self, shown: Sequence[Shown], rules: Sequence[Rule], *, colour: bool = False, omission: Omission | None = None
    ) -> str: ...


FORMATS = ("text", "json", "github", "sarif", "junit")


def format_named(name: str) -> Format:
    """The format of that name, one of FORMATS; only the one that is used is imported."""
    return cast("Format", import_module(f"compiler.render.{FORMATS[FORMATS.index(name)]}"))
