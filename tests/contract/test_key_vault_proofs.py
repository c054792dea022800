"""Proofs on Azure Key Vault: the real SDK against the strict local vault, waits on virtual time."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from compiler.model.store import StoreAddress
from compiler.stores.azure_key_vault.replies import Bundle
from compiler.stores.azure_key_vault.store import KEY_VAULT_QUOTAS, AzureKeyVaultStore
from compiler.stores.errors import (
    Action,
    Code,
    ConflictError,
    DisabledError,
    ForbiddenError,
    SoftDeletedError,
    StoreError,
)
from compiler.stores.interface import Attributes, StoreOptions, StoreState
from compiler.stores.pacing import Quotas, RequestClass
from compiler.stores.secret_value import Comparer, JsonKind, SecretValue
from tests import providers
from tests.faulty_key_vault import Delays, Fault, FaultKind, FaultyKeyVault, VaultOptions
from tests.pace import allowed_wall
from tests.refusals import is_refused
from tests.virtual_clock import VirtualClock

START = 1_800_000_000.0


@contextmanager
def virtual(
    options: VaultOptions | None = None, workers: int = 1, quotas: Quotas | None = None
) -> Iterator[tuple[FaultyKeyVault, AzureKeyVaultStore, VirtualClock]]:
    clock = VirtualClock(workers, START)
    with (
        FaultyKeyVault(replace(options or VaultOptions(), clock=clock.now)) as vault,
        opened(vault, StoreOptions(workers=workers, quotas=quotas, clock=clock)) as store,
    ):
        yield vault, store, clock


@contextmanager
def opened(vault: FaultyKeyVault, options: StoreOptions | None = None) -> Iterator[AzureKeyVaultStore]:
    address = StoreAddress(providers.KEY_VAULT, vault.url)
    store = AzureKeyVaultStore(address, vault.environ(), options, credential=vault.credential(lifetime=1e9))
    try:
        yield store
    finally:
        store.close()


def write_many(store: AzureKeyVaultStore, clock: VirtualClock, count: int, workers: int) -> list[Exception]:
    """Write `count` new secrets with `workers` threads that are all the clock's workers."""
    left = iter(range(count))
    lock = threading.Lock()
    failures: list[Exception] = []

    def work() -> None:
        try:
            while True:
                with lock:
                    number = next(left, None)
                if number is None:
                    return
                store.write(f"secret-{number}", {"KEY": SecretValue(f"value {number}")}, None)
        except StoreError as error:
            failures.append(error)
        finally:
            clock.leave()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def most_in_window(times: list[float], window: float = 10.0) -> int:
    times = sorted(times)
    start = most = 0
    for end, moment in enumerate(times):
        while times[start] < moment - window:
            start += 1
        most = max(most, end - start + 1)
    return most


LOST_REPLIES = [
    Fault(FaultKind.DROP_REPLY, method="PUT"),
    Fault(FaultKind.RESET_REPLY, method="PUT"),
    Fault(FaultKind.TRUNCATE_REPLY, method="PUT"),
    Fault(FaultKind.STATUS_AFTER, method="PUT", status=503),
]


@pytest.mark.parametrize("fault", LOST_REPLIES, ids=lambda fault: fault.kind.name.lower())
def test_a_reply_lost_after_the_put_was_stored_leaves_one_version(fault: Fault) -> None:
    with virtual() as (vault, store, _clock):
        base_version = vault.seed("github", '{"OTHER": "kept"}', content_type="application/json")
        base = store.read("github")
        vault.add_fault(fault)
        written = store.write("github", {"TOKEN": SecretValue("new")}, base)
        assert [version.id for version in vault.versions("github")] == [base_version, written.version]
        assert vault.value("github") == '{"OTHER": "kept", "TOKEN": "new"}'
        assert written.slipped == ()
        assert sum(request.method == "PUT" and request.authorised for request in vault.requests()) == 1


