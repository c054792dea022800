import base64
import json
import logging
import os
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError

from compiler.demo.local_key_vault import CertificateAuthority
from compiler.live.observation import is_of_store
from compiler.model.store import StoreAddress
from compiler.stores.azure_key_vault.client import SdkReply, VaultTransport
from compiler.stores.azure_key_vault.replies import Bundle
from compiler.stores.azure_key_vault.store import AzureKeyVaultStore
from compiler.stores.errors import Action, Code, DisabledError, NotFoundError, StoreError, VersionGoneError
from compiler.stores.http import HttpReply
from compiler.stores.interface import StoreOptions, StoreState
from compiler.stores.pacing import UNLIMITED, remaining_seconds
from compiler.stores.secret_value import SecretValue
from tests import providers
from tests.faulty_key_vault import Fault, FaultKind, FaultyKeyVault, VaultOptions
from tests.refusals import is_refused
from tests.unit.stores.conftest import address_of, opened_with
from tests.virtual_clock import VirtualClock

SENTINEL = "s3ntinel-Välue"


class FailingCredential:
    def get_token(self, *_scopes: str, **_options: object) -> Any:  # noqa: ANN401
        raise ClientAuthenticationError(f"AADSTS7000215: Invalid client secret {SENTINEL} AADSTS7000215 AADSTS50034")


