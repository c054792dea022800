import pytest

from compiler.rules.invalid_duration import check
from tests.unit.rules.conftest import Judge


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
    found = judge(check, f'refreshInterval: "{interval}"')
    assert found.messages == [message]
    assert found.helps == [way_out]
    assert found.marked == [f'"{interval}"']


def test_finds_the_interval_of_one_secret_even_when_switched_off(judge: Judge) -> None:
    found = judge(check, "secrets: {github: {refreshInterval: 1d}, aws: {refreshInterval: 2d, enabled: false}}")
    assert found.scopes == [("secrets", "github"), ("secrets", "aws")]


def test_finds_the_environments_interval_where_no_secret_uses_it(judge: Judge) -> None:
    assert len(judge(check, "refreshInterval: 1d\nsecrets: {github: {refreshInterval: 1h}}")) == 1


@pytest.mark.parametrize("interval", ["1h", "90s", "1h30m", "1.5h", "60000ms"])
def test_leaves_durations_alone(judge: Judge, interval: str) -> None:
    assert not judge(check, f"refreshInterval: {interval}\nsecrets: {{github: {{refreshInterval: 2h}}}}")
    assert not judge(check, f"secrets: {{github: {{refreshInterval: {interval}}}}}")


def test_needs_neither_an_interval_nor_secrets(judge: Judge) -> None:
    assert not judge(check, "refreshInterval: null\nsecrets: null")
