"""Watches the Secrets of a run and the pods that read them, and notes whatever a switch of stores must not do to them.

Every event is judged, however short what it tells of lasted; and before the next step is taken, the watch has to have
come as far as a list of the Secrets that is made then.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from compiler.operations.cluster.slim import keys_of
from compiler.operations.status.follow import Failed, Follower, Listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from compiler.operations.cluster.objects import LiveCollections
    from compiler.operations.status.follow import Event

    LiveObject = Mapping[str, Any]

_DATA_HASH = "reconcile.external-secrets.io/data-hash"
_BEHIND = 30.0
_PLURALS = ("secrets", "pods")


class Keeper:
    """Keeps the Secrets `names` of a namespace, by what they are when the `with` block begins; so too its pods."""

    def __init__(self, cluster: LiveCollections, namespace: str, names: Iterable[str]) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._names = tuple(names)
        self._seen: dict[str, str] = {}
        self._faults: dict[str, None] = {}
        self.events = 0
        versions: dict[tuple[str, str], str] = {}
        found: dict[str, dict[str, LiveObject]] = {}
        for plural in _PLURALS:
            objects, versions[plural, namespace] = cluster.collection(plural, namespace)
            found[plural] = {str(each["metadata"]["name"]): each for each in objects}
        self._before = {name: found["secrets"][name] for name in self._names if name in found["secrets"]}
        self._restarts = {name: _restarts(pod) for name, pod in found["pods"].items()}
        self._take_list("secrets", found["secrets"].values())
        self._follower = Follower(cluster, versions)

    def __enter__(self) -> Keeper:
        self._follower.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._follower.__exit__()

    def faults(self) -> tuple[str, ...]:
        """Whatever was wrong at any moment until now, in words; empty where nothing was."""
        end = time.monotonic() + _BEHIND
        listed = {str(each["metadata"]["name"]): each for each in self._cluster.collection("secrets", self._namespace)[0]}
        self._take_events(0.0)
        while any(_version(each) != self._seen.get(name) for name, each in listed.items() if name in self._before):
            if time.monotonic() > end:
                self._note("the watch of Secrets has fallen behind: nothing can be said")
                break
            self._take_events(0.2)
        self._take_list("secrets", listed.values())
        self._take_list("pods", self._cluster.collection("pods", self._namespace)[0])
        return tuple(self._faults)

    def _take_events(self, seconds: float) -> None:
        for event in self._follower.events(seconds):
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, Failed):
            # The list that follows says what has become of the objects meanwhile, but for what was there in between.
            self._note(f"the watch was lost: {event.error}")
        elif isinstance(event, Listed):
            # After a watch that could not go on: what changed meanwhile, nobody saw.
            for each in event.objects:
                name = str(each["metadata"]["name"])
                if event.plural == "secrets" and name in self._before and _version(each) != self._seen.get(name):
                    self._note(f'the secret "{name}" was written while the watch was lost')
            self._take_list(event.plural, event.objects)
        else:
            self.events += 1
            judge = self._judge_pod if event.plural == "pods" else self._judge_secret
            judge(event.object, is_gone=event.kind == "DELETED")

    def _take_list(self, plural: str, objects: Iterable[LiveObject]) -> None:
        found = {str(each["metadata"]["name"]): each for each in objects}
        judge, known = (
            (self._judge_pod, tuple(self._restarts)) if plural == "pods" else (self._judge_secret, self._names)
        )
        for name in known:
            if name in found:
                judge(found[name], is_gone=False)
            else:
                self._note(f'the {plural.removesuffix("s")} "{name}" is absent')

    def _judge_secret(self, found: LiveObject, *, is_gone: bool) -> None:
        name = str(found["metadata"]["name"])
        before = self._before.get(name)
        if before is None:
            return
        self._seen[name] = _version(found)
        if is_gone:
            self._note(f'the secret "{name}" was deleted')
            return
        if found["metadata"].get("uid") != before["metadata"].get("uid"):
            self._note(f'the secret "{name}" was replaced: it has another UID')
        if missing := sorted(keys_of(before) - keys_of(found)):
            self._note(f'the secret "{name}" was without {", ".join(missing)}')
        elif _hash(found) != _hash(before):
            self._note(f'the data of the secret "{name}" changed')

    def _judge_pod(self, found: LiveObject, *, is_gone: bool) -> None:
        name = str(found["metadata"]["name"])
        if name not in self._restarts:
            return
        if is_gone:
            self._note(f'the pod "{name}" was deleted')
        elif _restarts(found) > self._restarts[name]:
            self._note(f'a container of the pod "{name}" was restarted')

    def _note(self, fault: str) -> None:
        self._faults[fault] = None


def _version(found: LiveObject) -> str:
    return str(found["metadata"].get("resourceVersion"))


def _hash(found: LiveObject) -> str:
    return str((found["metadata"].get("annotations") or {}).get(_DATA_HASH))


def _restarts(pod: LiveObject) -> int:
    return sum(int(each.get("restartCount") or 0) for each in pod["status"]["containers"])
