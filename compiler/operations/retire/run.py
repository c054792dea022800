"""Sets up a retirement: finds the store and who reads it, and decides which run the same command resumes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from compiler.operations.change.run import Change
from compiler.operations.live.identity import identities
from compiler.operations.live.names import store_named
from compiler.operations.retire.candidates import candidates_of
from compiler.operations.retire.cluster_readers import in_cluster
from compiler.operations.retire.plan import COMMAND, plan_retirement
from compiler.operations.retire.readers import every_environment, in_files
from compiler.operations.runs.journal import identity_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.model.environment import Environment
    from compiler.operations.change.run import Planned, Setting
    from compiler.operations.cluster.objects import LiveObjects
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.retire.candidates import Candidates
    from compiler.operations.runs.entries import Run
    from compiler.stages.outside import Outside


@dataclass(frozen=True, slots=True)
class Retirement:
    """The change that deletes, and what it found out before: `candidates`, and whether the cluster was asked."""

    change: Change
    candidates: Candidates
    asked_cluster: bool


def retirement(
    environment: Environment,
    store_id: str,
    only: Sequence[str],
    setting: Setting,
    outside: Outside,
    cluster: LiveObjects | None = None,
) -> Retirement:
    """The deletion from the store of what no environment, and with `cluster` nothing there, reads in it any more.

    Raises Refusal for names that the environment does not have and where who reads the store is not known, and
    AddressError.
    """
    store = store_named(environment, store_id)
    readers = in_files(every_environment(setting.root, outside), store, setting.stores)
    if cluster is not None:
        in_cluster(cluster, store, identities(store, setting.stores), readers)
    candidates = candidates_of(environment, store, only, readers)
    identity = identity_of(
        COMMAND,
        environment.name,
        {store.id: setting.stores.address(store).absolute},
        {"only": sorted(only), "cluster": cluster is not None},
    )
    change = Change(COMMAND, identity, partial(_planned, candidates, setting.stores), setting)
    return Retirement(change, candidates, asked_cluster=cluster is not None)


def _planned(candidates: Candidates, stores: LiveStores, run: Run | None) -> Planned:
    return plan_retirement(candidates, stores, run=run)
