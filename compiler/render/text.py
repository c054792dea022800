"""Diagnostics for people: place, rule and message, the source line with a caret, what explains it, and the way out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.text.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.render.interface import Shown
    from compiler.render.omission import Omission
    from compiler.rules.interface import Rule

_RESET = "\x1b[0m"
_BOLD = "\x1b[1m"
_GUTTER = "\x1b[1;34m"
_HELP = "\x1b[1;36m"
_SEVERITY = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m"}


def render(
    shown: Sequence[Shown], rules: Sequence[Rule], *, colour: bool = False, omission: Omission | None = None
) -> str:
    """Every diagnostic, an empty line after each, and how many there are with what is omitted; empty for none."""
    del rules
    if not shown:
        return ""
    blocks = [_lines(each, colour=colour) for each in shown]
    if omission is not None:
        blocks.append(omission.lines())
    return "".join("\n".join(lines) + "\n\n" for lines in blocks) + f"{summary(shown, omission)}\n"


def summary(shown: Sequence[Shown], omission: Omission | None = None) -> str:
    """How many errors and warnings there are: `2 errors, 1 warning`."""
    counts = Counter(each.severity for each in shown)
    if omission is not None:
        counts.update(omission.of_severities)
    return ", ".join(counted(counts[severity], severity.value) for severity in Severity if counts[severity])


def _lines(each: Shown, *, colour: bool) -> list[str]:
    def painted(text: str, paint: str) -> str:
        return f"{paint}{text}{_RESET}" if colour else text

    paint = _SEVERITY[each.severity]
    where = painted(f"{each.path}:{each.line}:{each.column}:", _BOLD)
    lines = [f"{where} {painted(f'{each.severity.value}[{each.rule}]:', paint)} {painted(each.message, _BOLD)}"]
    indent = ""
    if each.source_line is not None:
        number = str(each.line)
        indent = " " * (len(number) + 1)
        caret = painted("^" * each.caret_width, paint)
        lines += [
            f"{painted(f'{number} |', _GUTTER)} {each.source_line}".rstrip(),
            f"{painted(f'{indent}|', _GUTTER)} {' ' * each.caret}{caret}",
        ]
    lines += [
        f"{indent}{painted('note:', _BOLD)} {note.message} at {note.path}:{note.line}:{note.column}"
        for note in each.related
    ]
    if each.help:
        lines.append(f"{indent}{painted('help:', _HELP)} {each.help}")
    return lines
