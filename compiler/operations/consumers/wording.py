"""Names workloads in messages, and the places where they read a Secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Related

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from compiler.model.source import Span
    from compiler.operations.consumers.objects import Reading, Workload

    Readers = Sequence[tuple[Workload, Reading]]

# More names or places than these are not read to their end.
_MOST = 3


def named(workloads: Iterable[Workload]) -> str:
    """`Deployment "a", Job "b"`, each once; of many the first ones and how many more."""
    titles = list(dict.fromkeys(each.title for each in workloads))
    left = len(titles) - _MOST
    return ", ".join(titles[:_MOST]) + (f" and {left} more" if left > 0 else "")


def need(workloads: Iterable[Workload]) -> str:
    """`Deployment "a" needs` or `Deployment "a", Job "b" need`."""
    every = list(workloads)
    return f"{named(every)} need{'s' if len({each.title for each in every}) == 1 else ''}"


def places(readers: Readers, *, of_key: bool = False) -> tuple[Related, ...]:
    """The first places where the Secret, or its key, is named, each once; none for what was read from a cluster."""
    found: dict[Span, Related] = {}
    for workload, reading in readers:
        at = reading.key_at if of_key and reading.key_at is not None else reading.at
        if at is not None:
            found.setdefault(at, Related(f"{workload.title} reads it", at))
    return tuple(found.values())[:_MOST]
