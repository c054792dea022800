"""Reads an unquoted YAML scalar, and says where YAML 1.1, which Helm's parser follows, reads another value than 1.2."""

from __future__ import annotations

import re

_NULLS = frozenset({"null", "Null", "NULL", "~"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# Texts in YAML 1.2 that YAML 1.1, which Helm's parser follows, reads as something else.
_OTHER_WORDS = frozenset(
    form for word in ("y", "n", "yes", "no", "on", "off") for form in (word, word.capitalize(), word.upper())
) | {"=", "<<"}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+")
_OTHER_NUMBER = re.compile(
    r"[-+]?(?:0[0-9_]+|0o[0-7]+|0x[0-9A-Fa-f_]+|0b[01_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"
    r"|\.[0-9_]+(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF)|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)"
    r"|\.(?:nan|NaN|NAN)|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?"
)


def plain_scalar(text: str) -> tuple[str | int | float | bool | None, bool]:
    """The value of a plain scalar, and whether YAML 1.1 and 1.2 disagree about it."""
    if not text or text in _NULLS:
        return None, False
    if text in _BOOLEANS:
        return _BOOLEANS[text], False
    if text in _OTHER_WORDS:
        return text, True
    if text[0] in "0123456789+-.":
        if _INTEGER.fullmatch(text):
            return int(text), False
        if _FLOAT.fullmatch(text):
            return float(text), False
        return text, bool(_OTHER_NUMBER.fullmatch(text))
    return text, False
