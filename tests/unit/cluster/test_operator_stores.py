from typing import Any

import pytest

from compiler.cluster.operator import (
    allows_namespace,
    controller_of,
    identity_problem,
    store_problems,
    store_unknowns,
)
from compiler.cluster.problem import ClusterState
from compiler.cluster.view import credential_of
from compiler.model.document import Node, Source, extent
from compiler.model.environment import Store
from compiler.stores.registry import PROVIDERS
from compiler.stores.secret_value import SecretValue
from tests.recorded_cluster import by_name

AZURE_OBJECT = by_name("clustersecretstores-list")["azure-keyvault-store"]
NODE = Node({}, Source("environments/prod.yaml", "stores\n"), extent(0, 0, 0, 6))
SERVER, VAULT_URL = "http://vault.vault.svc.cluster.local:8200", "https://myvault.vault.azure.net"
WAY_OUT = "in the environment, as the cluster has it, and `reachableAt` for the address from here"


def written(provider: str = "vault", address: str | None = SERVER, **more: Any) -> Store:  # noqa: ANN401 - its fields
    fields = {"kind": "ClusterSecretStore", "mount": "secret" if provider == "vault" else "", "vault_namespace": None}
    kept: dict[str, Any] = {**fields, "prefix": "", "rendered": False, "node": NODE, **more}
    return Store(id="own", provider=PROVIDERS[provider], name="a-store", address=address, **kept)


KEY_VAULT = written("azurekv", VAULT_URL)


def leading(**provider: object) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True", "reason": "Valid"}
    return {"kind": "ClusterSecretStore", "spec": {"provider": provider}, "status": {"conditions": [ready]}}


def vault(server: str | None = SERVER, path: str | None = "secret", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    given = {"server": server, "path": path, **more}
    return leading(vault={name: value for name, value in given.items() if value is not None})


def store(*conditions: dict[str, Any], kind: str = "ClusterSecretStore") -> dict[str, Any]:
    return {"kind": kind, "spec": {"conditions": list(conditions)}}


def test_a_recorded_store_is_ready_and_open_to_all() -> None:
    assert (
        list(store_problems(KEY_VAULT, AZURE_OBJECT, "agents"))
        == list(store_unknowns(KEY_VAULT, AZURE_OBJECT, "agents"))
        == []
    )
    assert allows_namespace(AZURE_OBJECT, "agents") is True
    assert controller_of(AZURE_OBJECT) == "default"
    assert controller_of({"spec": {"controller": "dev"}}) == "dev"


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([{"namespaces": ["agents"]}], True),
        ([{"namespaces": ["other"]}], False),
        ([{"namespaces": ["other"]}, {"namespaces": ["agents"]}], True),
        ([{"namespaceRegexes": ["gen"]}], None),
        ([{"namespaceSelector": {}}, {"namespaces": ["other"]}], None),
        ([{"namespaceRegexes": ["("]}, {"namespaces": ["agents"]}], True),
        ([{}], False),
    ],
)
def test_conditions_are_joined_by_or(conditions: list[dict[str, Any]], expected: object) -> None:
    assert allows_namespace(store(*conditions), "agents") is expected


def test_a_secret_store_serves_its_own_namespace() -> None:
    assert allows_namespace(store({"namespaces": ["other"]}, kind="SecretStore"), "agents") is True
    for other in ("", "x"):
        assert allows_namespace(store({"namespaces": ["other"]}, kind=other), "agents") is False


