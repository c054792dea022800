"""Makes any text safe for a terminal: control, invisible and direction-changing characters become escapes."""

from __future__ import annotations

import unicodedata

_TAB = " " * 4
_COMBINING = ("Mn", "Me")
_TWO_CELLS = ("W", "F")
_ONE_BYTE, _TWO_BYTES = 0xFF, 0xFFFF


def printable(text: str) -> str:
    r"""`text` with a tab as four spaces and every other character that is not printable as `\x1b` or `\u202e`.

    What Unicode counts as not printable are controls, direction marks, invisible and unassigned characters, lone
    surrogates, and spaces other than U+0020; so the result is one line, and can be written in any encoding of Unicode.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def cells(text: str) -> int:
    """How many cells of a terminal `text`, which must be printable, takes."""
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


def _shown(character: str) -> str:
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
