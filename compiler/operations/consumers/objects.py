"""Defines what is kept of a manifest or a live object: which Secrets it reads or makes, and when. Never a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from compiler.text.wording import quoted

if TYPE_CHECKING:
    from compiler.model.source import Span
    from compiler.operations.consumers.pod_specs import SecretRead

# A namespace and a name in it.
Name = tuple[str, str]


class Phase(IntEnum):
    """The phases of a deployment by Argo CD, in their order."""

    PRE_SYNC = 0
    SYNC = 1
    POST_SYNC = 2


class Moment(NamedTuple):
    """When an object is applied: its phase, and its wave within that."""

    phase: Phase = Phase.SYNC
    wave: int = 0


_USUAL = Moment()


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One reading of a Secret by a workload: where its name is written, and its key's; None where it is no file."""

    read: SecretRead
    at: Span | None
    key_at: Span | None


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that sets variables of a container, in the order of their weight: what comes later wins.

    `secret` or `config_map` name where they come from, `key` the one that is taken from there, None for all. Of a
    variable that is written out, neither is set. `variable` is the name it gets, where it is one; `prefix` stands
    before the names of all others.
    """

    secret: str | None = None
    config_map: str | None = None
    key: str | None = None
    variable: str | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """Something that runs pods. `hook` says which hook it is, None for what is none; `at` is its name's place.

    `components` are the words by which a chart calls it. `containers` are the settings of each, the weakest first.
    """

    kind: str
    namespace: str
    name: str
    components: frozenset[str]
    readings: tuple[Reading, ...]
    containers: tuple[tuple[Setting, ...], ...]
    at: Span | None = None
    hook: str | None = None
    moment: Moment = _USUAL

    @property
    def title(self) -> str:
        """`Deployment "mcp-github"`, as messages call it."""
        return f"{self.kind} {quoted(self.name)}"


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """An object that makes a Secret. `keys` are those that it will have, None where that cannot be told.

    `by` is the object's own name, and `part_of` its label of that name. `is_old` says that it is an ExternalSecret of
    an API before v1.
    """

    kind: str
    namespace: str
    name: str
    keys: frozenset[str] | None
    by: str
    part_of: str | None = None
    at: Span | None = None
    moment: Moment = _USUAL
    is_old: bool = False


@dataclass(slots=True)
class Gathered:
    """What all manifests, or the cluster, hold.

    `config_maps` are the keys of each, `mentioned` the Secrets that objects without pods refer to.
    """

    workloads: list[Workload] = field(default_factory=list)
    made: dict[Name, list[Made]] = field(default_factory=dict)
    config_maps: dict[Name, frozenset[str]] = field(default_factory=dict)
    mentioned: set[Name] = field(default_factory=set)
    objects: int = 0

    def make(self, made: Made) -> None:
        self.made.setdefault((made.namespace, made.name), []).append(made)

    def readers(self) -> dict[Name, list[tuple[Workload, Reading]]]:
        """Every reading, by the Secret that is read, in the order of the input."""
        found: dict[Name, list[tuple[Workload, Reading]]] = {}
        for workload in self.workloads:
            for reading in workload.readings:
                found.setdefault((workload.namespace, reading.read.secret), []).append((workload, reading))
        return found
