"""Turns a parsed reply about one KV version 2 secret into a RemoteSecret or a SecretState."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from compiler.model.duration import parse_duration
from compiler.model.record import dataclass
from compiler.stores.interface import (
    Attributes,
    Dropped,
    Limit,
    RemoteSecret,
    SecretState,
    StoreState,
    VersionState,
    VersionStates,
)

# https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#configure-the-kv-engine
DEFAULT_KEEPS: Final = 10


def remote_secret(name: str, body: Mapping[str, Any]) -> RemoteSecret:
    """Return the version that a read returned. KeyError, TypeError or ValueError for a body of another shape."""
    data, metadata = body["data"]["data"], body["data"]["metadata"]
    return RemoteSecret(
        name,
        str(int(metadata["version"])),
        dict(data),
        Attributes(
            # `delete_version_after` makes it: the time at which this version deletes itself.
            expires=_time(metadata.get("deletion_time")),
            tags=dict(metadata.get("custom_metadata") or {}),
            created=_time(metadata["created_time"]),
        ),
    )


def made_of(body: Mapping[str, Any]) -> datetime | None:
    """Return when a write's version was made, None where the reply to it does not tell: the version is stored."""
    try:
        return _time(body["data"].get("created_time"))
    except (AttributeError, ArithmeticError, TypeError, ValueError):
        return None


def secret_state(name: str, body: Mapping[str, Any]) -> SecretState:
    """Return the state that the metadata of a name tells. Raises as `remote_secret` does."""
    data = body["data"]
    current = int(data["current_version"])
    attributes = Attributes(
        tags=dict(data.get("custom_metadata") or {}),
        created=_time(data["created_time"]),
        updated=_time(data["updated_time"]),
    )
    newest = data["versions"].get(str(current))
    if newest is None:
        return SecretState(name, StoreState.ABSENT, None, attributes)
    if newest["destroyed"]:
        state = StoreState.DESTROYED
    else:
        is_deleted = _is_past(newest["deletion_time"], datetime.now(UTC))
        state = StoreState.SOFT_DELETED if is_deleted else StoreState.PRESENT
    return SecretState(name, state, str(current), attributes)


def version_states(body: Mapping[str, Any]) -> VersionStates:
    """Return the state of each version that the metadata of a name lists, oldest first. Raises as `remote_secret`."""
    now = datetime.now(UTC)
    versions = body["data"]["versions"]
    found = {str(version): versions[str(version)] for version in sorted(map(int, versions))}
    made = {version: time for version, each in found.items() if (time := _time(each.get("created_time"))) is not None}
    return VersionStates({version: _state_of(each, now) for version, each in found.items()}, made)


def _state_of(version: Mapping[str, Any], now: datetime) -> VersionState:
    if version["destroyed"]:
        return VersionState.DESTROYED
    return VersionState.DELETED if _is_past(version["deletion_time"], now) else VersionState.READABLE


@dataclass(frozen=True, slots=True)
class MountSettings:
    """What a mount does with versions by itself: how many it `keeps`, 0 for the default, and for how many seconds.

    A negative `lives` has all versions stay. None: the mount does not tell.
    """

    keeps: int | None = None
    lives: int | None = None


def mount_settings(body: Mapping[str, Any]) -> MountSettings:
    """Return what the configuration of a mount says. Raises as `remote_secret` does."""
    data = body["data"]
    return MountSettings(int(data["max_versions"]), _seconds(data.get("delete_version_after")))


def dropped_by_next(body: Mapping[str, Any] | None, mount: MountSettings) -> Dropped | None:
    """Return the readable versions that one more write makes Vault drop, by the metadata of a name, None for no name.

    Raises as `remote_secret` does.
    """
    data = body["data"] if body is not None else {}
    versions, keeps = _dropped(body, mount.keeps) if body is not None else ((), mount.keeps or DEFAULT_KEEPS)
    found = {Limit.NAME: _seconds(data.get("delete_version_after")), Limit.MOUNT: mount.lives or 0}
    # A mount with a negative time ends no version, whatever the secret says; else the shorter time counts (measured on
    # OpenBao 2.7).
    limits = tuple(limit for limit, seconds in found.items() if seconds > 0) if found[Limit.MOUNT] >= 0 else ()
    lives = min((found[limit] for limit in limits), default=None)
    return Dropped(versions, keeps, lives, limits) if versions or limits else None


def _dropped(body: Mapping[str, Any], mount_keeps: int | None) -> tuple[tuple[str, ...], int]:
    data = body["data"]
    current, oldest = int(data["current_version"]), int(data["oldest_version"])
    if mount_keeps is None and oldest > 1:
        # What it has dropped before shows how many it keeps.
        keeps = current + 1 - oldest
    else:
        # The larger one counts, the secret's own or the mount's (measured on OpenBao 2.7).
        keeps = max(int(data["max_versions"]), mount_keeps or 0) or DEFAULT_KEEPS
    last = current + 1 - keeps
    states = version_states(body).items()
    return tuple(version for version, state in states if int(version) <= last and state is VersionState.READABLE), keeps


def _seconds(text: str | None) -> int:
    """The seconds of a duration as Vault writes it, `1h0m0s`; 0 for none, and negative for "never"."""
    if text and text.startswith("-"):
        return -1
    duration = parse_duration(text) if text else None
    return int(duration.seconds) if duration is not None else 0


def _is_past(text: str | None, now: datetime) -> bool:
    moment = _time(text)
    return moment is not None and moment <= now


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