@pytest.mark.parametrize(
    "fault",
    [Fault(FaultKind.DROP_REPLY), Fault(FaultKind.STATUS_AFTER, status=503), Fault(FaultKind.DROP_REQUEST)],
    ids=lambda fault: fault.kind.name.lower(),
)
def test_a_lost_reply_to_tags_is_settled_by_reading_back(fault: Fault) -> None:
    with virtual() as (vault, store, _):
        made = store.write("api", {"A": SecretValue("1")}, None, Attributes(tags={"owner": "us"})).version
        vault.add_fault(replace(fault, method="PATCH"))
        store.set_tags("api", made, {"rotation": "run-1"})
        assert vault.versions("api")[-1].tags == {"owner": "us", "rotation": "run-1"}
        sent = [entry for entry in vault.requests() if entry.method == "PATCH"]
        assert len(sent) == (2 if fault.kind is FaultKind.DROP_REQUEST else 1)


def test_a_writer_while_tags_are_set_is_a_conflict_and_his_version_has_none() -> None:
    with virtual() as (vault, store, _), opened(vault) as other:
        made = store.write("api", {"A": SecretValue("1")}, None).version
        send = store._client.set_tags

        def after_another(name: str, version: str, tags: Mapping[str, str]) -> Bundle:
            other.write(name, {"A": SecretValue("2")}, other.read(name))
            return send(name, version, tags)

        store._client.set_tags = after_another  # type: ignore[method-assign]
        with pytest.raises(ConflictError):
            store.set_tags("api", made, {"rotation": "run-1"})
        assert store.read("api").attributes.tags == {}


def test_a_caller_who_may_not_set_tags_is_told_what_to_ask_for() -> None:
    with virtual() as (vault, store, _):
        made = store.write("api", {"A": SecretValue("1")}, None).version
        for cause, permission in (("ForbiddenByRbac", "secrets/update"), ("AccessDenied", "secrets/set")):
            vault.deny("set", cause)
            with pytest.raises(ForbiddenError) as refused:
                store.set_tags("api", made, {"rotation": "run-1"})
            assert refused.value.permission == permission
            assert refused.value.remedy
            assert "cannot set the tags of" in refused.value.message


@pytest.mark.parametrize("kind", [FaultKind.DROP_REQUEST, FaultKind.RESET])
def test_a_put_that_never_arrived_is_sent_again_and_leaves_one_version(kind: FaultKind) -> None:
    with virtual() as (vault, store, _clock):
        vault.add_fault(Fault(kind, method="PUT"))
        written = store.write("github", {"TOKEN": SecretValue("new")}, None)
        assert [version.id for version in vault.versions("github")] == [written.version]


def test_an_earlier_version_of_the_same_bytes_is_not_taken_for_the_lost_write() -> None:
    with virtual() as (vault, store, _clock):
        first = vault.seed("github", '{"TOKEN": "one"}', content_type="application/json")
        vault.seed("github", '{"TOKEN": "two"}', content_type="application/json")
        vault.add_fault(Fault(FaultKind.DROP_REQUEST, method="PUT"))
        written = store.restore(store.read_version("github", first), store.read("github"))
        assert written.version != first
        assert [version.value for version in vault.versions("github")][2:] == ['{"TOKEN": "one"}']


@pytest.mark.parametrize("retry_after", [None, "1", "0", "garbage", "86400", "-5", "Wed, 21 Oct 2065 07:28:00 GMT"])
def test_throttled_for_30_seconds_completes_and_all_workers_slow_down(retry_after: str | None) -> None:
    workers = 8
    with virtual(VaultOptions(throttle_retry_after=retry_after), workers) as (vault, store, clock):
        vault.throttle_between(START, START + 30)
        failures = write_many(store, clock, 24, workers)
        refused = [request for request in vault.requests() if request.status == 429]
        assert failures == []
        assert len(vault.state.names()) == 24
        assert clock.now() - START < 150
        # Alone, each of the eight would ask some ten times in the closed window.
        assert refused
        assert len(refused) <= 6 * workers


