"""A platform on this machine for end-to-end runs: a double of the cluster with its operator, over real local stores."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from compiler.demo.local_openbao import LocalOpenBao
from tests.cluster_double import ClusterDouble
from tests.conftest import ONE_SHORT_RUN, installed_helm
from tests.faulty_key_vault import FaultyKeyVault, Limits, VaultOptions
from tests.operator_double import OperatorDouble, reference_of

VAULT_STORE, KEY_VAULT_STORE = "vault-secret-store", "azure-keyvault-store"


@dataclass
class Platform:
    """Its parts, and the variables with which `scripts/e2e.py` finds them."""

    cluster: ClusterDouble
    operator: OperatorDouble
    bao: LocalOpenBao
    azure: FaultyKeyVault
    variables: dict[str, str]


@contextmanager
def platform(folder: Path, major: int | None = None) -> Iterator[Platform]:
    """A platform for the length of a `with` block, with its files in `folder`; runs use the Helm of this `major`."""
    helm = installed_helm(major) if major is not None else None
    if major is not None and helm is None:
        pytest.skip(f"Helm {major} not found: run scripts/install_helm.sh")
    with (
        LocalOpenBao.start_dev(folder) as bao,
        FaultyKeyVault(VaultOptions(limits=Limits(None, None))) as azure,
        ClusterDouble() as cluster,
    ):
        vault_store, key_vault_store = vault_object(bao.url), key_vault_object(azure.url)
        credentials = {reference_of(vault_store): bao.token, reference_of(key_vault_store): azure.issue_token()}
        for store in (vault_store, key_vault_store):
            cluster.put("clustersecretstores", store)
        variables = {
            # Without one, Helm keeps what it learns of the cluster in the folder it is started in.
            "HOME": str(folder),
            **ONE_SHORT_RUN,
            "KUBECONFIG": str(cluster.kubeconfig(folder)),
            "E2E_VAULT_STORE": VAULT_STORE,
            "E2E_KEY_VAULT_STORE": KEY_VAULT_STORE,
            "E2E_TIMEOUT": "20s",
            "E2E_HELM": helm or "",
            "VAULT_TOKEN": bao.token,
            **azure.environ(),
        }
        with OperatorDouble(cluster, credentials, str(azure.ca_file)) as operator:
            yield Platform(cluster, operator, bao, azure, variables)
        assert operator.defects == []


def vault_object(server: str) -> dict[str, Any]:
    reference = {"name": "vault-token", "key": "token", "namespace": "external-secrets"}
    vault = {"server": server, "path": "secret", "version": "v2", "auth": {"tokenSecretRef": reference}}
    return _object(VAULT_STORE, {"vault": vault})


def key_vault_object(url: str) -> dict[str, Any]:
    login = {key: {"name": "azure-sp", "key": key.lower(), "namespace": "external-secrets"} for key in _LOGIN}
    azure = {"vaultUrl": url, "authType": "ServicePrincipal", "authSecretRef": login}
    return _object(KEY_VAULT_STORE, {"azurekv": azure})


_LOGIN = ("clientId", "clientSecret")


def _object(name: str, provider: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "ClusterSecretStore", "metadata": {"name": name}, "spec": {"provider": provider}}
