import json
from collections.abc import Mapping
from typing import Any

import pytest

from compiler.model.store import Provider, StoreAddress
from compiler.stores.errors import InvalidNameError
from compiler.stores.interface import StoreOptions
from compiler.stores.vault.replies import RefusedError
from compiler.stores.vault.session import HttpReply
from compiler.stores.vault.store import _TLS_ONLY, VaultStore, _JsonAdapter


class FakeSession:
    verify = True
    cert = None
    proxies = None

    def __init__(self, *replies: HttpReply) -> None:
        self.replies = list(replies)
        self.sent: list[tuple[str, str, Mapping[str, str], dict[str, Any]]] = []

    def request(self, method: str, path: str, headers: Mapping[str, str], **given: Any) -> HttpReply:  # noqa: ANN401 - requests' signature
        self.sent.append((method, path, headers, given))
        return self.replies.pop(0)


def adapter(*replies: HttpReply) -> tuple[_JsonAdapter, FakeSession]:
    session = FakeSession(*replies)
    return _JsonAdapter("https://vault", token="t0ken", namespace="team", session=session, timeout=(1, 2)), session


def test_token_namespace_and_timeouts_go_with_each_request() -> None:
    opened, session = adapter(HttpReply(200, b'{"a": 1}', None), HttpReply(204, b"", None))
    assert opened.get("/v1/x", params={"version": 3}) == {"a": 1}
    assert opened.post("/v1/x", json={"b": 2}) is None
    headers = {"X-Vault-Request": "true", "X-Vault-Token": "t0ken", "X-Vault-Namespace": "team"}
    assert session.sent == [
        ("get", "/v1/x", headers, {"params": {"version": 3}, "timeout": (1, 2)}),
        ("post", "/v1/x", headers, {"json": {"b": 2}, "timeout": (1, 2)}),
    ]


def test_without_token_and_namespace_their_headers_are_absent() -> None:
    opened, session = adapter(HttpReply(200, b"{}", None))
    opened.token, opened.namespace = "", None
    opened.get("/v1/x")
    assert session.sent[0][2] == {"X-Vault-Request": "true"}


@pytest.mark.parametrize(
    ("status", "content", "errors", "metadata", "is_vaults"),
    [
        (400, b'{"errors": ["bad", 7]}', ("bad", "7"), {}, True),
        (404, b'{"errors": []}', (), {}, True),
        (404, b'{"data": {"metadata": {"version": 2}}}', (), {"version": 2}, True),
        (404, b'{"data": {"metadata": {}}}', (), {}, False),
        (404, b'{"data": {"metadata": {"version": "<html>"}}}', (), {}, False),
        (404, b'{"data": {"metadata": 1}, "errors": "odd"}', (), {}, False),
        (404, b'{"data": 1}', (), {}, False),
        (404, b"{}", (), {}, False),
        (404, b"", (), {}, False),
        (404, b"<html>no such page</html>", (), {}, False),
        (400, _TLS_ONLY + b"\n", (_TLS_ONLY.decode(),), {}, False),
        (400, b"plain \xff text", (), {}, False),
        (503, b"<html>Vault is sealed</html>", (), {}, False),
        (200, b"<html>", (), {}, False),
        (200, b"[" * 100_000, (), {}, False),
        (301, b'{"a": 1}', (), {}, False),
    ],
)
def test_every_other_reply_is_a_refusal_with_its_safe_parts(
    status: int, content: bytes, errors: tuple[str, ...], metadata: dict[str, object], *, is_vaults: bool
) -> None:
    opened, _ = adapter(HttpReply(status, content, "5"))
    with pytest.raises(RefusedError) as caught:
        opened.get("/v1/x")
    reply = caught.value.reply
    assert (reply.status, reply.errors, reply.metadata, reply.retry_after) == (status, errors, metadata, "5")
    assert reply.is_vaults is is_vaults


def test_a_log_ins_token_is_where_hvac_looks_for_it() -> None:
    reply = json.dumps({"auth": {"client_token": "new"}}).encode()
    opened, _ = adapter(HttpReply(200, reply, None))
    opened.login("/v1/auth/approle/login")
    assert opened.token == "new"


def test_the_environments_namespace_is_used_where_the_address_has_none() -> None:
    for given, environ, used in ((None, "env", "env"), ("own", "env", "own"), ("/own/", "", "own"), (None, "", None)):
        address = StoreAddress(Provider.VAULT, "https://vault", mount="/kv/", vault_namespace=given)
        store = VaultStore(address, {"VAULT_NAMESPACE": environ}, StoreOptions())
        assert (store.address.vault_namespace, store.address.mount) == (used, "kv")
        store.close()


def test_a_mount_that_leaves_its_place_is_refused() -> None:
    with pytest.raises(InvalidNameError, match="mount"):
        VaultStore(StoreAddress(Provider.VAULT, "https://vault", mount="a/../sys"), {}, StoreOptions())


@pytest.mark.parametrize(
    "method",
    [
        *("read", "read_version", "describe", "version_states", "dropped_by_write", "whoami"),
        *("write", "restore", "soft_delete", "recover", "delete_versions", "recover_versions"),
    ],
)
def test_all_requests_of_a_method_share_one_deadline(method: str) -> None:
    assert hasattr(getattr(VaultStore, method), "__wrapped__")
