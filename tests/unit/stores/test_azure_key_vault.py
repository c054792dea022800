import json
import os
import socket
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError

from compiler.demo.key_vault_faults import Fault, FaultKind
from compiler.demo.local_key_vault import LocalKeyVault, VaultOptions
from compiler.model.store_address import Provider, StoreAddress
from compiler.stores.azure_key_vault import AzureKeyVaultStore
from compiler.stores.clock import VirtualClock
from compiler.stores.errors import (
    Action,
    BusyError,
    ConflictError,
    DisabledError,
    ForbiddenError,
    InvalidValueError,
    MalformedDocumentError,
    NotFoundError,
    OutcomeUnknownError,
    StoreError,
    TlsFailureError,
    UnauthenticatedError,
    UnavailableError,
    UnexpectedReplyError,
    VersionGoneError,
)
from compiler.stores.interface import Attributes, State
from compiler.stores.limiter import UNLIMITED
from compiler.stores.options import StoreOptions
from compiler.stores.secret import Secret

SENTINEL = "s3ntinel-Välue"


@pytest.fixture
def vault() -> Iterator[LocalKeyVault]:
    with LocalKeyVault() as running:
        yield running


@pytest.fixture
def store(vault: LocalKeyVault) -> Iterator[AzureKeyVaultStore]:
    opened = AzureKeyVaultStore(address_of(vault), vault.environ(), StoreOptions(clock=VirtualClock()))
    yield opened
    opened.close()


def address_of(vault: LocalKeyVault, prefix: str = "") -> StoreAddress:
    return StoreAddress(Provider.AZURE_KEY_VAULT, vault.url, prefix=prefix)


def test_a_json_object_is_read_as_properties_and_as_a_whole(vault: LocalKeyVault, store: AzureKeyVaultStore) -> None:
    version = vault.seed("github", '{"A": "x"}', content_type="application/json", tags={"team": "platform"})
    secret = store.read("github")
    assert (secret.name, secret.version, secret.is_object) == ("github", version, True)
    assert secret.properties["A"].reveal() == "x"
    assert secret.whole is not None
    assert secret.whole.reveal() == '{"A": "x"}'
    assert secret.attributes.tags == {"team": "platform"}


@pytest.mark.parametrize("text", ["plain", "[1]", '"x"', '{"a": 1, "a": 2}', "{", '{"a": NaN}'])
def test_a_value_that_is_no_clear_object_has_no_properties_and_takes_none(
    vault: LocalKeyVault, store: AzureKeyVaultStore, text: str
) -> None:
    vault.seed("github", text)
    base = store.read("github")
    assert (base.is_object, dict(base.properties)) == (False, {})
    with pytest.raises(MalformedDocumentError, match="no JSON object"):
        store.write("github", {"A": Secret("x")}, base)
    assert vault.value("github") == text


def test_a_new_object_gets_the_content_type_of_json(vault: LocalKeyVault, store: AzureKeyVaultStore) -> None:
    store.write("github", {"A": Secret("x"), "B": Secret("ü")}, None, Attributes(tags={"team": "platform"}))
    (version,) = vault.versions("github")
    assert (version.value, version.content_type) == ('{"A": "x", "B": "ü"}', "application/json")
    assert version.tags == {"team": "platform"}


def test_tags_content_type_and_attributes_are_sent_again_with_each_version(
    vault: LocalKeyVault, store: AzureKeyVaultStore
) -> None:
    tags = {f"tag-{number}": str(number) for number in range(15)}
    vault.seed("github", '{"A": "x"}', content_type="text/own", tags=tags, expires=4_000_000_000, not_before=1_000)
    store.write("github", {"A": Secret("y")}, store.read("github"))
    old, new = vault.versions("github")
    assert (new.content_type, new.tags, new.expires, new.not_before, new.enabled) == (
        old.content_type,
        old.tags,
        old.expires,
        old.not_before,
        old.enabled,
    )


def test_given_attributes_replace_those_of_the_version_before(vault: LocalKeyVault, store: AzureKeyVaultStore) -> None:
    vault.seed("github", "x", tags={"old": "1"}, expires=4_000_000_000)
    end = datetime(2100, 1, 1, tzinfo=UTC)
    store.write_whole("github", Secret("y"), store.read("github"), Attributes(tags={"new": "2"}, expires=end))
    newest = vault.versions("github")[-1]
    assert (newest.value, newest.tags, newest.expires) == ("y", {"new": "2"}, int(end.timestamp()))


