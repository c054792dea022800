from typing import Any

import pytest

from compiler.operations.parity import expected_stores

ACCOUNT = {"name": "eso", "namespace": "eso", "audiences": ["vault"]}
REFERENCE = {"name": "login", "key": "token"}


def provider(operator: str = "2.9", **store: object) -> dict[str, Any]:
    said = {"name": "s", "kind": "SecretStore", "render": True, **store}
    (manifest,) = expected_stores({"namespace": "team", "externalSecretsOperator": operator, "stores": {"s": said}})
    found: dict[str, Any] = manifest["spec"]["provider"][str(store["provider"])]
    return found


@pytest.mark.parametrize(
    ("auth", "rendered"),
    [
        ({"token": REFERENCE}, {"tokenSecretRef": REFERENCE}),
        ({"kubernetes": {"role": "r"}}, {"kubernetes": {"mountPath": "kubernetes", "role": "r"}}),
        (
            {"kubernetes": {"role": "r", "mountPath": "k8s", "serviceAccount": ACCOUNT}},
            {"kubernetes": {"mountPath": "k8s", "role": "r", "serviceAccountRef": ACCOUNT}},
        ),
        (
            {"appRole": {"roleId": "id", "secretId": REFERENCE}},
            {"appRole": {"path": "approle", "roleId": "id", "secretRef": REFERENCE}},
        ),
        (
            {"jwt": {"role": "r", "serviceAccount": ACCOUNT}},
            {"jwt": {"path": "jwt", "role": "r", "kubernetesServiceAccountToken": {"serviceAccountRef": ACCOUNT}}},
        ),
    ],
)
def test_each_login_of_vault(auth: dict[str, Any], rendered: dict[str, Any]) -> None:
    found = provider(provider="vault", server="https://v", auth=auth)
    assert found == {"server": "https://v", "path": "secret", "version": "v2", "auth": rendered}


def test_what_else_a_vault_store_may_say() -> None:
    found = provider(
        provider="vault", server="https://v", mount="kv", vaultNamespace="n", caProvider=REFERENCE, auth={"token": {}}
    )
    assert found == {
        "server": "https://v",
        "path": "kv",
        "version": "v2",
        "namespace": "n",
        "caProvider": REFERENCE,
        "auth": {"tokenSecretRef": {}},
    }
    assert provider(provider="vault", server="https://v", caBundle="LS0t", auth={"token": {}})["caBundle"] == "LS0t"
    endpoints = {"activeDirectoryEndpoint": "https://a"}
    china = provider(
        provider="azurekv",
        vaultUrl="https://u",
        auth={"managedIdentity": {}},
        useAzureSDK=True,
        customCloudConfig=endpoints,
    )
    assert (china["useAzureSDK"], china["customCloudConfig"]) == (True, endpoints)


@pytest.mark.parametrize(
    ("auth", "rendered"),
    [
        ({"workloadIdentity": {"serviceAccount": ACCOUNT}}, {"serviceAccountRef": ACCOUNT}),
        ({"managedIdentity": {"clientId": "c"}}, {"identityId": "c"}),
        ({"managedIdentity": {}}, {}),
        (
            {"servicePrincipal": {"clientId": REFERENCE, "clientSecret": REFERENCE}},
            {"authSecretRef": {"clientId": REFERENCE, "clientSecret": REFERENCE}},
        ),
    ],
)
def test_each_login_of_key_vault(auth: dict[str, Any], rendered: dict[str, Any]) -> None:
    found = provider("0.19", provider="azurekv", vaultUrl="https://u", tenantId="t", auth=auth)
    (form,) = auth
    assert found == {
        "vaultUrl": "https://u",
        "environmentType": "PublicCloud",
        "tenantId": "t",
        "authType": form[0].upper() + form[1:],
        **rendered,
    }


@pytest.mark.parametrize(("operator", "written"), [("0.19", False), ("0.20", True), ("1.0", True), ("2.9", True)])
def test_the_sdk_field_is_written_since_it_is_defaulted(operator: str, *, written: bool) -> None:
    found = provider(operator, provider="azurekv", vaultUrl="https://u", auth={"managedIdentity": {}})
    assert ("useAzureSDK" in found) is written


def test_a_cluster_store_has_conditions_and_no_namespace_and_a_store_that_is_not_rendered_is_none() -> None:
    store = {"provider": "vault", "name": "v", "server": "https://v", "auth": {"token": REFERENCE}}
    said = {"a": {**store, "render": True, "conditions": {"namespaces": ["team"]}}, "b": store}
    (manifest,) = expected_stores({"namespace": "team", "stores": said})
    assert manifest["kind"] == "ClusterSecretStore"
    assert manifest["spec"]["conditions"] == [{"namespaces": ["team"]}]
    assert manifest["metadata"] == {
        "name": "v",
        "labels": {
            "app.kubernetes.io/name": "v",
            "app.kubernetes.io/component": "secret-store",
            "app.kubernetes.io/part-of": "ai-platform-engineering",
            "app.kubernetes.io/managed-by": "Helm",
        },
        "annotations": {"argocd.argoproj.io/sync-wave": "-60"},
    }


def test_a_store_is_a_part_of_what_the_environment_says() -> None:
    store = {
        "provider": "vault",
        "name": "v",
        "kind": "SecretStore",
        "render": True,
        "server": "s",
        "auth": {"token": {}},
    }
    (manifest,) = expected_stores({"namespace": "n", "partOf": "shop", "stores": {"a": store}})
    assert manifest["metadata"]["labels"]["app.kubernetes.io/part-of"] == "shop"
