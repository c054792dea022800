"""A real server with raft storage and TLS: sealed in the middle, restarted, and approached the wrong way."""

import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compiler.demo.local_key_vault import CertificateAuthority
from compiler.demo.local_openbao import LocalOpenBao
from compiler.stores.errors import Code, ConflictError, StoreError
from compiler.stores.interface import SecretWriter, StoreOptions
from compiler.stores.pacing import RetryPolicy
from compiler.stores.secret_value import SecretValue
from tests.faulty_gateway import FaultyGateway
from tests.openbao_servers import RaftOpenBao
from tests.pace import allowed_wall
from tests.refusals import is_refused
from tests.virtual_clock import VirtualClock

OpenVault = Callable[..., SecretWriter]


def environ_of(server: RaftOpenBao) -> dict[str, str]:
    return {"VAULT_TOKEN": server.token, "VAULT_CACERT": str(server.ca_file)}


def test_a_private_authority_is_trusted_by_variable_or_by_address(raft: RaftOpenBao, open_vault: OpenVault) -> None:
    assert open_vault(raft.url, environ_of(raft)).whoami().subject == "root"
    given = open_vault(raft.url, {"VAULT_TOKEN": raft.token}, ca=raft.ca_file)
    assert given.whoami().subject == "root"


def test_a_seal_in_the_middle_is_waited_for_and_leaves_no_half_item(raft: RaftOpenBao, open_vault: OpenVault) -> None:
    policy = RetryPolicy(first_wait=0.05, longest_wait=0.2)
    store = open_vault(raft.url, environ_of(raft), StoreOptions(retry=policy))
    name = f"seal/{uuid.uuid4().hex}"
    store.write(name, {"A": SecretValue("1")}, None)
    raft.seal()
    opener = threading.Timer(0.4, raft.unseal)
    opener.start()
    assert store.write(name, {"A": SecretValue("2")}, store.read(name)).version == "2"
    opener.join()


def test_a_seal_without_end_is_told_and_can_be_resumed_after(raft: RaftOpenBao, open_vault: OpenVault) -> None:
    store = open_vault(raft.url, environ_of(raft))
    name = f"seal/{uuid.uuid4().hex}"
    store.write(name, {"A": SecretValue("1")}, None)
    base = store.read(name)
    raft.seal()
    try:
        with pytest.raises(StoreError, match="unseal", check=is_refused(Code.SEALED)):
            store.write(name, {"A": SecretValue("2")}, base)
        clock = VirtualClock()
        with pytest.raises(
            StoreError,
            match="the server runs, but is sealed",
            check=is_refused(Code.SEALED),
        ) as caught:
            open_vault(raft.url, environ_of(raft), StoreOptions(clock=clock)).whoami()
        # Somebody has to unseal it first: nobody waits for that at a first contact.
        assert (clock.now(), "bao operator unseal" in caught.value.remedy) == (0, True)
    finally:
        raft.unseal()
    assert store.read(name).version == "1"
    assert store.write(name, {"A": SecretValue("2")}, base).version == "2"
    with pytest.raises(ConflictError):
        store.write(name, {"A": SecretValue("2")}, base)


def test_a_server_that_nobody_has_initialised_is_told_from_a_sealed_one(open_vault: OpenVault, tmp_path: Path) -> None:
    with RaftOpenBao.start_new(tmp_path) as server:
        with pytest.raises(
            StoreError,
            match="the server is not initialised",
            check=is_refused(Code.SEALED),
        ) as caught:
            open_vault(server.url, {"VAULT_TOKEN": "hvs.any", "VAULT_CACERT": str(server.ca_file)}).whoami()
        assert "bao operator init" in caught.value.remedy


def test_data_and_versions_survive_a_restart(raft: RaftOpenBao, open_vault: OpenVault) -> None:
    store = open_vault(raft.url, environ_of(raft), StoreOptions())
    name = f"restart/{uuid.uuid4().hex}"
    store.write(name, {"A": SecretValue("1")}, None)
    raft.stop()
    raft.start()
    raft.await_sealed()
    raft.unseal()
    assert store.read(name).version == "1"


@pytest.fixture
def wrong_tls(tmp_path: Path) -> Iterator[Callable[[tuple[str, ...], bool], tuple[str, str]]]:
    """Serve TLS with a certificate that is wrong in one way; return the URL and the authority's file."""
    gateways: list[FaultyGateway] = []

    def serve(names: tuple[str, ...], expired: bool) -> tuple[str, str]:  # noqa: FBT001 - a test's own words
        authority = CertificateAuthority.create(tmp_path)
        made = authority.issue(names, expired=expired, file_stem=f"server-{len(gateways)}")
        gateway = FaultyGateway()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*made)
        gateway._server.socket = context.wrap_socket(gateway._server.socket, server_side=True)
        gateways.append(gateway)
        return gateway.url.replace("http:", "https:"), str(authority.ca_file)

    yield serve
    for gateway in gateways:
        gateway.close()


def failure_in_time(store: SecretWriter) -> str:
    started = time.monotonic()
    with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE)) as caught:
        store.read("a")
    assert time.monotonic() - started < allowed_wall(2, below=10)
    return str(caught.value)


def test_each_wrong_certificate_is_one_clear_failure_at_once(
    raft: RaftOpenBao, open_vault: OpenVault, wrong_tls: Callable[[tuple[str, ...], bool], tuple[str, str]]
) -> None:
    told = {failure_in_time(open_vault(raft.url, {"VAULT_TOKEN": "hvs.any"}))}
    for names, expired in ((("127.0.0.1",), True), (("other.example.com",), False)):
        url, ca = wrong_tls(names, expired)
        told.add(failure_in_time(open_vault(url, {"VAULT_TOKEN": "hvs.any", "VAULT_CACERT": ca})))
    for words in ("authority", "expired", "another host"):
        assert sum(words in text for text in {text.split("set VAULT_CACERT")[0] for text in told}) == 1


def test_http_to_a_tls_server_and_https_to_a_plain_one_are_told(
    raft: RaftOpenBao, openbao: LocalOpenBao, open_vault: OpenVault
) -> None:
    plain = open_vault(raft.url.replace("https:", "http:"), environ_of(raft))
    assert "https://" in failure_in_time(plain)
    tls = open_vault(openbao.url.replace("http:", "https:"), {"VAULT_TOKEN": openbao.token})
    assert "does not speak TLS" in failure_in_time(tls)


def test_a_file_of_authorities_that_is_no_such_file_is_told(open_vault: OpenVault, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    for file in ("absent.pem", "empty.pem"):
        with pytest.raises(
            StoreError,
            check=is_refused(Code.TLS_FAILURE),
            match=r"the CA certificates of VAULT_CACERT \(/.*\) cannot be read",
        ):
            open_vault("https://127.0.0.1:1", {"VAULT_TOKEN": "hvs.any", "VAULT_CACERT": str(tmp_path / file)})


def test_nothing_listening_is_unavailable(open_vault: OpenVault) -> None:
    with pytest.raises(StoreError, match="nothing listens at ", check=is_refused(Code.UNREACHABLE)):
        open_vault("https://127.0.0.1:1", {"VAULT_TOKEN": "hvs.any"}).read("a")
