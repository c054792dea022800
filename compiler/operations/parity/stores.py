"""Makes the store objects that Helm must render for an environment, independently of the model and the chart."""

from __future__ import annotations

from typing import Any

PlainMap = dict[str, Any]


def expected_stores(environment: PlainMap) -> list[PlainMap]:
    """The ClusterSecretStores and SecretStores with `render: true`."""
    return [_store(environment, store) for store in environment.get("stores", {}).values() if store.get("render")]


def _store(environment: PlainMap, store: PlainMap) -> PlainMap:
    is_cluster = store.get("kind", "ClusterSecretStore") == "ClusterSecretStore"
    provider = store["provider"]
    operator = environment.get("externalSecretsOperator", "2.9")
    spec: PlainMap = {"provider": {provider: _vault(store) if provider == "vault" else _key_vault(store, operator)}}
    metadata: PlainMap = {
        "name": store["name"],
        "labels": {
            "app.kubernetes.io/name": store["name"],
            "app.kubernetes.io/component": "secret-store",
            "app.kubernetes.io/part-of": environment.get("partOf", "ai-platform-engineering"),
            "app.kubernetes.io/managed-by": "Helm",
        },
        "annotations": {"argocd.argoproj.io/sync-wave": "-60"},
    }
    if is_cluster:
        spec["conditions"] = [{"namespaces": store["conditions"]["namespaces"]}]
    else:
        metadata["namespace"] = environment["namespace"]
    kind = "ClusterSecretStore" if is_cluster else "SecretStore"
    return {"apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _vault(store: PlainMap) -> PlainMap:
    data = {"server": store["server"], "path": store.get("mount", "secret"), "version": "v2"}
    (login,) = store["auth"].items()
    return data | _renamed(store, vaultNamespace="namespace", caProvider="caProvider") | {"auth": _vault_auth(*login)}


def _vault_auth(form: str, said: PlainMap) -> PlainMap:
    if form == "token":
        return {"tokenSecretRef": said}
    if form == "appRole":
        return {form: {"path": said.get("path", "approle"), "roleId": said["roleId"], "secretRef": said["secretId"]}}
    if form == "jwt":
        token = {"serviceAccountRef": said["serviceAccount"]}
        data = {"path": said.get("path", "jwt"), "role": said["role"], "kubernetesServiceAccountToken": token}
        return {form: data}
    data = {"mountPath": said.get("mountPath", "kubernetes"), "role": said["role"]}
    return {form: data | _renamed(said, serviceAccount="serviceAccountRef")}


def _key_vault(store: PlainMap, operator: str) -> PlainMap:
    data: PlainMap = {"vaultUrl": store["vaultUrl"], "environmentType": store.get("environmentType", "PublicCloud")}
    if [int(number) for number in operator.split(".")] >= [0, 20]:
        data["useAzureSDK"] = False
    ((form, said),) = store["auth"].items()
    data |= {"authType": form[0].upper() + form[1:], **_renamed(store, tenantId="tenantId")}
    if form == "servicePrincipal":
        return data | {"authSecretRef": said}
    return data | _renamed(said, serviceAccount="serviceAccountRef", clientId="identityId")


def _renamed(said: PlainMap, **names: str) -> PlainMap:
    return {new: said[old] for old, new in names.items() if old in said}