def test_throttled_beyond_patience_ends_with_the_throttle_and_writes_nothing() -> None:
    with virtual() as (vault, store, clock):
        vault.throttle_between(START, START + 10_000)
        with pytest.raises(StoreError, match="throttling requests", check=is_refused(Code.THROTTLED)):
            store.write("github", {"TOKEN": SecretValue("new")}, None)
        assert 60 <= clock.now() - START <= 200
        assert vault.versions("github") == []


def test_66_secrets_by_32_workers_stay_below_a_quota_of_60_creates_in_any_10_seconds() -> None:
    with virtual(workers=32, quotas={**KEY_VAULT_QUOTAS, RequestClass.CREATE: 60}) as (vault, store, clock):
        failures = write_many(store, clock, 66, 32)
        requests = vault.requests()
        sent = [request for request in requests if request.authorised and request.kind == "create"]
        assert failures == []
        assert most_in_window([request.time for request in sent]) <= 60
        assert sum(request.status == 429 for request in requests) < 0.05 * len(requests)
        assert all(len(vault.versions(f"secret-{number}")) == 1 for number in range(66))
        # A full window and a rest: waiting longer would waste what the vault allows. A whole migration by the vault's
        # own quota of 300 is in tests/proofs/limits, without the SDK, which takes most of the time here.
        assert clock.now() - START <= 10 / 0.95


def test_reading_describing_and_checking_send_no_writing_request() -> None:
    with virtual() as (vault, store, _clock):
        vault.seed("github", '{"TOKEN": "one"}')
        vault.seed_deleted("jira", '{"TOKEN": "one"}')
        base = store.read("github")
        store.describe("github")
        store.describe("jira")
        store.check("github", {"TOKEN": SecretValue("two")}, base)
        store.whoami()
        assert not any(request.writes for request in vault.requests())


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("1.0", JsonKind.NUMBER),
        ("9007199254740993", JsonKind.NUMBER),
        ("1E400", JsonKind.NUMBER),
        ("true", JsonKind.BOOLEAN),
        ("null", JsonKind.NULL),
        ('{ "a" : [1.50] }', JsonKind.OBJECT),
        ("[ 1 ]", JsonKind.ARRAY),
    ],
)
def test_a_leaf_that_is_no_string_is_told_by_kind_and_kept_byte_for_byte(token: str, kind: JsonKind) -> None:
    with virtual() as (vault, store, _clock):
        vault.seed("github", f'{{\n  "LEAF" : {token} ,\n  "TOKEN":"\\u0061"\n}}\n')
        base = store.read("github")
        assert base.properties["LEAF"].kind is kind
        assert base.properties["LEAF"].reveal() == token
        store.write("github", {"TOKEN": SecretValue("b")}, base)
        assert vault.value("github") == f'{{\n  "LEAF" : {token} ,\n  "TOKEN":"b"\n}}\n'


@pytest.mark.parametrize(
    "name", ["../../sys/x", "//", "%2e", "a\0b", "a\nb", "a.b", "a_b", "", "a" * 128, "é", "secrets/x", "a/versions"]
)
def test_a_name_that_is_none_is_refused_and_the_server_sees_nothing(name: str) -> None:
    with virtual() as (vault, store, _clock):
        calls: list[Callable[[], object]] = [
            lambda: store.read(name),
            lambda: store.read_version(name, "0" * 32),
            lambda: store.describe(name),
            lambda: store.write(name, {"TOKEN": SecretValue("x")}, None),
            lambda: store.write(name, SecretValue("x"), None),
            lambda: store.soft_delete(name, "0" * 32),
            lambda: store.recover(name),
        ]
        for call in calls:
            with pytest.raises(StoreError) as caught:
                call()
            assert caught.value.code == "invalid-name"
            assert "\n" not in str(caught.value)
        assert vault.requests() == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_refused_and_sends_no_token(status: int) -> None:
    with FaultyKeyVault() as other, virtual() as (vault, store, _clock):
        vault.add_fault(Fault(FaultKind.REDIRECT, status=status, location=f"{other.url}/secrets/github", times=None))
        with pytest.raises(StoreError) as caught:
            store.read("github")
        assert caught.value.code == "redirect-refused"
        assert other.requests() == []


