"""Checks a request's name, version and body as Key Vault does, and refuses them in its words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from compiler.text.regex import regex

# https://learn.microsoft.com/azure/key-vault/secrets/about-secrets and .../general/about-keys-secrets-certificates
MAX_VALUE_BYTES: Final = 25_600
MAX_TAGS: Final = 15
MAX_TAG_NAME: Final = 512
MAX_TAG_VALUE: Final = 256
MAX_CONTENT_TYPE: Final = 255
API_VERSIONS: Final = frozenset(
    {"2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"},
)

_NAME: Final = regex(r"[0-9A-Za-z-]{1,127}")
_VERSION: Final = regex(r"[0-9a-f]{32}")
_LAST_SECOND: Final = 2**31 * 4


class RefusedError(Exception):
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


@dataclass(frozen=True)
class SecretBody:
    """The checked body of a PUT or PATCH; None means the member was not sent."""

    value: str | None
    content_type: str | None
    tags: dict[str, str] | None
    enabled: bool | None
    expires: int | None
    not_before: int | None

    def __repr__(self) -> str:
        return "SecretBody(…)"


def checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise _bad("The request URI contains an invalid name")
    return name


def checked_version(version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise _bad("The request URI contains an invalid secret version")
    return version


def checked_page_size(text: str | None) -> int:
    """Key Vault's pages hold at most 25 items, whatever is asked."""
    if text is None:
        return 25
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= 25:  # noqa: PLR2004
        raise _bad("Invalid maxresults: it must be between 1 and 25")
    return int(text)


def parsed_body(raw: bytes, *, with_value: bool) -> SecretBody:
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
        value=_checked_value(body.get("value")) if with_value else None,
        content_type=_checked_content_type(body.get("contentType")),
        tags=_checked_tags(body.get("tags")),
        enabled=enabled,
        expires=_checked_second(attributes.get("exp"), "exp"),
        not_before=_checked_second(attributes.get("nbf"), "nbf"),
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


def _checked_value(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _bad("Property value has invalid value")
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise _bad("Property value is not valid Unicode") from None
    if size > MAX_VALUE_BYTES:
        raise _bad(f"Secret value exceeds the maximum of {MAX_VALUE_BYTES} bytes")
    return value


def _checked_content_type(content_type: object) -> str | None:
    if content_type is None:
        return None
    if not isinstance(content_type, str) or len(content_type) > MAX_CONTENT_TYPE:
        raise _bad(f"Property contentType exceeds the maximum of {MAX_CONTENT_TYPE} characters")
    return content_type


def _checked_tags(tags: object) -> dict[str, str] | None:
    if tags is None:
        return None
    if not isinstance(tags, dict) or len(tags) > MAX_TAGS:
        raise _bad(f"A secret may have at most {MAX_TAGS} tags")
    for name, value in tags.items():
        if not isinstance(value, str) or not name or len(name) > MAX_TAG_NAME or len(value) > MAX_TAG_VALUE:
            raise _bad("A tag's name or value is empty, too long or not a string")
    return tags


def _checked_second(second: object, name: str) -> int | None:
    if second is None:
        return None
    if isinstance(second, bool) or not isinstance(second, int) or not 0 <= second <= _LAST_SECOND:
        raise _bad(f"Property attributes.{name} has invalid value")
    return second


def _bad(message: str) -> RefusedError:
    return RefusedError(400, "BadParameter", message)
