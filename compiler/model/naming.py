"""Defines the patterns by which `new secret` names what it is not told, and finds what is wrong with one.

They serve scaffolding alone: what an entry is called stands in the entry, and compiling reads no name from a pattern.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from compiler.model.catalogue import AZURE_KEY_VAULT, VAULT
from compiler.model.record import dataclass
from compiler.text.regex import regex
from compiler.text.suggestion import suggest
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The member of `naming:` that names the Kubernetes Secret; the others are the providers.
TARGET: Final = "target"
PATTERNS: Final = {TARGET: "{name}-{secret}", VAULT: "{namespace}/{secret}", AZURE_KEY_VAULT: "{namespace}-{secret}"}
# Stands for the id of the new secret, and alone tells one from another.
OWN_ID: Final = "secret"
PLACEHOLDERS: Final = ("name", "namespace", OWN_ID)
_PART = regex(r"\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class PatternFault:
    """An error in a pattern: its start and end in the text, the message and the way out."""

    start: int
    end: int
    message: str
    help: str | None


def faults(pattern: str) -> Iterator[PatternFault]:
    """What keeps `pattern` from naming secrets: braces that are no placeholder, and no place for the secret's id."""
    for part in _PART.finditer(pattern):
        if part[1] is None:
            message = f'a "{part[0]}" alone is not a placeholder'
            yield PatternFault(part.start(), part.end(), message, f"the placeholders are {_LISTED}")
        elif part[1] not in PLACEHOLDERS:
            message = f"{quoted(part[1])} is not a placeholder"
            yield PatternFault(part.start(), part.end(), message, suggest(part[1], PLACEHOLDERS, "placeholders"))
    if OWN_ID not in placeholders(pattern):
        message = f'the pattern has no "{{{OWN_ID}}}", so that every secret would have one name'
        yield PatternFault(0, len(pattern), message, f"write {{{OWN_ID}}} where the secret's id belongs")


def placeholders(pattern: str) -> tuple[str, ...]:
    """The names in braces, in order."""
    return tuple(part[1] for part in _PART.finditer(pattern) if part[1] is not None)


def filled(pattern: str, meanings: Mapping[str, str]) -> str:
    """`pattern`, which has no faults, with each placeholder replaced by its meaning."""
    return _PART.sub(lambda part: meanings[part[1]], pattern)


_LISTED = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
