import pytest

from compiler.stores.azure_key_vault.rules.contradictory_validity import check
from tests.unit.rules.conftest import Judge


def _environment(settings: str) -> str:
    return f"stores: {{azure: {{{settings}}}}}\n"


@pytest.mark.parametrize(("shortest", "longest"), [(30, 30), (31, 30)])
def test_finds_a_vault_that_accepts_no_date(judge: Judge, shortest: int, longest: int) -> None:
    found = judge(check, _environment(f"minValidity: {shortest}d, maxValidity: {longest}d"))
    message = f'the store "azure" accepts no expiry date: at least {shortest} days ahead, and at most {longest}'
    assert (found.messages, found.marked) == ([message], [f"{shortest}d"])
    assert all(found.helps)


@pytest.mark.parametrize(
    "settings", ["minValidity: 29d, maxValidity: 30d", "minValidity: 9d", "maxValidity: 1d", "requireExpiry: true"]
)
def test_leaves_a_vault_that_accepts_dates_alone(judge: Judge, settings: str) -> None:
    assert not judge(check, _environment(settings))