def test_a_page_link_to_another_host_is_refused_and_sends_no_token() -> None:
    with FaultyKeyVault() as other, virtual() as (vault, store, _clock):
        with pytest.raises(StoreError) as caught:
            store._client.page_of_versions(
                "github", f"{other.url}/secrets/github/versions?api-version=7.6", Action.DESCRIBE
            )
        assert caught.value.code == "redirect-refused"
        assert other.requests() == []
        assert vault.requests() == []


def test_a_writer_between_plan_and_apply_is_a_conflict_and_nothing_is_written() -> None:
    with virtual() as (vault, store, _clock):
        vault.seed("github", '{"TOKEN": "planned upon"}')
        base = store.read("github")
        other = vault.seed("github", '{"TOKEN": "of another writer"}')
        with pytest.raises(ConflictError) as caught:
            store.write("github", {"TOKEN": SecretValue("ours")}, base)
        assert caught.value.found == other
        assert f"version {base.version} was read" in caught.value.reason
        assert vault.value("github") == '{"TOKEN": "of another writer"}'


@pytest.mark.parametrize("age", [0, 3_600])
def test_a_version_that_slips_in_before_the_put_is_reported_by_its_id(
    age: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(1, time.time() - age)
    with FaultyKeyVault(VaultOptions(clock=clock.now)) as vault, opened(vault) as store:
        vault.seed("github", '{"TOKEN": "earlier"}')
        vault.seed("github", '{"TOKEN": "planned upon"}')
        store.write("warm-up", {"KEY": SecretValue("x")}, None)
        base = store.read("github")
        slipped: list[str] = []
        send = store._client.set

        def set_after_another(name: str, value: SecretValue, attributes: Attributes) -> object:
            clock.sleep(age)
            slipped.append(vault.seed(name, '{"TOKEN": "of another writer"}'))
            return send(name, value, attributes)

        monkeypatch.setattr(store._client, "set", set_after_another)
        written = store.write("github", {"TOKEN": SecretValue("ours")}, base)
        assert written.slipped == tuple(slipped)
        assert vault.versions("github")[-1].id == written.version


def test_properties_that_the_plan_does_not_name_survive_byte_for_byte() -> None:
    text = '{"b":1.0, "a" :\t"\\u00e9\\/", "TOKEN": "old" ,"z": {"y":  [9007199254740993]}}'
    with virtual() as (vault, store, _clock):
        vault.seed("github", text, tags={"team": "platform"}, content_type="application/json")
        store.write("github", {"TOKEN": SecretValue("new"), "ADDED": SecretValue("x")}, store.read("github"))
        assert vault.value("github") == text.replace('"old"', '"new"')[:-1] + ', "ADDED": "x"}'


def test_a_soft_deleted_target_is_refused_with_the_command_to_use() -> None:
    with virtual() as (vault, store, _clock):
        version = vault.seed_deleted("github", '{"TOKEN": "old"}')
        remedy = r"`az keyvault secret recover --id .*`, or `--recover` of put, restore or migrate"
        with pytest.raises(SoftDeletedError, match=remedy) as reading:
            store.read("github")
        with pytest.raises(SoftDeletedError, match=remedy):
            store.write("github", {"TOKEN": SecretValue("new")}, None)
        assert reading.value.version == version
        assert store.describe("github").state is StoreState.SOFT_DELETED
        assert store.describe("github").version == version


def test_recover_waits_and_then_one_version_is_written() -> None:
    with virtual(VaultOptions(delays=Delays(recover=20.0, settle=8.0))) as (vault, store, clock):
        vault.seed_deleted("github", '{"TOKEN": "old"}')
        assert store.recover("github").state is StoreState.PRESENT
        assert 20 <= clock.now() - START < 25
        written = store.write("github", {"TOKEN": SecretValue("new")}, store.read("github"))
        assert clock.now() - START >= 28
        assert [version.value for version in vault.versions("github")] == ['{"TOKEN": "old"}', '{"TOKEN": "new"}']
        assert vault.versions("github")[-1].id == written.version


def test_a_lying_store_is_found_by_reading_back() -> None:
    with virtual() as (vault, store, _clock):
        vault.add_fault(Fault(FaultKind.LIE, method="PUT", value='{"TOKEN": "other"}'))
        store.write("github", {"TOKEN": SecretValue("new")}, None)
        assert not Comparer().same(store.read("github").properties["TOKEN"], SecretValue("new"))


def test_each_kind_of_403_and_401_has_a_message_of_its_own_and_none_says_not_found() -> None:
    texts: list[str] = []
    for inner, cause in [
        ("ForbiddenByRbac", "no role assignment"),
        ("AccessDenied", "access policy"),
        ("ForbiddenByFirewall", "firewall"),
        ("SomethingNew", 'with code "SomethingNew"'),
    ]:
        with virtual() as (vault, store, _clock):
            vault.deny("get", inner)
            with pytest.raises(ForbiddenError) as caught:
                store.read("github")
            assert cause in caught.value.reason
            assert caught.value.permission == "secrets/get"
            assert caught.value.is_of_store == (inner == "ForbiddenByFirewall")
            texts.append(caught.value.reason)
    with virtual() as (vault, store, _clock):
        vault.seed("github", "x", enabled=False)
        with pytest.raises(DisabledError) as disabled:
            store.read("github")
        texts.append(disabled.value.reason)
    with FaultyKeyVault() as vault:
        address = StoreAddress(providers.KEY_VAULT, vault.url)
        store = AzureKeyVaultStore(address, vault.environ())
        vault.seed("github", "x")
        store.read("github")
        vault.issuer.revoke_all()
        with pytest.raises(StoreError, check=is_refused(Code.EXPIRED_TOKEN)) as expired:
            store.read("github")
        store.close()
        texts.append(expired.value.reason)
    assert len(set(texts)) == 6
    assert not any("not found" in text or "no such" in text for text in texts)


def test_a_denial_by_an_access_policy_is_known_by_its_message_and_shows_none_of_it() -> None:
    with virtual() as (vault, store, _clock):
        vault.deny("set", "ForbiddenByPolicy")
        with pytest.raises(ForbiddenError) as caught:
            store.write("github", {"TOKEN": SecretValue("new")}, None)
    assert caught.value.permission == "secrets/set"
    assert "appid" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "fits"), [("x" * 25_600, True), ("é" * 12_800, True), ("x" * 25_601, False), ("é" * 12_800 + "x", False)]
)
def test_25600_bytes_pass_and_one_more_is_refused_before_anything_is_sent(value: str, *, fits: bool) -> None:
    with virtual() as (vault, store, _clock):
        problems = store.check("github", SecretValue(value), None)
        assert [problem.code for problem in problems] == ([] if fits else ["too-large"])
        if fits:
            store.write("github", SecretValue(value), None)
            assert vault.value("github") == value
        else:
            with pytest.raises(StoreError, check=is_refused(Code.TOO_LARGE), match="25601 bytes"):
                store.write("github", SecretValue(value), None)
            assert vault.requests() == []


