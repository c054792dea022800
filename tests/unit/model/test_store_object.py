from typing import Any

import pytest

from compiler.model.store import store_object
from compiler.stages.load import load_text
from compiler.stages.resolve import store_of

ACCOUNT = "serviceAccount: {name: eso, namespace: ns, audiences: [vault]}"
REFERENCE = {"name": "eso", "namespace": "ns", "audiences": ["vault"]}


def rendered(text: str, operator: tuple[int, int] = (2, 9)) -> Any:  # noqa: ANN401 - plain data
    document, refused = load_text("environments/prod.yaml", text + "\n")
    assert document is not None, refused
    return store_object(store_of("id", document.root), "ai-platform", operator)


def vault(more: str) -> Any:  # noqa: ANN401 - plain data
    return rendered(f'{{provider: vault, name: v, server: "https://v.example.com", {more}}}')["provider"]["vault"]


def key_vault(more: str, operator: tuple[int, int] = (2, 9)) -> Any:  # noqa: ANN401 - plain data
    text = f'{{provider: azurekv, name: a, vaultUrl: "https://a.vault.azure.net", {more}}}'
    return rendered(text, operator)["provider"]["azurekv"]


def test_a_cluster_store_has_conditions_and_a_store_a_namespace() -> None:
    cluster = rendered("{provider: vault, name: v, conditions: {namespaces: [a, b]}}")
    assert (cluster["name"], cluster["syncWave"]) == ("v", "-60")
    assert cluster["conditions"] == [{"namespaces": ["a", "b"]}]
    assert "namespace" not in cluster
    own = rendered("{provider: vault, name: v, kind: SecretStore}")
    assert own["namespace"] == "ai-platform"
    assert "conditions" not in own


def test_a_vault_says_where_it_is() -> None:
    assert vault("mount: kv") == {"server": "https://v.example.com", "path": "kv", "version": "v2"}
    assert vault("vaultNamespace: n")["namespace"] == "n"
    ca = "caProvider: {type: ConfigMap, name: ca, key: ca.crt, namespace: ns}"
    assert vault("caBundle: LS0t")["caBundle"] == "LS0t"
    assert vault(ca)["caProvider"] == {"type": "ConfigMap", "name": "ca", "key": "ca.crt", "namespace": "ns"}


@pytest.mark.parametrize(
    ("auth", "data"),
    [
        ("token: {name: a, key: b}", {"tokenSecretRef": {"name": "a", "key": "b"}}),
        (
            f"kubernetes: {{role: r, {ACCOUNT}}}",
            {"kubernetes": {"mountPath": "kubernetes", "role": "r", "serviceAccountRef": REFERENCE}},
        ),
        ("kubernetes: {mountPath: k8s, role: r}", {"kubernetes": {"mountPath": "k8s", "role": "r"}}),
        (
            "appRole: {roleId: r, secretId: {name: a, key: b, namespace: c}}",
            {"appRole": {"path": "approle", "roleId": "r", "secretRef": {"name": "a", "key": "b", "namespace": "c"}}},
        ),
        (
            f"jwt: {{path: j, role: r, {ACCOUNT}}}",
            {"jwt": {"path": "j", "role": "r", "kubernetesServiceAccountToken": {"serviceAccountRef": REFERENCE}}},
        ),
    ],
)
def test_each_way_into_a_vault(auth: str, data: dict[str, object]) -> None:
    assert vault(f"auth: {{{auth}}}")["auth"] == data


def test_a_key_vault_says_where_it_is() -> None:
    assert key_vault("tenantId: t, environmentType: ChinaCloud") == {
        "vaultUrl": "https://a.vault.azure.net",
        "environmentType": "ChinaCloud",
        "useAzureSDK": False,
        "tenantId": "t",
    }
    assert key_vault("render: true")["environmentType"] == "PublicCloud"
    endpoints = "activeDirectoryEndpoint: https://a, resourceManagerEndpoint: https://b, keyVaultDNSSuffix: c"
    china = key_vault(f"useAzureSDK: true, customCloudConfig: {{{endpoints}, keyVaultEndpoint: https://d}}")
    assert china["useAzureSDK"] is True
    assert china["customCloudConfig"] == {
        "activeDirectoryEndpoint": "https://a",
        "resourceManagerEndpoint": "https://b",
        "keyVaultEndpoint": "https://d",
        "keyVaultDNSSuffix": "c",
    }


@pytest.mark.parametrize(("operator", "written"), [((0, 19), False), ((0, 20), True), ((1, 0), True), ((2, 9), True)])
def test_the_sdk_is_named_since_the_minor_that_defaults_it(operator: tuple[int, int], *, written: bool) -> None:
    assert ("useAzureSDK" in key_vault("render: true", operator)) == written


@pytest.mark.parametrize(
    ("auth", "data"),
    [
        (
            f"workloadIdentity: {{{ACCOUNT}}}",
            {"authType": "WorkloadIdentity", "serviceAccountRef": REFERENCE},
        ),
        ("workloadIdentity: {}", {"authType": "WorkloadIdentity"}),
        ("managedIdentity: {}", {"authType": "ManagedIdentity"}),
        ("managedIdentity: {clientId: c}", {"authType": "ManagedIdentity", "identityId": "c"}),
        (
            "servicePrincipal: {clientId: {name: a, key: b}, clientSecret: {name: a, key: c}}",
            {
                "authType": "ServicePrincipal",
                "authSecretRef": {"clientId": {"name": "a", "key": "b"}, "clientSecret": {"name": "a", "key": "c"}},
            },
        ),
    ],
)
def test_each_way_into_a_key_vault(auth: str, data: dict[str, object]) -> None:
    found = key_vault(f"auth: {{{auth}}}")
    assert {name: found[name] for name in found if name not in {"vaultUrl", "environmentType", "useAzureSDK"}} == data
