"""Shows what a retirement found out about who reads a store, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from compiler.live.readers import Reader, unproven_stores, way_out
from compiler.operations.retire import Candidates, Remote
from compiler.render.content import HANGING, Line, Wrapped

_INDENT = 12
# Readers of one remote secret in a line; the report for programs has all.
_MOST_READERS = 5
_NOTE = (len("note: "), HANGING)


def retirement_lines(found: Candidates, not_the_same: Sequence[str], unseen: Sequence[str]) -> Iterator[Line]:
    """The remote secrets that stay because somebody reads them, and who may read the others `unseen`.

    `not_the_same` are stores that a person knows to be other ones.
    """
    for remote in found.read:
        readers = _names(remote.readers)
        left = len(readers) - _MOST_READERS
        names = [piece for name in readers[:_MOST_READERS] for piece in (", ", name)][1:]
        more = (f" and {left} more",) if left > 0 else ()
        yield "  in use    ", f"{found.store.id}:{remote.name}"
        yield Wrapped(("read by ", *names, *more), _INDENT)
    if other := way_out(reader for remote in found.read for reader in remote.readers):
        yield Wrapped(("note: a store may be the same, as only its address is spelt differently: ", other), *_NOTE)
    if not_the_same:
        yield Wrapped(("note: taken for other stores: ", ", ".join(not_the_same)), *_NOTE)
    yield Wrapped(("note: not seen here: ", ", ".join(unseen)), *_NOTE)


def _names(readers: tuple[Reader, ...]) -> list[str]:
    return list(dict.fromkeys(each.name if each.is_proven else f"{each.name} in {each.store}" for each in readers))


def retirement_part(
    found: Candidates, not_the_same: Sequence[str], unseen: Sequence[str], *, asked_cluster: bool
) -> dict[str, Any]:
    """The command's own part of the report."""
    return {
        "store": found.store.id,
        "inUse": [_in_use(remote) for remote in found.read],
        "notTheSame": not_the_same,
        "askedCluster": asked_cluster,
        "notSeen": unseen,
    }


def _in_use(remote: Remote) -> dict[str, Any]:
    return {
        "name": remote.name,
        "secrets": remote.secrets,
        "readers": list(dict.fromkeys(each.name for each in remote.readers)),
        "unproven": list(unproven_stores(remote.readers)),
    }


def unseen_readers(*, asked_cluster: bool, without_cluster: bool) -> list[str]:
    """Who may read a store unseen; `without_cluster` where a person knows that no cluster reads it."""
    needed = "" if without_cluster else "; --apply needs --cluster or --without-cluster"
    clusters = "other clusters" if asked_cluster else f"clusters (--cluster asks one{needed})"
    return [clusters, "programs and people that read the store directly"]
