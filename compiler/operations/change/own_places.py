"""Keeps an undo to the remote secrets of the project's catalogue, whatever a journal says that the run wrote.

A journal is a plain file: whoever writes to its folder could have an undo delete or roll back a secret of somebody
else, with the permissions of the person who runs it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.model.store_identity import remote_name
from compiler.operations.change.leave_out import without
from compiler.operations.live.key_places import catalogue_places

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.model.environment import Environment, Store
    from compiler.operations.change.plan import Plan, Target

_REASON = "the catalogue has no key there: the run or its journal is of something else"
_REMEDY = "if the run did write it, put the catalogue back as it was then; else remove the journal"


def kept_to_own(plan: Plan, environment: Environment, stores: Mapping[str, Store]) -> Plan:
    """The plan of an undo without what lies where no key of the catalogue has a place, in use or not.

    `stores` are those of the plan by their ids. Each step that is left out of the writes is refused.
    """
    own = {
        store_id: {remote_name(store.provider, place.remote_key) for place in catalogue_places(environment, store)}
        for store_id, store in stores.items()
    }

    def is_own(target: Target) -> bool:
        store, name = target
        return remote_name(stores[store].provider, name) in own[store]

    foreign = [each.target for each in plan.writes if not is_own(each.target)]
    kept = without(plan, dict.fromkeys(foreign, (_REASON, _REMEDY)))
    # Nor is a line added to the audit file that says who wrote it.
    return replace(kept, adopted=tuple(each for each in plan.adopted if is_own(each.target)))
