import pytest

from compiler.rules.incomplete_auth import check
from tests.unit.rules.conftest import Judge


def _store(store: str, auth: str, more: str = "") -> str:
    return f"stores: {{{store}: {{render: true{', auth: ' + auth if auth else ''}{more}}}}}"


KUBERNETES = "{kubernetes: {role: a, serviceAccount: {name: a, namespace: b}}}"


@pytest.mark.parametrize(
    ("store", "auth", "lacks"),
    [
        ("vault", "", ["has no authentication method"]),
        ("vault", "{}", ["has no authentication method"]),
        (
            "vault",
            "{token: {name: a, key: b, namespace: c}, jwt: {role: a}}",
            ['has 2 authentication methods: "token", "jwt"'],
        ),
        ("vault", "{managedIdentity: {}}", ['has the authentication method "managedIdentity" of another provider']),
        (
            "vault",
            "{token: {name: a}}",
            ['lacks "key" in `token`', 'lacks "namespace" in `token`, which a ClusterSecretStore needs'],
        ),
        ("vault", "{kubernetes: {}}", ['lacks "role" in `kubernetes`', 'lacks "kubernetes.serviceAccount"']),
        ("vault", "{appRole: {secretId: {name: a, key: b, namespace: c}}}", ['lacks "roleId" in `appRole`']),
        ("vault", "{jwt: {role: a, serviceAccount: {namespace: b}}}", ['lacks "name" in `jwt.serviceAccount`']),
        (
            "azure",
            "{token: {name: a, key: b, namespace: c}}",
            ['has the authentication method "token" of another provider'],
        ),
        ("azure", "{workloadIdentity: {}}", ['lacks "workloadIdentity.serviceAccount"']),
        (
            "azure",
            "{servicePrincipal: {clientId: {name: a, key: b, namespace: c}}}",
            ['lacks "servicePrincipal.clientSecret"', 'lacks "tenantId", which a service principal needs'],
        ),
    ],
)
def test_finds_what_is_missing(judge: Judge, store: str, auth: str, lacks: list[str]) -> None:
    found = judge(check, _store(store, auth))
    assert found.messages == [f'the store "{store}" {lack}' for lack in lacks]
    assert set(found.scopes) == {("stores", store)}
    assert all(found.helps)


@pytest.mark.parametrize(
    ("store", "auth", "more"),
    [
        ("vault", KUBERNETES, ""),
        (
            "vault",
            "{token: {name: a, key: b, namespace: c}}",
            ", caProvider: {type: Secret, name: a, key: b, namespace: c}",
        ),
        ("vault", "{token: {name: a, key: b}}", ", kind: SecretStore"),
        ("vault", "{token: {name: a, key: b, namespace: ai-platform}}", ", kind: SecretStore"),
        ("vault", "{appRole: {roleId: a, secretId: {name: a, key: b, namespace: c}}}", ""),
        ("vault", "{jwt: {role: a, serviceAccount: {name: a, namespace: b}}}", ""),
        ("azure", "{workloadIdentity: {serviceAccount: {name: a, namespace: b}}}", ""),
        ("azure", "{managedIdentity: {}}", ""),
        (
            "azure",
            "{servicePrincipal: {clientId: REF, clientSecret: REF}}".replace("REF", "{name: a, key: b, namespace: c}"),
            ", tenantId: t",
        ),
    ],
)
def test_leaves_a_complete_store_alone(judge: Judge, store: str, auth: str, more: str) -> None:
    assert not judge(check, _store(store, auth, more))


def test_finds_another_namespace_in_a_secret_store(judge: Judge) -> None:
    found = judge(check, _store("vault", "{token: {name: a, key: b, namespace: other}}", ", kind: SecretStore"))
    assert found.messages == ['the store "vault" is a SecretStore, so `token` cannot name another namespace']
    assert found.marked == ["other"]


def test_finds_what_a_certificate_misses(judge: Judge) -> None:
    found = judge(check, _store("vault", KUBERNETES, ", caProvider: {type: ConfigMap, name: a}"))
    assert found.messages == [
        'the store "vault" lacks "key" in `caProvider`',
        'the store "vault" lacks "namespace" in `caProvider`, which a ClusterSecretStore needs',
    ]


def test_leaves_stores_that_are_not_rendered_alone(judge: Judge) -> None:
    assert not judge(check, "stores: {vault: {auth: {}}}")
    assert not judge(check, _store("vault", "") + "\nstroe: x")