@pytest.fixture
def cloud_names(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def to_loopback(host: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the standard library's signature
        return resolve("127.0.0.1" if str(host).endswith(".example") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", to_loopback)


def test_no_thread_has_to_work_out_the_fields_of_the_sdks_classes(
    vault: FaultyKeyVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = set[str]()
    monkeypatch.setattr("azure.keyvault.secrets._generated._utils.model_base.Model._calculated", known)
    with closing(opened_with(vault)):
        names = {name.rpartition(".")[2] for name in known}
    assert names >= {"SecretSetParameters", "SecretUpdateParameters", "SecretAttributes", "SecretBundle", "SecretItem"}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.HTML, times=None),
        Fault(FaultKind.STATUS, status=503, times=None),
        Fault(FaultKind.STATUS, status=400, times=None),
        Fault(FaultKind.FORBID, times=None),
        Fault(FaultKind.DROP_REPLY, method="PUT", times=None),
    ],
    ids=lambda fault: f"{fault.kind.name}-{fault.status}",
)
def test_no_error_leads_to_the_value_or_the_token(
    vault: FaultyKeyVault, fault: Fault, capfd: pytest.CaptureFixture[str]
) -> None:
    environ = vault.environ()
    store = AzureKeyVaultStore(address_of(vault), environ, StoreOptions(clock=VirtualClock()))
    store.whoami()
    vault.add_fault(Fault(fault.kind, method="PUT", status=fault.status, times=None))
    vault.add_fault(Fault(FaultKind.FORBID, method="GET", path="github/[0-9a-f]*$", after=1, times=None))
    with pytest.raises(StoreError) as caught:
        store.write("github", {"A": SecretValue(SENTINEL)}, None)
    seen: BaseException | None = caught.value
    texts = ["".join(traceback.format_exception(caught.value)), repr(caught.value.args), *capfd.readouterr()]
    while seen is not None:
        # The chain that a log handler would follow, whether or not it is printed.
        assert isinstance(seen, StoreError)
        seen = seen.__context__
    store.close()
    token = environ["AZURE_KEYVAULT_TOKEN"]
    assert not any(SENTINEL in text or token in text for text in texts)


@pytest.mark.parametrize(
    "odd",
    [
        {"attributes": True},
        {"attributes": {"created": 1e30}},
        {"attributes": {"exp": 1e30}},
        {"attributes": {"nbf": 1e30}},
        {"attributes": {"updated": 1e30}},
        {"tags": [7]},
    ],
    ids=str,
)
def test_a_success_of_another_shape_is_no_key_vaults(
    vault: FaultyKeyVault, store: AzureKeyVaultStore, odd: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.seed("github", SENTINEL)
    _altered(monkeypatch, lambda body: {**body, **odd})
    for ask in (lambda: store.read("github"), lambda: store.write("github", {"A": SecretValue(SENTINEL)}, None)):
        with pytest.raises(StoreError) as caught:
            ask()
        assert caught.value.__context__ is None or isinstance(caught.value.__context__, StoreError)
        assert SENTINEL not in str(caught.value)
    with pytest.raises(StoreError, check=is_refused(Code.UNEXPECTED_REPLY)):
        store.read("github")


@pytest.mark.parametrize("code", [["SecretDisabled"], {"a": 1}, 7, True])
def test_a_refusal_whose_code_is_no_word_is_no_key_vaults(
    vault: FaultyKeyVault, store: AzureKeyVaultStore, code: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.seed("github", "x")
    _altered(monkeypatch, lambda _: {"error": {"code": code, "message": SENTINEL}}, status=403)
    with pytest.raises(StoreError, check=is_refused(Code.UNEXPECTED_REPLY)):
        store.read("github")


def _altered(
    monkeypatch: pytest.MonkeyPatch, alter: Callable[[dict[str, Any]], dict[str, Any]], status: int | None = None
) -> None:
    """Let what was a success come back as `alter` makes it."""
    send = VaultTransport.send

    def altered(transport: VaultTransport, *args: Any, **kwargs: Any) -> SdkReply:  # noqa: ANN401
        reply = send(transport, *args, **kwargs)
        if reply.status_code != 200:
            return reply
        content = json.dumps(alter(reply.json())).encode()
        return SdkReply(reply.request, HttpReply(status or 200, reply.headers, content))

    monkeypatch.setattr(VaultTransport, "send", altered)


def test_32_cold_threads_ask_for_one_token_and_share_it(vault: FaultyKeyVault) -> None:
    vault.seed("github", "x")
    credential = vault.credential()
    store = AzureKeyVaultStore(address_of(vault), vault.environ(), StoreOptions(), credential=credential)
    barrier = threading.Barrier(32)

    def read(_number: int) -> str:
        barrier.wait()
        return store.read("github").version

    with ThreadPoolExecutor(32) as pool:
        assert len(set(pool.map(read, range(32)))) == 1
    store.close()
    assert credential.requests == 1
    assert sum(request.status == 401 for request in vault.requests()) == 1


def test_a_token_revoked_in_the_middle_is_replaced_by_one_new_log_in(vault: FaultyKeyVault) -> None:
    vault.seed("github", "x")
    credential = vault.credential()
    store = AzureKeyVaultStore(address_of(vault), vault.environ(), StoreOptions(), credential=credential)
    store.read("github")
    vault.issuer.revoke_all()
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(lambda _number: store.read("github").version, range(8)))) == 8
    store.close()
    assert credential.requests == 2


def test_a_log_in_that_fails_shows_entras_codes_only(vault: FaultyKeyVault) -> None:
    store = AzureKeyVaultStore(address_of(vault), vault.environ(), credential=FailingCredential())
    with pytest.raises(
        StoreError, check=is_refused(Code.UNAUTHENTICATED), match=r"\(AADSTS7000215, AADSTS50034\)"
    ) as caught:
        store.read("github")
    store.close()
    assert SENTINEL not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_what_a_log_in_logs_is_not_printed(
    vault: FaultyKeyVault, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class LoggingCredential:
        def get_token(self, *_scopes: str, **_options: object) -> Any:  # noqa: ANN401
            # As msal does with a log-in server's whole answer, where a gateway made that no JSON.
            logging.getLogger("msal.oauth2cli.oauth2").error("Token response is not in json format: %s", SENTINEL)
            raise ValueError

    # As in a process of its own, without pytest's handler.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    # Nor with what another test's store has set.
    monkeypatch.setattr(logging.getLogger("msal"), "handlers", [])
    monkeypatch.setattr(logging.getLogger("msal"), "propagate", True)
    store = AzureKeyVaultStore(address_of(vault), vault.environ(), credential=LoggingCredential())
    with pytest.raises(StoreError, check=is_refused(Code.UNAUTHENTICATED)):
        store.read("a")
    store.close()
    assert capsys.readouterr() == ("", "")


def test_a_token_of_a_stranger_is_refused(vault: FaultyKeyVault) -> None:
    with FaultyKeyVault() as other:
        store = AzureKeyVaultStore(address_of(vault), vault.environ(), credential=other.credential())
        with pytest.raises(
            StoreError, check=is_refused(Code.UNAUTHENTICATED), match="the token of LocalCredential was rejected"
        ):
            store.read("github")
        store.close()


def test_the_challenge_is_verified_unless_an_emulator_is_named(vault: FaultyKeyVault) -> None:
    environ = vault.environ() | {"AZURE_KEYVAULT_EMULATOR": "0"}
    credential = vault.credential()
    store = AzureKeyVaultStore(address_of(vault), environ, credential=credential)
    with pytest.raises(StoreError, check=is_refused(Code.UNAUTHENTICATED), match="another resource than its own host"):
        store.read("github")
    store.close()
    assert credential.requests == 0


@pytest.mark.parametrize("switch", ["0", "1"])
def test_with_a_cloud_name_the_challenge_is_verified_whatever_the_switch_says(cloud_names: None, switch: str) -> None:
    names = ("ai-platform-prod.vault.example",)
    with FaultyKeyVault(VaultOptions(server_names=names, resource="https://vault.other")) as vault:
        port = vault.port
        address = StoreAddress(providers.KEY_VAULT, f"https://{names[0]}:{port}")
        credential = vault.credential()
        store = AzureKeyVaultStore(
            address, vault.environ() | {"AZURE_KEYVAULT_EMULATOR": switch}, credential=credential
        )
        with pytest.raises(StoreError, check=is_refused(Code.UNAUTHENTICATED)):
            store.read("github")
        store.close()
        assert credential.requests == 0


def test_a_vault_of_another_domain_gets_no_token_that_was_made_for_key_vault(
    cloud_names: None, vault: FaultyKeyVault
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # All that the SDK looks at fits: the resource is of the host's own domain.
    options = VaultOptions(server_names=("prod.vault.example",), resource=f"https://vault.example:{port}", port=port)
    with FaultyKeyVault(options) as foreign:
        address = StoreAddress(providers.KEY_VAULT, f"https://prod.vault.example:{port}")
        environ = {**vault.environ(), "AZURE_KEYVAULT_CACERT": str(foreign.ca_file)}
        store = AzureKeyVaultStore(address, environ)
        with pytest.raises(
            StoreError,
            check=is_refused(Code.UNAUTHENTICATED),
            match="another resource than that of AZURE_KEYVAULT_TOKEN",
        ):
            store.read("github")
        assert len(foreign.requests()) == 1
        store.close()
        own = AzureKeyVaultStore(
            address, {**environ, "AZURE_KEYVAULT_TOKEN": foreign.environ()["AZURE_KEYVAULT_TOKEN"]}
        )
        assert own.describe("github").state is StoreState.ABSENT
        own.close()


def test_a_cloud_name_and_its_own_resource_work_with_verification_on(cloud_names: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = VaultOptions(
        server_names=("ai-platform-prod.vault.example",), resource=f"https://vault.example:{port}", port=port
    )
    with FaultyKeyVault(options) as vault:
        vault.seed("github", "x")
        address = StoreAddress(providers.KEY_VAULT, f"https://ai-platform-prod.vault.example:{port}/")
        store = AzureKeyVaultStore(
            address, {"AZURE_KEYVAULT_CACERT": str(vault.ca_file)}, credential=vault.credential()
        )
        assert store.read("github").whole is not None
        assert str(store.address.absolute).endswith(f".vault.example:{port}")
        store.close()


def test_the_address_own_authority_comes_first_and_must_be_readable(vault: FaultyKeyVault, tmp_path: Path) -> None:
    address = StoreAddress(providers.KEY_VAULT, vault.url, ca=tmp_path / "absent.pem")
    with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE), match="cannot be read") as caught:
        AzureKeyVaultStore(address, vault.environ())
    # Whoever put a key itself there would find it in the log: a name is shown where its folder is there.
    assert f"the store's ca ({tmp_path / 'absent.pem'})" in str(caught.value)
    with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE), match=r"correct the store's ca$"):
        AzureKeyVaultStore(address._replace(ca=Path("a-key-itself")), vault.environ())