def test_the_size_counted_is_that_of_the_whole_object() -> None:
    with virtual() as (vault, store, _clock):
        vault.seed("github", json.dumps({"OTHER": "x" * 20_000}))
        base = store.read("github")
        vault.forget_requests()
        assert [problem.code for problem in store.check("github", {"TOKEN": SecretValue("x" * 6_000)}, base)] == [
            "too-large"
        ]
        with pytest.raises(StoreError, check=is_refused(Code.TOO_LARGE)):
            store.write("github", {"TOKEN": SecretValue("x" * 6_000)}, base)
        assert vault.requests() == []


@pytest.mark.parametrize(
    "attributes",
    [
        Attributes(tags={f"tag-{number}": "x" for number in range(16)}),
        Attributes(tags={"x" * 513: "x"}),
        Attributes(tags={"x": "x" * 257}),
        Attributes(content_type="x" * 256),
    ],
)
def test_16_tags_and_a_256_character_content_type_are_refused_at_plan(attributes: Attributes) -> None:
    with virtual() as (vault, store, _clock):
        assert [p.code for p in store.check("github", {"TOKEN": SecretValue("x")}, None, attributes)] == ["too-large"]
        with pytest.raises(StoreError, check=is_refused(Code.TOO_LARGE)):
            store.write("github", {"TOKEN": SecretValue("x")}, None, attributes)
        assert vault.requests() == []


