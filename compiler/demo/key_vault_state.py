"""Keeps one vault's secrets in memory and answers as Key Vault does, by an injected clock and without I/O."""

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

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


# https://learn.microsoft.com/azure/key-vault/secrets/about-secrets and .../general/about-keys-secrets-certificates
MAX_VALUE_BYTES: Final = 25_600
MAX_TAGS: Final = 15
MAX_TAG_NAME: Final = 512
MAX_TAG_VALUE: Final = 256
MAX_CONTENT_TYPE: Final = 255
API_VERSIONS: Final = frozenset(
    {"2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"},
)

_NAME: Final = re.compile(r"[0-9A-Za-z-]{1,127}")
_VERSION: Final = re.compile(r"[0-9a-f]{32}")
_LAST_SECOND: Final = 2**31 * 4


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
    """The checked body of a PUT or PATCH; None means the member was not sent."""

    value: str | None
    content_type: str | None
    tags: dict[str, str] | None
    enabled: bool | None
    expires: int | None
    not_before: int | None


def check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise _bad("The request URI contains an invalid name")
    return name


def check_version(version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise _bad("The request URI contains an invalid secret version")
    return version


def parse_body(raw: bytes, *, with_value: bool) -> SecretBody:
    """The body of a request that sets (`with_value`) or updates a secret."""
    body = _object_of(raw)
    known = {"contentType", "tags", "attributes"} | ({"value"} if with_value else set())
    if set(body) - known:
        raise _bad("The request body has members this API does not know")
    attributes = body.get("attributes")
    if attributes is None:
        attributes = {}
    if not isinstance(attributes, dict) or set(attributes) - {"enabled", "exp", "nbf"}:
        raise _bad("Property attributes has invalid value")
    enabled = attributes.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        raise _bad("Property attributes.enabled has invalid value")
    parsed = SecretBody(
        value=_check_value(body.get("value")) if with_value else None,
        content_type=_check_content_type(body.get("contentType")),
        tags=_check_tags(body.get("tags")),
        enabled=enabled,
        expires=_check_second(attributes.get("exp"), "exp"),
        not_before=_check_second(attributes.get("nbf"), "nbf"),
    )
    if parsed.expires is not None and parsed.not_before is not None and parsed.expires <= parsed.not_before:
        raise _bad("Property attributes.exp must be later than attributes.nbf")
    return parsed


def _object_of(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _bad("The request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise _bad("The request body is not a JSON object")
    return body


def _check_value(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _bad("Property value has invalid value")
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise _bad("Property value is not valid Unicode") from None
    if size > MAX_VALUE_BYTES:
        raise _bad(f"Secret value exceeds the maximum of {MAX_VALUE_BYTES} bytes")
    return value


def _check_content_type(content_type: object) -> str | None:
    if content_type is None:
        return None
    if not isinstance(content_type, str) or len(content_type) > MAX_CONTENT_TYPE:
        raise _bad(f"Property contentType exceeds the maximum of {MAX_CONTENT_TYPE} characters")
    return content_type


def _check_tags(tags: object) -> dict[str, str] | None:
    if tags is None:
        return None
    if not isinstance(tags, dict) or len(tags) > MAX_TAGS:
        raise _bad(f"A secret may have at most {MAX_TAGS} tags")
    for name, value in tags.items():
        if not isinstance(value, str) or not name or len(name) > MAX_TAG_NAME or len(value) > MAX_TAG_VALUE:
            raise _bad("A tag's name or value is empty, too long or not a string")
    return tags


def _check_second(second: object, name: str) -> int | None:
    if second is None:
        return None
    if isinstance(second, bool) or not isinstance(second, int) or not 0 <= second <= _LAST_SECOND:
        raise _bad(f"Property attributes.{name} has invalid value")
    return second


def _bad(message: str) -> RefusedRequestError:
    return RefusedRequestError(400, "BadParameter", message)


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

    def purge(self, name: str) -> None:
        self.require_deleted(name)
        del self._secrets[name.lower()]

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
