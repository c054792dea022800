from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compiler.stores.azure_key_vault.store import AzureKeyVaultStore
from compiler.stores.errors import (
    Action,
    Code,
    ConflictError,
    DisabledError,
    ForbiddenError,
    StoreError,
    UnverifiedError,
    VersionGoneError,
)
from compiler.stores.interface import Attributes, StoreOptions, StoreState
from compiler.stores.pacing import RetryPolicy
from compiler.stores.secret_value import SecretValue
from compiler.text.credential import conceal
from tests.faulty_key_vault import Delays, Fault, FaultKind, FaultyKeyVault, VaultOptions
from tests.refusals import is_refused
from tests.unit.stores.conftest import address_of
from tests.virtual_clock import VirtualClock


@pytest.mark.parametrize("text", ["plain", "[1]", '"x"', '{"a": 1, "a": 2}', "{", '{"a": NaN}'])
def test_a_value_that_is_no_clear_object_has_no_properties_and_takes_none(
    vault: FaultyKeyVault, store: AzureKeyVaultStore, text: str
) -> None:
    vault.seed("github", text)
    base = store.read("github")
    assert (base.is_object, dict(base.properties)) == (False, {})
    with pytest.raises(StoreError, check=is_refused(Code.MALFORMED_DOCUMENT), match="is not a JSON object"):
        store.write("github", {"A": SecretValue("x")}, base)
    assert vault.value("github") == text


