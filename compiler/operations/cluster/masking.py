"""A foreign text and what was read from stores in, the text without the values out; the caller gets no value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.stores.values.members import array_items, object_members
from compiler.stores.values.secret import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from compiler.stores.interface import RemoteSecret
    from compiler.stores.values.secret import Secret


def values_of(remote: RemoteSecret) -> Iterator[Secret]:
    """Every value of a remote secret, those within nested documents too."""
    waiting = [*remote.properties.values(), *((remote.whole,) if remote.whole is not None else ())]
    while waiting:
        value = waiting.pop()
        yield value
        waiting += (*object_members(value).values(), *array_items(value))


def masked(text: str, secrets: Iterable[Secret]) -> str:
    """`text` with `…` for each place where a value stands, in any form that `Secret.found_in` knows."""
    # All places first: a short value inside of a longer one must not leave the rest of that one.
    places = sorted({place for secret in secrets for place in secret.found_in(text)})
    shown: list[str] = []
    at = 0
    for start, end in places:
        if start >= at:
            shown += (text[at:start], HIDDEN)
        at = max(at, end)
    return "".join((*shown, text[at:]))