def test_an_authority_may_be_a_pipe_and_no_device(vault: FaultyKeyVault) -> None:
    address = StoreAddress(providers.KEY_VAULT, vault.url, ca=Path("/dev/zero"))
    with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE), match="cannot be read: it is a device"):
        AzureKeyVaultStore(address, vault.environ())
    vault.seed("github", "x")
    reading, writing = os.pipe()
    os.write(writing, Path(vault.environ()["AZURE_KEYVAULT_CACERT"]).read_bytes())
    os.close(writing)
    store = AzureKeyVaultStore(address._replace(ca=Path(f"/dev/fd/{reading}")), vault.environ())
    assert store.read("github").version
    store.close()
    os.close(reading)


def test_a_netrc_entry_does_not_replace_the_token(
    vault: FaultyKeyVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    vault.seed("github", "x")
    store = AzureKeyVaultStore(address_of(vault), vault.environ())
    assert store.read("github").version
    store.close()


def test_a_reply_that_does_not_come_ends_at_the_timeout(vault: FaultyKeyVault) -> None:
    vault.seed("github", "x")
    vault.add_fault(Fault(FaultKind.DELAY, method="GET", seconds=2))
    store = opened_with(vault, read_timeout=1.0)
    assert store.read("github").version
    assert sum(request.authorised for request in vault.requests()) == 1
    store.close()


def test_the_sdk_sends_nothing_again_by_itself(vault: FaultyKeyVault) -> None:
    vault.seed("github", "x")
    store = opened_with(vault)
    store.read("github")
    vault.forget_requests()
    for fault in (
        Fault(FaultKind.STATUS, status=429, retry_after="not a number"),
        Fault(FaultKind.STATUS, status=503, retry_after="1"),
        Fault(FaultKind.RESET),
    ):
        vault.add_fault(fault)
        with pytest.raises(StoreError):
            store._client.get("github", None, Action.READ)
    assert len(vault.requests()) == 3
    store.close()


def test_an_api_version_can_be_named_for_an_older_emulator(vault: FaultyKeyVault) -> None:
    vault.seed("github", "x")
    store = AzureKeyVaultStore(address_of(vault), vault.environ() | {"AZURE_KEYVAULT_API_VERSION": "7.4"})
    assert store.read("github").version
    store.close()
    store.close()


@contextmanager
def proxy_to(vault: FaultyKeyVault, context: ssl.SSLContext | None) -> Iterator[tuple[int, list[bytes]]]:
    """A proxy that brings each tunnel to the vault, and the heads that it was asked with; over TLS with a context."""
    heads: list[bytes] = []

    def pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while piece := one.recv(65_536):
                other.sendall(piece)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            inner = client if context is None else context.wrap_socket(client, server_side=True)
            heads.append(inner.recv(65_536))
            inner.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with inner, socket.create_connection(("127.0.0.1", vault.port)) as outer:
                back = threading.Thread(target=pump, args=(outer, inner))
                back.start()
                pump(inner, outer)
                back.join(10)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], heads
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(10)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_vault_is_reached_through_a_tunnel_of_either_kind_of_proxy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str
) -> None:
    names = ("ai-platform-prod.vault.example",)
    with FaultyKeyVault(VaultOptions(server_names=names)) as vault:
        authority = CertificateAuthority.create(tmp_path)
        issued = authority.issue(("localhost",))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*issued)
        both = tmp_path / "both.pem"
        both.write_bytes(authority.ca_file.read_bytes() + vault.ca_file.read_bytes())
        vault.seed("github", "x")
        with proxy_to(vault, context if scheme == "https" else None) as (port, heads):
            monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://ada:pass%40word@localhost:{port}")
            # The name resolves nowhere: the proxy alone is asked for it.
            address = StoreAddress(providers.KEY_VAULT, f"https://{names[0]}:8443")
            environ = vault.environ() | {"AZURE_KEYVAULT_CACERT": str(both), "AZURE_KEYVAULT_EMULATOR": "0"}
            store = AzureKeyVaultStore(address, environ, credential=vault.credential())
            with closing(store), pytest.raises(StoreError, check=is_refused(Code.UNAUTHENTICATED)):
                store.read("github")
        assert vault.requests()
        assert heads[0].startswith(b"CONNECT ai-platform-prod.vault.example:8443 HTTP/1.")
        assert b"Proxy-Authorization: Basic " + base64.b64encode(b"ada:pass@word") in heads[0]
        assert b"t0ken" not in b"".join(heads)


