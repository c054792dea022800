import pytest

from compiler.rules.too_frequent_refresh import check
from tests import providers
from tests.unit.rules.conftest import CATALOGUE, Judge


def test_finds_an_interval_below_a_minute_once(judge: Judge) -> None:
    found = judge(check, "refreshInterval: 5s\nsecrets: {aws: {}}")
    assert found.messages == ["5s is too short, as pods read Secrets only when they start"]
    assert found.marked == ["5s"]
    assert found.scopes == [()]


def test_finds_the_interval_of_one_secret(judge: Judge) -> None:
    found = judge(check, "secrets: {github: {refreshInterval: 59s}}")
    assert found.scopes == [("secrets", "github")]


def _large(keys: int) -> str:
    names = "".join(f"      K{index}: {{}}\n" for index in range(keys))
    entry = "  large:\n    target: large\n    remote: {vault: large, azurekv: large}\n    syncWave: 1\n    keys:\n"
    return CATALOGUE + entry + names


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vault that allows 4 operations in 10 seconds, as thousands of keys take seconds to load."""
    assert providers.KEY_VAULT.quota == 4_000
    monkeypatch.setattr(providers.KEY_VAULT, "quota", 4)


@pytest.mark.usefixtures("budget")
def test_finds_more_reads_than_a_key_vault_allows(judge: Judge) -> None:
    text = "store: azure\nsecrets: {github: null, large: {}}\nrefreshInterval: "
    found = judge(check, f"{text}1m", catalogue=_large(25))
    # The number is never that which is allowed.
    assert found.messages == ['the Key Vault of the store "azure" is read 5 times in 10 s, but allows 4']
    assert found.scopes == [("stores", "azure")]
    assert not judge(check, f"{text}1m", catalogue=_large(24))
    # Of a sixth of the interval a sixth of the keys are as many reads.
    assert judge(check, f"{text}10s", catalogue=_large(4)).scopes == [()]
    assert judge(check, f"{text}10s", catalogue=_large(5)).scopes == [(), ("stores", "azure")]


@pytest.mark.usefixtures("budget")
def test_counts_one_read_for_a_bundle_and_none_for_vault(judge: Judge) -> None:
    text = "refreshInterval: 10s\nsecrets: {large: {}}\n"
    assert judge(check, text + "store: azure\nfetch: bundle", catalogue=_large(5)).scopes == [()]
    assert judge(check, text, catalogue=_large(5)).scopes == [()]


@pytest.mark.usefixtures("budget")
def test_adds_up_two_stores_on_one_vault(judge: Judge) -> None:
    two = "stores: {two: {provider: azurekv, name: two, vaultUrl: https://PLATFORM.vault.azure.net/}}\n"
    text = two + "refreshInterval: 10s\nstore: azure\nsecrets: {large: {}, aws: {store: two}, github: null}"
    assert judge(check, text, catalogue=_large(4)).scopes == [(), ("stores", "azure")]


def test_leaves_a_minute_and_more_alone(judge: Judge) -> None:
    assert not judge(check, "refreshInterval: 1m")
    assert not judge(check, "refreshInterval: 1d")
