"""Orders versions of a chart as semantic versioning does, pre-releases before their release."""

from __future__ import annotations

import re
from functools import total_ordering

from compiler.model.record import dataclass
from compiler.text.regex import regex

# The official form without leading zeros; bounded, as it comes from the command line.
_NUMBER = r"(?:0|[1-9]\d{0,8})"
_FORM = regex(
    rf"v?({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-([0-9A-Za-z.-]{{1,128}}))?(?:\+[0-9A-Za-z.-]{{1,128}})?", re.ASCII
)
_IDENTIFIER = regex(r"0|[1-9]\d{0,18}|\d*[A-Za-z-][0-9A-Za-z-]*", re.ASCII)


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A version in the order of semantic versioning; `pre` holds the identifiers of a pre-release."""

    release: tuple[int, int, int]
    pre: tuple[str, ...] = ()

    def __lt__(self, other: Version) -> bool:
        return self._rank() < other._rank()

    def _rank(self) -> tuple[tuple[int, int, int], bool, list[tuple[bool, int, str]]]:
        # Numbers come before words; and a longer list after its own beginning, as lists compare.
        identifiers = [(not each.isdigit(), int(each) if each.isdigit() else 0, each) for each in self.pre]
        return self.release, not self.pre, identifiers


def version_of(text: str) -> Version | None:
    """The version that `text` is, with or without a leading `v`, or None; what is built of it does not count."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    pre = tuple(match[4].split(".")) if match[4] is not None else ()
    if not all(_IDENTIFIER.fullmatch(each) for each in pre):
        return None
    return Version((int(match[1]), int(match[2]), int(match[3])), pre)
