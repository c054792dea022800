"""Decides which command comes next in an environment: what mends it, else the next step of its move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.live.value_names import value_names
from compiler.operations.status.row import State
from compiler.operations.status.values import Likeness
from compiler.text.command_line import command_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from compiler.model.environment import Environment
    from compiler.operations.live.value_names import ValueName
    from compiler.operations.status.row import Row, Status

# The cluster does not have what was compiled: it is to be committed and deployed, and then waited for.
_NOT_DEPLOYED = frozenset(
    {State.ABSENT, State.DELETED, State.OTHER_SPEC, State.NOT_SYNCED, State.NOT_REFRESHED, State.PODS}
)


def next_commands(status: Status, cluster: tuple[str, ...] = (), only: Sequence[str] = ()) -> tuple[str, ...]:
    """The lines to paste, the first one first; empty where nothing is left to do.

    `cluster` are the options by which the cluster was asked, `only` the secrets that were, empty for all.
    """
    return tuple(dict.fromkeys(_next(status, cluster, only)))


def _next(status: Status, cluster: tuple[str, ...], only: Sequence[str]) -> Iterator[str]:
    name = status.environment.name
    ill = [row for row in status.rows if row.is_unread]
    if ill:
        yield from _mending(status.environment, ill)
        return
    troubled = [row for row in status.rows if not row.is_fine]
    helped = [row.seen.help for row in troubled if row.seen is not None and row.seen.help]
    if troubled:
        yield from helped
        if any(row.state in _NOT_DEPLOYED for row in troubled):
            yield _wait(name, cluster, only)
        elif not helped:
            yield command_line("verify", name, *_ids(troubled), *cluster)
        return
    if status.is_live and any(row.seen is None for row in status.rows):
        # Its time was up before the cluster had told: whether the last step is in effect is not known.
        yield _wait(name, cluster, only)
        return
    yield from _move(status, cluster)


def _mending(environment: Environment, ill: Sequence[Row]) -> Iterator[str]:
    names = value_names(environment)
    told: set[ValueName] = set()
    for row in ill:
        unset = row.values.unset
        lacking = {names.get((row.secret.id, key), (row.secret.id, key)) for key in unset}
        if not lacking <= told:
            # Without a key it asks for all of the secret, and leaves what has a value already.
            yield command_line("put", environment.name, row.secret.id, *(unset if len(unset) == 1 else ()))
        told |= lacking
    if others := [row for row in ill if not row.values.unset]:
        yield command_line("verify", environment.name, *_ids(others))


def _wait(name: str, cluster: tuple[str, ...], only: Sequence[str]) -> str:
    context = tuple(word for word in cluster if word != "--cluster")
    asked = [word for secret in only for word in ("--only", secret)]
    return command_line("status", name, *asked, "--wait", *context)


def _move(status: Status, cluster: tuple[str, ...]) -> Iterator[str]:
    progress, name = status.progress, status.environment.name
    if progress is None:
        return
    to = progress.to.id
    if progress.next is None:
        if status.environment.root.text("store") != to:
            yield command_line("cutover", name, "--finish", "--to", to)
            return
        # A store that nobody reads any more still holds live credentials.
        left = [row.other.id for row in status.rows if row.other is not None and row.values.likeness is Likeness.EQUAL]
        yield from (command_line("retire", name, "--store", store, *cluster) for store in left)
        return
    step = [row for row in status.rows if row.secret.id in progress.steps[progress.next] and row.to is not None]
    lacking = [row for row in step if row.values.likeness in (Likeness.MISSING, Likeness.DIFFERENT)]
    closed = [row for row in step if row.values.likeness is Likeness.NO_ACCESS]
    if lacking:
        only = [word for secret in _ids(lacking) for word in ("--only", secret)]
        yield command_line("migrate", name, "--to", to, *only)
    elif closed:
        yield command_line("verify", name, *_ids(closed), "--store", to)
    else:
        yield command_line("cutover", name, "--next", *cluster)


def _ids(rows: Iterable[Row]) -> list[str]:
    return [row.secret.id for row in rows]
