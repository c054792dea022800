"""Shows who still reads a store that is retired, and who could not be asked, to people or programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compiler.operations.live.readers import unproven_stores, way_out
from compiler.render.content import HANGING, Wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.operations.live.readers import Reader
    from compiler.operations.retire.candidates import Candidates, Remote
    from compiler.render.content import Line

# Readers of one remote secret in a line; the report for programs has all.
_MOST_READERS = 5
_INDENT = 12
_NOTE = (len("note: "), HANGING)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a retirement found out, whether a cluster was asked, and the stores that a person knows to be other ones.

    `without_cluster` says that a person knows that no cluster reads the store.
    """

    found: Candidates
    asked_cluster: bool
    not_the_same: tuple[str, ...] = ()
    without_cluster: bool = False


def retirement_lines(shown: Shown) -> Iterator[Line]:
    """The remote secrets that stay because somebody reads them, and whoever is not known to read the others."""
    for remote in shown.found.read:
        readers = _names(remote.readers)
        left = len(readers) - _MOST_READERS
        names = [piece for name in readers[:_MOST_READERS] for piece in (", ", name)][1:]
        more = (f" and {left} more",) if left > 0 else ()
        yield "  in use    ", f"{shown.found.store.id}:{remote.name}"
        yield Wrapped(("read by ", *names, *more), _INDENT)
    if other := way_out(reader for remote in shown.found.read for reader in remote.readers):
        yield Wrapped(("note: a store may be the same, as only its address is spelt differently: ", other), *_NOTE)
    if shown.not_the_same:
        yield Wrapped(("note: taken for other stores: ", ", ".join(shown.not_the_same)), *_NOTE)
    yield Wrapped(("note: not seen here: ", ", ".join(_unseen(shown))), *_NOTE)


def _names(readers: tuple[Reader, ...]) -> list[str]:
    return list(dict.fromkeys(each.name if each.is_proven else f"{each.name} in {each.store}" for each in readers))


def retirement_part(shown: Shown) -> dict[str, Any]:
    """The command's own part of the report."""
    return {
        "store": shown.found.store.id,
        "inUse": [_in_use(remote) for remote in shown.found.read],
        "notTheSame": list(shown.not_the_same),
        "askedCluster": shown.asked_cluster,
        "notSeen": _unseen(shown),
    }


def _in_use(remote: Remote) -> dict[str, Any]:
    return {
        "name": remote.name,
        "secrets": list(remote.secrets),
        "readers": list(dict.fromkeys(each.name for each in remote.readers)),
        "unproven": list(unproven_stores(remote.readers)),
    }


def _unseen(shown: Shown) -> list[str]:
    needed = "" if shown.without_cluster else "; --apply needs --cluster or --without-cluster"
    clusters = "other clusters" if shown.asked_cluster else f"clusters (--cluster asks one{needed})"
    return [clusters, "programs and people that read the store directly"]