def test_restore_makes_an_earlier_version_the_newest_with_its_bytes_and_attributes(
    vault: LocalKeyVault, store: AzureKeyVaultStore
) -> None:
    first = vault.seed("github", '{"A":"x"}  ', content_type="application/json", tags={"a": "b"})
    vault.seed("github", '{"A":"y"}')
    written = store.restore(store.read_version("github", first), store.read("github"))
    newest = vault.versions("github")[-1]
    assert (newest.id, newest.value, newest.tags) == (written.version, '{"A":"x"}  ', {"a": "b"})


@pytest.mark.parametrize("value", ["", "  ", "\0", "a\ud800b"])
def test_a_value_that_no_store_may_hold_is_refused_before_anything_is_sent(
    vault: LocalKeyVault, store: AzureKeyVaultStore, value: str
) -> None:
    assert "invalid-value" in {problem.code for problem in store.check("github", {"A": Secret(value)}, None)}
    with pytest.raises(InvalidValueError, match='of "A"'):
        store.write("github", {"A": Secret(value)}, None)
    assert vault.requests() == []


def test_an_expiry_before_the_start_is_refused(store: AzureKeyVaultStore) -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    attributes = Attributes(expires=now, not_before=now + timedelta(seconds=1))
    (problem,) = store.check("github", {"A": Secret("x")}, None, attributes)
    assert problem.code == "invalid-value"


@pytest.mark.parametrize("version", ["0" * 32, "not-a-version", "../other", ""])
def test_a_version_that_is_not_there_is_gone(vault: LocalKeyVault, store: AzureKeyVaultStore, version: str) -> None:
    vault.seed("github", "x")
    with pytest.raises(VersionGoneError):
        store.read_version("github", version)


def test_absent_is_a_state_for_describe_and_an_error_for_read(store: AzureKeyVaultStore) -> None:
    assert store.describe("github").state is State.ABSENT
    with pytest.raises(NotFoundError):
        store.read("github")


def test_a_reader_who_may_not_see_deleted_secrets_is_told_not_found(
    vault: LocalKeyVault, store: AzureKeyVaultStore
) -> None:
    vault.add_fault(Fault(FaultKind.FORBID, path="^/deletedsecrets", times=None))
    with pytest.raises(NotFoundError):
        store.read("github")


def test_describe_asks_for_no_value_unless_two_versions_share_a_second() -> None:
    clock = VirtualClock(start=1_800_000_000.0)
    with LocalKeyVault(VaultOptions(clock=clock.now)) as vault:
        store = opened_with(vault)
        vault.seed("github", "one")
        clock.sleep(5)
        newest = vault.seed("github", "two")
        assert store.describe("github").version == newest
        assert {request.path for request in vault.requests()} == {"/secrets/github/versions"}
        latest = vault.seed("github", "three")
        assert store.describe("github").version == latest
        vault.seed("github", "four", enabled=False)
        assert store.describe("github").state is State.DISABLED
        store.close()


def opened_with(vault: LocalKeyVault, read_timeout: float = 30.0) -> AzureKeyVaultStore:
    return AzureKeyVaultStore(
        address_of(vault),
        vault.environ(),
        StoreOptions(clock=VirtualClock(), read_timeout=read_timeout),
        credential=vault.credential(lifetime=1e9),
    )


def test_names_go_through_all_pages_and_stop_at_the_prefix(vault: LocalKeyVault) -> None:
    for number in range(60):
        vault.seed(f"{'prod' if number % 2 else 'dev'}-{number}", "x")
    store = AzureKeyVaultStore(address_of(vault, prefix="PROD-"), vault.environ())
    names = [state.name for state in store.names()]
    assert len(names) == 30
    assert all(name.startswith("prod-") for name in names)
    assert sum(request.path == "/secrets" and request.authorised for request in vault.requests()) == 3
    store.close()


def test_a_page_that_fails_is_asked_again_and_not_the_whole_list(
    vault: LocalKeyVault, store: AzureKeyVaultStore
) -> None:
    for number in range(60):
        vault.seed(f"name-{number}", "x")
    vault.add_fault(Fault(FaultKind.STATUS, path="^/secrets$", after=2))
    assert len({state.name for state in store.names()}) == 60
    assert sum(request.path == "/secrets" and request.authorised for request in vault.requests()) == 4


def test_more_versions_than_a_page_holds_are_all_seen(vault: LocalKeyVault, store: AzureKeyVaultStore) -> None:
    for number in range(60):
        vault.seed("github", f'{{"A": "{number}"}}')
    written = store.write("github", {"A": Secret("new")}, store.read("github"))
    assert (written.slipped, vault.versions("github")[-1].id) == ((), written.version)


