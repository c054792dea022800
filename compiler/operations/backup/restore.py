"""A decrypted backup and an environment in, a plan of what restoring it would write, or why it may not be, out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler.operations.change.plan import OnConflict
from compiler.operations.live.key_places import key_places
from compiler.operations.put.set_keys import Change, Wanted, plan_changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.model.environment import Environment, Store
    from compiler.model.place import Place
    from compiler.operations.backup.format import Backup, KeyName
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.put.set_keys import ChangePlan


class Action(StrEnum):
    """What becomes of one key."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"  # the store holds the same value
    SKIP = "skip"  # it holds another one, which stays
    CONFLICT = "conflict"  # it holds another one, and nobody said what to do
    REFUSE = "refuse"


class RestoreRefusedError(Exception):
    """The backup may not be restored into this environment. `help` is the way out."""

    def __init__(self, message: str, help_text: str) -> None:
        super().__init__(message)
        self.help = help_text


@dataclass(frozen=True, slots=True)
class RestoreStep:
    """One key of the plan; `reason` says why it is refused."""

    secret: str
    key: str
    action: Action
    place: Place | None
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class RestorePlan:
    """All steps, and the changes to apply; nothing may be written where the plan `is_blocked`."""

    steps: tuple[RestoreStep, ...]
    changes: ChangePlan

    @property
    def is_blocked(self) -> bool:
        return any(step.action in {Action.CONFLICT, Action.REFUSE} for step in self.steps)


def require_origin(backup: Backup, environment: str, said: str | None) -> None:
    """Raises RestoreRefusedError for a backup of another environment than this one, or than the one that was said."""
    wanted = said or environment
    if backup.environment != wanted:
        raise RestoreRefusedError(
            f'it is a backup of the environment "{backup.environment}", not of "{wanted}"',
            f"if that is meant, say --from-environment {backup.environment}",
        )


def require_only(backup: Backup, only: Sequence[str]) -> None:
    """Raises RestoreRefusedError for a secret that the backup does not hold."""
    for secret in only:
        if secret not in backup.secrets:
            raise RestoreRefusedError(
                f'the backup has no secret "{secret}"', f"it has {', '.join(backup.secrets) or 'none at all'}"
            )


def plan_restore(
    backup: Backup,
    environment: Environment,
    to: Store | None,
    only: Sequence[str],
    on_conflict: OnConflict,
    stores: LiveStores,
) -> RestorePlan:
    """What restoring the secrets `only`, or all, would do: into the store `to`, or into the one that each reads.

    Sends no writing request. Raises AddressError, and the StoreError of a store that cannot be used at all.
    """
    wanted: list[Wanted] = []
    refused: list[RestoreStep] = []
    for secret_id in backup.secrets:
        if only and secret_id not in only:
            continue
        placed = _placed(environment, secret_id, to)
        for name, value in backup.values.items():
            if name[0] != secret_id:
                continue
            target = _target(name, placed)
            if isinstance(target, str):
                refused.append(RestoreStep(*name, Action.REFUSE, None, target))
            else:
                wanted.append(Wanted(*name, *target, value))
    changes = plan_changes(wanted, stores, replaces=on_conflict is OnConflict.OVERWRITE)
    steps = tuple(
        RestoreStep(
            key.secret,
            key.key,
            _action(key.change, on_conflict) if key.refusal is None else Action.REFUSE,
            key.place,
            key.refusal or "",
        )
        for key in changes.keys
    )
    return RestorePlan((*refused, *steps), changes)


def _placed(
    environment: Environment, secret_id: str, to: Store | None
) -> tuple[Store, Mapping[str, Place | None]] | str:
    secret = environment.secrets.get(secret_id)
    if secret is None:
        return "the environment has no such secret; leave it out with --only, or enable it"
    store = to or secret.store
    if store is None:
        return "the environment names no store for it"
    return store, key_places(secret, store)


def _target(name: KeyName, placed: tuple[Store, Mapping[str, Place | None]] | str) -> tuple[Store, Place] | str:
    if isinstance(placed, str):
        return placed
    store, places = placed
    if name[1] not in places:
        return "the catalogue gives the secret no such key any more"
    place = places[name[1]]
    return (store, place) if place is not None else f'the catalogue names no place for it in "{store.id}"'


def _action(change: Change, on_conflict: OnConflict) -> Action:
    if change is Change.CHANGED:
        return {
            OnConflict.FAIL: Action.CONFLICT,
            OnConflict.SKIP: Action.SKIP,
            OnConflict.OVERWRITE: Action.UPDATE,
        }[on_conflict]
    return Action.CREATE if change is Change.NEW else Action.KEEP
