"""Finds variables of pods that a Secret cannot set, that hide one another, or that nothing sets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from compiler.consumers.needs import Own, keys_of, known_keys, named, places
from compiler.consumers.readers import Gathered, Name, Reading, Setting, Way, Workload
from compiler.rules.api import Finding
from compiler.rules.forms.names import waiver
from compiler.text.wording import listed, quoted

Readers = Sequence[tuple[Workload, Reading]]


# A C identifier: what every version of Kubernetes sets and every shell can read.
_FORM = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class _Source(NamedTuple):
    """Where a variable's value comes from: a Secret, a ConfigMap, or the manifest itself, with the key there."""

    secret: str | None
    config_map: str | None
    key: str | None

    def __str__(self) -> str:
        if self.secret is not None:
            return f"the Secret {quoted(self.secret)}"
        if self.config_map is not None:
            return f"the ConfigMap {quoted(self.config_map)}"
        return "the `env` of the container"


class _SourceKeys:
    """Looks up the keys that a Secret or a ConfigMap will have, each once, an empty set where they cannot be known."""

    def __init__(self, own: Own, gathered: Gathered) -> None:
        self._own, self._gathered = own, gathered
        self._of_secrets: dict[Name, frozenset[str]] = {}

    def of(self, namespace: str, setting: Setting) -> frozenset[str]:
        if setting.secret is None:
            return self._gathered.config_maps.get((namespace, setting.config_map or ""), frozenset())
        at = (namespace, setting.secret)
        if at not in self._of_secrets:
            secret = self._own.secrets.get(at)
            keys = keys_of(secret) if secret is not None else known_keys(self._gathered.made.get(at, ()))
            self._of_secrets[at] = keys or frozenset()
        return self._of_secrets[at]


def shadowed(own: Own, gathered: Gathered) -> Iterator[Finding]:
    """A finding for each Secret whose keys another source overrides in some container, by that source."""
    hidden: dict[tuple[str, str, _Source], dict[str, list[Workload]]] = {}
    known = _SourceKeys(own, gathered)
    for workload in gathered.workloads:
        for container in workload.containers:
            for name, loser, winner in _conflicts(own, known, workload.namespace, container):
                by = winner._replace(key=None)
                found = hidden.setdefault((workload.namespace, loser, by), {})
                found.setdefault(name, []).append(workload)
    for (namespace, loser, winner), names in hidden.items():
        first = own.secrets.get((namespace, loser))
        second = own.secrets.get((namespace, winner.secret or ""))
        place = second or first
        if place is None:
            continue
        workloads = [each for several in names.values() for each in several]
        yield Finding(
            f"in {named(workloads)}, {winner} overrides {listed(names)} of the Secret {quoted(loser)}",
            place.node.key_span,
            help=f"name it in one place alone; {waiver('shadowed-variable', place.id)}",
            related=places(
                [
                    (workload, reading)
                    for workload in dict.fromkeys(workloads)
                    for reading in workload.readings
                    if reading.read.way is Way.ENV_FROM and reading.read.secret == loser
                ]
            ),
            scope=("secrets", place.id),
        )


def _conflicts(
    own: Own, known: _SourceKeys, namespace: str, container: Sequence[Setting]
) -> Iterator[tuple[str, str, _Source]]:
    """Each variable that a Secret would set and another source does: its name, the Secret and that source.

    Only variables that the environment's Secrets set: each of a thousand containers may take a ConfigMap of a hundred
    thousand keys.
    """
    ours = _ours(own, known, namespace, container)
    setters: dict[str, list[_Source]] = {}
    for setting in container if ours else ():
        for name, source in _sets(known, namespace, setting, ours):
            setters.setdefault(name, []).append(source)
    for name, sources in setters.items():
        *losers, winner = sources
        for loser in dict.fromkeys(losers):
            if loser.secret is not None and not _is_same(own, namespace, loser, winner):
                yield name, loser.secret, winner


def _ours(own: Own, known: _SourceKeys, namespace: str, container: Sequence[Setting]) -> Collection[str]:
    """The names of the variables that Secrets of the environment set in a container, sorted."""
    found: set[str] = set()
    for setting in dict.fromkeys(container):
        if (namespace, setting.secret) in own.secrets:
            one = setting.variable
            found.update({one} if one is not None else {setting.prefix + key for key in known.of(namespace, setting)})
    return dict.fromkeys(sorted(found)).keys()


def _sets(known: _SourceKeys, namespace: str, setting: Setting, ours: Collection[str]) -> Iterator[tuple[str, _Source]]:
    """Those of the variables `ours` that `setting` sets."""
    if setting.variable is not None:
        if setting.variable in ours:
            yield setting.variable, _Source(setting.secret, None, setting.key)
        return
    keys = known.of(namespace, setting)
    for name in ours:
        key = name.removeprefix(setting.prefix)
        if key in keys and name == setting.prefix + key:
            yield name, _Source(setting.secret, setting.config_map, key)


def _is_same(own: Own, namespace: str, loser: _Source, winner: _Source) -> bool:
    """Whether both are the same value: one key of one Secret, or two that are read from one place of a store."""
    if (loser.secret, loser.key) == (winner.secret, winner.key):
        return True
    places = []
    for source in (loser, winner):
        secret = own.secrets.get((namespace, source.secret or ""))
        found = next((each.place for each in secret.keys if each.key.name == source.key), None) if secret else None
        places.append((secret.store, found) if secret is not None and found is not None else None)
    return places[0] is not None and places[0] == places[1]


def unusable(own: Own, readers: Mapping[Name, Readers]) -> Iterator[Finding]:
    """A finding for each key of the environment that a container takes as a variable and that is no name of one."""
    for name, secret in own.secrets.items():
        whole = [each for each in readers.get(name, ()) if each[1].read.way is Way.ENV_FROM]
        prefixes: dict[str, list[tuple[Workload, Reading]]] = {}
        for workload, reading in whole:
            prefixes.setdefault(reading.read.prefix, []).append((workload, reading))
        for prefix, asking in prefixes.items():
            for key in keys_of(secret):
                if not _FORM.fullmatch(f"{prefix}{key}"):
                    yield Finding(
                        f"{quoted(prefix + key)} is not a valid variable name: {named(each for each, _ in asking)} may "
                        f"start without that key of {quoted(secret.id)}",
                        secret.node.key_span,
                        help="name the key with letters, digits and _, not starting with a digit; "
                        + waiver("unusable-variable", secret.id),
                        related=places(asking),
                        scope=("secrets", secret.id),
                    )
