from datetime import UTC, datetime
from typing import Any

import pytest

from compiler.live.read_many import end_before, keep_command, lasting_command
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, ForbiddenError
from compiler.stores.interface import Attributes, Dropped, Limit, RemoteSecret
from tests import providers
from tests.unit.memory_store import MemoryStore

EARLY, LATE = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)


class Held:
    """What counts of an environment's store: its provider."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider


VAULT, AZURE = Held(providers.VAULT), Held(providers.KEY_VAULT)


def ending(when: datetime | None) -> RemoteSecret:
    return RemoteSecret("a", "3", {}, Attributes(expires=when))


@pytest.mark.parametrize(
    ("new", "ends", "old", "serving", "expected"),
    [
        (VAULT, EARLY, VAULT, ending(LATE), EARLY),
        (VAULT, EARLY, VAULT, ending(None), EARLY),
        # It is not known to end earlier itself.
        (VAULT, EARLY, VAULT, None, EARLY),
        # A Key Vault serves what is past its date.
        (VAULT, LATE, AZURE, ending(EARLY), LATE),
        (VAULT, LATE, VAULT, ending(EARLY), None),
        (VAULT, EARLY, VAULT, ending(EARLY), None),
        (VAULT, None, VAULT, ending(EARLY), None),
        (AZURE, EARLY, VAULT, ending(None), None),
    ],
)
def test_only_a_version_in_vault_that_ends_before_the_other_does_not_stay(
    new: Any,  # noqa: ANN401 - a store
    ends: datetime | None,
    old: Any,  # noqa: ANN401 - a store
    serving: RemoteSecret | None,
    expected: datetime | None,
) -> None:
    assert end_before(new, ending(ends), old, serving) == expected


def test_the_lines_that_have_it_stay_are_those_of_the_settings_and_of_the_version() -> None:
    address = StoreAddress(providers.VAULT, "https://vault", mount="kv/", vault_namespace="team a")
    assert lasting_command(address, "x y", tuple(Limit), "3") == (
        "bao write '-namespace=team a' kv/config delete_version_after=0s"
        " && bao kv metadata put '-namespace=team a' -mount=kv -delete-version-after=0s 'x y'"
        " && bao kv undelete '-namespace=team a' -mount=kv -versions=3 'x y'"
    )
    plain = StoreAddress(providers.VAULT, "https://vault", mount="kv")
    assert lasting_command(plain, "x", [Limit.MOUNT]) == "bao write kv/config delete_version_after=0s"
    assert lasting_command(plain, "x", [Limit.NAME]) == "bao kv metadata put -mount=kv -delete-version-after=0s x"


def test_the_settings_that_say_so_are_asked_for_and_all_are_named_where_that_is_denied() -> None:
    store = MemoryStore(StoreAddress(providers.VAULT, "https://vault", mount="kv"))
    undelete = "bao kv undelete -mount=kv -versions=3 x"
    # It was set then, and is not any more.
    assert keep_command(store, "x", "3") == undelete
    store.drops = {"x": Dropped((), 10, 60, (Limit.NAME,))}
    own = "bao kv metadata put -mount=kv -delete-version-after=0s x"
    assert keep_command(store, "x", "3") == f"{own} && {undelete}"
    store.failures["dropped_by_write", "x"] = ForbiddenError(
        store.place("x"), Action.DESCRIBE, "no policy", "add one", permission="read"
    )
    assert keep_command(store, "x", "3") == f"bao write kv/config delete_version_after=0s && {own} && {undelete}"
