"""Finds the parts of a text that look like credentials, and conceals them.

It errs on the side of hiding, but for names of the field: what people call vaults, secrets, files and variables has no
token's form and is not random. A password made of words has neither and cannot be told from a name, which is why
values under unknown keys are hidden whatever they look like.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING

from compiler.text.randomness import random_words
from compiler.text.regex import regex
from compiler.text.token_form import known_forms

if TYPE_CHECKING:
    from collections.abc import Iterator

CONCEALED = "…"
_START = itemgetter(0)

# `pwd=` and six characters: no form is shorter.
_SHORTEST = 10
# Words and small numbers alone are no credential: each form has a capital, a sign or a long number of its own. This
# answers for most names, URLs and sentences.
_WORDS_ONLY = regex(
    r"(?:[a-z]{1,20}[0-9]{0,2}|[0-9]{1,4})(?:[-./:]++(?:[a-z]{1,20}[0-9]{0,2}|[0-9]{1,4}))*+"
    r"|[A-Z]{1,20}(?:_[A-Z]{1,20})*+"
    r"|[A-Z]?[a-z]{1,20}(?:[-/, ]++[A-Za-z]{1,20})*+"
    # Sentences and names with abbreviations in them: no word is as long as the shortest token.
    r"|(?:[A-Za-z]{1,15}(?:-[a-z]{1,15})?|[0-9]{1,4})(?:[,:]? (?:[A-Za-z]{1,15}(?:-[a-z]{1,15})?|[0-9]{1,4}))*+"
    r"|[A-Z]{1,15}[0-9]?(?:_[A-Z]{1,15})*+"
    r"|[a-z]{3,15}(?:[A-Z][a-z]{3,15}){1,3}"
)
# What Key Vault calls the versions of a secret, in a sentence that says so: no more secret than a number is.
_VERSION_WORD = "version "
_VERSIONS = regex(r"\bversion (?:is )?[0-9a-f]{32}(?:, [0-9a-f]{32})*(?![0-9A-Za-z+/=_-])")
# A credential wrapped over lines goes on in every following line that is nothing but one such word.
_NEXT_LINE = regex(r"[ \t]*\r?\n[ \t]*[A-Za-z0-9+/=_-]+(?=[ \t]*\r?(?:\n|\Z))")


def looks_like_credential(text: str) -> bool:
    """Whether some part of `text` has the form of a known credential or the look of random characters."""
    if len(text) < _SHORTEST or _WORDS_ONLY.fullmatch(text):
        return False
    return any(True for _ in _forms(text))


def credential_parts(text: str) -> list[tuple[int, int]]:
    """Where the parts of `text` that look like credentials begin and end.

    In order and without overlap; one that is wrapped over several lines is given with all of them.
    """
    parts: list[tuple[int, int]] = []
    if len(text) < _SHORTEST or _WORDS_ONLY.fullmatch(text):
        return parts
    for start, form_end in sorted(_forms(text)):
        if parts and form_end <= parts[-1][1]:
            continue
        begin = parts.pop()[0] if parts and start <= parts[-1][1] else start
        parts.append((begin, _end_of_lines(text, form_end)))
    return parts


def _forms(text: str) -> Iterator[tuple[int, int]]:
    versions = [found.span() for found in _VERSIONS.finditer(text)] if _VERSION_WORD in text else []
    for start, end in chain(known_forms(text), random_words(text)):
        # The one version sentence that begins last before it: they are in order and do not overlap.
        before = bisect_right(versions, start, key=_START) - 1
        if before < 0 or end > versions[before][1]:
            yield start, end


def conceal(text: str) -> str:
    """`text` with every part that looks like a credential shown as `…`."""
    shown: list[str] = []
    position = 0
    for start, end in credential_parts(text):
        shown += (text[position:start], CONCEALED)
        position = end
    return "".join((*shown, text[position:]))


def _end_of_lines(text: str, end: int) -> int:
    while following := _NEXT_LINE.match(text, end):
        end = following.end()
    return end
