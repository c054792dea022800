"""Hides values that were read from stores in the messages of other programs; the caller gets no value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.stores.values.members import array_items, object_members
from compiler.stores.values.secret import HIDDEN
from compiler.stores.values.value_forms import LEAST, forms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Never

    from compiler.stores.interface import RemoteSecret
    from compiler.stores.values.secret import SecretValue

# Forms are looked up by so many of their first characters: many values begin alike, but not for so long.
_START = 8
# What may stand behind a text that was cut off in the middle of a value.
_CUT = ".…\ufffd \"'`)]}"


def values_of(remote: RemoteSecret) -> Iterator[SecretValue]:
    """Every value of a remote secret, those within nested documents too."""
    waiting = [*remote.properties.values(), *((remote.whole,) if remote.whole is not None else ())]
    while waiting:
        value = waiting.pop()
        yield value
        waiting += (*object_members(value).values(), *array_items(value))


class Mask:
    """Hides `secrets` in texts, in plain, Base64, URL or JSON form; and their beginning where a text was cut off in it.

    A value of fewer than four characters, a boolean, null, and the words for them are never hidden, as they occur in
    ordinary sentences. Build one for all the texts of a run: then a text costs time by its own length,
    however many values there are.
    """

    __slots__ = ("__by_start",)

    def __init__(self, secrets: Iterable[SecretValue]) -> None:
        by_start: dict[str, set[str]] = {}
        for secret in secrets:
            for form in forms(secret.reveal()):
                by_start.setdefault(form[:_START], set()).add(form)
        self.__by_start = by_start

    def __repr__(self) -> str:
        return f"Mask({HIDDEN})"

    def __reduce_ex__(self, _protocol: object) -> Never:
        raise TypeError("a Mask cannot be pickled")

    def hides(self, text: str) -> str:
        """`text` with `…` for each place where a value stands."""
        shown: list[str] = []
        at = hidden_to = 0
        stop = len(text.rstrip(_CUT))
        for start in range(len(text) - LEAST + 1):
            end = self._end(text, start, stop)
            if end <= hidden_to:
                continue
            # A value that begins inside of another one goes on hiding: no rest of either is left.
            if start >= hidden_to:
                shown += (text[at:start], HIDDEN)
            at = hidden_to = end
        return "".join((*shown, text[at:]))

    def _end(self, text: str, start: int, stop: int) -> int:
        """Where the longest value that begins at `start` ends, or the text at `stop` in the midst of it; 0 for none."""
        here: set[str] = set()
        for length in range(LEAST, _START + 1):
            here |= self.__by_start.get(text[start : start + length], set())
        end = max((start + len(form) for form in here if text.startswith(form, start)), default=0)
        left = stop - start
        if left >= _START and any(len(form) > left and form.startswith(text[start:stop]) for form in here):
            return max(end, stop)
        return end
