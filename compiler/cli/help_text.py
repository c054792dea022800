"""Writes a command's help, wrapped to the terminal's width and otherwise the same from every Python.

The reference shows it, and argparse's own formatter breaks lines and names options differently from one Python to the
next.
"""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WIDTH = 100
_FURTHEST = 24


def help_text(program: str, description: str, actions: Sequence[argparse.Action], examples: str) -> str:
    """Usage, description, arguments, options and examples of `program`; `actions` are argparse's."""
    shown = [action for action in actions if action.help is not argparse.SUPPRESS]
    options = [action for action in shown if action.option_strings]
    positionals = [action for action in shown if not action.option_strings]
    column = min(_FURTHEST, max(len(_name(action)) for action in shown) + 4)
    sections = [
        _usage(program, list(map(_given, options)), list(map(_given, positionals))),
        description,
        *(_section("positional arguments", positionals, column) if positionals else ()),
        *_section("options", options, column),
        examples,
    ]
    return "\n\n".join(section.rstrip() for section in sections) + "\n"


def _usage(program: str, options: Sequence[str], positionals: Sequence[str]) -> str:
    start = f"usage: {program} "
    line = start + " ".join((*options, *positionals))
    if len(line) <= _WIDTH:
        return line
    lines = [*_filled(options, _WIDTH - len(start)), *_filled(positionals, _WIDTH - len(start))]
    return start + f"\n{' ' * len(start)}".join(lines)


def _filled(parts: Sequence[str], width: int) -> Iterator[str]:
    line = ""
    for part in parts:
        if line and len(line) + 1 + len(part) > width:
            yield line
            line = ""
        line = f"{line} {part}" if line else part
    if line:
        yield line


def _section(title: str, actions: Sequence[argparse.Action], column: int) -> Iterator[str]:
    lines = [f"{title}:"]
    for action in actions:
        name = f"  {_name(action)}"
        first, *rest = textwrap.wrap(action.help or "", _WIDTH - column) or [""]
        if len(name) + 2 > column:
            lines += [name, " " * column + first]
        else:
            lines.append(name.ljust(column) + first)
        lines += [" " * column + line for line in rest]
    yield "\n".join(line.rstrip() for line in lines)


def _name(action: argparse.Action) -> str:
    """`-h, --help`, `--store ID`, `ENV` or `{bash,zsh}`."""
    return f"{', '.join(action.option_strings)} {_value(action)}".strip()


def _given(action: argparse.Action) -> str:
    """How it is written on the command line."""
    if action.option_strings:
        return f"[{f'{action.option_strings[0]} {_value(action)}'.strip()}]"
    forms = {"?": "[{}]", "*": "[{} ...]", "+": "{0} [{0} ...]"}
    return forms.get(str(action.nargs), "{}").format(_value(action))


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper() if action.option_strings else action.dest
