import subprocess
import sys

import pytest

from compiler.model.store import StoreAddress
from compiler.stores.errors import Code, StoreError
from compiler.stores.interface import open_store
from tests import providers
from tests.refusals import is_refused

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
