"""Marks what a run rotates by its id, as a tag beside the value, and keeps `put` and other rotations away from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from compiler.change.journal import JournalError, Run, find_run
from compiler.change.plan import Plan, RotationPhase, Target, Write, refuse_targets
from compiler.change.run_files import caller_of
from compiler.live.read_many import begun_at, rotation_of
from compiler.model.facts import short_age
from compiler.stores.errors import Action, ConflictError, StoreLocation
from compiler.stores.interface import ROTATION, ROTATION_BY, Attributes, SecretWriter, StoreState, with_tags
from compiler.text.command_line import command_line

COMMAND = "rotate"
_KEEPING_AWAY = frozenset({COMMAND, "put"})


def refuse_rotating(plan: Plan) -> Plan:
    """`plan` without the writes of `put` and `rotate` to what another run rotates; their steps name that run.

    A new value would replace the one that the cluster is to get, and the run could no longer be undone.
    """
    if plan.command not in _KEEPING_AWAY:
        return plan
    found: dict[Target, tuple[str, str]] = {}
    for write in plan.writes:
        attributes = write.base.attributes if write.base is not None else Attributes()
        run = rotation_of(attributes)
        if run is not None and run != plan.tags.get(ROTATION):
            found[write.target] = _described(plan, run, caller_of(attributes.tags.get(ROTATION_BY)))
        elif run is None and plan.tags and ROTATION in attributes.tags:
            found[write.target] = f'it has a tag "{ROTATION}" of another program', "rename that tag, or take it away"
    return refuse_targets(plan, found) if found else plan


def tags_of(run_id: str, who: str) -> dict[str, str]:
    """The tags of what a run rotates, which `who` began."""
    return {ROTATION: run_id, **({ROTATION_BY: who} if who else {})}


def drop_ended_tags(plan: Plan, root: Path) -> Plan:
    """The plan of an undo, without the tags of rotations that ended since a Key Vault stored an earlier version.

    Their journals are below `root`; a rotation of another machine keeps its tag.
    """
    return replace(plan, writes=tuple(_without_ended(write, root) for write in plan.writes))


def _without_ended(write: Write, root: Path) -> Write:
    run = rotation_of(write.earlier.attributes) if write.earlier is not None else None
    if write.earlier is None or run is None or not _is_over(run, root):
        return write
    had = write.earlier.attributes
    attributes = replace(had, tags=with_tags(had.tags, {ROTATION: None, ROTATION_BY: None}))
    return replace(write, earlier=replace(write.earlier, attributes=attributes))


def _is_over(run_id: str, root: Path) -> bool:
    try:
        run = find_run(root, run_id)
    except JournalError:
        return False
    return run.phase is RotationPhase.CLOSED or run.is_undone


def _described(plan: Plan, run_id: str, who: str) -> tuple[str, str]:
    """Why what the run rotates is left alone, and the way out, which is where the run's journal is: with `who`."""
    try:
        run = find_run(plan.options.root, run_id)
    except JournalError:
        line = command_line(COMMAND, plan.environment, "--confirm-revoked", run_id)
        way = f"{journal_place(who)}: go on with it there, or close it there: {line}"
        return f"{under_way(run_id, 'it', who)}, is under way", way
    words = [COMMAND, run.environment, *words_of(run)]
    if run.is_undo_begun:
        words[2:] = ["--undo", run_id, "--apply"]
    elif run.phase is RotationPhase.CLOSED or run.ended == "conflict":
        words[2:] = ["--confirm-revoked", run_id]
    return f"{under_way(run_id, 'it', run.who)}, is under way", f"go on with it: {command_line(*words)}"


def under_way(run_id: str, of: str, who: str) -> str:
    """The rotation in words: of what it is, and who began it and when; `who` is empty where that is not known."""
    by = f" by {who}" if who else ""
    return f"the rotation {run_id} of {of}, begun {short_age(datetime.now(UTC) - begun_at(run_id))} ago{by}"


def journal_place(who: str) -> str:
    """Where the journal of a run is that `who` began; where nobody knows who, in words."""
    return f"its journal is {f'with {who}' if who else 'in the folder of the project where it began'}"


def secrets_of(run: Run) -> tuple[str, ...]:
    """The secrets of the catalogue whose keys a run writes."""
    return tuple(dict.fromkeys(secret for entry in run.entries.values() for secret, _, _ in entry.keys))


def words_of(run: Run) -> tuple[str, ...]:
    """The arguments that name a run's secret, and its keys where only the same keys go on with it."""
    keys = run.identity.get("keys") if run.is_resumable else None
    return (*secrets_of(run), *(map(str, keys) if isinstance(keys, list) else ()))


def mark(run: Run, stores: Mapping[str, SecretWriter]) -> datetime | None:
    """Put the id of `run` beside each value that it wrote, where an interruption left it out.

    Returns when the newest of them was made, None where no store tells. Raises StoreError; it is a conflict where
    another writer has written since, or another rotation is under way there.
    """
    made = list[datetime]()
    for (store, name), entry in run.entries.items():
        remote = stores[store].read(name)
        other = rotation_of(remote.attributes)
        if other is not None and other != run.id:
            # It began while the tag of this one was missing, and must stay visible until it ends.
            place = StoreLocation(stores[store].address.absolute, name)
            reason = f"{under_way(other, 'it', caller_of(remote.attributes.tags.get(ROTATION_BY)))}, is under way"
            remedy = "close that one first"
            raise ConflictError(place, Action.WRITE, reason, remedy, expected=entry.after, found=remote.version)
        if other is None:
            stores[store].set_tags(name, entry.after or remote.version, tags_of(run.id, run.who))
        if remote.attributes.created is not None:
            made.append(remote.attributes.created)
    return max(made, default=None)


def unmark(run: Run, stores: Mapping[str, SecretWriter]) -> None:
    """Take the id of `run` away wherever it still is. Raises StoreError."""
    for store, name in run.entries:
        found = stores[store].describe(name)
        if found.version is not None and found.state is StoreState.PRESENT and rotation_of(found.attributes) == run.id:
            stores[store].set_tags(name, found.version, {ROTATION: None, ROTATION_BY: None})
