from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.rules.incomplete_auth import RULE

if TYPE_CHECKING:
    from tests.unit.rules.conftest import Judge


def _store(store: str, auth: str, more: str = "") -> str:
    return f"stores: {{{store}: {{render: true{', auth: ' + auth if auth else ''}{more}}}}}"


KUBERNETES = "{kubernetes: {role: a, serviceAccount: {name: a, namespace: b}}}"


@pytest.mark.parametrize(
    ("store", "auth", "messages"),
    [
        ("vault", "", ['the store "vault" has no way to log in']),
        ("vault", "{}", ['the store "vault" has no way to log in']),
        (
            "vault",
            "{token: {name: a, key: b, namespace: c}, jwt: {role: a}}",
            ['the store "vault" has 2 ways to log in: "token", "jwt"'],
        ),
        (
            "vault",
            "{managedIdentity: {}}",
            ['the store "vault" cannot log in by "managedIdentity", which belongs to another provider'],
        ),
        (
            "vault",
            "{token: {name: a}}",
            [
                'the store "vault" misses "key" of `token`',
                'the store "vault" misses "namespace" of `token`, which a ClusterSecretStore needs',
            ],
        ),
        (
            "vault",
            "{kubernetes: {}}",
            [
                'the store "vault" misses "role" of `kubernetes`',
                'the store "vault" misses "kubernetes.serviceAccount" to log in',
            ],
        ),
        (
            "vault",
            "{appRole: {secretId: {name: a, key: b, namespace: c}}}",
            ['the store "vault" misses "roleId" of `appRole`'],
        ),
        (
            "vault",
            "{jwt: {role: a, serviceAccount: {namespace: b}}}",
            ['the store "vault" misses "name" of `jwt.serviceAccount`'],
        ),
        (
            "azure",
            "{token: {name: a, key: b, namespace: c}}",
            ['the store "azure" cannot log in by "token", which belongs to another provider'],
        ),
        (
            "azure",
            "{workloadIdentity: {}}",
            ['the store "azure" misses "workloadIdentity.serviceAccount" to log in'],
        ),
        (
            "azure",
            "{servicePrincipal: {clientId: {name: a, key: b, namespace: c}}}",
            [
                'the store "azure" misses "servicePrincipal.clientSecret" to log in',
                'the store "azure" misses "tenantId", which a service principal needs',
            ],
        ),
    ],
)
def test_finds_what_is_missing(judge: Judge, store: str, auth: str, messages: list[str]) -> None:
    found = judge(RULE, _store(store, auth))
    assert found.messages == messages
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
    assert not judge(RULE, _store(store, auth, more))


def test_finds_another_namespace_in_a_secret_store(judge: Judge) -> None:
    found = judge(RULE, _store("vault", "{token: {name: a, key: b, namespace: other}}", ", kind: SecretStore"))
    assert found.messages == ['the store "vault" may not name another namespace in `token`, as it is a SecretStore']
    assert found.marked == ["other"]


def test_finds_what_a_certificate_misses(judge: Judge) -> None:
    found = judge(RULE, _store("vault", KUBERNETES, ", caProvider: {type: ConfigMap, name: a}"))
    assert found.messages == [
        'the store "vault" misses "key" of `caProvider`',
        'the store "vault" misses "namespace" of `caProvider`, which a ClusterSecretStore needs',
    ]


def test_leaves_stores_that_are_not_rendered_alone(judge: Judge) -> None:
    assert not judge(RULE, "stores: {vault: {auth: {}}}")
    assert not judge(RULE, _store("vault", "") + "\nstroe: x")
