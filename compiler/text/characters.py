"""Escapes characters that drive a terminal, and names those that a reader cannot see or mistakes for others."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_TAB = " " * 4
_COMBINING = ("Mn", "Me")
_TWO_CELLS = ("W", "F")
_ONE_BYTE, _TWO_BYTES = 0xFF, 0xFFFF


def printable(text: str) -> str:
    r"""`text` with a tab as four spaces and other unprintable characters as `\x1b` or `\u202e`.

    Unprintable are controls, direction marks, invisible and unassigned characters, lone surrogates, and spaces other
    than U+0020; so the result is one line, in any encoding of Unicode.
    """
    return text if text.isprintable() else "".join(map(_show_character, text))


def cells(text: str) -> int:
    """How many cells of a terminal `text`, which must be printable, takes."""
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


def _show_character(character: str) -> str:
    if character.isprintable():
        return character
    if character == "\t":
        return _TAB
    code = ord(character)
    if code <= _ONE_BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _TWO_BYTES else f"\\U{code:08x}"


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in _COMBINING:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _TWO_CELLS else 1


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]|\r(?!\n)")
_TAB_INDENT = re.compile(r"^ *\t[^\n]*\S", re.MULTILINE)
# Where a line begins or behind a colon; pages and chats are full of them.
_ODD_SPACE = re.compile(r"(?:^[ \t]*|:[ \t]*)([\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000])", re.MULTILINE)


class Mistake(NamedTuple):
    """A mistake in the characters `start` to `end` of a text, and the way out; `rule` is a rule's id."""

    message: str
    help: str | None
    start: int
    end: int
    rule: str = "invalid-yaml"


def has_control(text: str) -> bool:
    """Whether there is a control character, a byte order mark or an unusual line break in `text`."""
    return _CONTROL.search(text) is not None


def odd_character(text: str) -> Mistake | None:
    """The first control character, else the first tab that indents, else the first space of another kind."""
    control = _CONTROL.search(text)
    if control is not None:
        message = f"the character U+{ord(control.group()[0]):04X} is not allowed in an input file"
        return Mistake(message, None, control.start(), control.start(), "control-character")
    tab = _TAB_INDENT.search(text) if "\t" in text else None
    if tab is not None:
        message = "tabs are not allowed as indentation"
        return Mistake(message, "indent with spaces", tab.start(), tab.start(), "tab-indentation")
    space = None if text.isascii() else _ODD_SPACE.search(text)
    if space is None:
        return None
    message = f"the character U+{ord(space[1]):04X} looks like a space but is not one in YAML"
    return Mistake(message, "type a plain space in its place", *space.span(1), "control-character")


def foreign_character(name: str) -> str | None:
    """The way out for a name with a character that is not ASCII, which it names with its place; None without one."""
    found = next((place for place, character in enumerate(name) if not character.isascii()), None)
    if found is None:
        return None
    character = name[found]
    called = unicodedata.name(character, "").lower()
    match unicodedata.category(character):
        case "Pd":
            way_out = 'type "-" in its place'
        case "Cf" | "Cc" | "Mn" | "Zs" | "Zl" | "Zp":
            way_out = "take it out; it is a space or is not seen at all"
        case _:
            way_out = "type a plain one in its place"
    point = f"U+{ord(character):04X}"
    return f"character {found + 1} is {point}{f' ({called})' if called else ''}: {way_out}"
