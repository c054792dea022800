"""Finds characters that a reviewer does not see: control characters, tabs as indentation, spaces that YAML refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from compiler.text.regex import regex

if TYPE_CHECKING:
    from compiler.text.yaml_mistake import Mistake

_CONTROL = regex("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]|\r(?!\n)")
_TAB_INDENT = regex(r"^ *\t[^\n]*\S", re.MULTILINE)
# Where a line begins or behind a colon; pages and chats are full of them.
_ODD_SPACE = regex(r"(?:^[ \t]*|:[ \t]*)([\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000])", re.MULTILINE)


def has_control(text: str) -> bool:
    """Whether there is a control character, a byte order mark or an unusual line break in `text`."""
    return _CONTROL.search(text) is not None


def odd_character(text: str) -> Mistake | None:
    """The first control character, else the first tab that indents, else the first space of another kind."""
    control = _CONTROL.search(text)
    if control is not None:
        message = f"the character U+{ord(control.group()[0]):04X} is not allowed in an input file"
        return _mistake(message, None, control.start(), control.start(), "control-character")
    tab = _TAB_INDENT.search(text) if "\t" in text else None
    if tab is not None:
        message = "tabs are not allowed as indentation"
        return _mistake(message, "indent with spaces", tab.start(), tab.start(), "tab-indentation")
    space = None if text.isascii() else _ODD_SPACE.search(text)
    if space is None:
        return None
    message = f"the character U+{ord(space[1]):04X} looks like a space but is not one in YAML"
    return _mistake(message, "type a plain space in its place", *space.span(1), "control-character")


def _mistake(message: str, way_out: str | None, start: int, end: int, rule: str) -> Mistake:
    from compiler.text.yaml_mistake import Mistake  # noqa: PLC0415 - only where there is one

    return Mistake(message, way_out, start, end, rule)
