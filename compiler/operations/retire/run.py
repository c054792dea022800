"""Sets up a retirement: finds the store and who reads it, and decides which run the same command resumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.operations.change.run import Change
from compiler.operations.cluster.readers import readers_of
from compiler.operations.live.names import secret_named, store_named
from compiler.operations.live.readers import every_environment, one_environment
from compiler.operations.retire.candidates import candidates_of
from compiler.operations.retire.plan import COMMAND, plan_retirement
from compiler.operations.runs.journal import identity_of
from compiler.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from compiler.model.environment import Environment
    from compiler.operations.change.run import Planned, Setting
    from compiler.operations.cluster.objects import LiveObjects
    from compiler.operations.retire.candidates import Candidates
    from compiler.operations.runs.entries import Run
    from compiler.stages.outside import Outside


@dataclass(frozen=True, slots=True)
class Retirement:
    """What is asked for: the secrets `only` to delete from the store `store_id`, of all where none is named.

    `cluster` is None where no cluster is asked.
    """

    store_id: str
    only: Sequence[str] = ()
    cluster: LiveObjects | None = None


def retire(
    asked: Retirement,
    environment: Environment,
    setting: Setting,
    outside: Outside,
    tell: Callable[[Candidates], None] = lambda _found: None,
) -> Change:
    """The deletion from the store of what no environment, and nothing in the cluster, reads in it any more.

    Who reads is found out as it is planned, which is under the lock where it is applied: until then a switch may put to
    use what is to be deleted. `tell` is called with it before the plan is shown. Raises Refusal for names that the
    environment does not have, and AddressError; planning raises Refusal where who reads the store is not known.
    """
    store = store_named(environment, asked.store_id)
    address = setting.stores.address(store).absolute
    for secret in asked.only:
        secret_named(environment, secret)
    more = {"notTheSame": sorted(setting.not_the_same)} if setting.not_the_same else {}
    what = {"only": sorted(asked.only), "cluster": asked.cluster is not None, **more}
    identity = identity_of(COMMAND, environment.name, {store.id: address}, what)

    def planned(run: Run | None) -> Planned:
        found = _candidates(asked, environment.name, address, setting, outside)
        tell(found)
        return plan_retirement(found, setting.stores, run=run)

    return Change(COMMAND, identity, planned, setting)


def _candidates(asked: Retirement, name: str, address: str, setting: Setting, outside: Outside) -> Candidates:
    """What may be deleted, as all files and the cluster are now."""
    environment = one_environment(setting.root, name, outside)
    every = {each.name: each for each in (*every_environment(setting.root, outside), environment)}
    store = store_named(environment, asked.store_id)
    if setting.stores.address(store).absolute != address:
        raise Refusal("cannot run", f"the address of {store.id} changed meanwhile", "run the same command again")
    readers = readers_of(store, every.values(), setting.stores, asked.cluster, setting.not_the_same)
    readers.check_excluded()
    return candidates_of(environment, store, asked.only, readers)
