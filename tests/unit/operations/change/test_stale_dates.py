from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from compiler.model.store_address import Provider, StoreAddress
from compiler.operations.change.stale_dates import DateKind, StaleDate, stale_dates
from compiler.operations.put.set_keys import ChangePlan, RemoteChange
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.values.secret import Secret
from tests.unit.operations.memory_store import MemoryStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
COMMAND = "az keyvault secret set-attributes --id https://v.vault.azure.net/secrets/gh"
E, N = DateKind.EXPIRED, DateKind.NOT_YET_VALID


def remote(attributes: Attributes, address: StoreAddress | None = None) -> RemoteChange:
    store = MemoryStore(address or StoreAddress(Provider.AZURE_KEY_VAULT, "https://V.vault.azure.net/"))
    return RemoteChange(store, "gh", (), RemoteSecret("gh", "1", {}, attributes), {"A": Secret("x")})


def found(*remotes: RemoteChange) -> tuple[StaleDate, ...]:
    return stale_dates(ChangePlan(remotes, {}), NOW)


@pytest.mark.parametrize(
    ("attributes", "kinds"),
    [
        (Attributes(), []),
        (Attributes(expires=NOW + DAY, not_before=NOW - DAY), []),
        (Attributes(expires=NOW), [E]),
        (Attributes(not_before=NOW), []),
        (Attributes(expires=NOW - DAY, not_before=NOW + DAY), [E, N]),
    ],
)
def test_dates_that_are_not_todays_are_found(attributes: Attributes, kinds: list[DateKind]) -> None:
    assert [each.kind for each in found(remote(attributes))] == kinds


def test_each_names_its_secret_its_date_and_the_command_that_changes_it() -> None:
    assert found(remote(Attributes(expires=NOW - DAY, not_before=NOW + DAY))) == (
        StaleDate("gh", E, NOW - DAY, f"{COMMAND} --expires DATE"),
        StaleDate("gh", N, NOW + DAY, f"{COMMAND} --not-before DATE"),
    )


def test_nothing_is_said_of_what_is_new_not_written_or_in_a_vault() -> None:
    old = remote(Attributes(expires=NOW - DAY))
    vault = StoreAddress(Provider.VAULT, "https://v")
    assert found(replace(old, base=None), replace(old, values={}), remote(Attributes(expires=NOW - DAY), vault)) == ()
