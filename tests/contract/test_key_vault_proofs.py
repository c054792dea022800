"""Proofs on Azure Key Vault: the real SDK against the strict local vault, waits on virtual time."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from compiler.model.store import StoreAddress
from compiler.stores.azure_key_vault.store import AzureKeyVaultStore
from compiler.stores.errors import (
    Code,
    DisabledError,
    StoreError,
)
from compiler.stores.interface import Attributes, StoreOptions, StoreState
from compiler.stores.pacing import Quotas
from compiler.stores.secret_value import JsonKind, SecretValue
from tests import providers
from tests.faulty_key_vault import Delays, Fault, FaultKind, FaultyKeyVault, VaultOptions
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
        opened(vault, StoreOptions(quotas=quotas, clock=clock)) as store,
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


def test_recover_waits_and_then_one_version_is_written() -> None:
    with virtual(VaultOptions(delays=Delays(recover=20.0, settle=8.0))) as (vault, store, clock):
        vault.seed_deleted("github", '{"TOKEN": "old"}')
        assert store.recover("github").state is StoreState.PRESENT
        assert 20 <= clock.now() - START < 25
        written = store.write("github", {"TOKEN": SecretValue("new")}, store.read("github"))
        assert clock.now() - START >= 28
        assert [version.value for version in vault.versions("github")] == ['{"TOKEN": "old"}', '{"TOKEN": "new"}']
        assert vault.versions("github")[-1].id == written.version


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
