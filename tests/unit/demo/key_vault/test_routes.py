import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from azure.keyvault.secrets import ApiVersion

from compiler.demo.key_vault_state import KeyVaultState, RefusedRequestError
from compiler.demo.local_key_vault import VaultReply, VaultRequest, answer, kind_of, read_request
from tests.faulty_key_vault import permission_of
from tests.virtual_clock import VirtualClock

BASE = "https://v.vault.azure.net"
SENTINEL = "s3ntinel-value"
NOWHERE = "0" * 32


def request_of(
    method: str, target: str, body: object = None, content_type: str | None = "application/json"
) -> VaultRequest:
    content = b"" if body is None else json.dumps(body).encode()
    declared = "" if content_type is None else f"Content-Type: {content_type}\r\n"
    head = f"{method} {target} HTTP/1.1\r\nHost: v\r\n{declared}Content-Length: {len(content)}\r\n\r\n"
    read = read_request(io.BytesIO(head.encode() + content))
    assert read is not None
    return read


@pytest.fixture
def state() -> KeyVaultState:
    return KeyVaultState(VirtualClock(start=1_000).now)


@pytest.fixture
def ask(state: KeyVaultState) -> Callable[..., tuple[int, Any]]:
    """What is answered: the status, and the body of a success or the error of a refusal."""

    def asked(method: str, path: str, body: object = None, **more: Any) -> tuple[int, Any]:  # noqa: ANN401 - as a test needs it
        target = path + ("&" if "?" in path else "?") + "api-version=7.6"
        try:
            reply: VaultReply = answer(state, request_of(method, target, body, **more), BASE)
        except RefusedRequestError as refusal:
            return refusal.status, refusal.body()["error"]
        return reply.status, reply.body

    return asked


def pages_of(state: KeyVaultState, target: str) -> list[dict[str, Any]]:
    """Every page, each asked for by the link of the one before, as the SDK does."""
    pages: list[dict[str, Any]] = []
    link: str | None = target
    while link is not None:
        body = answer(state, request_of("GET", link.removeprefix(BASE)), BASE).body
        assert isinstance(body, dict)
        pages.append(body)
        link = body["nextLink"]
    return pages


PERMISSIONS = {
    ("PUT", "/secrets/a"): ("create", "set"),
    ("PATCH", "/secrets/a/v"): ("other", "update"),
    ("GET", "/secrets/a"): ("other", "get"),
    ("GET", "/secrets/a/"): ("other", "get"),
    ("GET", "/secrets/a/v"): ("other", "get"),
    ("GET", "/secrets"): ("other", "list"),
    ("GET", "/secrets/"): ("other", "list"),
    ("GET", "/secrets/a/versions"): ("other", "list"),
    ("GET", "/secrets/a/versions/"): ("other", "list"),
    ("DELETE", "/secrets/a"): ("other", "delete"),
    ("GET", "/deletedsecrets"): ("other", "list"),
    ("GET", "/deletedsecrets/a"): ("other", "get"),
    ("DELETE", "/deletedsecrets/a"): ("other", "purge"),
    ("DELETE", "/deletedsecrets/a/"): ("other", "purge"),
    ("POST", "/deletedsecrets/a/recover"): ("other", "recover"),
    ("POST", "/deletedsecrets/a/recover/"): ("other", "recover"),
}


def test_each_request_has_its_throttle_and_its_permission() -> None:
    requests = {each: request_of(*each) for each in PERMISSIONS}
    assert {each: (kind_of(request), permission_of(request)) for each, request in requests.items()} == PERMISSIONS


def test_every_version_that_the_sdk_speaks_is_served(state: KeyVaultState) -> None:
    requests = {version: request_of("GET", f"/secrets?api-version={version.value}") for version in ApiVersion}
    assert [version for version, request in requests.items() if answer(state, request, BASE).status != 200] == []


@pytest.mark.parametrize("query", ["", "?api-version=", "?api-version=7.06", "?api-version=8.0", "?version=7.6"])
def test_a_request_without_a_version_of_the_api_is_refused_whatever_it_asks(state: KeyVaultState, query: str) -> None:
    for request in (request_of("GET", f"/secrets{query}"), request_of("PUT", f"/secrets/a{query}", {"value": "x"})):
        with pytest.raises(RefusedRequestError) as caught:
            answer(state, request, BASE)
        assert (caught.value.status, caught.value.code) == (400, "BadParameter")
    assert state.keys_in("active") == []


