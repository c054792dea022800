"""Keeps one vault's secrets in memory and answers as Key Vault does, by an injected clock and without I/O."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compiler.demo.key_vault.records import Phase, SecretVersion, StoredSecret, bundle, deleted_bundle, item
from compiler.demo.key_vault.rules import RefusedError, SecretBody

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Delays:
    """Seconds that Key Vault takes: until a delete, recovery or purge is done, and until a recovered name takes a set.

    A recovered secret can be read before it can be set (Azure/azure-sdk-for-net#31581): `settle` is that gap.
    """

    delete: float = 0.0
    recover: float = 0.0
    settle: float = 0.0
    purge: float = 0.0


class KeyVaultState:
    """The semantics of one vault. Every call must hold the caller's lock; refusals are raised as RefusedError."""

    def __init__(self, clock: Callable[[], float], delays: Delays, *, purge_protection: bool = False) -> None:
        self._clock = clock
        self._delays = delays
        self._purge_protection = purge_protection
        self._secrets: dict[str, StoredSecret] = {}

    def set(self, base: str, name: str, body: SecretBody) -> dict[str, Any]:
        secret = self._current(name)
        if secret is not None:
            self._require_settable(secret)
        version = self._new_version(body)
        if secret is None:
            secret = self._secrets[name.lower()] = StoredSecret(name, [])
        secret.versions.append(version)
        return bundle(base, secret, version, with_value=True)

    def get(self, base: str, name: str, version: str | None) -> dict[str, Any]:
        secret = self._active(name)
        found = _version_of(secret, version)
        if not found.enabled:
            raise RefusedError(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        return bundle(base, secret, found, with_value=True)

    def update(self, base: str, name: str, version: str | None, body: SecretBody) -> dict[str, Any]:
        secret = self._active(name)
        if secret.managed:
            raise _managed(secret.name)
        found = _version_of(secret, version)
        found.content_type = found.content_type if body.content_type is None else body.content_type
        found.tags = found.tags if body.tags is None else dict(body.tags)
        found.enabled = found.enabled if body.enabled is None else body.enabled
        found.expires = found.expires if body.expires is None else body.expires
        found.not_before = found.not_before if body.not_before is None else body.not_before
        found.updated = int(self._clock())
        return bundle(base, secret, found, with_value=False)

    def delete(self, base: str, name: str) -> dict[str, Any]:
        secret = self._active(name)
        if secret.managed:
            raise _managed(secret.name)
        now = self._clock()
        secret.phase, secret.phase_ends, secret.deleted_at = "deleting", now + self._delays.delete, int(now)
        return deleted_bundle(base, secret, versioned=True)

    def list_secrets(self, base: str, after: str, size: int) -> tuple[list[dict[str, Any]], str | None]:
        names = [key for key in sorted(self._secrets) if self._phase_of(key) == "active"]
        page, marker = _page(names, after, size)
        return [item(base, self._secrets[key]) for key in page], marker

    def list_versions(self, base: str, name: str, after: str, size: int) -> tuple[list[dict[str, Any]], str | None]:
        """Versions in the order of their ids, which is not that of their age; the service does the same."""
        secret = self._active(name)
        by_id = {version.id: version for version in secret.versions}
        page, marker = _page(sorted(by_id), after, size)
        return [bundle(base, secret, by_id[key], with_value=False) for key in page], marker

    def get_deleted(self, base: str, name: str) -> dict[str, Any]:
        secret = self._current(name)
        if secret is None or secret.phase != "deleted":
            # Also while it is being deleted or recovered: clients poll until this changes.
            raise _no_deleted(name)
        return deleted_bundle(base, secret, versioned=True)

    def list_deleted(self, base: str, after: str, size: int) -> tuple[list[dict[str, Any]], str | None]:
        names = [key for key in sorted(self._secrets) if self._phase_of(key) == "deleted"]
        page, marker = _page(names, after, size)
        return [deleted_bundle(base, self._secrets[key], versioned=False) for key in page], marker

    def recover(self, base: str, name: str) -> dict[str, Any]:
        secret = self._deleted(name)
        now = self._clock()
        secret.phase, secret.phase_ends = "recovering", now + self._delays.recover
        secret.settled_at = secret.phase_ends + self._delays.settle
        return bundle(base, secret, secret.versions[-1], with_value=False)

    def purge(self, name: str) -> None:
        secret = self._deleted(name)
        if self._purge_protection:
            message = "Operation purge is not allowed because purge protection is enabled for this vault."
            raise RefusedError(403, "Forbidden", message, "ForbiddenByPolicy")
        secret.phase, secret.phase_ends = "purging", self._clock() + self._delays.purge

    def stored(self, name: str) -> StoredSecret | None:
        """The secret as it is now, in whatever phase."""
        return self._current(name)

    def names(self) -> list[str]:
        return [secret.name for key in sorted(self._secrets) if (secret := self._current(key)) is not None]

    def add_certificate(self, name: str, value: str) -> None:
        """The secret that backs a certificate: listed with `managed: true`, refused by set, update and delete."""
        body = SecretBody(value, "application/x-pkcs12", None, None, None, None)
        self._secrets[name.lower()] = StoredSecret(name, [self._new_version(body)], managed=True)

    def _current(self, name: str) -> StoredSecret | None:
        secret = self._secrets.get(name.lower())
        if secret is None:
            return None
        if secret.phase in ("deleting", "recovering", "purging") and self._clock() >= secret.phase_ends:
            if secret.phase == "purging":
                del self._secrets[name.lower()]
                return None
            secret.phase = "deleted" if secret.phase == "deleting" else "active"
        return secret

    def _phase_of(self, key: str) -> Phase | None:
        secret = self._current(key)
        return None if secret is None else secret.phase

    def _active(self, name: str) -> StoredSecret:
        secret = self._current(name)
        if secret is None or secret.phase != "active":
            message = (
                f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret "
                "you may be able to recover it using the correct recovery command."
            )
            raise RefusedError(404, "SecretNotFound", message)
        return secret

    def _deleted(self, name: str) -> StoredSecret:
        secret = self._current(name)
        if secret is not None and secret.phase in ("deleting", "recovering", "purging"):
            raise _busy(secret)
        if secret is None or secret.phase != "deleted":
            raise _no_deleted(name)
        return secret

    def _require_settable(self, secret: StoredSecret) -> None:
        if secret.managed:
            raise _managed(secret.name)
        if secret.phase == "deleted":
            message = (
                f"Secret {secret.name} is currently in a deleted but recoverable state, and its name cannot be reused; "
                "in this state, the secret can only be recovered or purged."
            )
            raise RefusedError(409, "Conflict", message, "ObjectIsDeletedButRecoverable")
        if secret.phase != "active" or self._clock() < secret.settled_at:
            raise _busy(secret)

    def _new_version(self, body: SecretBody) -> SecretVersion:
        now = int(self._clock())
        return SecretVersion(
            id=secrets.token_hex(16),
            value=body.value or "",
            content_type=body.content_type,
            tags=dict(body.tags or {}),
            enabled=body.enabled is not False,
            expires=body.expires,
            not_before=body.not_before,
            created=now,
            updated=now,
        )


def _busy(secret: StoredSecret) -> RefusedError:
    inner = "ObjectIsBeingDeleted" if secret.phase in ("deleting", "purging") else "ObjectIsBeingRecovered"
    word = "deleted" if inner == "ObjectIsBeingDeleted" else "recovered and cannot be re-created; retry later"
    return RefusedError(409, "Conflict", f"Secret {secret.name} is currently being {word}.", inner)


def _no_deleted(name: str) -> RefusedError:
    return RefusedError(404, "SecretNotFound", f"Deleted Secret not found: {name}")


def _managed(name: str) -> RefusedError:
    message = f"Secret {name} is managed by a certificate; this operation is not allowed on it."
    return RefusedError(403, "Forbidden", message, "ManagedSecret")


def _version_of(secret: StoredSecret, version: str | None) -> SecretVersion:
    if version is None:
        return secret.versions[-1]
    for candidate in secret.versions:
        if candidate.id == version:
            return candidate
    message = f"A secret with (name/id) {secret.name}/{version} was not found in this key vault."
    raise RefusedError(404, "SecretNotFound", message)


def _page(keys: list[str], after: str, size: int) -> tuple[list[str], str | None]:
    rest = [key for key in keys if key > after]
    return rest[:size], rest[size - 1] if len(rest) > size else None