def test_a_blank_text_is_filled_with_an_object(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    vault.seed("github", " \n")
    store.write("github", {"A": SecretValue("x")}, store.read("github"))
    assert vault.value("github") == '{"A": "x"}'


def test_a_new_object_gets_the_content_type_of_json(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    store.write("github", {"A": SecretValue("x"), "B": SecretValue("ü")}, None, Attributes(tags={"team": "platform"}))
    (version,) = vault.versions("github")
    assert (version.value, version.content_type) == ('{"A": "x", "B": "ü"}', "application/json")
    assert version.tags == {"team": "platform"}


def test_tags_content_type_and_attributes_are_sent_again_with_each_version(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    tags = {f"tag-{number}": str(number) for number in range(15)}
    vault.seed("github", '{"A": "x"}', content_type="text/own", tags=tags, expires=4_000_000_000, not_before=1_000)
    store.write("github", {"A": SecretValue("y")}, store.read("github"))
    old, new = vault.versions("github")
    assert (new.content_type, new.tags, new.expires, new.not_before, new.enabled) == (
        old.content_type,
        old.tags,
        old.expires,
        old.not_before,
        old.enabled,
    )


def test_given_attributes_replace_those_of_the_version_before(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    vault.seed("github", "x", tags={"old": "1"}, expires=4_000_000_000)
    end = datetime(2100, 1, 1, tzinfo=UTC)
    store.write("github", SecretValue("y"), store.read("github"), Attributes(tags={"new": "2"}, expires=end))
    newest = vault.versions("github")[-1]
    assert (newest.value, newest.tags, newest.expires) == ("y", {"new": "2"}, int(end.timestamp()))


def test_restore_makes_an_earlier_version_the_newest_with_its_bytes_and_attributes(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    first = vault.seed("github", '{"A":"x"}  ', content_type="application/json", tags={"a": "b"})
    vault.seed("github", '{"A":"y"}')
    written = store.restore(store.read_version("github", first), store.read("github"))
    newest = vault.versions("github")[-1]
    assert (newest.id, newest.value, newest.tags) == (written.version, '{"A":"x"}  ', {"a": "b"})


def test_an_expiry_before_the_start_is_refused(store: AzureKeyVaultStore) -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    attributes = Attributes(expires=now, not_before=now + timedelta(seconds=1))
    (problem,) = store.check("github", {"A": SecretValue("x")}, None, attributes)
    assert problem.code == "invalid-value"


def test_more_versions_than_a_page_holds_are_all_seen(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    for number in range(60):
        vault.seed("github", f'{{"A": "{number}"}}')
    written = store.write("github", {"A": SecretValue("new")}, store.read("github"))
    assert (written.slipped, vault.versions("github")[-1].id) == ((), written.version)


def test_a_name_that_stays_busy_ends_with_busy(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    vault.seed_deleted("github", "x")
    with vault.lock:
        vault.state.busy["github"] = "ObjectIsBeingRecovered", 1e12
    with pytest.raises(
        StoreError,
        match="still being deleted or recovered",
        check=is_refused(Code.BUSY),
    ):
        store.write("github", {"A": SecretValue("x")}, None)


def test_a_lost_reply_that_reading_cannot_settle_is_an_unknown_outcome(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    store.write("warm-up", {"A": SecretValue("x")}, None)
    vault.add_fault(Fault(FaultKind.DROP_REPLY, method="PUT"))
    vault.add_fault(Fault(FaultKind.FORBID, method="GET", path="github", after=1, times=None))
    with pytest.raises(StoreError, check=is_refused(Code.OUTCOME_UNKNOWN), match="reply to the write was lost"):
        store.write("github", {"A": SecretValue("x")}, None)
    assert len(vault.versions("github")) == 1


def test_a_lost_reply_after_which_another_writer_stands_there_is_a_conflict(
    vault: FaultyKeyVault, store: AzureKeyVaultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    base_version = vault.seed("github", '{"A": "x"}')
    base = store.read("github")

    def other_writes(name: str, _value: SecretValue, _attributes: Attributes) -> object:
        vault.seed(name, '{"A": "of another"}')
        raise StoreError(store._place(name), Action.WRITE, "lost", "again", Code.UNAVAILABLE)

    monkeypatch.setattr(store._client, "set", other_writes)
    with pytest.raises(ConflictError) as caught:
        store.write("github", {"A": SecretValue("ours")}, base)
    assert f"version {base_version} was read" in caught.value.reason
    assert vault.value("github") == '{"A": "of another"}'


def test_an_echo_of_other_bytes_is_told_with_the_version_that_is_stored(
    store: AzureKeyVaultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = store._client.set
    monkeypatch.setattr(
        store._client, "set", lambda name, _value, attributes: send(name, SecretValue("{}"), attributes)
    )
    with pytest.raises(UnverifiedError, match="another value than the one sent") as caught:
        store.write("github", {"A": SecretValue("x")}, None)
    version = store.read("github").version
    assert caught.value.version == version
    # Not masked as a credential, which a version of Key Vault looks like.
    assert f"version {version} was stored, with" in conceal(str(caught.value))


def test_who_may_not_list_is_told_before_the_first_write(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    vault.deny("list", "ForbiddenByRbac")
    with pytest.raises(ForbiddenError, match="secrets/list"):
        store.write("github", {"A": SecretValue("x")}, None)
    assert vault.versions("github") == []


def test_disabled_is_told_from_absent_when_it_is_to_be_written(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    vault.seed("github", "x", enabled=False)
    with pytest.raises(DisabledError, match="newest version is disabled"):
        store.write("github", {"A": SecretValue("x")}, None)
    assert len(vault.versions("github")) == 1


def test_a_write_that_arrives_after_its_connection_broke_makes_one_version(vault: FaultyKeyVault) -> None:
    class Arriving(VirtualClock):
        """The write is under way still when its connection breaks, and is stored while time passes."""

        is_under_way = True

        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.is_under_way and seconds > 0.1:
                self.is_under_way = False
                vault.seed("github", '{"A": "x"}', content_type="application/json")

    options = StoreOptions(clock=Arriving(), chance=lambda: 0.0)
    store = AzureKeyVaultStore(address_of(vault), vault.environ(), options)
    assert store.write("other", {"A": SecretValue("x")}, None).version
    vault.add_fault(Fault(FaultKind.DROP_REQUEST, method="PUT"))
    written = store.write("github", {"A": SecretValue("x")}, None)
    store.close()
    assert [version.id for version in vault.versions("github")] == [written.version]
    assert written.slipped == ()


def test_a_reply_to_a_write_that_stored_nothing_is_no_success(vault: FaultyKeyVault, store: AzureKeyVaultStore) -> None:
    old = vault.seed("github", '{"A": "old"}')
    base = store.read("github")
    client = store._client
    with pytest.MonkeyPatch.context() as patch:
        # A cache before the vault: the version that was there, shown again.
        patch.setattr(client, "set", lambda name, *_: client.get(name, None, Action.WRITE))
        with pytest.raises(UnverifiedError, match="does not say which version was stored"):
            store.write("github", {"A": SecretValue("x")}, base)
    assert store.read("github").version == old


def test_a_version_beside_which_another_writers_cannot_be_looked_for_is_told(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    write = store._client.set

    def written_and_then_forbidden(*arguments: Any) -> Any:  # noqa: ANN401 - those of the client
        made = write(*arguments)
        vault.add_fault(Fault(FaultKind.FORBID, path="/versions$", times=None))
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._client, "set", written_and_then_forbidden)
        with pytest.raises(
            StoreError,
            match="is stored, but another writer's may have come in between",
            check=is_refused(Code.UNFINISHED_WRITE),
        ) as caught:
            store.write("github", {"A": SecretValue("x")}, None)
    (stored,) = vault.versions("github")
    assert caught.value.version == stored.id
    assert f"version {stored.id} is stored" in conceal(str(caught.value))


def lists_after_write(vault: FaultyKeyVault) -> list[str]:
    """The paths that were asked for after the last write."""
    requests = vault.requests()
    last = max(at for at, each in enumerate(requests) if each.method == "PUT")
    return [each.path for each in requests[last + 1 :]]


def test_a_reply_that_names_the_version_before_shows_that_nobody_slipped_in(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    vault.seed("github", '{"A": "x"}')
    vault.state.tells_previous = True
    written = store.write("github", {"A": SecretValue("y")}, store.read("github"))
    assert (written.slipped, lists_after_write(vault)) == ((), [])
    # The first version has none before it: that proves nothing.
    assert store.write("jira", {"A": SecretValue("y")}, None).slipped == ()
    assert lists_after_write(vault) == ["/secrets/jira/versions"]


def slips_in(vault: FaultyKeyVault, store: AzureKeyVaultStore, patch: pytest.MonkeyPatch) -> list[str]:
    """Another writer stores a version between the last read and each write; returns these versions."""
    write, slipped = store._client.set, list[str]()

    def written(name: str, *rest: Any) -> Any:  # noqa: ANN401 - those of the client
        slipped.append(vault.seed(name, '{"A": "theirs"}'))
        return write(name, *rest)

    patch.setattr(store._client, "set", written)
    return slipped


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("may_list", [True, False])
def test_a_reply_that_names_the_version_before_shows_who_slipped_in(
    vault: FaultyKeyVault,
    store: AzureKeyVaultStore,
    monkeypatch: pytest.MonkeyPatch,
    is_new: bool,  # noqa: FBT001
    may_list: bool,  # noqa: FBT001
) -> None:
    vault.seed("jira" if is_new else "github", '{"A": "x"}')
    # Also the first request, which logs in.
    read = store.read("jira" if is_new else "github")
    base = None if is_new else read
    vault.state.tells_previous = True
    slipped = slips_in(vault, store, monkeypatch)
    if not may_list:
        # After the list before the write.
        vault.add_fault(Fault(FaultKind.FORBID, path="/versions$", after=1, times=None))
    assert store.write("github", {"A": SecretValue("y")}, base).slipped == tuple(slipped)
    assert len(slipped) == 1


@pytest.mark.parametrize("told", ['"latest"', "7", "null", "OWN"])
def test_a_version_before_that_none_can_be_is_not_believed(
    vault: FaultyKeyVault, store: AzureKeyVaultStore, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    vault.seed("github", '{"A": "x"}')
    base = store.read("github")
    slipped = slips_in(vault, store, monkeypatch)
    value = r'\g<0>, "previousVersion": ' + (r'"\g<1>"' if told == "OWN" else told)
    vault.add_fault(Fault(FaultKind.ALTER, method="PUT", old='"id": "[^"]*/([0-9a-f]{32})"', value=value))
    assert store.write("github", {"A": SecretValue("y")}, base).slipped == tuple(slipped)


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


def test_whoever_may_delete_but_not_see_what_is_deleted_deletes_all_the_same(
    vault: FaultyKeyVault, store: AzureKeyVaultStore
) -> None:
    version = vault.seed("github", "x")
    vault.add_fault(Fault(FaultKind.FORBID, method="GET", path="^/deletedsecrets", times=None))
    store.soft_delete("github", version)
    stored = vault.state.find_secret("github")
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