def test_a_secret_lives_is_deleted_softly_recovered_and_purged(ask: Callable[..., tuple[int, Any]]) -> None:
    status, first = ask("PUT", "/secrets/Github", {"value": "1", "tags": {"a": "b"}, "contentType": "t"})
    assert (status, first["value"], first["tags"]) == (200, "1", {"a": "b"})
    _, second = ask("PUT", "/secrets/github", {"value": "2"})
    for path in ("/secrets/github", "/secrets/github/", "/secrets/GITHUB"):
        assert ask("GET", path) == (200, second)
    old = first["id"].removeprefix(BASE)
    assert ask("GET", old)[1]["value"] == "1"
    assert ask("DELETE", "/secrets/github")[0] == 200
    assert ask("GET", "/secrets/github")[1]["code"] == "SecretNotFound"
    assert ask("PUT", "/secrets/github", {"value": "3"}) == (
        409,
        {
            "code": "Conflict",
            "message": (
                "Secret Github is currently in a deleted but recoverable state, and its name cannot be reused; "
                "in this state, the secret can only be recovered or purged."
            ),
            "innererror": {"code": "ObjectIsDeletedButRecoverable"},
        },
    )
    status, deleted = ask("GET", "/deletedsecrets/github")
    assert (status, deleted["recoveryId"]) == (200, f"{BASE}/deletedsecrets/Github")
    assert ask("POST", "/deletedsecrets/github/recover")[0] == 200
    assert ask("GET", old)[1]["value"] == "1"
    assert ask("DELETE", "/secrets/github")[0] == 200
    assert ask("DELETE", "/deletedsecrets/github") == (204, None)
    assert ask("GET", "/deletedsecrets/github")[0] == 404
    assert ask("PUT", "/secrets/github", {"value": "4"})[0] == 200


def test_an_update_reaches_the_version_it_names_or_else_the_newest(
    ask: Callable[..., tuple[int, Any]], state: KeyVaultState
) -> None:
    _, first = ask("PUT", "/secrets/a", {"value": "1"})
    ask("PUT", "/secrets/a", {"value": "2"})
    assert ask("PATCH", first["id"].removeprefix(BASE), {"contentType": "first"})[0] == 200
    status, shown = ask("PATCH", "/secrets/a/", {"contentType": "newest", "attributes": {"enabled": False}})
    assert (status, shown["contentType"]) == (200, "newest")
    assert "value" not in shown
    stored = state.stored("a")
    assert stored is not None
    assert [(each.content_type, each.enabled, each.value) for each in stored.versions] == [
        ("first", True, "1"),
        ("newest", False, "2"),
    ]
    assert ask("GET", "/secrets/a")[1]["innererror"] == {"code": "SecretDisabled"}


