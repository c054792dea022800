import pytest

from compiler.rules.stores import (
    find_duplicate_store_name,
    find_incomplete_auth,
    find_invalid_address,
    find_open_cluster_store,
    find_unknown_store,
    find_unreachable_store,
    find_unseparated_prefix,
    find_unserved_namespace,
    find_unused_setting,
)
from tests.unit.rules.conftest import BASE, Judge


def test_names_the_nearest_store(judge: Judge) -> None:
    found = judge(find_unknown_store, "store: azur")
    assert found.messages == ['no store has the id "azur"']
    assert found.helps == ['did you mean "azure"?']
    assert found.marked == ["azur"]
    assert found.scopes == [()]


def test_finds_the_store_of_one_secret(judge: Judge) -> None:
    found = judge(find_unknown_store, "secrets: {github: {store: gcp}}")
    assert found.helps == ['the stores are "vault", "azure"']
    assert found.scopes == [("secrets", "github")]


def test_says_the_id_where_a_kubernetes_name_is_written(judge: Judge) -> None:
    found = judge(find_unknown_store, "store: azure-keyvault-store")
    assert found.messages == ['"azure-keyvault-store" is the name of a store in the cluster, not the id of one here']
    assert found.helps == ['write its id, "azure"']


def test_names_the_null_that_removed_the_store(judge: Judge) -> None:
    assert judge(find_unknown_store, "stores: {vault: null}").related == ["null"]


def test_finds_a_store_where_there_are_none(judge: Judge) -> None:
    assert judge(find_unknown_store, "stores: null").helps == [
        "describe it: `stores: {vault: {provider: vault, name: vault-secret-store, server: https://HOST}}`"
    ]


def test_never_shows_what_looks_like_a_credential(judge: Judge) -> None:
    token = "ghp_" + "0123456789abcdefghij" + "ABCDEFGHIJKLMNOP"
    assert token not in repr([(d.message, d.help) for d in judge(find_unknown_store, f"store: {token}")])


def test_leaves_known_stores_and_damaged_environments_alone(judge: Judge) -> None:
    assert not judge(find_unknown_store, "store: azure\nsecrets: {github: {store: vault}}")
    assert not judge(find_unknown_store, "store: x\nstroe: x")


def test_needs_neither_a_store_nor_secrets(judge: Judge) -> None:
    assert not judge(find_unknown_store, "store: null\nsecrets: null")


def test_finds_the_store_that_moves_go_to(judge: Judge) -> None:
    found = judge(find_unknown_store, "moves: {to: azur, steps: [[all]]}")
    assert (found.marked, found.helps) == (["azur"], ['did you mean "azure"?'])
    assert not judge(find_unknown_store, "moves: {to: azure, steps: [[all]]}")


NO_URL = BASE.replace(', vaultUrl: "https://platform.vault.azure.net"', "")


def test_finds_a_key_vault_without_url(judge: Judge) -> None:
    found = judge(find_unreachable_store, "secrets: {github: {store: azure}}", base=NO_URL)
    assert found.messages == ['the store "azure" has no "vaultUrl", but environment "prod" reads from it']
    assert found.helps == ["add `vaultUrl: https://<name>.vault.azure.net`, or set AZURE_KEYVAULT_NAME"]
    assert found.marked == ["azure"]
    assert found.related == ["azure"]


def test_finds_a_vault_without_server(judge: Judge) -> None:
    found = judge(find_unreachable_store, "stores: {vault: {server: null}}")
    assert found.messages == ['the store "vault" has no "server", but environment "prod" reads from it']


def test_a_store_that_nothing_reads_may_go_without(judge: Judge) -> None:
    assert not judge(find_unreachable_store, base=NO_URL)
    assert not judge(find_unreachable_store)
    assert not judge(find_unreachable_store, "store: azure\nstroe: x", base=NO_URL)