def test_soft_delete_only_while_the_version_is_the_newest(vault: LocalKeyVault, store: AzureKeyVaultStore) -> None:
    old = vault.seed("github", "x")
    new = vault.seed("github", "y")
    with pytest.raises(ConflictError):
        store.soft_delete("github", old)
    vault.add_fault(Fault(FaultKind.DROP_REPLY, method="DELETE"))
    store.soft_delete("github", new)
    assert store.describe("github").state is State.SOFT_DELETED
    assert not any(request.path.startswith("/deletedsecrets") and request.writes for request in vault.requests())


def test_soft_delete_refuses_a_vault_where_a_delete_destroys(
    vault: LocalKeyVault, store: AzureKeyVaultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compiler.demo.key_vault_records.RECOVERY_LEVEL", "Purgeable")
    version = vault.seed("github", "x")
    with pytest.raises(ForbiddenError, match="soft delete is off"):
        store.soft_delete("github", version)
    assert vault.value("github") == "x"


def test_recover_of_what_is_not_deleted_returns_its_state_or_says_that_nothing_is_there(
    vault: LocalKeyVault, store: AzureKeyVaultStore
) -> None:
    vault.seed("github", "x")
    assert store.recover("github").state is State.PRESENT
    with pytest.raises(NotFoundError):
        store.recover("absent")


def test_a_name_that_stays_busy_ends_with_busy(vault: LocalKeyVault, store: AzureKeyVaultStore) -> None:
    vault.seed_deleted("github", "x")
    with vault.server.lock:
        secret = vault.server.state.stored("github")
        assert secret is not None
        secret.phase, secret.phase_ends = "recovering", 1e12
    with pytest.raises(BusyError, match="still being deleted or recovered"):
        store.write("github", {"A": Secret("x")}, None)


def test_a_lost_reply_that_reading_cannot_settle_is_an_unknown_outcome(
    vault: LocalKeyVault, store: AzureKeyVaultStore
) -> None:
    store.write("warm-up", {"A": Secret("x")}, None)
    vault.add_fault(Fault(FaultKind.DROP_REPLY, method="PUT"))
    vault.add_fault(Fault(FaultKind.FORBID, method="GET", path="github", after=1, times=None))
    with pytest.raises(OutcomeUnknownError, match="reply to the write was lost"):
        store.write("github", {"A": Secret("x")}, None)
    assert len(vault.versions("github")) == 1


def test_a_lost_reply_after_which_another_writer_stands_there_is_a_conflict(
    vault: LocalKeyVault, store: AzureKeyVaultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    base_version = vault.seed("github", '{"A": "x"}')
    base = store.read("github")

    def other_writes(name: str, _value: Secret, _attributes: Attributes) -> object:
        vault.seed(name, '{"A": "of another"}')
        raise UnavailableError(store._place(name), Action.WRITE, "lost", "again")

    monkeypatch.setattr(store._client, "set", other_writes)
    with pytest.raises(ConflictError) as caught:
        store.write("github", {"A": Secret("ours")}, base)
    assert caught.value.expected == base_version
    assert vault.value("github") == '{"A": "of another"}'


def test_an_echo_of_other_bytes_is_an_unexpected_reply(
    store: AzureKeyVaultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = store._client.set
    monkeypatch.setattr(store._client, "set", lambda name, _value, attributes: send(name, Secret("{}"), attributes))
    with pytest.raises(UnexpectedReplyError, match="another value than the one it was sent"):
        store.write("github", {"A": Secret("x")}, None)


def test_who_may_not_list_is_told_before_the_first_write(vault: LocalKeyVault, store: AzureKeyVaultStore) -> None:
    vault.deny("list", "ForbiddenByRbac")
    with pytest.raises(ForbiddenError, match="secrets/list"):
        store.write("github", {"A": Secret("x")}, None)
    assert vault.versions("github") == []


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
    vault: LocalKeyVault, fault: Fault, capfd: pytest.CaptureFixture[str]
) -> None:
    environ = vault.environ()
    store = AzureKeyVaultStore(address_of(vault), environ, StoreOptions(clock=VirtualClock()))
    store.whoami()
    vault.add_fault(Fault(fault.kind, method="PUT", status=fault.status, times=None))
    vault.add_fault(Fault(FaultKind.FORBID, method="GET", path="github/[0-9a-f]*$", after=1, times=None))
    with pytest.raises(StoreError) as caught:
        store.write("github", {"A": Secret(SENTINEL)}, None)
    seen: BaseException | None = caught.value
    texts = ["".join(traceback.format_exception(caught.value)), repr(caught.value.args), *capfd.readouterr()]
    while seen is not None:
        # The chain that a log handler would follow, whether or not it is printed.
        assert isinstance(seen, StoreError)
        seen = seen.__context__
    store.close()
    token = environ["AZURE_KEYVAULT_TOKEN"]
    assert not any(SENTINEL in text or token in text for text in texts)


def test_32_cold_threads_ask_for_one_token_and_share_it(vault: LocalKeyVault) -> None:
    vault.seed("github", "x")
    credential = vault.credential()
    store = AzureKeyVaultStore(address_of(vault), vault.environ(), StoreOptions(workers=32), credential=credential)
    barrier = threading.Barrier(32)

    def read(_number: int) -> str:
        barrier.wait()
        return store.read("github").version

    with ThreadPoolExecutor(32) as pool:
        assert len(set(pool.map(read, range(32)))) == 1
    store.close()
    assert credential.requests == 1
    assert sum(request.status == 401 for request in vault.requests()) == 1


def test_a_token_revoked_in_the_middle_is_replaced_by_one_new_log_in(vault: LocalKeyVault) -> None:
    vault.seed("github", "x")
    credential = vault.credential()
    store = AzureKeyVaultStore(address_of(vault), vault.environ(), StoreOptions(workers=8), credential=credential)
    store.read("github")
    vault.issuer.revoke_all()
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(lambda _number: store.read("github").version, range(8)))) == 8
    store.close()
    assert credential.requests == 2


