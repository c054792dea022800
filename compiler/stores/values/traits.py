"""Tells what may be said of a secret without showing it: empty, a placeholder, white space at an end, not storable."""

import re
from enum import StrEnum
from typing import Final

from compiler.stores.values.secret import SecretValue
from compiler.text.regex import regex


class Trait(StrEnum):
    """A fact about a value that a diagnostic may name."""

    EMPTY = "empty"
    PLACEHOLDER = "placeholder"
    SPACE_AT_END = "space-at-end"
    QUOTED = "quoted"
    LONE_SURROGATE = "lone-surrogate"
    NUL = "nul"
    NOT_A_STRING = "not-a-string"


_PLACEHOLDER: Final = regex(
    r"change[-_ ]?me|<[^<>]*>|\$\{[^{}]*\}|\{\{[^{}]*\}\}|todo|tbd|fixme|xxx+|your[-_ ][a-z0-9_ -]+|placeholder|dummy"
    r"|\.\.\.|…",
    re.IGNORECASE,
)
_QUOTES: Final = frozenset("\"'`")
_SURROGATE: Final = regex(r"[\ud800-\udfff]")
# Traits that a store would answer with an error or with other bytes, so that no write may carry them.
UNWRITABLE: Final = frozenset({Trait.EMPTY, Trait.LONE_SURROGATE, Trait.NUL})


def traits(secret: SecretValue) -> frozenset[Trait]:
    """Return every trait of the value; an ordinary value has none."""
    text = secret.reveal()
    if not secret.is_string:
        return frozenset({Trait.NOT_A_STRING})
    bare = text.strip()
    found = set()
    if len(bare) > 1 and bare[0] in _QUOTES and bare.count(bare[0]) == 2 and bare[-1] == bare[0]:  # noqa: PLR2004
        found.add(Trait.QUOTED)
    if not bare:
        found.add(Trait.EMPTY)
    elif len(bare) != len(text):
        found.add(Trait.SPACE_AT_END)
    if _PLACEHOLDER.fullmatch(bare):
        found.add(Trait.PLACEHOLDER)
    # Only a text that is no ASCII can hold one, and that Python knows without looking.
    if not text.isascii() and _SURROGATE.search(text):
        found.add(Trait.LONE_SURROGATE)
    if "\0" in text:
        found.add(Trait.NUL)
    return frozenset(found)
