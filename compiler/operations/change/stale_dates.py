"""A plan of changed keys in; dates that its new versions carry on although they are past or ahead, out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler.model.store_address import Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.operations.put.set_keys import ChangePlan, RemoteChange


class DateKind(StrEnum):
    """Which of the two dates of Key Vault it is."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"


@dataclass(frozen=True, slots=True)
class StaleDate:
    """A date of the remote secret `name` that its new version has too; `remedy` is the command that changes it."""

    name: str
    kind: DateKind
    date: datetime
    remedy: str


def stale_dates(plan: ChangePlan, now: datetime | None = None) -> tuple[StaleDate, ...]:
    """Those of the plan's writes, in its order.

    A write keeps what it was not asked to change, and no store refuses it: only `verify` would tell afterwards.
    """
    moment = now or datetime.now(UTC)
    return tuple(found for remote in plan.writes for found in _stale(remote, moment))


def _stale(remote: RemoteChange, now: datetime) -> Iterator[StaleDate]:
    # On Vault a new version has a life of its own, and not that of the one before.
    if remote.base is None or remote.writer.address.provider is not Provider.AZURE_KEY_VAULT:
        return
    attributes = remote.base.attributes
    command = f"az keyvault secret set-attributes --id {remote.writer.address.absolute}/secrets/{remote.name}"
    for kind, date, option in (
        (DateKind.EXPIRED, attributes.past_expires(now), "--expires"),
        (DateKind.NOT_YET_VALID, attributes.not_before_ahead(now), "--not-before"),
    ):
        if date is not None:
            yield StaleDate(remote.name, kind, date, f"{command} {option} DATE")
