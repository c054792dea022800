"""Shows who still reads a store that is retired, and who could not be asked, to people or programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.render.content import HANGING, Wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.operations.retire.run import Retirement
    from compiler.render.content import Line

# Readers of one remote secret in a line; the report for programs has all.
_MOST_READERS = 5
_INDENT = 12


def retirement_lines(found: Retirement) -> Iterator[Line]:
    """The remote secrets that stay because somebody reads them, and whoever is not known to read the others."""
    for remote in found.candidates.read:
        left = len(remote.readers) - _MOST_READERS
        names = [piece for name in remote.readers[:_MOST_READERS] for piece in (", ", name)][1:]
        more = (f" and {left} more",) if left > 0 else ()
        yield "  in use    ", f"{found.candidates.store.id}:{remote.name}"
        yield Wrapped(("read by ", *names, *more), _INDENT)
    yield Wrapped(("note: not seen here: ", ", ".join(_unseen(found))), len("note: "), HANGING)


def retirement_part(found: Retirement) -> dict[str, Any]:
    """The command's own part of the report."""
    return {
        "store": found.candidates.store.id,
        "inUse": [
            {"name": remote.name, "secrets": list(remote.secrets), "readers": list(remote.readers)}
            for remote in found.candidates.read
        ],
        "askedCluster": found.asked_cluster,
        "notSeen": _unseen(found),
    }


def _unseen(found: Retirement) -> list[str]:
    clusters = "other clusters" if found.asked_cluster else "clusters (--cluster asks one)"
    return [clusters, "programs and people that read the store directly"]