def test_a_token_that_nears_its_end_is_renewed_once_for_all_threads(vault: LocalKeyVault) -> None:
    vault.seed("github", "x")
    credential = vault.credential(lifetime=200)
    store = AzureKeyVaultStore(address_of(vault), vault.environ(), credential=credential)
    store.read("github")
    store.read("github")
    store.close()
    assert credential.requests == 2


def test_whoami_names_the_caller_and_never_shows_the_token(vault: LocalKeyVault) -> None:
    caller = {"appid": "app-1", "oid": "object-2", "tid": "tenant"}
    store = AzureKeyVaultStore(address_of(vault), vault.environ(caller=caller))
    vault.deny("list", "ForbiddenByRbac")
    identity = store.whoami()
    store.close()
    assert (identity.subject, identity.method) == ("app-1 (oid object-2)", "AZURE_KEYVAULT_TOKEN")
    assert identity.expires is not None
    assert "eyJ" not in repr(identity)


class FailingCredential:
    def get_token(self, *_scopes: str, **_options: object) -> Any:  # noqa: ANN401
        raise ClientAuthenticationError(f"AADSTS7000215: Invalid client secret {SENTINEL} AADSTS7000215 AADSTS50034")


def test_a_log_in_that_fails_shows_entras_codes_only(vault: LocalKeyVault) -> None:
    store = AzureKeyVaultStore(address_of(vault), vault.environ(), credential=FailingCredential())
    with pytest.raises(UnauthenticatedError, match=r"\(AADSTS7000215, AADSTS50034\)") as caught:
        store.read("github")
    store.close()
    assert SENTINEL not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_a_token_of_a_stranger_is_refused(vault: LocalKeyVault) -> None:
    with LocalKeyVault() as other:
        store = AzureKeyVaultStore(address_of(vault), vault.environ(), credential=other.credential())
        with pytest.raises(UnauthenticatedError, match="the token was refused"):
            store.read("github")
        store.close()


def test_the_challenge_is_verified_unless_an_emulator_is_named(vault: LocalKeyVault) -> None:
    environ = vault.environ() | {"AZURE_KEYVAULT_EMULATOR": "0"}
    credential = vault.credential()
    store = AzureKeyVaultStore(address_of(vault), environ, credential=credential)
    with pytest.raises(UnauthenticatedError, match="another resource than its own host"):
        store.read("github")
    store.close()
    assert credential.requests == 0


