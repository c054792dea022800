"""Watches the Secrets of a run and the pods that read them, and notes whatever a switch of stores must not do to them.

Every event is judged, however short what it tells of lasted: by its own `managedFields`, as the data that is read later
is that of a repair. Before the next step is taken, the watch has to have come as far as a list of the Secrets.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from compiler.cluster.judge import foreign_writers
from compiler.cluster.view import DATA_HASH, Live, container_states, keys_of
from compiler.text.wording import list_names, quote
from scripts.end_to_end.watching import Failed, Follower, Listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from scripts.end_to_end.run_cluster import RunCluster
    from scripts.end_to_end.watching import Event

    LiveObject = Mapping[str, Any]

# How long a watch may take to tell of what a list has, and how long it is listened to in between.
_BEHIND, _LOOK = 30.0, 0.1
_PLURALS = ("secrets", "pods")


class Keeper:
    """Follows the Secrets and pods of a namespace from before the first of them is there.

    `data_of` gives what a Secret holds, whose hash the operator notes beside it: a stranger's write leaves the hash.

    From `keep` on, the Secrets `names` and every pod have to stay as they are then. Whatever is there has come as an
    event by that time, so that a watch that hears nothing is found out.
    """

    def __init__(
        self,
        cluster: RunCluster,
        namespace: str,
        names: Iterable[str],
        data_of: Callable[[str], Mapping[str, str] | None] = lambda _: None,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._names = tuple(names)
        self._before: dict[str, LiveObject] = {}
        self._restarts: dict[str, int] = {}
        self._data_of = data_of
        self._data: dict[str, Mapping[str, str] | None] = {}
        # The version of each Secret and pod that is there as far as the watch has told, by plural and name.
        self._seen: dict[tuple[str, str], str] = {}
        self._faults: dict[str, None] = {}
        self.events = 0
        self._follower = Follower(
            cluster, {(plural, namespace): cluster.listed(plural, namespace)[1] for plural in _PLURALS}
        )

    def __enter__(self) -> Self:
        self._follower.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._follower.__exit__()

    def keep(self, data: Mapping[str, Mapping[str, str]] | None = None, only: Collection[str] | None = None) -> None:
        """Take the present state for what has to stay, and forget what was before.

        `data` is what the Secrets have to hold; without it, what they hold now. With `only` these Secrets are kept.
        """
        names = self._names if only is None else only
        self._before, self._restarts = {}, {}
        self._faults.clear()
        there = self._caught_up()
        self._restarts = {name: _restarts(pod) for name, pod in there["pods"].items()}
        self._before = {name: there["secrets"][name] for name in names if name in there["secrets"]}
        self._data = {name: self._data_of(name) if data is None else data[name] for name in names}
        for name in names:
            if name not in self._before:
                self._note(f'the secret "{name}" is absent')

    def faults(self) -> tuple[str, ...]:
        """Whatever was wrong at any moment until now, in words; empty where nothing was."""
        for plural, found in self._caught_up().items():
            self._judge_list(plural, found)
        return tuple(self._faults)

    def shown(self, name: str) -> str:
        """A kept Secret in words, without anything that is made of its values, which its hash is."""
        found = self._before[name]
        return f"UID {found['metadata'].get('uid')}, with {list_names(sorted(keys_of(found)))}"

    def _caught_up(self) -> dict[str, dict[str, LiveObject]]:
        """What there is, by plural and name, once the watches have told of all of it."""
        end = time.monotonic() + _BEHIND
        while True:
            there = {plural: _by_name(self._cluster.listed(plural, self._namespace)[0]) for plural in _PLURALS}
            self._take_events(_LOOK)
            if self._seen == {(kind, name): _version(each) for kind in there for name, each in there[kind].items()}:
                return there
            if time.monotonic() > end:
                self._note("a watch has fallen behind: nothing can be said")
                return there

    def _take_events(self, seconds: float) -> None:
        for event in self._follower.events(seconds):
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, Listed):
            self._take_list(event.plural, _by_name(event.objects))
        elif not isinstance(event, Failed):  # after a failure comes a list, whose versions tell of whatever was written
            self.events += 1
            key = event.plural, str(event.object["metadata"]["name"])
            if event.kind == "DELETED":
                self._seen.pop(key, None)
            else:
                self._seen[key] = _version(event.object)
            judge = self._judge_pod if event.plural == "pods" else self._judge_secret
            judge(event.object, is_gone=event.kind == "DELETED")

    def _take_list(self, plural: str, found: Mapping[str, LiveObject]) -> None:
        """A list in place of a watch that could not go on: what was written meanwhile, nobody saw."""
        for name, each in found.items():
            if name in self._before and self._seen.get((plural, name)) != _version(each):
                self._note(f'the secret "{name}" was written while the watch was lost')
        of_others = {key: version for key, version in self._seen.items() if key[0] != plural}
        self._seen = of_others | {(plural, name): _version(each) for name, each in found.items()}
        self._judge_list(plural, found)

    def _judge_list(self, plural: str, found: Mapping[str, LiveObject]) -> None:
        is_pods = plural == "pods"
        judge = self._judge_pod if is_pods else self._judge_secret
        known = self._restarts if is_pods else self._before
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
        if is_gone:
            self._note(f'the secret "{name}" was deleted')
            return
        if found["metadata"].get("uid") != before["metadata"].get("uid"):
            self._note(f'the secret "{name}" was replaced: it has another UID')
        for manager, keys, _ in sorted(_foreign_writes(found) - _foreign_writes(before)):
            self._note(f'{quote(manager)} has written {", ".join(keys)} of the secret "{name}"')
        if missing := sorted(keys_of(before) - keys_of(found)):
            self._note(f'the secret "{name}" was without {", ".join(missing)}')
        elif _hash(found) != _hash(before):
            self._note(f'the data of the secret "{name}" changed')
        elif differing := sorted(_differing(self._data[name], self._data_of(name))):
            # Which keys, and no value: it may be a stranger's.
            self._note(f'the secret "{name}" holds another value of {", ".join(differing)} than the stores')

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


def _foreign_writes(found: LiveObject) -> set[tuple[str, tuple[str, ...], str]]:
    """Who beside the operator owns keys of a Secret, which, and since when."""
    every = foreign_writers(Live(external_secret=None, secret=found, store=None))
    return {(manager, tuple(sorted(keys)), time) for manager, keys, time, _ in every}


def _differing(before: Mapping[str, str] | None, now: Mapping[str, str] | None) -> set[str]:
    """The keys whose values differ; none of a Secret that is not there, which is a fault of its own."""
    if before is None or now is None:
        return set()
    return {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}


def _by_name(objects: Iterable[LiveObject]) -> dict[str, LiveObject]:
    return {str(each["metadata"]["name"]): each for each in objects}


def _version(found: LiveObject) -> str:
    return str(found["metadata"].get("resourceVersion"))


def _hash(found: LiveObject) -> str:
    return str((found["metadata"].get("annotations") or {}).get(DATA_HASH))


def _restarts(pod: LiveObject) -> int:
    return sum(int(each.get("restartCount") or 0) for each in container_states(pod))
