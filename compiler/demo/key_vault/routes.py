"""Routes one authorised request of the data plane to the vault's state, and returns the reply."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from compiler.demo.key_vault.http import Reply, Request
from compiler.demo.key_vault.rules import (
    API_VERSIONS,
    RefusedError,
    SecretBody,
    checked_name,
    checked_page_size,
    checked_version,
    parsed_body,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from compiler.demo.key_vault.state import KeyVaultState
    from compiler.demo.key_vault.throttle import RequestKind


def kind_of(request: Request) -> RequestKind:
    """A PUT makes a version and counts among the creates; everything else is "other"."""
    return "create" if request.method == "PUT" else "other"


def permission_of(request: Request) -> str:
    """The data permission a request needs, in the words of an access policy."""
    match request.method, _without_empty_end(request.path):
        case "GET", ("secrets" | "deletedsecrets",) | ("secrets", _, "versions"):
            return "list"
        case "GET", _:
            return "get"
        case "DELETE", ("deletedsecrets", _):
            return "purge"
        case "DELETE", _:
            return "delete"
        case "POST", (*_, "recover"):
            return "recover"
        case _:
            return "set"


def answer(state: KeyVaultState, request: Request, base: str) -> Reply:
    """What Key Vault answers; raises RefusedError. `base` is the vault's URL as the client wrote it, for ids."""
    version = request.query.get("api-version")
    if version not in API_VERSIONS:
        raise RefusedError(400, "BadParameter", "The specified version is not recognized. Consider using 7.6.")
    match request.method, _without_empty_end(request.path):
        case "PUT", ("secrets", name):
            return Reply(200, state.set(base, checked_name(name), _body_of(request, with_value=True)))
        case "PATCH", ("secrets", name, *rest) if len(rest) <= 1:
            body = _body_of(request, with_value=False)
            return Reply(200, state.update(base, checked_name(name), _version(rest), body))
        case "DELETE", ("secrets", name):
            return Reply(200, state.delete(base, checked_name(name)))
        case "DELETE", ("deletedsecrets", name):
            state.purge(checked_name(name))
            return Reply(204)
        case "POST", ("deletedsecrets", name, "recover"):
            return Reply(200, state.recover(base, checked_name(name)))
        case "GET", path:
            return _read(state, path, request, base)
        case _:
            raise RefusedError(405, "MethodNotAllowed", "The requested operation is not allowed on this resource.")


def _read(state: KeyVaultState, path: tuple[str, ...], request: Request, base: str) -> Reply:
    match path:
        case ("secrets",):
            return _page(state.list_secrets, request, base)
        case ("deletedsecrets",):
            return _page(state.list_deleted, request, base)
        case ("deletedsecrets", name):
            return Reply(200, state.get_deleted(base, checked_name(name)))
        case ("secrets", name, "versions"):
            checked = checked_name(name)
            return _page(lambda b, after, size: state.list_versions(b, checked, after, size), request, base)
        case ("secrets", name, *rest) if len(rest) <= 1:
            return Reply(200, state.get(base, checked_name(name), _version(rest)))
        case _:
            raise RefusedError(404, "NotFound", "Resource not found.")


def _page(
    lister: Callable[[str, str, int], tuple[list[dict[str, Any]], str | None]],
    request: Request,
    base: str,
) -> Reply:
    size = checked_page_size(request.query.get("maxresults"))
    items, marker = lister(base, _after(request.query.get("$skiptoken")), size)
    link = None
    if marker is not None:
        path = "/".join(quote(part) for part in request.path)
        token = base64.urlsafe_b64encode(marker.encode()).decode()
        link = f"{base}/{path}?api-version={request.query['api-version']}&$skiptoken={token}&maxresults={size}"
    return Reply(200, {"value": items, "nextLink": link})


def _after(token: str | None) -> str:
    try:
        return "" if token is None else base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise RefusedError(400, "BadParameter", "Invalid $skiptoken") from None


def _body_of(request: Request, *, with_value: bool) -> SecretBody:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RefusedError(415, "UnsupportedMediaType", "The request body must be application/json.")
    return parsed_body(request.body, with_value=with_value)


def _version(rest: list[str]) -> str | None:
    return checked_version(rest[0]) if rest else None


def _without_empty_end(path: tuple[str, ...]) -> tuple[str, ...]:
    # The SDK asks for the newest version as /secrets/NAME/ with an empty version.
    return path[:-1] if len(path) > 1 and path[-1] == "" else path
