import pytest

from compiler.rules.early_sync_wave import check
from tests.unit.rules.conftest import CATALOGUE, Judge


@pytest.mark.parametrize("wave", [-60, -61])
def test_finds_a_secret_before_its_rendered_store(judge: Judge, wave: int) -> None:
    catalogue = CATALOGUE.replace("syncWave: -49", f"syncWave: {wave}")
    found = judge(check, "stores: {vault: {render: true}}", catalogue=catalogue)
    assert found.messages == [f'"github" is in sync wave {wave}, its store in -60']
    assert found.marked == [str(wave)]
    assert found.related == ["true"]
    assert not judge(check, catalogue=catalogue)


def test_leaves_later_waves_alone(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("syncWave: -49", "syncWave: -59")
    assert not judge(check, "stores: {vault: {render: true}}", catalogue=catalogue)
