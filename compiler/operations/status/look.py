"""Builds the rows of an environment from its files, its stores and the cluster, as far as each may be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from compiler.model.moves import moves_of
from compiler.operations.edit.moves import progress_of
from compiler.operations.live.names import secret_named
from compiler.operations.parity.manifests import manifests_of
from compiler.operations.status.row import Row, Status
from compiler.operations.status.values import other_store, read_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.model.environment import Environment
    from compiler.operations.edit.moves import Progress
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.status.row import Seen
    from compiler.stores.interface import RemoteSecret


def from_files(environment: Environment, only: Sequence[str] = ()) -> Status:
    """What the files alone say, of the secrets `only` or all. Raises Refusal for one that there is not."""
    for name in only:
        secret_named(environment, name)
    moves = moves_of(environment.root)
    progress = progress_of(environment) if moves is not None else None
    steps = _steps(progress)
    rows: list[Row] = []
    for name, secret in environment.secrets.items():
        if secret.store is None or (only and name not in only):
            continue
        is_going = progress is not None and name in steps and secret.store.id != progress.to.id
        to = progress.to if progress is not None and is_going else None
        rows.append(Row(secret, secret.store, to, steps.get(name), other_store(secret, environment, progress)))
    return Status(environment, tuple(rows), progress)


def with_values(status: Status, stores: LiveStores) -> tuple[Status, tuple[RemoteSecret, ...]]:
    """The rows with what the stores hold, and the remote secrets that were read, to hide their values by."""
    read = read_values(status.environment, {row.secret.id: row.other for row in status.rows}, stores)
    rows = tuple(replace(row, values=read.values[row.secret.id]) for row in status.rows)
    asked = replace(status, rows=rows, answered=read.answered, is_asked=True, closed=read.closed, helps=read.helps)
    return asked, read.remotes


def with_seen(status: Status, seen: Mapping[str, Seen]) -> Status:
    """The rows with their live state."""
    rows = tuple(replace(row, seen=seen.get(row.secret.id)) for row in status.rows)
    return replace(status, rows=rows, is_live=True)


def compiled_objects(status: Status) -> dict[str, Mapping[str, Any]]:
    """The ExternalSecret that each secret of the rows compiles to, by the secret's id."""
    by_name = manifests_of(status.environment)
    return {row.secret.id: by_name[row.secret.entry.target] for row in status.rows}


def _steps(progress: Progress | None) -> dict[str, int]:
    steps = progress.steps if progress is not None else ()
    return {secret: number for number, step in enumerate(steps, 1) for secret in step}