def test_disabled_expired_not_yet_valid_and_managed_in_one_vault_are_told_apart() -> None:
    with virtual() as (vault, store, _clock):
        past, future = int(START) - 1_000, int(START) + 1_000_000
        vault.seed("plain", "x")
        vault.seed("disabled", "x", enabled=False)
        vault.seed("expired", "x", expires=past)
        vault.seed("not-yet", "x", not_before=future)
        vault.seed_certificate("certificate")
        vault.seed_deleted("deleted", "x")
        states = [store.describe(name) for name in ("plain", "disabled", "expired", "not-yet", "certificate")]
        assert [state.name for state in states if state.attributes.managed] == ["certificate"]
        assert [state.name for state in states if state.state is StoreState.DISABLED] == ["disabled"]
        assert store.describe("deleted").state is StoreState.SOFT_DELETED
        assert store.read("expired").attributes.expires == datetime.fromtimestamp(past, UTC)
        assert store.read("not-yet").attributes.not_before == datetime.fromtimestamp(future, UTC)
        with pytest.raises(DisabledError):
            store.read("disabled")
        certificate = store.read("certificate")
        assert [problem.code for problem in store.check("certificate", SecretValue("x"), certificate)] == ["managed"]
        with pytest.raises(StoreError) as managed:
            store.write("certificate", SecretValue("x"), certificate)
        assert managed.value.code == "managed"


@pytest.mark.parametrize("what", ["unknown authority", "expired", "wrong host", "http", "html"])
def test_without_trusted_tls_there_is_one_clear_failure_at_once_and_no_fallback(what: str) -> None:
    options = VaultOptions(
        expired_certificate=what == "expired",
        server_names=("other.example",) if what == "wrong host" else ("localhost",),
    )
    reasons = {
        "unknown authority": "signed by an authority that is not trusted",
        "expired": "its certificate has expired",
        "wrong host": "its certificate names another host",
        "http": "not https",
        "html": "not Key Vault's JSON",
    }
    with FaultyKeyVault(options) as vault, FaultyKeyVault() as stranger:
        url = vault.url.replace("https", "http") if what == "http" else vault.url
        environ = vault.environ() | ({"AZURE_KEYVAULT_CACERT": str(stranger.ca_file)} if what[0] == "u" else {})
        vault.add_fault(Fault(FaultKind.HTML, times=None))
        started = time.monotonic()
        with (
            pytest.raises(StoreError, match=reasons[what], check=is_refused(Code.TLS_FAILURE, "unexpected-reply")),
            closing(AzureKeyVaultStore(StoreAddress(providers.KEY_VAULT, url), environ)) as store,
        ):
            store.read("github")
        assert time.monotonic() - started < allowed_wall(2, below=10)
        assert len(vault.requests()) == (1 if what == "html" else 0)


def test_a_vault_that_goes_away_in_the_middle_leaves_whole_items_and_a_typed_error() -> None:
    with virtual() as (vault, store, _clock):
        store.write("first", {"TOKEN": SecretValue("x")}, None)
        vault.add_fault(Fault(FaultKind.STATUS, status=503, times=None))
        with pytest.raises(StoreError, match="status 503", check=is_refused(Code.UNAVAILABLE)):
            store.write("second", {"TOKEN": SecretValue("x")}, None)
        vault.clear_faults()
        assert vault.state.names() == ["first"]
        store.write("second", {"TOKEN": SecretValue("x")}, None)
        assert len(vault.versions("second")) == 1