def test_finds_two_providers_under_one_name(judge: Judge) -> None:
    found = judge(find_duplicate_store_name, "stores: {azure: {name: vault-secret-store}}")
    assert found.messages == [
        (
            'the stores "azure" and "vault" are the same object in the cluster, but differ: '
            'ClusterSecretStore "vault-secret-store"'
        )
    ]
    assert found.marked == ["vault-secret-store"]
    assert found.related == ["vault-secret-store"]


@pytest.mark.parametrize(
    "other", ["server: https://v2.example.com", "server: https://vault.example.com, mount: kv", "vaultNamespace: a"]
)
def test_finds_another_address_mount_or_namespace(judge: Judge, other: str) -> None:
    assert (
        len(
            judge(find_duplicate_store_name, f"stores: {{two: {{provider: vault, name: vault-secret-store, {other}}}}}")
        )
        == 1
    )


@pytest.mark.parametrize(("more", "count"), [("", 0), (", mount: kv", 1), (", vaultNamespace: a", 1)])
def test_an_address_that_is_missing_may_be_that_of_the_other(judge: Judge, more: str, count: int) -> None:
    for server in ("", "server: https://vault.example.com, "):
        text = f"stores: {{two: {{{server}provider: vault, name: vault-secret-store{more}}}, vault: {{server: null}}}}"
        assert len(judge(find_duplicate_store_name, text)) == count


def test_two_prefixes_may_share_an_object_unless_both_are_rendered(judge: Judge) -> None:
    two = "two: {provider: vault, name: vault-secret-store, server: https://vault.example.com/, prefix: b/"
    assert not judge(find_duplicate_store_name, f"stores: {{{two}}}}}")
    found = judge(find_duplicate_store_name, f"stores: {{vault: {{render: true}}, {two}, render: true}}}}")
    assert found.messages == [
        'the stores "two" and "vault" would be rendered as the same object: ClusterSecretStore "vault-secret-store"'
    ]


def test_leaves_other_names_and_kinds_alone(judge: Judge) -> None:
    assert not judge(find_duplicate_store_name)
    assert not judge(find_duplicate_store_name, "stores: {azure: {name: vault-secret-store, kind: SecretStore}}")


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ("vault.example.com:8200", "is not an http or https URL with a host"),
        ("ftp://vault.example.com", "is not an http or https URL with a host"),
        ("https://", "is not an http or https URL with a host"),
        ("https://vault.example.com:0", "is not an http or https URL with a host"),
        ("https://vault.example.com:99999", "is not an http or https URL with a host"),
        ("https://va ult.example.com", "is not an http or https URL with a host"),
        ("https://vault..example.com", "is not an http or https URL with a host"),
        ("https://[::1", "is not an http or https URL with a host"),
        ("https://root:hunter2@vault.example.com", "has a user name or password in it"),
        ("https://vault.example.com?a=b", "has a query in it"),
        ("https://vault.example.com#a", "has a fragment in it"),
        ("https://vault.example.com/v1", "ends in an API path"),
        ("https://vault.example.com/ui/vault/secrets", "ends in an API path"),
    ],
)
def test_finds_an_address_of_vault(judge: Judge, server: str, problem: str) -> None:
    found = judge(find_invalid_address, f'stores: {{vault: {{server: "{server}"}}}}')
    assert found.messages == [f'the address of the store "vault" {problem}']
    assert found.marked == [f'"{server}"']
    assert all(found.helps)


