import pytest

from compiler.rules.times import (
    find_contradictory_lifetime,
    find_early_sync_wave,
    find_invalid_duration,
    find_too_frequent_refresh,
)
from tests import providers
from tests.unit.rules.conftest import CATALOGUE, Judge


@pytest.mark.parametrize(
    ("interval", "message", "way_out"),
    [
        ("1d", "a duration cannot be in days", "write 24h"),
        ("60", "a duration needs a unit", "write 1m, if seconds are meant"),
        ("0", "with a refresh interval of 0 the secret is never read again", "write a duration such as `1h`"),
        ("0s", "with a refresh interval of 0 the secret is never read again", "write a duration such as `1h`"),
        ("0h0m", "with a refresh interval of 0 the secret is never read again", "write a duration such as `1h`"),
        ("-1h", "a refresh interval cannot be negative", "write it as `1h`, `30m` or `1h30m`"),
        ("1 day", "a duration cannot be in days", "write 24h"),
        ("3 months", "a duration cannot be in days", "write 2160h"),
        ("weekly", "a duration cannot be in days", "write 168h"),
        ("hourly", "the units of a duration are h, m and s", "write 1h"),
        ("90 Minutes", "the units of a duration are h, m and s", "write 1h30m"),
        ("often", "this is not a duration", "write it as `1h`, `30m` or `1h30m`"),
        ("1h 30m", "this is not a duration", "write it as `1h`, `30m` or `1h30m`"),
        ("500ms", "a refresh interval must be in whole seconds", "write it as `60s` or more"),
        ("1.5s", "a refresh interval must be in whole seconds", "write it as `60s` or more"),
    ],
)
def test_finds_what_is_no_positive_duration(judge: Judge, interval: str, message: str, way_out: str) -> None:
    found = judge(find_invalid_duration, f'refreshInterval: "{interval}"')
    assert found.messages == [message]
    assert found.helps == [way_out]
    assert found.marked == [f'"{interval}"']


def test_finds_the_interval_of_one_secret_even_when_switched_off(judge: Judge) -> None:
    found = judge(
        find_invalid_duration, "secrets: {github: {refreshInterval: 1d}, aws: {refreshInterval: 2d, enabled: false}}"
    )
    assert found.scopes == [("secrets", "github"), ("secrets", "aws")]


def test_finds_the_environments_interval_where_no_secret_uses_it(judge: Judge) -> None:
    assert len(judge(find_invalid_duration, "refreshInterval: 1d\nsecrets: {github: {refreshInterval: 1h}}")) == 1


@pytest.mark.parametrize("interval", ["1h", "90s", "1h30m", "1.5h", "60000ms"])
def test_leaves_durations_alone(judge: Judge, interval: str) -> None:
    assert not judge(
        find_invalid_duration, f"refreshInterval: {interval}\nsecrets: {{github: {{refreshInterval: 2h}}}}"
    )
    assert not judge(find_invalid_duration, f"secrets: {{github: {{refreshInterval: {interval}}}}}")


def test_needs_neither_an_interval_nor_secrets(judge: Judge) -> None:
    assert not judge(find_invalid_duration, "refreshInterval: null\nsecrets: null")


def test_finds_an_interval_below_a_minute_once(judge: Judge) -> None:
    found = judge(find_too_frequent_refresh, "refreshInterval: 5s\nsecrets: {aws: {}}")
    assert found.messages == ["5s is too short, as pods read Secrets only when they start"]
    assert found.marked == ["5s"]
    assert found.scopes == [()]


def test_finds_the_interval_of_one_secret(judge: Judge) -> None:
    found = judge(find_too_frequent_refresh, "secrets: {github: {refreshInterval: 59s}}")
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
    found = judge(find_too_frequent_refresh, f"{text}1m", catalogue=_large(25))
    # The number is never that which is allowed.
    assert found.messages == ['the Key Vault of the store "azure" is read 5 times in 10 s, but allows 4']
    assert found.scopes == [("stores", "azure")]
    assert not judge(find_too_frequent_refresh, f"{text}1m", catalogue=_large(24))
    # Of a sixth of the interval a sixth of the keys are as many reads.
    assert judge(find_too_frequent_refresh, f"{text}10s", catalogue=_large(4)).scopes == [()]
    assert judge(find_too_frequent_refresh, f"{text}10s", catalogue=_large(5)).scopes == [(), ("stores", "azure")]


@pytest.mark.usefixtures("budget")
def test_counts_one_read_for_a_bundle_and_none_for_vault(judge: Judge) -> None:
    text = "refreshInterval: 10s\nsecrets: {large: {}}\n"
    assert judge(find_too_frequent_refresh, text + "store: azure\nfetch: bundle", catalogue=_large(5)).scopes == [()]
    assert judge(find_too_frequent_refresh, text, catalogue=_large(5)).scopes == [()]


