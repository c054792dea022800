"""Keeps one vault's secrets in memory and answers as Key Vault does, by an injected clock and without I/O."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Phase = Literal["active", "deleted"]
RECOVERY_LEVEL = "Recoverable+Purgeable"
_RETENTION_DAYS = 90
# The items of a list's page.
_PAGE = 25
_RETENTION_SECONDS = _RETENTION_DAYS * 86_400


@dataclass
class SecretVersion:
    """One version; times are whole seconds, as Key Vault gives them: two versions of one second have no order."""

    id: str
    value: str = field(repr=False)
    content_type: str | None
    tags: dict[str, str]
    enabled: bool
    expires: int | None
    not_before: int | None
    created: int
    updated: int


@dataclass
class StoredSecret:
    """A name with its versions, oldest first. `deleted_at` is None for one that is not deleted."""

    name: str
    versions: list[SecretVersion]
    deleted_at: int | None = None

    @property
    def phase(self) -> Phase:
        return "active" if self.deleted_at is None else "deleted"


def _attributes(version: SecretVersion) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "enabled": version.enabled,
        "created": version.created,
        "updated": version.updated,
        "recoveryLevel": RECOVERY_LEVEL,
        "recoverableDays": _RETENTION_DAYS,
    }
    if version.not_before is not None:
        attributes["nbf"] = version.not_before
    if version.expires is not None:
        attributes["exp"] = version.expires
    return attributes


def bundle(base: str, secret: StoredSecret, version: SecretVersion, *, with_value: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"value": version.value} if with_value else {}
    shown["id"] = f"{base}/secrets/{secret.name}/{version.id}"
    shown["attributes"] = _attributes(version)
    if version.content_type is not None:
        shown["contentType"] = version.content_type
    if version.tags:
        shown["tags"] = version.tags
    return shown


def item(base: str, secret: StoredSecret) -> dict[str, Any]:
    shown = bundle(base, secret, secret.versions[-1], with_value=False)
    shown["id"] = f"{base}/secrets/{secret.name}"
    return shown


def deleted_bundle(base: str, secret: StoredSecret) -> dict[str, Any]:
    shown = bundle(base, secret, secret.versions[-1], with_value=False)
    shown["recoveryId"] = f"{base}/deletedsecrets/{secret.name}"
    deleted_at = secret.deleted_at or 0
    shown["deletedDate"] = deleted_at
    shown["scheduledPurgeDate"] = deleted_at + _RETENTION_SECONDS
    return shown


class RefusedRequestError(Exception):
    """An answer other than success; `inner` is the innererror code that tells one 403 or 409 from another."""

    def __init__(self, status: int, code: str, message: str, inner: str | None = None) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.message = message
        self.inner = inner

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.inner is not None:
            error["innererror"] = {"code": self.inner}
        return {"error": error}


@dataclass(frozen=True, repr=False)
class SecretBody:
    """The body of a PUT or PATCH; None means the member was not sent."""

    value: str | None
    content_type: str | None
    tags: dict[str, str] | None
    enabled: bool | None
    expires: int | None
    not_before: int | None


def parse_body(raw: bytes) -> SecretBody:
    """The members of the body of a request that sets or updates a secret, as they are."""
    body = json.loads(raw)
    attributes = body.get("attributes") or {}
    return SecretBody(
        value=body.get("value"),
        content_type=body.get("contentType"),
        tags=body.get("tags"),
        enabled=attributes.get("enabled"),
        expires=attributes.get("exp"),
        not_before=attributes.get("nbf"),
    )


class KeyVaultState:
    """The semantics of one vault. Each call must hold the caller's lock; refusals are raised as RefusedRequestError."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._secrets: dict[str, StoredSecret] = {}

    def set(self, base: str, name: str, body: SecretBody) -> dict[str, Any]:
        secret = self._secrets.setdefault(name.lower(), StoredSecret(name, []))
        if secret.phase == "deleted":
            message = (
                f"Secret {secret.name} is currently in a deleted but recoverable state, and its name cannot be reused; "
                "in this state, the secret can only be recovered or purged."
            )
            raise RefusedRequestError(409, "Conflict", message, "ObjectIsDeletedButRecoverable")
        version = self.new_version(body)
        secret.versions.append(version)
        return bundle(base, secret, version, with_value=True)

    def get(self, base: str, name: str, version: str | None) -> dict[str, Any]:
        secret = self.active(name)
        found = version_of(secret, version)
        if not found.enabled:
            raise RefusedRequestError(
                403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled"
            )
        return bundle(base, secret, found, with_value=True)

    def update(self, base: str, name: str, version: str | None, body: SecretBody) -> dict[str, Any]:
        secret = self.active(name)
        found = version_of(secret, version)
        found.content_type = found.content_type if body.content_type is None else body.content_type
        found.tags = found.tags if body.tags is None else dict(body.tags)
        found.enabled = found.enabled if body.enabled is None else body.enabled
        found.expires = found.expires if body.expires is None else body.expires
        found.not_before = found.not_before if body.not_before is None else body.not_before
        found.updated = int(self._clock())
        return bundle(base, secret, found, with_value=False)

    def delete(self, base: str, name: str) -> dict[str, Any]:
        secret = self.active(name)
        secret.deleted_at = int(self._clock())
        return deleted_bundle(base, secret)

    def list_secrets(self, base: str, after: str) -> tuple[list[dict[str, Any]], str | None]:
        page, marker = _page(self.keys_in("active"), after)
        return [item(base, self._secrets[key]) for key in page], marker

    def list_versions(self, base: str, name: str, after: str) -> tuple[list[dict[str, Any]], str | None]:
        """Versions in the order of their ids, which is not that of their age; the service does the same."""
        secret = self.active(name)
        by_id = {version.id: version for version in secret.versions}
        page, marker = _page(sorted(by_id), after)
        return [bundle(base, secret, by_id[key], with_value=False) for key in page], marker

    def get_deleted(self, base: str, name: str) -> dict[str, Any]:
        return deleted_bundle(base, self.require_deleted(name))

    def recover(self, base: str, name: str) -> dict[str, Any]:
        secret = self.require_deleted(name)
        secret.deleted_at = None
        return bundle(base, secret, secret.versions[-1], with_value=False)

    def find_secret(self, name: str) -> StoredSecret | None:
        return self._secrets.get(name.lower())

    def keys_in(self, phase: Phase) -> list[str]:
        """The names in lower case of the secrets in that phase, in order."""
        return [key for key in sorted(self._secrets) if self._secrets[key].phase == phase]

    def active(self, name: str) -> StoredSecret:
        secret = self.find_secret(name)
        if secret is None or secret.phase != "active":
            raise absent(name)
        return secret

    def require_deleted(self, name: str) -> StoredSecret:
        secret = self.find_secret(name)
        if secret is None or secret.phase != "deleted":
            raise absent_among_deleted(name)
        return secret

    def new_version(self, body: SecretBody) -> SecretVersion:
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


def absent(name: str) -> RefusedRequestError:
    message = (
        f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret "
        "you may be able to recover it using the correct recovery command."
    )
    return RefusedRequestError(404, "SecretNotFound", message)


def absent_among_deleted(name: str) -> RefusedRequestError:
    return RefusedRequestError(404, "SecretNotFound", f"Deleted Secret not found: {name}")


def version_of(secret: StoredSecret, version: str | None) -> SecretVersion:
    if version is None:
        return secret.versions[-1]
    for candidate in secret.versions:
        if candidate.id == version:
            return candidate
    message = f"A secret with (name/id) {secret.name}/{version} was not found in this key vault."
    raise RefusedRequestError(404, "SecretNotFound", message)


def _page(keys: list[str], after: str) -> tuple[list[str], str | None]:
    rest = [key for key in keys if key > after]
    return rest[:_PAGE], rest[_PAGE - 1] if len(rest) > _PAGE else None
