import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from compiler.live.read_many import is_of_store
from compiler.stores.azure_key_vault.replies import Bundle
from compiler.stores.azure_key_vault.store import AzureKeyVaultStore
from compiler.stores.errors import Action, Code, DisabledError, NotFoundError, StoreError, VersionGoneError
from compiler.stores.interface import StoreOptions, StoreState
from compiler.stores.pacing import UNLIMITED, remaining_seconds
from tests.faulty_key_vault import Fault, FaultKind, FaultyKeyVault, VaultOptions
from tests.refusals import is_refused
from tests.unit.stores.conftest import address_of, opened_with
from tests.virtual_clock import VirtualClock


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


def test_absent_is_a_state_for_describe_and_an_error_for_read(store: AzureKeyVaultStore) -> None:
    assert store.describe("github").state is StoreState.ABSENT
    with pytest.raises(NotFoundError):
        store.read("github")


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
        store = AzureKeyVaultStore(address_of(roomy), roomy.environ(), StoreOptions(workers=8, quotas=UNLIMITED))

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
    monkeypatch.setattr(store._client, "ask", lambda: None)
    with pytest.raises(StoreError, check=is_refused(Code.UNAUTHENTICATED), match="without asking for a token"):
        store.whoami()


ASKS: dict[str, Callable[[AzureKeyVaultStore, str], object]] = {
    "read": lambda store, _version: store.read("github"),
    "read_version": lambda store, version: store.read_version("github", version),
    "describe": lambda store, _version: store.describe("github"),
    "deleted": lambda store, _version: store.describe("gone"),
    "deleted, read": lambda store, _version: store.read("gone"),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_a_reply_about_another_secret_is_an_error_of_the_store(
    vault: FaultyKeyVault, store: AzureKeyVaultStore, ask: Callable[[AzureKeyVaultStore, str], object]
) -> None:
    version = vault.seed("github", "x")
    vault.seed_deleted("gone", "y")
    vault.add_fault(Fault(FaultKind.ALTER, old="/secrets/(github|gone)", value="/secrets/other", times=None))
    with pytest.raises(
        StoreError, match='the reply is for another secret, "other"', check=is_refused(Code.UNEXPECTED_REPLY)
    ) as caught:
        ask(store, version)
    assert is_of_store(caught.value)


@pytest.mark.parametrize("other", ["0" * 32, "latest", ""])
def test_so_is_one_about_another_version(vault: FaultyKeyVault, store: AzureKeyVaultStore, other: str) -> None:
    version = vault.seed("github", "x")
    vault.add_fault(Fault(FaultKind.ALTER, old=version, value=other, times=None))
    with pytest.raises(
        StoreError, match=r"the reply has (no |an invalid )?version", check=is_refused(Code.UNEXPECTED_REPLY)
    ):
        store.read_version("github", version)


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
