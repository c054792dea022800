"""Derives the operator's fields of a Vault store a second time, without the descriptor, for the proof of parity."""

from typing import Any

PlainMap = dict[str, Any]


def expected_spec(store: PlainMap, operator: str) -> PlainMap:
    del operator
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


def _renamed(said: PlainMap, **names: str) -> PlainMap:
    return {new: said[old] for old, new in names.items() if old in said}
