"""Writes a name as a YAML scalar that every reader of YAML takes for the same text."""

from __future__ import annotations

import re

from compiler.stages.emit import quote, read_values
from compiler.text.regex import regex

_PLAIN = regex(r"[A-Za-z][A-Za-z0-9_./-]*", re.ASCII)


def scalar(text: str) -> str:
    """The text without quotes where YAML 1.1 and 1.2 both read it as it is, else in double quotes."""
    # PyYAML takes `y` and `n` for text, other readers of YAML 1.1 do not.
    is_text = text.lower() not in ("y", "n") and read_values(text) == text
    return text if _PLAIN.fullmatch(text) and is_text else quote(text)
