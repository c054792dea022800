from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler.model.store import StoreAddress
from scripts.end_to_end import setting
from scripts.end_to_end.setting import MissingError, address_of, helm_of, setting_of
from tests import providers
from tests.cluster_double import ClusterDouble
from tests.platform_double import KEY_VAULT_STORE, VAULT_STORE, key_vault_object, vault_object

READY = {"conditions": [{"type": "Ready", "status": "True"}]}
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterDouble]:
    monkeypatch.setattr(setting, "_PATIENCE", 0.0)
    with ClusterDouble() as found:
        yield found


@pytest.fixture
def environ(cluster: ClusterDouble, tmp_path: Path) -> dict[str, str]:
    helm = tmp_path / "helm"
    helm.write_text("#!/bin/sh\necho v3.19.0\n")
    helm.chmod(0o755)
    return {
        "KUBECONFIG": str(cluster.kubeconfig(tmp_path)),
        "E2E_VAULT_STORE": VAULT_STORE,
        "E2E_KEY_VAULT_STORE": KEY_VAULT_STORE,
        "E2E_HELM": str(helm),
        "VAULT_TOKEN": "token-4711",
    }


def missing(environ: dict[str, str]) -> list[str]:
    with pytest.raises(MissingError) as error:
        setting_of(environ)
    return list(error.value.lines)


def test_a_helm_is_needed_that_says_its_version(environ: dict[str, str], tmp_path: Path) -> None:
    for text in ("#!/bin/sh\necho v2.17.0\n", "#!/bin/sh\necho none\nexit 1\n", "no program"):
        (tmp_path / "helm").write_text(text)
        assert missing(environ) == ["install Helm 3 or 4, or name its program in E2E_HELM"]
    assert helm_of({"E2E_HELM": str(tmp_path / "not-there")}) is None


def test_a_kubeconfig_that_is_none_is_said(environ: dict[str, str], tmp_path: Path) -> None:
    environ["KUBECONFIG"] = str(tmp_path / "not-there")
    why = f"KUBECONFIG names no file that is there ({tmp_path}/not-there)"
    assert missing(environ) == [f"no usable kubeconfig ({why}); correct KUBECONFIG"]


def test_a_cluster_without_the_operator_lacks_both_stores(cluster: ClusterDouble, environ: dict[str, str]) -> None:
    cluster.unserved.add("external-secrets.io")
    assert missing(environ) == [
        f'E2E_VAULT_STORE: the cluster has no ClusterSecretStore "{VAULT_STORE}" of external-secrets.io/v1',
        f'E2E_KEY_VAULT_STORE: the cluster has no ClusterSecretStore "{KEY_VAULT_STORE}" of external-secrets.io/v1',
    ]


def test_a_store_of_the_other_provider_and_one_that_is_not_ready_are_said(
    cluster: ClusterDouble, environ: dict[str, str]
) -> None:
    cluster.put("clustersecretstores", vault_object(NOWHERE))
    environ["E2E_KEY_VAULT_STORE"] = VAULT_STORE
    assert missing(environ) == [
        f'E2E_VAULT_STORE: the ClusterSecretStore "{VAULT_STORE}" is not ready',
        f'E2E_KEY_VAULT_STORE: the ClusterSecretStore "{VAULT_STORE}" is of another provider than azurekv',
    ]


def test_a_refusal_of_the_cluster_is_said_with_its_remedy(cluster: ClusterDouble, environ: dict[str, str]) -> None:
    cluster.refused["get clustersecretstores"] = 403
    permission = "get clustersecretstores"
    reason = f"you are not allowed to {permission}; get a role that allows"
    assert missing(environ) == [f'the cluster cannot be asked: {reason} "{permission}"']


def test_a_store_that_this_machine_does_not_get_into_is_said(cluster: ClusterDouble, environ: dict[str, str]) -> None:
    cluster.put("clustersecretstores", {**vault_object(NOWHERE), "status": READY})
    cluster.put("clustersecretstores", {**key_vault_object("https://127.0.0.1:9"), "status": READY})
    environ |= {"AZURE_KEYVAULT_TOKEN": "token-4711", "AZURE_KEYVAULT_EMULATOR": "1"}
    lines = missing(environ)
    assert [line.partition(":")[0] for line in lines] == ["vault", "azurekv"]
    assert "token-4711" not in "".join(lines)


@pytest.mark.parametrize(
    ("vault", "environ", "expected"),
    [
        ({}, {}, (NOWHERE, "secret", None)),
        ({"path": "kv", "namespace": "team"}, {"VAULT_NAMESPACE": "other"}, (NOWHERE, "kv", "team")),
        ({}, {"VAULT_ADDR": "http://127.0.0.1:8200", "VAULT_NAMESPACE": "n"}, ("http://127.0.0.1:8200", "secret", "n")),
    ],
)
def test_a_vault_is_reached_as_any_command_reaches_it(
    vault: dict[str, Any], environ: dict[str, str], expected: tuple[str, str, str | None]
) -> None:
    store = vault_object(NOWHERE)
    store["spec"]["provider"]["vault"].update(vault)
    assert address_of(store, environ) == StoreAddress(providers.VAULT, *expected)


def test_with_all_of_it_there_is_a_setting_with_defaults(
    cluster: ClusterDouble, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setting, "_unusable", lambda *_: iter(()))
    cluster.put("clustersecretstores", {**vault_object(NOWHERE), "status": READY})
    cluster.put("clustersecretstores", {**key_vault_object("https://kv.vault.azure.net"), "status": READY})
    found = setting_of(environ)
    assert (found.image, found.timeout, found.operator) == ("registry.k8s.io/pause:3.10", "5m", None)
    assert found.stores.keys() == found.addresses.keys() == {"vault", "azurekv"}
    named = setting_of({**environ, "E2E_IMAGE": "own/pause", "E2E_TIMEOUT": "90s", "E2E_OPERATOR": "2.7"})
    assert (named.image, named.timeout, named.operator) == ("own/pause", "90s", "2.7")