@pytest.mark.parametrize(
    "server", ["https://root:hunter2@vault.example.com", "https://v.example.com?token=hunter2", "x@hunter2"]
)
def test_hides_an_address_that_may_hold_a_password(judge: Judge, server: str) -> None:
    found = judge(find_invalid_address, f'stores: {{vault: {{server: "{server}"}}}}')
    assert found[0].conceals == (found[0].span,)
    assert "hunter2" not in repr((found[0].message, found[0].help))


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("platform.vault.azure.net", "is not an http or https URL with a host"),
        ("http://platform.vault.azure.net", "is http, but Key Vault is reached over https only"),
        ("https://platform.vault.azure.net/secrets", "has a path, which Key Vaults do not have"),
        ("https://ab.vault.azure.net", "has an invalid Key Vault name"),
        ("https://1platform.vault.azure.net", "has an invalid Key Vault name"),
        ("https://plat--form.vault.azure.net", "has an invalid Key Vault name"),
        ("https://a23456789-123456789-12345.vault.azure.cn", "has an invalid Key Vault name"),
    ],
)
def test_finds_the_url_of_a_key_vault(judge: Judge, url: str, problem: str) -> None:
    found = judge(find_invalid_address, f'stores: {{azure: {{vaultUrl: "{url}"}}}}')
    assert found.messages == [f'the address of the store "azure" {problem}']


@pytest.mark.parametrize(
    "server", ["http://vault:8200", "https://10.0.0.1/", "https://[::1]:8200", "https://example.com/vault"]
)
def test_leaves_an_address_of_vault_alone(judge: Judge, server: str) -> None:
    assert not judge(find_invalid_address, f'stores: {{vault: {{server: "{server}"}}}}')


@pytest.mark.parametrize(
    "url", ["https://a-b-c.vault.azure.net/", "https://platform.vault.usgovcloudapi.net", "https://localhost:8443"]
)
def test_leaves_the_url_of_a_key_vault_alone(judge: Judge, url: str) -> None:
    assert not judge(find_invalid_address, f'stores: {{azure: {{vaultUrl: "{url}"}}}}')


def test_leaves_a_store_without_address_alone(judge: Judge) -> None:
    assert not judge(find_invalid_address, "stores: {vault: {server: null}}")


@pytest.mark.parametrize(
    ("stores", "way_out"),
    [
        ("{vault: {server: vault.example.com:8200}}", "write it as https://vault.example.com:8200"),
        ("{vault: {server: 'https//vault'}}", "write it as https://HOST:PORT"),
        ("{vault: {server: https://vault.example.com/v1}}", "write it as https://vault.example.com"),
        (
            "{vault: {server: \u201chttps://vault.example.com\u201d}}",
            "type straight quotes in place of typographic ones",
        ),
        ("{vault: {server: '{{ .Values.address }}'}}", "templates are not supported: write the value itself"),
        ("{azure: {vaultUrl: platform}}", "write it as https://platform.vault.azure.net"),
        ("{azure: {vaultUrl: platform.vault.azure.net}}", "write it as https://platform.vault.azure.net"),
        ("{azure: {vaultUrl: http://platform.vault.azure.net}}", "write it as https://platform.vault.azure.net"),
        (
            "{azure: {vaultUrl: https://platform.vault.azure.net/secrets}}",
            "write it as https://platform.vault.azure.net",
        ),
        ("{azure: {vaultUrl: 'a b'}}", "write it as https://NAME.vault.azure.net"),
        (
            "{azure: {vaultUrl: 'https://portal.azure.com/#@t/resource/providers/Microsoft.KeyVault/vaults/team/x'}}",
            "write it as https://team.vault.azure.net",
        ),
        ("{azure: {vaultUrl: 'https://portal.azure.com/#@t'}}", "write it as https://NAME.vault.azure.net"),
    ],
)
def test_the_way_out_is_the_address_where_that_can_be_told(judge: Judge, stores: str, way_out: str) -> None:
    assert judge(find_invalid_address, f"stores: {stores}").helps == [way_out]


def test_judges_where_live_commands_reach_it_too(judge: Judge) -> None:
    found = judge(find_invalid_address, 'stores: {vault: {reachableAt: "http://127.0.0.1:8201/ui"}}')
    assert found.messages == ['the address of the store "vault" ends in an API path']
    assert found.marked == ['"http://127.0.0.1:8201/ui"']
    assert found.helps == ["write it as http://127.0.0.1:8201"]


