from datetime import UTC, datetime, timedelta

import pytest

from compiler.live.read_many import PastRun, StoredVersion, describe_writes, is_later, no_writer, remedies, version_of
from compiler.model.store import StoreAddress
from compiler.stores.interface import Attributes, RemoteSecret
from tests import providers

MOMENT = datetime(2026, 11, 28, 7, 12, 31, tzinfo=UTC)
PUT = PastRun("20261128-071231-4fa1c2", "put", "prod")


def version(store: str, created: datetime | None = MOMENT) -> StoredVersion:
    return StoredVersion(store, f"https://{store}", "a", "1", created)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (timedelta(seconds=1), timedelta(), True),
        (timedelta(), timedelta(seconds=1), False),
        # One of the two may tell whole seconds alone.
        (timedelta(microseconds=900), timedelta(), False),
    ],
)
def test_the_later_one_is_known_by_whole_seconds(one: timedelta, other: timedelta, expected: bool) -> None:  # noqa: FBT001
    assert is_later(version("a", MOMENT + one), version("b", MOMENT + other)) is expected


def test_without_a_date_none_is_later() -> None:
    known, unknown = version("a"), version("b", None)
    assert not is_later(known, unknown)
    assert not is_later(unknown, known)
    assert describe_writes(unknown, version("c", None), no_writer) == ""
    assert (
        describe_writes(unknown, known, no_writer) == '"b" was written at an unknown time, "a" 2026-11-28 07:12:31 UTC'
    )


def test_the_later_one_is_named_first_with_the_run_that_wrote_it() -> None:
    early, late = version("vault"), version("azure", MOMENT + timedelta(minutes=1))
    said = (
        '"azure" was written later, 2026-11-28 07:13:31 UTC by put, run 20261128-071231-4fa1c2, '
        '"vault" 2026-11-28 07:12:31 UTC'
    )
    assert describe_writes(early, late, {late: PUT}.get) == describe_writes(late, early, {late: PUT}.get) == said
    assert describe_writes(early, version("azure"), no_writer).startswith(
        '"vault" was written 2026-11-28 07:12:31 UTC, "azure" '
    )


def test_each_case_has_one_command_and_a_run_that_wrote_the_later_one_is_undone() -> None:
    early, late = version("vault"), version("azure", MOMENT + timedelta(minutes=1))
    to_vault = "platform-secrets migrate prod --to vault --from azure --only jira --on-conflict overwrite"
    to_azure = "platform-secrets migrate prod --to azure --from vault --only jira --on-conflict overwrite"
    assert remedies("prod", "jira", early, late, {late: PUT, early: PUT}.get) == (
        f'if that of "azure" is right: {to_vault}',
        f'if that of "vault" is right: {PUT.undo}',
    )
    # Undoing what wrote the earlier one mends nothing, nor what may be that one.
    same = version("azure")
    # Another key of the secret is blank in that store, so that a copy from it would be refused.
    assert remedies("prod", "jira", early, late, no_writer, "vault") == (f'if that of "azure" is right: {to_vault}',)
    assert len(remedies("prod", "jira", early, late, {late: PUT}.get, "vault")) == 2
    assert "--undo" not in "".join(remedies("prod", "jira", early, same, {early: PUT, same: PUT}.get))
    assert remedies("prod", "jira", early, late, {early: PUT}.get)[1] == f'if that of "vault" is right: {to_azure}'


def test_a_version_is_named_by_the_place_that_is_the_same_for_everyone() -> None:
    address = StoreAddress(providers.KEY_VAULT, "https://Mine.vault.azure.net/")
    remote = RemoteSecret("a", "7", {}, Attributes(created=MOMENT))
    assert version_of("azure", address.absolute, remote) == StoredVersion(
        "azure", "https://mine.vault.azure.net", "a", "7", MOMENT
    )
