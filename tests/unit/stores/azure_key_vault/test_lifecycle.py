import pytest

from compiler.stores.azure_key_vault.store import AzureKeyVaultStore
from compiler.stores.errors import Code, ConflictError, ForbiddenError, NotFoundError, StoreError, VersionGoneError
from compiler.stores.interface import StoreOptions, StoreState
from compiler.stores.pacing import RetryPolicy
from tests.faulty_key_vault import Delays, Fault, FaultKind, FaultyKeyVault, VaultOptions
from tests.refusals import is_refused
from tests.unit.stores.conftest import address_of
from tests.virtual_clock import VirtualClock


def test_soft_delete_only_while_the_version_is_the_newest(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    old = vault.seed("github", "x")
    new = vault.seed("github", "y")
    with pytest.raises(ConflictError):
        store.soft_delete("github", old)
    vault.add_fault(Fault(FaultKind.DROP_REPLY, method="DELETE"))
    store.soft_delete("github", new)
    assert store.describe("github").state is StoreState.SOFT_DELETED
    assert not any(request.path.startswith("/deletedsecrets") and request.writes for request in vault.requests())


def test_soft_delete_refuses_a_vault_where_a_delete_destroys(
    vault: FaultyKeyVault, store: AzureKeyVaultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compiler.demo.key_vault_state.RECOVERY_LEVEL", "Purgeable")
    version = vault.seed("github", "x")
    with pytest.raises(ForbiddenError, match="soft delete is off"):
        store.soft_delete("github", version)
    assert vault.value("github") == "x"


def test_recover_of_what_is_not_deleted_returns_its_state_or_says_that_nothing_is_there(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    vault.seed("github", "x")
    assert store.recover("github").state is StoreState.PRESENT
    with pytest.raises(NotFoundError):
        store.recover("absent")


def test_whoever_may_delete_but_not_see_what_is_deleted_deletes_all_the_same(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    version = vault.seed("github", "x")
    vault.add_fault(Fault(FaultKind.FORBID, method="GET", path="^/deletedsecrets", times=None))
    store.soft_delete("github", version)
    stored = vault.state.stored("github")
    assert stored is not None
    assert stored.phase == "deleted"
    # Whether that is the same version cannot be seen then.
    with pytest.raises(ConflictError):
        store.soft_delete("github", version)


def test_a_recovery_longer_than_patience_ends_and_says_so() -> None:
    clock = VirtualClock(start=1_800_000_000.0)
    with FaultyKeyVault(VaultOptions(clock=clock.now, delays=Delays(recover=10_000))) as vault:
        vault.seed_deleted("github", "x")
        options = StoreOptions(clock=clock, retry=RetryPolicy(patience=90))
        store = AzureKeyVaultStore(
            address_of(vault), vault.environ(), options, credential=vault.credential(lifetime=1e9)
        )
        with pytest.raises(StoreError, match="did not finish it in time", check=is_refused(Code.UNAVAILABLE)):
            store.recover("github")
        store.close()
        assert 88 <= clock.now() - 1_800_000_000 <= 90


def test_a_lost_reply_to_recover_is_settled_by_looking(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    vault.seed_deleted("github", "x")
    vault.add_fault(Fault(FaultKind.DROP_REPLY, method="POST"))
    assert store.recover("github").state is StoreState.PRESENT
    assert sum(request.method == "POST" and request.authorised for request in vault.requests()) == 1


def test_the_newest_version_of_a_certificate_is_not_deleted(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    vault.seed_certificate("certificate")
    version = vault.versions("certificate")[0].id
    with pytest.raises(StoreError, check=is_refused(Code.MANAGED)):
        store.soft_delete("certificate", version)


def test_a_delete_or_recovery_of_another_secret_is_no_success(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    version = vault.seed("github", "x")
    vault.add_fault(Fault(FaultKind.ALTER, method="DELETE", old="/secrets/github", value="/secrets/other"))
    vault.add_fault(Fault(FaultKind.ALTER, method="POST", old="/secrets/github", value="/secrets/other"))
    with pytest.raises(StoreError, match='for another secret, "other"', check=is_refused(Code.UNEXPECTED_REPLY)):
        store.soft_delete("github", version)
    with pytest.raises(StoreError, match='for another secret, "other"', check=is_refused(Code.UNEXPECTED_REPLY)):
        store.recover("github")


def test_a_deletion_or_recovery_takes_all_versions_and_is_done_once(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    vault.seed("github", "x")
    newest = vault.seed("github", "y")
    for _ in range(2):
        store.delete_versions("github", [newest])
        assert store.version_states("github") == {newest: StoreState.SOFT_DELETED}
    for _ in range(2):
        store.recover_versions("github", [newest])
        assert store.version_states("github") == {newest: StoreState.PRESENT}
    assert len(vault.versions("github")) == 2
    sent = [request.method for request in vault.requests() if request.writes]
    assert sent == ["DELETE", "POST"]


def test_what_another_writer_changed_is_neither_deleted_nor_recovered(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    old = vault.seed("github", "x")
    new = vault.seed("github", "y")
    with pytest.raises(ConflictError) as caught:
        store.delete_versions("github", [old])
    assert caught.value.found == new
    assert f"version {old} was read" in caught.value.reason
    with pytest.raises(ConflictError):
        store.recover_versions("github", [old])
    store.delete_versions("github", [new])
    with pytest.raises(ConflictError) as caught:
        store.recover_versions("github", [old])
    assert caught.value.found == new
    assert store.version_states("github") == {new: StoreState.SOFT_DELETED}
    store.recover_versions("github", [old, new])
    assert store.version_states("github") == {new: StoreState.PRESENT}


def test_what_was_purged_is_lost_for_good(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    version = vault.seed("github", "x")
    store.delete_versions("github", [version])
    vault.state.purge("github")
    assert store.version_states("github") == {}
    with pytest.raises(VersionGoneError, match="it was purged"):
        store.recover_versions("github", [version])


def test_what_cannot_be_recovered_or_belongs_to_a_certificate_is_refused_without_a_request(
    vault: FaultyKeyVault, store: AzureKeyVaultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.seed("github", "x")
    assert store.check_deletion(store.read("github")) == ()
    monkeypatch.setattr("compiler.demo.key_vault_state.RECOVERY_LEVEL", "Purgeable")
    vault.seed_certificate("certificate")
    found = [store.read(name) for name in ("github", "certificate")]
    before = len(vault.requests())
    problems = [problem for each in found for problem in store.check_deletion(each)]
    assert [(each.name, each.code) for each in problems] == [("github", "forbidden"), ("certificate", "managed")]
    assert problems[0].reason == "soft delete is off in this vault, so a delete would be final"
    assert len(vault.requests()) == before
