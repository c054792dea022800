"""Recognises what people type by habit and no reader of plain YAML takes: templates, typographic quotes, a block."""

from __future__ import annotations

_TEMPLATES = ("{{", "${", "$(", "<%")
_QUOTES = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"


def slip(text: str) -> str | None:
    """The way out for a value that is wrong because of how it was typed, or None."""
    if any(sign in text for sign in _TEMPLATES):
        return "templates are not supported: write the value itself"
    if any(sign in text for sign in _QUOTES):
        return "type straight quotes in place of typographic ones"
    return "write it on the line of its key, without `|` or `>`" if text.endswith("\n") else None
