import json
from typing import cast

import pytest

from compiler.model.store import StoreAddress
from compiler.stores.errors import Code, StoreError
from compiler.stores.http import HttpReply, Transport
from compiler.stores.interface import StoreOptions
from compiler.stores.vault.client import _TLS_ONLY, JsonAdapter
from compiler.stores.vault.replies import RefusedError
from compiler.stores.vault.store import VaultStore
from tests import providers
from tests.refusals import is_refused


class FakeTransport:
    def __init__(self, *replies: HttpReply) -> None:
        self.replies = list(replies)
        self.sent: list[tuple[object, ...]] = []

    def request(self, *sent: object) -> HttpReply:
        self.sent.append(sent)
        return self.replies.pop(0)


def reply(status: int, content: bytes, retry_after: str | None = None) -> HttpReply:
    return HttpReply(status, {} if retry_after is None else {"Retry-After": retry_after}, content)


def adapter(*replies: HttpReply, namespace: str | None = "team") -> tuple[JsonAdapter, FakeTransport]:
    transport = FakeTransport(*replies)
    opened = JsonAdapter(cast("Transport", transport), "/below", namespace)
    opened.token = "t0ken"
    return opened, transport


def test_path_token_and_namespace_go_with_each_request() -> None:
    opened, transport = adapter(reply(200, b'{"a": 1}'), reply(204, b""))
    assert opened.get("/v1/x", params={"version": 3}) == {"a": 1}
    assert opened.post("/v1/x", json={"b": 2}) is None
    headers = {"X-Vault-Request": "true", "X-Vault-Token": "t0ken", "X-Vault-Namespace": "team"}
    assert transport.sent == [
        ("GET", "/below/v1/x?version=3", headers, None),
        ("POST", "/below/v1/x", {**headers, "Content-Type": "application/json"}, b'{"b": 2}'),
    ]


def test_without_token_and_namespace_their_headers_are_absent() -> None:
    opened, transport = adapter(reply(200, b"{}"), namespace=None)
    opened.token = ""
    opened.get("/v1/x")
    assert transport.sent[0][2] == {"X-Vault-Request": "true"}


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
    opened, _ = adapter(reply(status, content, "5"))
    with pytest.raises(RefusedError) as caught:
        opened.get("/v1/x")
    found = caught.value
    assert (found.status, found.errors, found.metadata, found.retry_after) == (status, errors, metadata, "5")
    assert found.is_vaults is is_vaults


def test_a_log_ins_token_is_where_hvac_looks_for_it() -> None:
    opened, _ = adapter(reply(200, json.dumps({"auth": {"client_token": "new"}}).encode()))
    opened.login("/v1/auth/approle/login")
    assert opened.token == "new"


def test_the_environments_namespace_is_used_where_the_address_has_none() -> None:
    for given, environ, used in ((None, "env", "env"), ("own", "env", "own"), ("/own/", "", "own"), (None, "", None)):
        address = StoreAddress(providers.VAULT, "https://vault", mount="/kv/", vault_namespace=given)
        store = VaultStore(address, {"VAULT_NAMESPACE": environ}, StoreOptions())
        assert (store.address.vault_namespace, store.address.mount) == (used, "kv")
        store.close()


def test_a_mount_that_leaves_its_place_is_refused() -> None:
    with pytest.raises(StoreError, check=is_refused(Code.INVALID_NAME), match="mount"):
        VaultStore(StoreAddress(providers.VAULT, "https://vault", mount="a/../sys"), {}, StoreOptions())


@pytest.mark.parametrize(
    "method",
    [
        *("read", "read_version", "describe", "version_states", "dropped_by_write", "whoami"),
        *("write", "restore", "soft_delete", "recover", "delete_versions", "recover_versions"),
    ],
)
def test_all_requests_of_a_method_share_one_deadline(method: str) -> None:
    assert hasattr(getattr(VaultStore, method), "__wrapped__")