@pytest.mark.parametrize("count", [0, 1, 24, 25, 26, 50, 60])
def test_a_list_comes_in_pages_of_25_with_a_link_to_the_next_and_none_on_the_last(
    ask: Callable[..., tuple[int, Any]], state: KeyVaultState, count: int
) -> None:
    for number in range(count):
        ask("PUT", f"/secrets/n{number:02}", {"value": SENTINEL})
    pages = pages_of(state, "/secrets?api-version=7.4")
    assert [len(page["value"]) for page in pages[:-1]] == [25] * (len(pages) - 1)
    assert len(pages) == max(1, -(-count // 25))
    names = [item["id"].rpartition("/")[2] for page in pages for item in page["value"]]
    assert names == [f"n{number:02}" for number in range(count)]
    assert SENTINEL not in json.dumps(pages)
    assert all("api-version=7.4" in page["nextLink"] for page in pages[:-1])
    assert all(page["nextLink"].startswith(f"{BASE}/secrets?") for page in pages[:-1])


def test_a_smaller_page_stays_small_on_every_link(ask: Callable[..., tuple[int, Any]], state: KeyVaultState) -> None:
    for number in range(5):
        ask("PUT", f"/secrets/n{number}", {"value": "x"})
        ask("PUT", "/secrets/many", {"value": "x"})
        ask("DELETE", f"/secrets/n{number}")
    for path in ("/secrets/many/versions", "/secrets/many/versions/", "/deletedsecrets"):
        pages = pages_of(state, f"{path}?api-version=7.6&maxresults=2")
        assert [len(page["value"]) for page in pages] == [2, 2, 1]
        assert len({item["id"] for page in pages for item in page["value"]}) == 5


def test_a_page_goes_on_after_the_name_it_ended_with_although_that_is_gone(
    ask: Callable[..., tuple[int, Any]],
) -> None:
    for name in "abcd":
        ask("PUT", f"/secrets/{name}", {"value": "x"})
    _, page = ask("GET", "/secrets?maxresults=2")
    ask("DELETE", "/secrets/b")
    ask("PUT", "/secrets/bb", {"value": "x"})
    _, rest = ask("GET", page["nextLink"].removeprefix(BASE).replace("api-version=7.6&", "").replace("=2", "=9"))
    assert [item["id"].rpartition("/")[2] for item in rest["value"]] == ["bb", "c", "d"]


@pytest.mark.parametrize("token", ["!", "a", "====", "%C3%A9", "_w", "%2Fw%3D%3D", "gA=="])
def test_a_forged_page_token_is_refused(ask: Callable[..., tuple[int, Any]], token: str) -> None:
    status, error = ask("GET", f"/secrets?$skiptoken={token}")
    assert (status, error["code"]) == (400, "BadParameter")


OF_A_SECRET = (
    ("PUT", "/secrets/{}"),
    ("PATCH", "/secrets/{}"),
    ("GET", "/secrets/{}"),
    ("GET", "/secrets/{}/versions"),
    ("DELETE", "/secrets/{}"),
    ("GET", "/deletedsecrets/{}"),
    ("DELETE", "/deletedsecrets/{}"),
    ("POST", "/deletedsecrets/{}/recover"),
)


def test_no_route_takes_a_name_that_no_secret_can_have(
    ask: Callable[..., tuple[int, Any]], state: KeyVaultState
) -> None:
    taken = []
    for method, path in OF_A_SECRET:
        body = {"PUT": {"value": SENTINEL}, "PATCH": {}}.get(method)
        for name in ("a_b", "a.b", "a" * 128, "%2e%2e", "a%00", "a%0A", "%C3%A9", "a%2Fb"):
            status, error = ask(method, path.format(name), body)
            if (status, error["code"]) != (400, "BadParameter"):
                taken.append((method, path, name))
    assert taken == []
    assert state.keys_in("active") == []


# tests/unit/demo/key_vault/test_rules.py has all limits.
def test_what_is_beyond_a_limit_is_neither_stored_nor_shown(
    ask: Callable[..., tuple[int, Any]], state: KeyVaultState
) -> None:
    for body in ({}, {"value": "x" * 25_601}, {"value": SENTINEL, "tags": dict.fromkeys("abcdefghijklmnop", "v")}):
        status, shown = ask("PUT", "/secrets/a", body)
        assert status == 400
        assert SENTINEL not in json.dumps(shown)
        assert state.keys_in("active") == []
    assert ask("PUT", "/secrets/a", {"value": "€" * 8_533 + "x"})[0] == 200
    assert state.keys_in("active") == ["a"]


@pytest.mark.parametrize(
    ("declared", "status"),
    [("application/json", 200), ("application/json; charset=utf-8", 200), ("text/plain", 415), (None, 415)],
)
def test_a_body_must_be_declared_as_json(
    ask: Callable[..., tuple[int, Any]], state: KeyVaultState, declared: str | None, status: int
) -> None:
    assert ask("PUT", "/secrets/a", {"value": "x"}, content_type=declared)[0] == status
    assert len(state.keys_in("active")) == (status == 200)


REFUSED = {
    ("GET", "/"): 404,
    ("GET", "/keys"): 404,
    ("GET", "/secrets/a/b/c"): 404,
    ("GET", "/secrets/a/xyz"): 400,
    ("GET", f"/secrets/a/{NOWHERE}"): 404,
    ("GET", "/secrets//"): 400,
    ("PATCH", f"/secrets/a/{NOWHERE}"): 404,
    ("PATCH", f"/secrets/a/{NOWHERE}/b"): 405,
    ("POST", "/secrets/a"): 405,
    ("POST", "/secrets/a/backup"): 405,
    ("PUT", "/secrets"): 405,
    ("PUT", f"/secrets/a/{NOWHERE}"): 405,
    ("DELETE", f"/secrets/a/{NOWHERE}"): 405,
    ("HEAD", "/secrets"): 405,
    ("DELETE", "/secrets/absent"): 404,
    ("DELETE", "/deletedsecrets/a"): 404,
    ("POST", "/deletedsecrets/a/recover"): 404,
    ("GET", "/secrets/absent/versions"): 404,
}


def test_what_is_not_there_or_not_offered_is_said_in_an_error_s_form(ask: Callable[..., tuple[int, Any]]) -> None:
    ask("PUT", "/secrets/a", {"value": SENTINEL})
    answers = {each: ask(*each, {}) for each in REFUSED}
    assert {each: status for each, (status, _) in answers.items()} == REFUSED
    assert [each for each, (_, error) in answers.items() if set(error) != {"code", "message"}] == []
    assert ask("GET", "/secrets/a")[1]["value"] == SENTINEL