@pytest.fixture
def cloud_names(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def to_loopback(host: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the standard library's signature
        return resolve("127.0.0.1" if str(host).endswith(".example") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", to_loopback)


@pytest.mark.parametrize("switch", ["0", "1"])
def test_with_a_cloud_name_the_challenge_is_verified_whatever_the_switch_says(cloud_names: None, switch: str) -> None:
    names = ("ai-platform-prod.vault.example",)
    with LocalKeyVault(VaultOptions(server_names=names, resource="https://vault.other")) as vault:
        port = vault.server.port
        address = StoreAddress(Provider.AZURE_KEY_VAULT, f"https://{names[0]}:{port}")
        credential = vault.credential()
        store = AzureKeyVaultStore(
            address, vault.environ() | {"AZURE_KEYVAULT_EMULATOR": switch}, credential=credential
        )
        with pytest.raises(UnauthenticatedError):
            store.read("github")
        store.close()
        assert credential.requests == 0


def test_a_cloud_name_and_its_own_resource_work_with_verification_on(cloud_names: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = VaultOptions(
        server_names=("ai-platform-prod.vault.example",), resource=f"https://vault.example:{port}", port=port
    )
    with LocalKeyVault(options) as vault:
        vault.seed("github", "x")
        address = StoreAddress(Provider.AZURE_KEY_VAULT, f"https://ai-platform-prod.vault.example:{port}/")
        store = AzureKeyVaultStore(
            address, {"AZURE_KEYVAULT_CACERT": str(vault.ca_file)}, credential=vault.credential()
        )
        assert store.read("github").whole is not None
        assert str(store.address.absolute).endswith(f".vault.example:{port}")
        store.close()


@pytest.mark.parametrize("variable", ["AZURE_KEYVAULT_CACERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_private_authority_is_named_by_any_of_three_variables(vault: LocalKeyVault, variable: str) -> None:
    vault.seed("github", "x")
    environ = vault.environ()
    environ[variable] = environ.pop("AZURE_KEYVAULT_CACERT")
    store = AzureKeyVaultStore(address_of(vault), environ)
    assert store.read("github").version
    store.close()


def test_the_address_own_authority_comes_first_and_must_be_readable(vault: LocalKeyVault, tmp_path: Path) -> None:
    address = StoreAddress(Provider.AZURE_KEY_VAULT, vault.url, ca=tmp_path / "absent.pem")
    with pytest.raises(TlsFailureError, match="cannot be read"):
        AzureKeyVaultStore(address, vault.environ())


def test_a_netrc_entry_does_not_replace_the_token(
    vault: LocalKeyVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    vault.seed("github", "x")
    store = AzureKeyVaultStore(address_of(vault), vault.environ())
    assert store.read("github").version
    store.close()


def test_a_reply_that_does_not_come_ends_at_the_timeout(vault: LocalKeyVault) -> None:
    vault.seed("github", "x")
    vault.add_fault(Fault(FaultKind.DELAY, method="GET", seconds=0.6))
    store = opened_with(vault, read_timeout=0.2)
    assert store.read("github").version
    assert sum(request.authorised for request in vault.requests()) == 1
    store.close()


def test_nothing_listening_and_no_such_host_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for url, reason in [(f"https://localhost:{port}", "nothing listens"), ("https://x.invalid", "does not resolve")]:
        address = StoreAddress(Provider.AZURE_KEY_VAULT, url)
        options = StoreOptions(clock=VirtualClock())
        store = AzureKeyVaultStore(address, {}, options, credential=FailingCredential())
        with pytest.raises(UnavailableError, match=reason):
            store.read("github")
        store.close()


def test_the_sdk_sends_nothing_again_by_itself(vault: LocalKeyVault) -> None:
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


def test_an_api_version_can_be_named_for_an_older_emulator(vault: LocalKeyVault) -> None:
    vault.seed("github", "x")
    store = AzureKeyVaultStore(address_of(vault), vault.environ() | {"AZURE_KEYVAULT_API_VERSION": "7.4"})
    assert store.read("github").version
    store.close()
    store.close()


def test_reading_many_secrets_keeps_memory_flat(vault: LocalKeyVault) -> None:
    with LocalKeyVault(VaultOptions()) as roomy:
        roomy.seed("github", json.dumps({f"KEY_{number}": "x" * 500 for number in range(40)}))
        store = AzureKeyVaultStore(address_of(roomy), roomy.environ(), StoreOptions(workers=8, quotas=UNLIMITED))

        def read(count: int) -> int:
            with ThreadPoolExecutor(8) as pool:
                for _ in pool.map(lambda _number: store.read("github").version, range(count)):
                    pass
            return _resident_pages()

        before = read(200)
        after = read(800)
        store.close()
        assert (after - before) * os.sysconf("SC_PAGE_SIZE") < 8 * 2**20


def _resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def test_disabled_is_told_from_absent_when_it_is_to_be_written(vault: LocalKeyVault, store: AzureKeyVaultStore) -> None:
    vault.seed("github", "x", enabled=False)
    with pytest.raises(DisabledError, match="newest version is disabled"):
        store.write("github", {"A": Secret("x")}, None)
    assert len(vault.versions("github")) == 1
