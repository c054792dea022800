"""Writes a command's help, wrapped to the terminal's width and otherwise the same from every Python.

The reference shows it, and argparse's own formatter breaks lines and names options differently from one Python to the
next.
"""

from __future__ import annotations

import argparse
import shutil
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Longer lines are hard to read, however wide the terminal; in narrower ones a name and its help do not fit.
_WIDEST, _NARROWEST = 100, 50
_FURTHEST = 24
# Of a line that goes on below, in a shell.
_CONTINUED = " \\"


def help_text(program: str, description: str, actions: Sequence[argparse.Action], examples: str) -> str:
    """Usage, description, arguments, options and examples of `program`; `actions` are argparse's.

    Lines of `description` that begin with spaces stay lines of their own, as do empty ones and those of `examples`.
    """
    width = _width()
    shown = [action for action in actions if action.help is not argparse.SUPPRESS]
    options = [action for action in shown if action.option_strings]
    positionals = [action for action in shown if not action.option_strings]
    column = min(_FURTHEST, max(len(_name(action)) for action in shown) + 4)
    sections = [
        _usage(program, list(map(_given, options)), list(map(_given, positionals)), width),
        "\n".join(_paragraphs(description, width)),
        *(_section("positional arguments", positionals, column, width) if positionals else ()),
        *_section("options", options, column, width),
        "\n".join(line for example in examples.split("\n") for line in _example(example, width)),
    ]
    return "\n\n".join(section.rstrip() for section in sections) + "\n"


def _width() -> int:
    """The columns of the terminal, or of COLUMNS, as argparse asks for them: 80 where there is neither."""
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))


def _paragraphs(text: str, width: int) -> Iterator[str]:
    blocks: list[str] = []
    for line in text.split("\n"):
        before = blocks[-1] if blocks else ""
        if not line or line.startswith(" ") or not before or before.startswith(" "):
            blocks.append(line)
        else:
            blocks[-1] += f" {line}"
    for block in blocks:
        yield from _wrapped(block, width, indent="    " if block.startswith(" ") else "") or [""]


def _example(line: str, width: int) -> Iterator[str]:
    lines = _wrapped(line, width - len(_CONTINUED), indent="      ")
    if len(line) <= width or len(lines) == 1:
        yield line
        return
    *before, last = lines
    yield from (each + _CONTINUED for each in before)
    yield last


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    # Names of options and files, and commands, are to be copied whole.
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _usage(program: str, options: Sequence[str], positionals: Sequence[str], width: int) -> str:
    start = f"usage: {program} "
    line = start + " ".join((*options, *positionals))
    if len(line) <= width:
        return line
    lines = [*_filled(options, width - len(start)), *_filled(positionals, width - len(start))]
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


def _section(title: str, actions: Sequence[argparse.Action], column: int, width: int) -> Iterator[str]:
    lines = [f"{title}:"]
    for action in actions:
        name = f"  {_name(action)}"
        first, *rest = _wrapped(action.help or "", width - column) or [""]
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
