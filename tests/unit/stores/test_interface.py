import dataclasses
import inspect
import pickle
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores.interface import (
    Attributes,
    RemoteSecret,
    SecretReader,
    SecretState,
    SecretWriter,
    StoreState,
    open_store,
)
from compiler.stores.secret_value import SecretValue
from tests import providers

SENTINEL = "s3ntinel-4711"
URLS: Mapping[Provider, str] = {
    providers.VAULT: "https://vault.example.com",
    providers.KEY_VAULT: "https://team.vault.azure.net",
}


def offered(by: object) -> dict[str, list[tuple[str, object]]]:
    """Each public member with its parameters' names and defaults: callers may name them, whichever store it is."""
    found: dict[str, list[tuple[str, object]]] = {}
    for name, member in inspect.getmembers(by):
        if not name.startswith("_"):
            parameters = inspect.signature(member).parameters.values() if inspect.isroutine(member) else ()
            found[name] = [(each.name, each.default) for each in parameters if each.name != "self"]
    return found


@pytest.mark.parametrize("provider", URLS)
def test_every_adapter_offers_exactly_what_the_protocol_says_and_nothing_that_destroys(provider: Provider) -> None:
    adapter = open_store(StoreAddress(provider, URLS[provider]), {"VAULT_TOKEN": "x", "AZURE_KEYVAULT_TOKEN": "x"})
    assert offered(adapter) == offered(SecretWriter)
    adapter.close()


def test_whoever_may_only_look_has_no_way_to_change() -> None:
    changing = offered(SecretWriter).keys() - offered(SecretReader).keys()
    writing = {"expect", "check_access", "excess_access", "check", "write", "check_whole", "write_whole", "restore"}
    deleting = {"check_deletion", "soft_delete", "delete_versions", "recover", "recover_versions"}
    assert changing == writing | deleting | {"set_tags"}


def test_a_remote_secret_shows_its_place_and_none_of_its_values() -> None:
    secret = RemoteSecret(
        "github", "3", {"TOKEN": SecretValue(SENTINEL)}, Attributes(), SecretValue(f'{{"TOKEN": "{SENTINEL}"}}')
    )
    shown = f"{secret!r}"
    assert SENTINEL not in shown
    assert "'github'" in shown
    assert "'TOKEN'" in shown


@pytest.mark.parametrize("leak", [pickle.dumps, dataclasses.asdict])
def test_a_remote_secret_is_not_copied_out(leak: object) -> None:
    assert callable(leak)
    with pytest.raises(TypeError) as caught:
        leak(RemoteSecret("github", "3", {"TOKEN": SecretValue(SENTINEL)}, Attributes()))
    assert SENTINEL not in str(caught.value)


def test_remote_secrets_are_not_compared_in_the_clear() -> None:
    one, other = (RemoteSecret("github", "3", {"TOKEN": SecretValue(SENTINEL)}, Attributes()) for _ in range(2))
    with pytest.raises(TypeError, match="Comparer"):
        _ = one == other


def test_what_is_not_told_is_the_harmless_case() -> None:
    secret = RemoteSecret("github", "3", {}, Attributes())
    assert (secret.whole, secret.is_object) == (None, True)
    state = SecretState("github", StoreState.ABSENT)
    assert (state.version, state.attributes) == (None, Attributes())
    attributes = Attributes()
    assert (attributes.enabled, attributes.managed, attributes.expires, dict(attributes.tags)) == (
        True,
        False,
        None,
        {},
    )


def test_two_secrets_without_tags_do_not_share_them() -> None:
    assert Attributes().tags is not Attributes().tags


def test_a_state_reads_as_a_word_of_a_sentence() -> None:
    # Messages say "it is soft-deleted, not present".
    assert [f"{state}" for state in StoreState] == ["absent", "present", "disabled", "soft-deleted", "destroyed"]


def test_dates_count_from_the_moment_that_they_name() -> None:
    moment, second = datetime(2025, 1, 31, tzinfo=UTC), timedelta(seconds=1)
    has = Attributes(expires=moment, not_before=moment)
    assert [has.past_expires(now) for now in (moment - second, moment)] == [None, moment]
    assert [has.not_before_ahead(now) for now in (moment - second, moment)] == [moment, None]
    assert (Attributes().past_expires(moment), Attributes().not_before_ahead(moment)) == (None, None)
