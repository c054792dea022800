"""Sets up a migration: finds its source and destination, and decides which run the same command resumes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from compiler.operations.change.run import Change
from compiler.operations.live.names import store_named
from compiler.operations.migrate.plan import COMMAND, plan_migration
from compiler.operations.migrate.routes import routes_of
from compiler.operations.runs.history import writers
from compiler.operations.runs.journal import identity_of
from compiler.refusal import Refusal

if TYPE_CHECKING:
    from compiler.model.environment import Environment
    from compiler.operations.change.plan import Options
    from compiler.operations.change.run import Planned, Setting
    from compiler.operations.migrate.routes import Routes
    from compiler.operations.runs.entries import Run


def migration(
    environment: Environment, to_id: str, source_id: str | None, options: Options, setting: Setting
) -> Change:
    """The migration of the environment's secrets from `source_id`, or from the store that each reads, into `to_id`.

    Keeps only the routes of the environment, as a large one takes more memory than the rest of the run. Raises Refusal
    for names that the environment does not have and for one store as both ends, and AddressError.
    """
    to = store_named(environment, to_id)
    source = store_named(environment, source_id) if source_id is not None else None
    if source is to:
        raise Refusal("usage", f'--from and --to both name the store "{to.id}"', "name another one with --from")
    identity = identity_of(
        COMMAND,
        environment.name,
        {to.id: setting.stores.address(to).absolute},
        {
            "from": source.id if source is not None else None,
            "only": sorted(options.only),
            "allProperties": options.all_properties,
            "onConflict": str(options.on_conflict),
            "recover": options.recover,
            "stringify": options.stringify,
        },
    )
    routes = routes_of(environment, to, source, options.only)
    return Change(COMMAND, identity, partial(_planned, routes, setting, options), setting)


def _planned(routes: Routes, setting: Setting, options: Options, run: Run | None) -> Planned:
    return plan_migration(routes, setting.stores, options, run=run, writer_of=writers(setting.root))