@pytest.mark.parametrize(
    ("own", "live", "why"),
    [
        (written(), leading(azurekv={"vaultUrl": VAULT_URL}), 'its provider is "azurekv", not "vault"'),
        (KEY_VAULT, vault(), 'its provider is "vault", not "azurekv"'),
        (KEY_VAULT, leading(fake={"data": []}), 'its provider is "fake", not "azurekv"'),
        (KEY_VAULT, leading(), 'its provider is "", not "azurekv"'),
        (
            KEY_VAULT,
            leading(azurekv={"vaultUrl": "https://other.vault.azure.net"}),
            'its `vaultUrl` leads to "other.vault.azure.net", not "myvault.vault.azure.net"',
        ),
        (written(), vault(path="kv"), 'its `path` is "kv", not "secret"'),
        (written(), vault(path=None), 'its `path` is "", not "secret"'),
        (written(), vault(namespace="team"), 'its `namespace` is "team", not ""'),
        (written(vault_namespace="team"), vault(), 'its `namespace` is "", not "team"'),
        # Whatever the host may be.
        (written(), vault("http://10.0.0.7:8200", "kv"), 'its `path` is "kv", not "secret"'),
        (written(address=None), leading(fake={}), 'its provider is "fake", not "vault"'),
        (written(), leading(openbao={"server": SERVER}), 'its provider is "openbao", not "vault"'),
    ],
)
def test_a_store_that_leads_elsewhere_is_a_lack(own: Store, live: dict[str, Any], why: str) -> None:
    (lack,) = store_problems(own, live, "agents")
    assert lack.message == f'the ClusterSecretStore "a-store" leads to another store than "own": {why}'
    assert lack.mend.endswith("that of the cluster: kubectl get clustersecretstore a-store -o yaml")
    assert identity_problem(own, live, "agents") == lack
    assert list(store_unknowns(own, live, "agents")) == []


def test_a_store_that_says_another_version_alone_is_mended_by_a_line() -> None:
    (problem,) = store_problems(written(), vault(version="v1"), "agents")
    assert (problem.state, problem.message) == (
        ClusterState.STORE_VERSION,
        'the ClusterSecretStore "a-store" leads to another store than "own": its `version` is "v1", not "v2"',
    )
    change = '{"spec": {"provider": {"vault": {"version": "v2"}}}}'
    assert problem.mend == f"kubectl patch clustersecretstore a-store --type merge -p '{change}'"
    for other in (vault(path="kv", version="v1"), vault("http://10.0.0.7:8200", "kv", version="v1")):
        (problem,) = store_problems(written(), other, "agents")
        assert problem.state is ClusterState.STORE_ELSEWHERE


@pytest.mark.parametrize(
    ("own", "live", "why", "mend"),
    [
        (
            written(address="http://127.0.0.1:8200"),
            vault(),
            f'its `server` is "{SERVER}", not "http://127.0.0.1:8200"',
            f"if that is the same store, write `server: {SERVER}` {WAY_OUT}; if not, correct the ClusterSecretStore",
        ),
        (
            written(address=None),
            vault(),
            "the environment has no `server`",
            f"write `server: {SERVER}` {WAY_OUT}",
        ),
        (
            written("azurekv", None),
            leading(azurekv={"vaultUrl": VAULT_URL}),
            "the environment has no `vaultUrl`",
            f"write `vaultUrl: {VAULT_URL}` in the environment, as the cluster has it",
        ),
        (
            written(),
            vault(namespace="team", headers={"X-Vault-Namespace": "other"}),
            "it has two namespaces",
            "leave one in its `namespace` and `headers`: kubectl get clustersecretstore a-store -o yaml",
        ),
        # An address with a password in it is not shown.
        (
            written(kind="SecretStore"),
            {**vault("https://me:s3ntinel@vault"), "kind": "SecretStore"},
            f'its `server` is another address, not "{SERVER}"',
            (
                f"if that is the same store, write its `server` {WAY_OUT}; "
                "kubectl -n agents get secretstore a-store -o yaml shows it; if not, correct the SecretStore"
            ),
        ),
        # A wrong address of the cluster's is not to be copied.
        (
            written("azurekv", "https://127.0.0.1:8443"),
            leading(azurekv={"vaultUrl": "https://127.0.0.1:9"}),
            'its `vaultUrl` is "https://127.0.0.1:9", not "https://127.0.0.1:8443"',
            (
                "if that is the same store, write `vaultUrl: https://127.0.0.1:9` in the environment, "
                "as the cluster has it; if not, correct the ClusterSecretStore"
            ),
        ),
    ],
)
def test_a_store_that_may_lead_elsewhere_is_a_doubt_with_a_way_out(
    own: Store, live: dict[str, Any], why: str, mend: str
) -> None:
    assert list(store_problems(own, live, "agents")) == []
    (doubt,) = store_unknowns(own, live, "agents")
    assert doubt.message == f'whether the {own.kind} "a-store" leads to the store "own" is not proven: {why}'
    assert doubt.mend == mend


