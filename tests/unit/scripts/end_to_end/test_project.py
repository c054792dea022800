import itertools
from pathlib import Path
from typing import Any

import pytest

from compiler.model.environment import Environment
from compiler.model.store import StoreAddress
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from scripts.end_to_end import project
from scripts.end_to_end.project import Project
from scripts.end_to_end.room import Room
from scripts.end_to_end.setting import Setting
from tests import providers
from tests.memory_store import MemoryStore
from tests.platform_double import key_vault_object, vault_object

SERVICE = "http://openbao.vault.svc.cluster.local:8200"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> dict[str, MemoryStore]:
    """The stores by provider, in memory."""
    opened: dict[str, MemoryStore] = {}

    def opened_as(address: StoreAddress, _environ: object) -> MemoryStore:
        return opened.setdefault(address.provider.id, MemoryStore())

    monkeypatch.setattr(project, "open_store", opened_as)
    return opened


def refuse(_name: str) -> None:
    raise Refusal("cannot run", "it does not answer")


def made(folder: Path, vault: dict[str, Any], azure: str, operator: str | None = None) -> Project:
    store = vault_object(SERVICE)
    store["spec"]["provider"]["vault"].update(vault)
    addresses = {
        "vault": StoreAddress(providers.VAULT, SERVICE, vault.get("path", "secret")),
        "azurekv": StoreAddress(providers.KEY_VAULT, azure),
    }
    stores = {"vault": store, "azurekv": key_vault_object(azure)}
    if azure.endswith(".cn"):
        stores["azurekv"]["spec"]["provider"]["azurekv"]["environmentType"] = "ChinaCloud"
    nobody: Any = None
    setting = Setting({}, folder / "helm", nobody, stores, addresses, "pause", "5m", operator)
    return Project(folder / "project", setting, Room(setting, "e2e-1", folder))


def environment(found: Project) -> Environment:
    """The environment, which has nothing to be said against, not even a warning."""
    result = compile_project(found.root, ["e2e"])
    assert result.diagnostics == ()
    assert result.project is not None
    return result.project.environments[0]


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(
    ("vault", "azure", "operator"),
    [
        ({}, "https://platform.vault.azure.net", None),
        ({"path": "kv", "namespace": "team", "server": "http://10.0.0.1:8200"}, "https://localhost:8443", "2.7"),
        ({"server": "https://vault.example.com"}, "https://platform.vault.azure.cn", "2.12"),
    ],
)
def test_every_agent_is_on_a_vault_of_the_run_and_under_its_name(
    tmp_path: Path, vault: dict[str, Any], azure: str, operator: str | None
) -> None:
    found = made(tmp_path, vault, azure, operator)
    compiled = environment(found)
    assert found.secrets == {name: secret.entry.target for name, secret in compiled.secrets.items()}
    assert len(found.secrets) == 11
    assert {secret.store.name for secret in compiled.secrets.values() if secret.store} == {"e2e-1-vault"}
    assert compiled.stores["azure"].name == "e2e-1-azurekv"
    assert compiled.stores["vault"].mount == vault.get("path", "secret")
    assert compiled.stores["vault"].vault_namespace == vault.get("namespace")
    assert all(str(secret.remote).startswith("e2e-1/") for secret in compiled.secrets.values())
    assert {secret.namespace for secret in compiled.secrets.values()} == {"e2e-1"}
    assert compiled.operator == (operator or "2.9")


@pytest.mark.usefixtures("memory")
def test_a_project_that_does_not_compile_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refused:
        made(tmp_path, {}, "https://platform.vault.azure.net", "none")
    assert "the project of the run does not compile: " in refused.value.message


def test_values_are_made_up_and_deleted_so_that_they_can_be_recovered(
    tmp_path: Path, memory: dict[str, MemoryStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = itertools.count()
    monkeypatch.setattr("scripts.end_to_end.project.secrets.token_urlsafe", lambda _length: f"value-{next(numbers)}")
    found = made(tmp_path, {}, "https://platform.vault.azure.net")
    found.fill()
    vault = memory["vault"]
    jira = vault.read("e2e-1/jira-secret")
    assert len({each.reveal() for each in jira.properties.values()}) == 4
    # One property more than the catalogue lists, and the Secrets as templates make them.
    assert len(vault.read("e2e-1/settings").properties) == 2
    held = found.held()
    assert held["registry-pull"].keys() == {".dockerconfigjson"}
    assert held["shop-certificate"].keys() == {"tls.crt", "tls.key"}
    assert held["shop-settings"].keys() == {"LISTED", "UNLISTED"}
    monkeypatch.setattr(memory["azurekv"], "describe", refuse)
    left = found.empty()
    assert len(left) == 11
    assert left[0].startswith('delete "e2e-1-global" in ')
    assert {vault.describe(name).state for name in ("e2e-1/jira-secret", "e2e-1/global")} == {"soft-deleted"}
