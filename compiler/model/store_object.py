"""Builds the ClusterSecretStore or SecretStore of a store that the chart renders, as ESO's v1 API has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.address import DEFAULT_CLOUD
from compiler.model.catalogue import VAULT
from compiler.model.sync_wave import STORE_WAVE

if TYPE_CHECKING:
    from compiler.model.document import Node
    from compiler.model.environment import Store
    from compiler.model.values_data import ValuesData

# The CRD defaults it to false since this minor and refuses it before (read in ESO's CRDs, tag by tag).
_USE_AZURE_SDK_SINCE = (0, 20)


def store_object(store: Store, namespace: str, operator: tuple[int, int]) -> ValuesData:
    """Name, wave, conditions and provider; a SecretStore lies in `namespace`, the environment's.

    `operator` is the minor of External Secrets Operator, whose CRD decides which defaulted fields are written.
    """
    data: dict[str, ValuesData] = {"name": store.name, "syncWave": str(STORE_WAVE)}
    if store.kind == "SecretStore":
        data["namespace"] = namespace
    else:
        namespaces = _texts(store.node.get("conditions", "namespaces"))
        data["conditions"] = [{"namespaces": namespaces}]
    data["provider"] = {store.provider: _vault(store) if store.provider == VAULT else _key_vault(store, operator)}
    return data


def _vault(store: Store) -> ValuesData:
    data: dict[str, ValuesData] = {"server": store.address or "", "path": store.mount, "version": "v2"}
    if store.vault_namespace:
        data["namespace"] = store.vault_namespace
    ca = store.node.get("caProvider")
    if ca is not None:
        data["caProvider"] = _fields(ca, "type", "name", "key", "namespace")
    auth = store.node.get("auth")
    for form, node in (auth.children if auth is not None else {}).items():
        data["auth"] = _VAULT_AUTH[form](node)
    return data


def _token(node: Node) -> ValuesData:
    return {"tokenSecretRef": _reference(node)}


def _kubernetes(node: Node) -> ValuesData:
    data: dict[str, ValuesData] = {"mountPath": node.text("mountPath") or "kubernetes", "role": node.text("role") or ""}
    account = node.get("serviceAccount")
    if account is not None:
        data["serviceAccountRef"] = _service_account(account)
    return {"kubernetes": data}


def _app_role(node: Node) -> ValuesData:
    data: dict[str, ValuesData] = {"path": node.text("path") or "approle", "roleId": node.text("roleId") or ""}
    data["secretRef"] = _reference(node.nearest("secretId"))
    return {"appRole": data}


def _jwt(node: Node) -> ValuesData:
    account = _service_account(node.nearest("serviceAccount"))
    return {
        "jwt": {
            "path": node.text("path") or "jwt",
            "role": node.text("role") or "",
            "kubernetesServiceAccountToken": {"serviceAccountRef": account},
        }
    }


_VAULT_AUTH = {"token": _token, "kubernetes": _kubernetes, "appRole": _app_role, "jwt": _jwt}


def _key_vault(store: Store, operator: tuple[int, int]) -> ValuesData:
    data: dict[str, ValuesData] = {
        "vaultUrl": store.address or "",
        "environmentType": store.node.text("environmentType") or DEFAULT_CLOUD,
    }
    if operator >= _USE_AZURE_SDK_SINCE:
        data["useAzureSDK"] = False
    tenant = store.node.text("tenantId")
    if tenant:
        data["tenantId"] = tenant
    auth = store.node.nearest("auth")
    workload, managed, principal = (
        auth.get(form) for form in ("workloadIdentity", "managedIdentity", "servicePrincipal")
    )
    if workload is not None:
        data["authType"] = "WorkloadIdentity"
        account = workload.get("serviceAccount")
        if account is not None:
            data["serviceAccountRef"] = _service_account(account)
    elif managed is not None:
        data["authType"] = "ManagedIdentity"
        client = managed.text("clientId")
        if client:
            data["identityId"] = client
    elif principal is not None:
        data["authType"] = "ServicePrincipal"
        data["authSecretRef"] = {name: _reference(principal.nearest(name)) for name in ("clientId", "clientSecret")}
    return data


def _service_account(node: Node) -> ValuesData:
    data = _fields(node, "name", "namespace")
    audiences = _texts(node.get("audiences"))
    if audiences:
        data["audiences"] = audiences
    return data


def _reference(node: Node) -> ValuesData:
    return _fields(node, "name", "key", "namespace")


def _fields(node: Node, *names: str) -> dict[str, ValuesData]:
    return {name: text for name in names if (text := node.text(name))}


def _texts(node: Node | None) -> list[ValuesData]:
    return [item.value for item in node.items if isinstance(item.value, str)] if node is not None else []