@pytest.mark.parametrize("server", ["http://vault.vault:8200", "http://vault.vault.svc:8200", f"{SERVER}/"])
def test_three_forms_of_a_services_name_are_one(server: str) -> None:
    assert list(store_problems(written(), vault(server), "agents")) == []
    assert list(store_unknowns(written(), vault(server), "agents")) == []


def test_a_store_that_is_missing_or_not_ready_says_its_reason() -> None:
    (missing,) = store_problems(written(kind="SecretStore"), None, "agents")
    assert missing.message == 'the SecretStore "a-store" is not in the cluster'
    assert (missing.state, missing.mend) == (ClusterState.STORE_MISSING, "apply it (kubectl apply -f …)")
    (rendered,) = store_problems(written(rendered=True), None, "agents")
    assert rendered.mend == "deploy the chart again"
    assert list(store_unknowns(written(), None, "agents")) == []
    (unchecked,) = store_problems(written(), {**vault(), "status": {}}, "agents")
    assert unchecked.message.endswith("has not been checked by the operator yet")
    broken = {"type": "Ready", "status": "False", "reason": "InvalidProviderConfig", "message": "s3ntinel"}
    (failing,) = store_problems(
        written(), {**vault(), "status": {"conditions": [broken]}}, "agents", None, [SecretValue("s3ntinel")]
    )
    assert failing.message == 'the ClusterSecretStore "a-store" is not ready: InvalidProviderConfig: …'
    assert (failing.state, failing.mend) == (
        ClusterState.STORE_NOT_READY,
        "kubectl describe clustersecretstore a-store",
    )


def test_a_store_that_is_being_deleted_is_not_ready_although_its_condition_says_so() -> None:
    leaving = {**vault(), "metadata": {"name": "a-store", "deletionTimestamp": "2026-11-28T07:00:00Z"}}
    (lack,) = store_problems(written(), leaving, "agents")
    assert lack.message == 'the ClusterSecretStore "a-store" is being deleted'
    assert lack.mend == "kubectl describe clustersecretstore a-store"


def test_a_store_that_is_closed_to_the_namespace_is_a_lack_and_one_that_cannot_be_judged_a_doubt() -> None:
    closed = vault()
    closed["spec"]["conditions"] = [{"namespaces": ["other"]}]
    (lack,) = store_problems(written(), closed, "agents")
    assert lack.message == 'the ClusterSecretStore "a-store" does not allow the namespace "agents"'
    closed["spec"]["conditions"] = [{"namespaceSelector": {"matchLabels": {"team": "ai"}}}]
    (doubt,) = store_unknowns(written(), closed, "agents")
    assert doubt.message.startswith(
        'not checked: whether the ClusterSecretStore "a-store" allows the namespace "agents"'
    )


SECRET_KEY = {"name": "azure-sp", "namespace": "eso", "key": "k"}


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        (
            {"azurekv": {"authSecretRef": {"clientId": SECRET_KEY, "clientSecret": SECRET_KEY}}},
            'key "k" of the Secret "eso/azure-sp"',
        ),
        (
            {"vault": {"auth": {"appRole": {"secretRef": {"name": "role", "key": "id"}}}}},
            'key "id" of the Secret "role"',
        ),
        ({"azurekv": {"authType": "WorkloadIdentity", "serviceAccountRef": {"name": "eso"}}}, None),
        ({}, None),
    ],
)
def test_the_secret_with_the_operators_credential_is_named(provider: dict[str, Any], words: str | None) -> None:
    assert credential_of({"metadata": {}, "spec": {"provider": provider}}) == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('failed to get clientID: cannot find secret data for key: "id"', 'key "id" of the Secret "eso/azure-sp"'),
        ('cannot get Kubernetes secret "role" from namespace "eso"', 'key "secret" of the Secret "eso/role"'),
        ("AADSTS7000215", 'key "secret" of the Secret "eso/role"'),
    ],
)
def test_of_several_references_the_one_that_the_operator_complains_of_is_named(said: str, words: str) -> None:
    """As External Secrets Operator 2.9 says it in the event of a store."""
    login = {"clientId": {**SECRET_KEY, "key": "id"}, "clientSecret": {**SECRET_KEY, "name": "role", "key": "secret"}}
    provider = {"azurekv": {"authSecretRef": login}}
    assert credential_of({"metadata": {}, "spec": {"provider": provider}}, said) == words
