"""Gathers what pods read from manifests or a cluster, and judges it against an environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.operations.consumers.findings import judge
from compiler.operations.consumers.live import gather
from compiler.operations.consumers.own import Own, namespace_of, own_of
from compiler.operations.consumers.read import read_manifests, read_rendered
from compiler.operations.consumers.upgrade import Upgrade, upgrade_between
from compiler.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.environment import Environment
    from compiler.operations.cluster.objects import LiveCollections
    from compiler.operations.consumers.objects import Gathered


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was found. `gathered` is None where a manifest is refused: then nothing is said of Secrets.

    `namespaces` are those of the cluster that were looked at, with a workload or without one; none for manifests.
    """

    own: Own
    gathered: Gathered | None
    diagnostics: tuple[Diagnostic, ...]
    upgrade: Upgrade | None = None
    notes: tuple[str, ...] = ()
    namespaces: frozenset[str] = frozenset()


def look_at_manifests(
    environment: Environment, paths: Sequence[str], since: Sequence[str], namespace: str | None
) -> Look:
    """What the manifests in `paths` need of the environment, and what they need more than those in `since`."""
    own, default = own_of(environment), namespace_of(environment, namespace)
    before: Gathered | None = None
    found: tuple[Diagnostic, ...] = ()
    if since:
        before, found = read_manifests(since, default)
    gathered, diagnostics = read_manifests(paths, default)
    if gathered is None or (since and before is None):
        return Look(own, None, (*found, *diagnostics))
    _refuse_idle(gathered)
    upgrade = upgrade_between(own, before, gathered) if before is not None else None
    return Look(own, gathered, (*diagnostics, *judge(own, gathered)), upgrade)


def look_at_rendered(environment: Environment, shown: str, text: str) -> Look:
    """What rendered manifests, which people know as `shown`, need of the environment."""
    own = own_of(environment)
    gathered, diagnostics = read_rendered(shown, text, namespace_of(environment, None))
    if gathered is None:
        return Look(own, None, diagnostics)
    _refuse_idle(gathered)
    return Look(own, gathered, (*diagnostics, *judge(own, gathered)))


def look_at_cluster(environment: Environment, cluster: LiveCollections, namespace: str | None) -> Look:
    """What the live workloads need of the environment, in its namespaces or in `namespace` alone."""
    own = own_of(environment)
    every = [namespace] if namespace is not None else [name for name, _ in own.secrets]
    gathered, notes = gather(cluster, every)
    _refuse_idle(gathered)
    return Look(own, gathered, judge(own, gathered), notes=notes, namespaces=frozenset(every))


def _refuse_idle(gathered: Gathered) -> None:
    if not gathered.workloads:
        message = "there is no workload, so nothing can be said of what pods read"
        raise Refusal("cannot run", message, "check the namespace, and what writes the manifests")
