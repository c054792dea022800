"""Defines what an output format gets and returns, and lists the formats."""

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


class Run(NamedTuple):
    """The run that diagnostics belong to: the command, its environment where it has exactly one, and the exit code.

    `keys` are all that `verify` checked, None for other commands; `content` are further members of the JSON report.
    `omission` counts the diagnostics that the text format does not show; the other formats show all.
    """

    command: str
    environment: str | None = None
    exit_code: int = 0
    keys: tuple[ShownKey, ...] | None = None
    content: Mapping[str, Any] = MappingProxyType({})
    omission: Omission | None = None


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
