"""One step of an end-to-end run with each planted fault: the run turns red by it, and goes on once it is gone."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from compiler.cli.main import main
from scripts.end_to_end.setting import setting_of
from scripts.end_to_end.walk import BrokenPromiseError, Walk
from tests.operator_double import Misdeed
from tests.platform_double import Platform, platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.end_to_end.keeper import Keeper

pytestmark = pytest.mark.heavy
RED = {
    Misdeed.OTHER_UID: 'the secret "agent-jira-secrets" was replaced: it has another UID',
    Misdeed.EMPTIED: 'the secret "agent-jira-secrets" was without ATLASSIAN_API_URL, ATLASSIAN_EMAIL',
    Misdeed.DELETED: 'the secret "agent-jira-secrets" was deleted',
    Misdeed.OTHER_VALUE: 'the data of the secret "agent-jira-secrets" changed',
    Misdeed.OLD_READY: "status e2e --wait --timeout 1s: exit code 4",
    Misdeed.RESTART: 'a container of the pod "reader" was restarted',
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Walk, Keeper]]:
    folder = tmp_path_factory.mktemp("platform")
    with platform(folder, 3) as here, pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("VAULT_ADDR", "VAULT_NAMESPACE", "AZURE_KEYVAULT_NAME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in here.variables.items():
            monkeypatch.setenv(name, value)
        setting = setting_of(here.variables)
        with Walk(setting, "e2e-walk", folder / "walk", main, lambda _line: None) as walk:
            walk.open()
            with walk.watch() as keeper:
                walk.begin(keeper)
                yield here, walk, keeper
        assert walk.left == ()


@pytest.mark.parametrize("misdeed", list(Misdeed))
def test_a_planted_fault_turns_the_run_red(begun: tuple[Platform, Walk, Keeper], misdeed: Misdeed) -> None:
    here, walk, keeper = begun
    keeper.keep()
    here.operator.misdeed = misdeed
    walk.timeout = "1s" if misdeed is Misdeed.OLD_READY else "20s"
    with pytest.raises(BrokenPromiseError) as broken:
        walk.switch(keeper, "jira", "--to", "azure", "--cluster")
    assert RED[misdeed] in str(broken.value)
    here.operator.misdeed = None
    walk.timeout = "20s"
    keeper.keep()
    if misdeed in (Misdeed.OTHER_VALUE, Misdeed.OLD_READY):
        # The way back mends it, which is a change to what is kept.
        with pytest.raises(BrokenPromiseError) if misdeed is Misdeed.OTHER_VALUE else nullcontext():
            walk.switch(keeper, "jira", "--back", "--cluster")
    else:
        walk.switch(keeper, "jira", "--back", "--cluster")
