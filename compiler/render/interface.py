"""Says what a format is given and hands over, and which formats there are."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from compiler.model.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.model.diagnostic import Severity
    from compiler.render.content import Content
    from compiler.render.omission import Omission
    from compiler.rules.interface import Rule


@dataclass(frozen=True, slots=True)
class ShownRelated:
    """Another place that explains a diagnostic; `line` and `column` are 1-based and count characters."""

    message: str
    path: str
    line: int
    column: int


class ShownKey(NamedTuple):
    """What `verify` found of one key, and where it lies; `found` are the places of its diagnostics among all shown.

    `status` is ok, warning or error.
    """

    secret: str
    key: str
    store: str
    name: str
    property: str | None
    status: str
    found: tuple[int, ...] = ()


class Run(NamedTuple):
    """What the diagnostics are of: the command, its environment where it is about one alone, and how it ends.

    `keys` are all that a verification looked at, None of commands that look at none; `content` is what else its report
    for programs says. `omission` is what the text format is not given of the diagnostics; the others are given all.
    """

    command: str
    environment: str | None = None
    exit_code: int = 0
    keys: tuple[ShownKey, ...] | None = None
    content: Mapping[str, Any] = MappingProxyType({})
    omission: Omission | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One diagnostic without what its places tell to be a secret; the outlet conceals what looks like one.

    Formats get nothing else. Lines and columns are 1-based, count characters and name places in
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
    """A module of this package that turns a run's diagnostics into what the outlet prints.

    `rules` are all there are, for formats that describe them.
    """

    def render(self, shown: Sequence[Shown], rules: Sequence[Rule], run: Run) -> Content: ...


# Of diagnostics; of a command's own report; of a comparison.
FORMATS = ("text", "json", "github", "sarif", "junit")
REPORT_FORMATS = ("text", "json")
DIFF_FORMATS = ("text", "json", "markdown")


def format_named(name: str) -> Format:
    """The format of that name, one of FORMATS; only the one that is used is imported."""
    return cast("Format", import_module(f"compiler.render.{FORMATS[FORMATS.index(name)]}"))