@pytest.mark.parametrize(("store", "separator"), [("vault", "/"), ("azure", "-")])
def test_finds_a_prefix_that_runs_into_the_names(judge: Judge, store: str, separator: str) -> None:
    found = judge(find_unseparated_prefix, f"stores: {{{store}: {{prefix: prod}}}}")
    assert found.messages == ['the prefix "prod" does not end in a separator']
    assert found.helps == [f'write "prod{separator}"']
    assert found.marked == ["prod"]


@pytest.mark.parametrize("prefix", ["prod/", "prod-", "prod_"])
def test_leaves_a_separated_prefix_alone(judge: Judge, prefix: str) -> None:
    assert not judge(find_unseparated_prefix, f"stores: {{vault: {{prefix: {prefix}}}}}")


@pytest.mark.parametrize(
    ("store", "setting"),
    [
        ("azure", "server: https://a.example.com"),
        ("azure", "mount: kv"),
        ("azure", "reachableAt: https://127.0.0.1:8201"),
        ("azure", "clusterId: c1"),
        ("azure", "vaultNamespace: a"),
        ("vault", "tenantId: a"),
        ("vault", "vaultUrl: https://a.vault.azure.net"),
        ("vault", "environmentType: ChinaCloud"),
        ("vault", "useAzureSDK: true"),
        ("vault", "customCloudConfig: {activeDirectoryEndpoint: https://a}"),
        ("azure", "caBundle: LS0t"),
    ],
)
def test_finds_a_setting_of_the_other_provider(judge: Judge, store: str, setting: str) -> None:
    found = judge(find_unused_setting, f"stores: {{{store}: {{{setting}}}}}")
    name = setting.split(":", maxsplit=1)[0]
    assert len(found) == 1
    assert found.messages[0].startswith(f'"{name}" is not a setting of')
    assert found.marked == [name]
    assert found.scopes == [("stores", store)]


def test_names_the_counterpart(judge: Judge) -> None:
    assert judge(find_unused_setting, "stores: {azure: {server: https://a}}").helps == ['use "vaultUrl" instead']
    assert judge(find_unused_setting, "stores: {azure: {mount: kv}}").helps == ["remove it"]


def test_finds_what_only_a_rendered_store_uses(judge: Judge) -> None:
    auth = "auth: {token: {name: a, key: b, namespace: c}}, conditions: {namespaces: [a]}"
    found = judge(find_unused_setting, f"stores: {{vault: {{{auth}}}}}")
    assert found.marked == ["auth", "conditions"]
    assert not judge(find_unused_setting, f"stores: {{vault: {{render: true, {auth}}}}}")


def test_a_shared_layer_may_hold_it_for_others(judge: Judge) -> None:
    base = BASE.replace("{provider: vault,", "{provider: vault, auth: {kubernetes: {role: a}},")
    assert not judge(find_unused_setting, "labels: {a: b}", base=base)


def test_finds_conditions_of_a_secret_store(judge: Judge) -> None:
    found = judge(
        find_unused_setting, "stores: {vault: {render: true, kind: SecretStore, conditions: {namespaces: [a]}}}"
    )
    assert found.messages == ['"conditions" has no effect on a SecretStore']


def test_leaves_own_settings_alone(judge: Judge) -> None:
    assert not judge(
        find_unused_setting, "stores: {vault: {mount: kv}, azure: {tenantId: a, environmentType: PublicCloud}}"
    )


def test_a_bundle_leaves_its_provider_without_effect(judge: Judge) -> None:
    provider = "caProvider: {type: ConfigMap, name: a, key: b}"
    found = judge(find_unused_setting, f"stores: {{vault: {{render: true, caBundle: LS0t, {provider}}}}}")
    assert (found.messages, found.marked) == (['"caProvider" has no effect beside "caBundle"'], ["caProvider"])
    assert not judge(find_unused_setting, f"stores: {{vault: {{render: true, {provider}}}}}")
    # Live commands trust it too.
    assert not judge(find_unused_setting, "stores: {vault: {caBundle: LS0t}}")


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
    found = judge(find_incomplete_auth, _store(store, auth))
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
    assert not judge(find_incomplete_auth, _store(store, auth, more))


