"""Follows whole collections of a run's cluster by watches: whatever happens is told, however short it lasts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Protocol, Self

from compiler.cluster.view import ClusterError
from scripts.end_to_end.run_cluster import WatchEndedError

LiveObject = Mapping[str, Any]


class Watched(Protocol):
    """A cluster whose collections can be watched, as that of a run."""

    def listed(self, plural: str, namespace: str) -> tuple[tuple[LiveObject, ...], str]: ...

    def watch(self, plural: str, namespace: str, version: str, seconds: int) -> Iterator[tuple[str, LiveObject]]: ...


# After so long the server ends a watch by itself.
_WATCH_SECONDS = 240
# Between two tries where a watch ended at once, and between two lists where watching is not allowed.
_PAUSE = 0.5
_POLL = 5.0


@dataclass(frozen=True, slots=True)
class Listed:
    """A collection as a whole."""

    plural: str
    namespace: str
    objects: tuple[LiveObject, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """One change of a collection."""

    plural: str
    namespace: str
    kind: str
    object: LiveObject


@dataclass(frozen=True, slots=True)
class Failed:
    """The cluster did not answer; it is asked again."""

    error: ClusterError


Event = Listed | Changed | Failed


class Follower:
    """Follows collections from the `versions` at which they were listed, by plural and namespace."""

    def __init__(self, cluster: Watched, versions: Mapping[tuple[str, str], str]) -> None:
        self._cluster = cluster
        self._events: SimpleQueue[Event | Exception] = SimpleQueue()
        self._stop = threading.Event()
        self._threads = [
            # Daemons: a watch that hears nothing keeps no process alive.
            threading.Thread(target=self._run, args=(*at, version), daemon=True)
            for at, version in versions.items()
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def events(self, seconds: float) -> tuple[Event, ...]:
        """All that has happened, waiting up to `seconds` for the first. Raises what a thread of it ended by."""
        found: list[Event] = []
        try:
            event = self._events.get(timeout=max(0.0, seconds))
            while not isinstance(event, Exception):
                found.append(event)
                event = self._events.get_nowait()
        except Empty:
            return tuple(found)
        raise event

    def _run(self, plural: str, namespace: str, version: str) -> None:
        try:
            self._follow(plural, namespace, version)
        except Exception as error:  # noqa: BLE001 - a thread that ends by it prints all of it, and its watch is lost
            self._events.put(error)

    def _follow(self, plural: str, namespace: str, version: str) -> None:
        at: str | None = version
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                if at is None:
                    found, at = self._cluster.listed(plural, namespace)
                    self._events.put(Listed(plural, namespace, found))
                at = self._watch(plural, namespace, at)
            except WatchEndedError:
                at = None
            except ClusterError as error:
                at = None
                if error.permission is None:
                    self._events.put(Failed(error))
                self._stop.wait(_POLL if error.permission is not None else _PAUSE)
            if time.monotonic() - begun < _PAUSE:
                self._stop.wait(_PAUSE)

    def _watch(self, plural: str, namespace: str, version: str) -> str:
        for kind, found in self._cluster.watch(plural, namespace, version, _WATCH_SECONDS):
            version = str((found.get("metadata") or {}).get("resourceVersion") or version)
            if kind != "BOOKMARK" and not self._stop.is_set():
                self._events.put(Changed(plural, namespace, kind, found))
        return version