@pytest.mark.usefixtures("budget")
def test_adds_up_two_stores_on_one_vault(judge: Judge) -> None:
    two = "stores: {two: {provider: azurekv, name: two, vaultUrl: https://PLATFORM.vault.azure.net/}}\n"
    text = two + "refreshInterval: 10s\nstore: azure\nsecrets: {large: {}, aws: {store: two}, github: null}"
    assert judge(find_too_frequent_refresh, text, catalogue=_large(4)).scopes == [(), ("stores", "azure")]


def test_leaves_a_minute_and_more_alone(judge: Judge) -> None:
    assert not judge(find_too_frequent_refresh, "refreshInterval: 1m")
    assert not judge(find_too_frequent_refresh, "refreshInterval: 1d")


def _catalogue(key: str) -> str:
    return CATALOGUE.replace("AWS_REGION: {}", f"AWS_REGION: {{{key}}}")


@pytest.mark.parametrize(
    ("key", "marked", "message", "help_text"),
    [
        (
            "rotate: 91d, maxAge: 90d",
            "91d",
            '"AWS_REGION" would be rotated after 91 days, but its issuer ends it after 90',
            "rotate it before, such as every 83d",
        ),
        (
            "rotateWith: [AWS_ACCESS_KEY]",
            "[AWS_ACCESS_KEY]",
            '"aws" has no key "AWS_ACCESS_KEY"',
            'did you mean "AWS_ACCESS_KEY_ID"?',
        ),
        ("rotateWith: [AWS_REGION]", "[AWS_REGION]", '"AWS_REGION" names itself', "name another key of the entry"),
        (
            "previousKey: AWS_ACCESS_KEY_ID, overlap: two-keys",
            "AWS_ACCESS_KEY_ID",
            '"AWS_REGION" has a key for its old value, and no `overlap: previous`',
            "write `overlap: previous`, or remove `previousKey`",
        ),
        (
            "generate: {length: 32}",
            "{length: 32}",
            '"AWS_REGION" is made by its issuer',
            "write `issuer: self` if the value is ours to choose",
        ),
        (
            "issuer: self, generate: {length: 38, alphabet: '0123456789'}",
            "{length: 38, alphabet: '0123456789'}",
            'a generated "AWS_REGION" would have 126 bits, and a secret needs 128',
            "make `length` or `alphabet` larger",
        ),
        (
            "issuer: self, generate: {length: 120, alphabet: 'aabb'}",
            "{length: 120, alphabet: 'aabb'}",
            'a generated "AWS_REGION" would have 120 bits, and a secret needs 128',
            "make `length` or `alphabet` larger",
        ),
    ],
)
def test_finds_a_contradiction(judge: Judge, key: str, marked: str, message: str, help_text: str) -> None:
    found = judge(find_contradictory_lifetime, _catalogue(key))
    assert (found.messages, found.marked, found.helps) == ([message], [marked], [help_text])


def test_points_at_the_entry_that_says_it_for_all_keys(judge: Judge) -> None:
    text = "secrets: {a: {target: a, syncWave: 1, remote: {vault: a}, maxAge: 30d, rotate: 60d, keys: {A: {}}}}"
    found = judge(find_contradictory_lifetime, text)
    assert (found.marked, len(found.messages)) == (["60d"], 1)


def test_a_key_that_takes_its_value_names_no_place_for_an_old_one(judge: Judge) -> None:
    text = CATALOGUE.replace(
        "AWS_REGION: {}", "AWS_REGION: {rotateWith: [TAKEN]}\n      TAKEN: {from: aws/AWS_ACCESS_KEY_ID}"
    )
    assert judge(find_contradictory_lifetime, text).messages == ['"TAKEN" has its value from another key']


@pytest.mark.parametrize(
    "key",
    [
        "rotate: 90d, maxAge: 90d",
        "rotate: 900d",
        "maxAge: 1d",
        "rotateWith: [AWS_ACCESS_KEY_ID]",
        "overlap: previous, previousKey: AWS_ACCESS_KEY_ID",
        "overlap: previous",
        "issuer: self, generate: {length: 39, alphabet: '0123456789'}",
        "issuer: self",
    ],
)
def test_leaves_a_clear_lifetime_alone(judge: Judge, key: str) -> None:
    assert not judge(find_contradictory_lifetime, _catalogue(key))


@pytest.mark.parametrize("wave", [-60, -61])
def test_finds_a_secret_before_its_rendered_store(judge: Judge, wave: int) -> None:
    catalogue = CATALOGUE.replace("syncWave: -49", f"syncWave: {wave}")
    found = judge(find_early_sync_wave, "stores: {vault: {render: true}}", catalogue=catalogue)
    assert found.messages == [f'"github" is in sync wave {wave}, its store in -60']
    assert found.marked == [str(wave)]
    assert found.related == ["true"]
    assert not judge(find_early_sync_wave, catalogue=catalogue)


def test_leaves_later_waves_alone(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("syncWave: -49", "syncWave: -59")
    assert not judge(find_early_sync_wave, "stores: {vault: {render: true}}", catalogue=catalogue)
