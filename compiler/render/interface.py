"""Defines what an output format gets and returns, and lists the formats."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from compiler.render.content import Content
    from compiler.render.omission import Omission
    from compiler.render.shown import Shown, ShownKey
    from compiler.rules.interface import Rule

    # Here, as it takes as long to make as ten other classes.
    class Format(Protocol):
        """A module of this package that turns a run's diagnostics into what the outlet prints.

        `rules` are all there are, for formats that describe them.
        """

        def render(self, shown: Sequence[Shown], rules: Sequence[Rule], run: Run) -> Content: ...


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


# Of diagnostics; of a command's own report; of a comparison.
FORMATS = ("text", "json", "github", "sarif", "junit")
REPORT_FORMATS = ("text", "json")
DIFF_FORMATS = ("text", "json", "markdown")


def format_named(name: str) -> Format:
    """The format of that name, one of FORMATS; only the one that is used is imported."""
    return cast("Format", import_module(f"compiler.render.{FORMATS[FORMATS.index(name)]}"))