def test_finds_another_namespace_in_a_secret_store(judge: Judge) -> None:
    found = judge(
        find_incomplete_auth, _store("vault", "{token: {name: a, key: b, namespace: other}}", ", kind: SecretStore")
    )
    assert found.messages == ['the store "vault" is a SecretStore, so `token` cannot name another namespace']
    assert found.marked == ["other"]


def test_finds_what_a_certificate_misses(judge: Judge) -> None:
    found = judge(find_incomplete_auth, _store("vault", KUBERNETES, ", caProvider: {type: ConfigMap, name: a}"))
    assert found.messages == [
        'the store "vault" lacks "key" in `caProvider`',
        'the store "vault" lacks "namespace" in `caProvider`, which a ClusterSecretStore needs',
    ]


def test_leaves_stores_that_are_not_rendered_alone(judge: Judge) -> None:
    assert not judge(find_incomplete_auth, "stores: {vault: {auth: {}}}")
    assert not judge(find_incomplete_auth, _store("vault", "") + "\nstroe: x")


@pytest.mark.parametrize(
    ("conditions", "marked"),
    [("", "vault"), (", conditions: {}", "conditions"), (", conditions: {namespaces: []}", "namespaces")],
)
def test_finds_a_store_without_conditions(judge: Judge, conditions: str, marked: str) -> None:
    found = judge(find_open_cluster_store, f"stores: {{vault: {{render: true{conditions}}}}}")
    assert found.messages == ['the store "vault" is open to every namespace']
    assert found.helps == ["add `conditions: {namespaces: [ai-platform]}` to it"]
    assert found.marked == [marked]


@pytest.mark.parametrize(
    "store", ["render: true, conditions: {namespaces: [a]}", "render: true, kind: SecretStore", "render: false"]
)
def test_leaves_closed_and_foreign_stores_alone(judge: Judge, store: str) -> None:
    assert not judge(find_open_cluster_store, f"stores: {{vault: {{{store}}}}}")
    assert not judge(find_open_cluster_store, "stores: {vault: {render: true}}\nstroe: x")


CLOSED = "stores: {vault: {render: true, conditions: {namespaces: [%s]}}}"


def test_finds_the_environments_namespace(judge: Judge) -> None:
    found = judge(find_unserved_namespace, CLOSED % "other")
    assert found.messages == ['the store "vault" does not serve "ai-platform", the namespace of "github"']
    assert found.helps == ['add "ai-platform" to `conditions.namespaces` of "vault"']
    assert found.paths == ["environments/base.yaml"]
    assert found.related == ["namespaces"]


def test_finds_a_secrets_own_namespace(judge: Judge) -> None:
    found = judge(find_unserved_namespace, CLOSED % "ai-platform" + "\nsecrets: {github: {namespace: other}}")
    assert found.marked == ["other"]
    assert found.scopes == [("secrets", "github")]


def test_a_secret_store_serves_its_own_namespace_alone(judge: Judge) -> None:
    found = judge(
        find_unserved_namespace,
        "stores: {vault: {render: true, kind: SecretStore}}\nsecrets: {github: {namespace: other}, aws: {}}",
    )
    assert found.helps == ["make the store a ClusterSecretStore, or move the secret to the store's namespace"]
    assert found.scopes == [("secrets", "github")]


def test_leaves_served_and_open_and_foreign_stores_alone(judge: Judge) -> None:
    assert not judge(find_unserved_namespace, CLOSED % "other, ai-platform")
    assert not judge(find_unserved_namespace, "stores: {vault: {render: true}}")
    assert not judge(find_unserved_namespace, "secrets: {github: {namespace: other}}")
    assert not judge(find_unserved_namespace, CLOSED % "other" + "\nstore: azure")
