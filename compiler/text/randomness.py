"""Finds the words of a text that look random, as generated keys and passwords do and names of the field do not.

Randomness is how often neighbouring characters stand together that names and words hardly ever bring together.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Iterator

# What random text may be made of: Base64, its URL form, and the few more characters of generated passwords.
_WORD = regex(r"[A-Za-z0-9+/=_.~-]{16,}")
# One word or number, or a word and a number, between separators is how names are built, and no generated value. This
# spares most names the look at each pair of characters.
_BUILT = regex(r"[-+/=_.~]*+(?:(?:[A-Z]?[a-z]{0,20}|[A-Z]{1,20})[0-9]{0,10}(?:[-+/=_.~]++|\Z))*+")
_HEX_KEY = regex(r"(?<![A-Za-z0-9])(?=[0-9]*[A-Fa-f])(?=[A-Fa-f]*[0-9])(?:[0-9a-f]{32,}|[0-9A-F]{32,})(?![A-Za-z0-9])")
# Tenants, clients and AppRole ids are UUIDs, and no secrets.
_UUID = regex(r"(?<![A-Za-z0-9])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![A-Za-z0-9])")
# `prod01`, `schema-v2/`: no name is random for ending in a number.
_NUMBER_AT_END = regex(r"(?<=[A-Za-z])[0-9]+(?![A-Za-z0-9])")
# As `string` has them, which takes a hundredth of a compile to import.
_LOWER_CASE, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"
_UPPER_CASE = _LOWER_CASE.upper()
_LETTERS = _LOWER_CASE + _UPPER_CASE
_NO_UUID = "-" * 36

# The letters that follow each letter in at most 3 % of all pairs within 18,000 words of English and of program source,
# counted by distinct words, but for those in names of the field (azure, jira, qa, vm); of random pairs they are half.
_RARE_AFTER = {
    "a": "ehjoq",
    "b": "fghkmnpqvwxz",
    "c": "bgjqvwxz",
    "d": "ghjkpqvwxz",
    "e": "hjkz",
    "f": "bghjkmnpqvwxz",
    "g": "bcdfjkpqvwxyz",
    "h": "bcdfghjkmnpqvwxz",
    "i": "hijquwy",
    "j": "bcdfghjklmnpqrtvwxyz",
    "k": "bcdfghjkmnopqrtuvwxyz",
    "l": "bghjkmqwxz",
    "m": "cfghjknqrvwxyz",
    "n": "bjqwxz",
    "o": "ehjqyz",
    "p": "bfgjkmnqvwxz",
    "q": "bcdefghijkmnopqrstvwxyz",
    "r": "hjqwxz",
    "s": "bgjvxz",
    "t": "gjkqvxz",
    "u": "hjkquvwxyz",
    "v": "bcdfghjklpqrstuvwxyz",
    "w": "bcdfgjklmpqtuvwxyz",
    "x": "abdfghjklmnoqrsuvwxyz",
    "y": "abdfghjkoqruvwxyz",
    "z": "bcdfghjklmnopqrstvwxyz",
}
_LOWER, _UPPER, _DIGIT = regex("[a-z]"), regex("[A-Z]"), regex("[0-9]")

# How many surprises within how many neighbouring pairs make a word random. Measured on 50,000 generated values of each
# kind, missed are: of 16 bytes in Base64 1, without padding 1 in 400; of 24 bytes 1 in 8,000; of 32 bytes none. Of
# 52,000 names of packages, models and modules, 11 without a hash are taken for random; half are Base64 or links.
_WINDOW = 20
_WITH_DIGITS = 6
_LETTERS_ONLY = 8
_PADDED = 3  # Base64 says what it is by `=` at its end
_ONE_CASE_WINDOW = 32
_ONE_CASE = 12
# Longer than the 13 characters that Azure's uniqueString() puts into names, and the hashes in names of pods.
_LONG_RUN = regex(r"[A-Za-z0-9]{20,}")


def random_words(text: str) -> Iterator[tuple[int, int]]:
    """The bounds of every word of `text` that looks random, in order."""
    for match in _WORD.finditer(text):
        word = match.group()
        if not _BUILT.fullmatch(word) and _is_random(word):
            yield match.span()


def _is_random(word: str) -> bool:
    if _HEX_KEY.search(word):
        return True
    word = _NUMBER_AT_END.sub("", _UUID.sub(_NO_UUID, word))
    if not (_LOWER.search(word) and _UPPER.search(word)):
        # Without its dots and hyphens, as a generated name between words is none (`kv-5f3ndq2jxkzqe.vault.azure.net`).
        return any(_are_within(_surprises(run), _ONE_CASE, _ONE_CASE_WINDOW) for run in _LONG_RUN.findall(word))
    surprises = _surprises(word)
    if word.endswith("="):
        return _are_within(surprises, _PADDED, _WINDOW)
    needed = _WITH_DIGITS if _DIGIT.search(word) else _LETTERS_ONLY
    return _are_within(surprises, needed, _WINDOW)


# Pairs that names seldom have: a lower-case letter before a capital, a letter beside a digit, rare letters together;
# but not a letter twice, which is how placeholders are made (`xxxx`).
@cache
def _surprising_pairs() -> frozenset[tuple[str, str]]:
    return frozenset(
        [(lower, upper) for lower in _LOWER_CASE for upper in _UPPER_CASE]
        + [pair for letter in _LETTERS for digit in _DIGITS for pair in ((letter, digit), (digit, letter))]
        + [
            pair
            for first, seconds in _RARE_AFTER.items()
            for second in seconds
            if second != first
            for pair in ((first, second), (first.upper(), second), (first.upper(), second.upper()))
        ]
    )


def _surprises(word: str) -> list[int]:
    surprising = _surprising_pairs()
    return [at for at, pair in enumerate(pairwise(word)) if pair in surprising]


def _are_within(places: list[int], count: int, window: int) -> bool:
    return any(last - first < window for first, last in zip(places, places[count - 1 :], strict=False))
