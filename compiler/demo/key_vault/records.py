"""Keeps the versions of a secret, and shows them as the API's bundles and list items."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Phase = Literal["active", "deleting", "deleted", "recovering", "purging"]
RECOVERY_LEVEL = "Recoverable+Purgeable"
_RETENTION_DAYS = 90
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
    """A name with its versions, oldest first."""

    name: str
    versions: list[SecretVersion]
    managed: bool = False
    phase: Phase = "active"
    phase_ends: float = 0.0
    settled_at: float = 0.0
    deleted_at: int = 0


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
    if secret.managed:
        shown["managed"] = True
        shown["kid"] = f"{base}/keys/{secret.name}/{version.id}"
    return shown


def item(base: str, secret: StoredSecret) -> dict[str, Any]:
    shown = bundle(base, secret, secret.versions[-1], with_value=False)
    shown["id"] = f"{base}/secrets/{secret.name}"
    shown.pop("kid", None)
    return shown


def deleted_bundle(base: str, secret: StoredSecret, *, versioned: bool) -> dict[str, Any]:
    shown = bundle(base, secret, secret.versions[-1], with_value=False) if versioned else item(base, secret)
    shown["recoveryId"] = f"{base}/deletedsecrets/{secret.name}"
    shown["deletedDate"] = secret.deleted_at
    shown["scheduledPurgeDate"] = secret.deleted_at + _RETENTION_SECONDS
    return shown
