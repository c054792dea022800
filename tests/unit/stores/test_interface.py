import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores.errors import Code, StoreError
from compiler.stores.interface import (
    Attributes,
    RemoteSecret,
    SecretReader,
    SecretState,
    SecretWriter,
    StoreOptions,
    StoreState,
    open_store,
)
from compiler.stores.pacing import Clock
from compiler.stores.secret_value import SecretValue
from tests import providers
from tests.refusals import is_refused

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
    writing = {"expect", "check_access", "excess_access", "check", "write", "restore"}
    deleting = {"check_deletion", "soft_delete", "delete_versions", "recover", "recover_versions"}
    assert changing == writing | deleting


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


ADDRESSES = {
    "vault": StoreAddress(providers.VAULT, "https://vault.example.com"),
    "azure": StoreAddress(providers.KEY_VAULT, "https://x.vault.azure.net"),
}


def test_the_adapter_of_the_provider_is_opened_and_nothing_is_sent() -> None:
    address = ADDRESSES["vault"]
    store = open_store(address, {})
    assert store.address == address
    store.close()


@pytest.mark.parametrize(("extra", "package"), [("vault", "hvac"), ("azure", "azure")])
def test_a_client_that_is_not_installed_is_told_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch, extra: str, package: str
) -> None:
    ours = ("compiler.stores.vault", "compiler.stores.azure")
    for module in [name for name in sys.modules if name.startswith((package, *ours))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        StoreError, check=is_refused(Code.MISSING_DEPENDENCY), match=rf"pip install 'platform-secrets\[{extra}\]'"
    ) as caught:
        open_store(ADDRESSES[extra], {})
    assert f'"{package}" is not installed' in str(caught.value)


def test_a_fault_of_our_own_is_not_taken_for_a_missing_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "compiler.stores.vault.store", raising=False)
    monkeypatch.setitem(sys.modules, "compiler.stores.vault.store", None)
    with pytest.raises(ModuleNotFoundError, match=r"vault\.store"):
        open_store(ADDRESSES["vault"], {})


def test_opening_is_what_loads_a_client() -> None:
    clients = "('hvac', 'azure', 'requests', 'urllib3')"
    code = f"import sys, compiler.stores.interface; print([name for name in {clients} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_defaults_give_a_minute_of_patience_and_finite_timeouts() -> None:
    options = StoreOptions()
    assert options.retry.patience >= 60
    assert 0 < options.connect_timeout <= options.read_timeout < 60
    assert isinstance(options.clock, Clock)
    assert options.quotas is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.silent = 1  # type: ignore[misc]
