"""What Key Vault refuses and how much it takes: the rules and limits of the service, for the vault of the tests."""

import json
import re
from collections import deque
from typing import Any, Final, Literal

from compiler.demo.key_vault_state import RefusedRequestError
from compiler.demo.local_key_vault import VaultRequest, path_of

# https://learn.microsoft.com/azure/key-vault/secrets/about-secrets and .../general/about-keys-secrets-certificates
MAX_VALUE_BYTES: Final = 25_600
MAX_TAGS: Final = 15
MAX_TAG_NAME: Final = 512
MAX_TAG_VALUE: Final = 256
MAX_CONTENT_TYPE: Final = 255
API_VERSIONS: Final = frozenset(
    {"2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"},
)
THROTTLED = "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"

_NAME: Final = re.compile(r"[0-9A-Za-z-]{1,127}")
_VERSION: Final = re.compile(r"[0-9a-f]{32}")
_LAST_SECOND: Final = 2**31 * 4
RequestKind = Literal["create", "other"]


class Throttle:
    """Counts the admitted requests of each kind in a sliding window of `window` seconds; None is no limit.

    The defaults are the service's: https://learn.microsoft.com/azure/key-vault/general/service-limits
    """

    def __init__(self, creates: int | None = 300, others: int | None = 4_000, window: float = 10.0) -> None:
        self._window = window
        self._limits: dict[RequestKind, int | None] = {"create": creates, "other": others}
        self._admitted: dict[RequestKind, deque[float]] = {"create": deque(), "other": deque()}

    def admits(self, kind: RequestKind, now: float) -> bool:
        limit, admitted = self._limits[kind], self._admitted[kind]
        if limit is None:
            return True
        while admitted and admitted[0] <= now - self._window:
            admitted.popleft()
        if len(admitted) >= limit:
            return False
        admitted.append(now)
        return True


def kind_of(request: VaultRequest) -> RequestKind:
    """A PUT makes a version and counts among the creates; everything else is "other"."""
    return "create" if request.method == "PUT" else "other"


def check_request(request: VaultRequest) -> None:
    """Raises RefusedRequestError for what the service refuses, whatever is stored."""
    if request.query.get("api-version") not in API_VERSIONS:
        raise _bad("The specified version is not recognized. Consider using 7.6.")
    if request.method in ("PUT", "PATCH"):
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise RefusedRequestError(415, "UnsupportedMediaType", "The request body must be application/json.")
        _check_body(request.body, with_value=request.method == "PUT")
    match request.method, path_of(request):
        case "GET" | "PATCH", ("secrets", name, version) if version != "versions":
            check_name(name)
            check_version(version)
        case _, ("secrets" | "deletedsecrets", name, *_):
            check_name(name)


def check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise _bad("The request URI contains an invalid name")
    return name


def check_version(version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise _bad("The request URI contains an invalid secret version")
    return version


def _check_body(raw: bytes, *, with_value: bool) -> None:
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
    if with_value:
        _check_value(body.get("value"))
    _check_content_type(body.get("contentType"))
    _check_tags(body.get("tags"))
    expires = _check_second(attributes.get("exp"), "exp")
    not_before = _check_second(attributes.get("nbf"), "nbf")
    if expires is not None and not_before is not None and expires <= not_before:
        raise _bad("Property attributes.exp must be later than attributes.nbf")


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
