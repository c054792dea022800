"""Suggests the allowed word that is closest to one that was written, or lists the allowed ones where they are few."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# A list longer than this helps nobody; the reader is sent to the reference instead.
_SHORT_LIST = 18
# No name of anything is longer; comparing costs time in proportion to the length.
_LONGEST_WORD = 253


def closest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word most like `word`, or None where none is like it."""
    if len(word) > _LONGEST_WORD:
        return None
    # Only a mistake needs it, and most runs have none.
    from difflib import get_close_matches  # noqa: PLC0415

    choices = list(allowed)
    by_folded = {choice.casefold(): choice for choice in reversed(choices)}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def suggest(word: str, allowed: Iterable[str], kind: str) -> str | None:
    """The help line for an unknown word: `did you mean "github"?`, or the allowed ones where the list is short.

    `kind` names what is listed, in the plural ("variants", "stores"). Only allowed words are quoted, never `word`.
    """
    choices = list(allowed)
    match = closest(word, choices)
    if match is not None:
        return f'did you mean "{match}"?'
    if not choices:
        return f"there are no {kind}"
    if len(choices) > _SHORT_LIST:
        return None
    return f"the {kind} are " + ", ".join(f'"{choice}"' for choice in choices)
