"""Words names and numbers for messages: quoted, listed, counted; conceals what looks like a secret."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from compiler.text.credential import conceal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# More names than this make a message that nobody reads to its end.
_MOST_NAMES = 5
# Where a line is about these names alone; JSON has all.
_MOST_OF_A_LINE = 12
# A name in Kubernetes has 253 characters, and the path of a file seldom more.
_LONGEST_NAME = 300


# A thousand environments on one vault name the same few secrets thousands of times; looking for credentials is slow.
@lru_cache(maxsize=1024)
def quoted(name: str) -> str:
    """`name` in double quotes, on one line, with every part that looks like a credential shown as `…`.

    Of one that is longer than any real name the beginning is shown, and `...`.
    """
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)
    # Before it is cut: of a part of a credential nobody knows what it is.
    concealed = conceal(shown)
    return f'"{concealed}"' if len(concealed) <= _LONGEST_NAME else f'"{concealed[:_LONGEST_NAME]}..."'


def listed(names: Iterable[str], most: int = _MOST_NAMES) -> str:
    """The quoted names with commas between; of more than `most` the rest is cut, and it says how many were left off."""
    all_names = list(names)
    text = ", ".join(quoted(name) for name in all_names[:most])
    left = len(all_names) - most
    return f"{text} and {left} more" if left > 0 else text


def pieces_of(names: Sequence[str], most: int = _MOST_OF_A_LINE) -> tuple[str, ...]:
    """The names as they are with commas between, each a piece of a line; of more than `most` the rest is counted."""
    shown = [piece for name in names[:most] for piece in (", ", name)][1:]
    left = len(names) - most
    return (*shown, f" and {left} more") if left > 0 else tuple(shown)


def counted(count: int, what: str) -> str:
    """`1 key`, `2 keys`; `what` is the singular of a regular noun."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def numbered(versions: Sequence[str]) -> str:
    """`version 1`, `versions 1, 2`; an empty text for none."""
    if not versions:
        return ""
    return f"version {versions[0]}" if len(versions) == 1 else f"versions {', '.join(versions)}"