def _resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def test_a_json_object_is_read_as_properties_and_as_a_whole(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    version = vault.seed("github", '{"A": "x"}', content_type="application/json", tags={"team": "platform"})
    secret = store.read("github")
    assert (secret.name, secret.version, secret.is_object) == ("github", version, True)
    assert secret.properties["A"].reveal() == "x"
    assert secret.whole is not None
    assert secret.whole.reveal() == '{"A": "x"}'
    assert secret.attributes.tags == {"team": "platform"}


@pytest.mark.parametrize("version", ["0" * 32, "not-a-version", "../other", ""])
def test_a_version_that_is_not_there_is_gone(vault: FaultyKeyVault, store: AzureKeyVaultStore, version: str) -> None:
    vault.seed("github", "x")
    with pytest.raises(VersionGoneError):
        store.read_version("github", version)


def test_a_reader_who_may_not_see_deleted_secrets_is_told_not_found(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    vault.add_fault(Fault(FaultKind.FORBID, path="^/deletedsecrets", times=None))
    with pytest.raises(NotFoundError):
        store.read("github")


def test_describe_asks_for_no_value_unless_two_versions_share_a_second() -> None:
    clock = VirtualClock(start=1_800_000_000.0)
    with FaultyKeyVault(VaultOptions(clock=clock.now)) as vault:
        store = opened_with(vault)
        vault.seed("github", "one")
        clock.sleep(5)
        newest = vault.seed("github", "two")
        assert store.describe("github").version == newest
        assert {request.path for request in vault.requests()} == {"/secrets/github/versions"}
        latest = vault.seed("github", "three")
        assert store.describe("github").version == latest
        vault.seed("github", "four", enabled=False)
        assert store.describe("github").state is StoreState.DISABLED
        store.close()


def test_a_list_that_points_back_to_a_page_of_its_own_ends(
    vault: FaultyKeyVault, store: AzureKeyVaultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.seed("github", "x")
    store.read("github")
    page = store._client.page_of_versions("github", None, Action.LIST)[0]
    monkeypatch.setattr(store._client, "page_of_versions", lambda *_: (page, f"{vault.url}/again"))
    with pytest.raises(StoreError, match="does not end", check=is_refused(Code.UNEXPECTED_REPLY)):
        store.describe("github")


def test_a_list_of_ever_new_pages_ends(store: AzureKeyVaultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = count()
    monkeypatch.setattr(store._client, "page_of_versions", lambda *_: ([], str(next(asked))))
    with pytest.raises(StoreError, match="does not end", check=is_refused(Code.UNEXPECTED_REPLY)):
        store.describe("github")
    assert next(asked) == 10_001


def test_a_list_of_slow_pages_ends_with_its_operation(
    store: AzureKeyVaultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, asked = store._retrier.clock, count()

    def page(*_: object) -> tuple[list[Bundle], str]:
        clock.sleep(1)
        remaining_seconds()
        return [], str(next(asked))

    monkeypatch.setattr(store._client, "page_of_versions", page)
    with pytest.raises(TimeoutError):
        store.describe("github")
    assert 110 < clock.now() <= 121


def test_a_page_that_fails_is_asked_again_and_not_the_whole_list(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    for number in range(60):
        newest = vault.seed("github", f"{number}")
    listing = "/secrets/github/versions"
    vault.add_fault(Fault(FaultKind.STATUS, path=f"^{listing}$", after=2))
    assert store.describe("github").version == newest
    assert sum(request.path == listing and request.authorised for request in vault.requests()) == 4


def test_whoami_names_the_caller_and_never_shows_the_token(vault: FaultyKeyVault) -> None:
    caller = {"appid": "app-1", "oid": "object-2", "tid": "tenant"}
    store = AzureKeyVaultStore(address_of(vault), vault.environ(caller=caller))
    vault.deny("list", "ForbiddenByRbac")
    identity = store.whoami()
    store.close()
    assert (identity.subject, identity.method) == ("app-1 (oid object-2)", "AZURE_KEYVAULT_TOKEN")
    assert identity.expires is not None
    assert "eyJ" not in repr(identity)


@pytest.mark.heavy
def test_reading_many_secrets_keeps_memory_flat(vault: FaultyKeyVault) -> None:
    with FaultyKeyVault(VaultOptions()) as roomy:
        roomy.seed("github", json.dumps({f"KEY_{number}": "x" * 500 for number in range(40)}))
        store = AzureKeyVaultStore(address_of(roomy), roomy.environ(), StoreOptions(quotas=UNLIMITED))

        def read(count: int) -> int:
            with ThreadPoolExecutor(8) as pool:
                for _ in pool.map(lambda _number: store.read("github").version, range(count)):
                    pass
            return _resident_pages()

        before = read(60)
        # Their texts alone would take 4 MiB.
        after = read(200)
        store.close()
        assert (after - before) * os.sysconf("SC_PAGE_SIZE") < 3 * 2**20


def test_something_that_asks_nobody_for_a_token_is_no_key_vault(
    store: AzureKeyVaultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store._client, "page_of_secrets", lambda _token: ([], None))
    with pytest.raises(StoreError, check=is_refused(Code.UNAUTHENTICATED), match="without asking for a token"):
        store.whoami()


ASKS: dict[str, Callable[[AzureKeyVaultStore, str], object]] = {
    "read": lambda store, _version: store.read("github"),
    "read_version": lambda store, version: store.read_version("github", version),
    "describe": lambda store, _version: store.describe("github"),
    "deleted": lambda store, _version: store.describe("gone"),
    "deleted, read": lambda store, _version: store.read("gone"),
}


def test_a_name_in_other_letters_is_the_same_name(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    version = vault.seed("GitHub", "x")
    assert store.read("github").version == version
    assert store.describe("github").version == version


@pytest.mark.parametrize("token", ["1.10", "7", "true", "[]", '{"A": "x"}'])
def test_a_value_that_is_no_text_is_not_taken_for_one(
    vault: FaultyKeyVault, store: AzureKeyVaultStore, token: str
) -> None:
    vault.seed("github", "x")
    vault.add_fault(Fault(FaultKind.ALTER, old='"value": "x"', value=f'"value": {token}', times=None))
    with pytest.raises(StoreError, match="not Key Vault's JSON", check=is_refused(Code.UNEXPECTED_REPLY)):
        store.read("github")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.HTML, page=404, times=None),
        Fault(FaultKind.STATUS, status=404, times=None),
        Fault(FaultKind.ALTER, old='"SecretNotFound"', value="null", times=None),
    ],
    ids=["page", "another code", "no code"],
)
@pytest.mark.parametrize(
    "ask", [*ASKS.values(), lambda store, _version: store.recover("github")], ids=[*ASKS, "recover"]
)
def test_a_404_in_other_words_than_key_vaults_does_not_make_a_secret_absent(
    vault: FaultyKeyVault, store: AzureKeyVaultStore, ask: Callable[[AzureKeyVaultStore, str], object], fault: Fault
) -> None:
    vault.add_fault(fault)
    with pytest.raises(StoreError, check=is_refused(Code.UNEXPECTED_REPLY)) as caught:
        ask(store, "0" * 32)
    assert is_of_store(caught.value)


def test_the_newest_version_stands_for_all_and_a_deleted_one_is_known(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    assert store.version_states("github") == {}
    vault.seed("github", "x")
    newest = vault.seed("github", "y")
    assert store.version_states("github") == {newest: StoreState.PRESENT}
    store.soft_delete("github", newest)
    assert store.version_states("github") == {newest: StoreState.SOFT_DELETED}
    vault.add_fault(Fault(FaultKind.FORBID, method="GET", path="^/deletedsecrets", times=None))
    assert store.version_states("github") == {}


def test_a_disabled_newest_version_does_not_stand_for_all(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    vault.seed("github", "x", enabled=False)
    with pytest.raises(DisabledError) as caught:
        store.version_states("github")
    assert caught.value.action is Action.DESCRIBE
