import pytest

from compiler.rules.unused_setting import check
from tests.unit.rules.conftest import BASE, Judge


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
    found = judge(check, f"stores: {{{store}: {{{setting}}}}}")
    name = setting.split(":", maxsplit=1)[0]
    assert len(found) == 1
    assert found.messages[0].startswith(f'"{name}" is not a setting of')
    assert found.marked == [name]
    assert found.scopes == [("stores", store)]


def test_names_the_counterpart(judge: Judge) -> None:
    assert judge(check, "stores: {azure: {server: https://a}}").helps == ['use "vaultUrl" instead']
    assert judge(check, "stores: {azure: {mount: kv}}").helps == ["remove it"]


def test_finds_what_only_a_rendered_store_uses(judge: Judge) -> None:
    auth = "auth: {token: {name: a, key: b, namespace: c}}, conditions: {namespaces: [a]}"
    found = judge(check, f"stores: {{vault: {{{auth}}}}}")
    assert found.marked == ["auth", "conditions"]
    assert not judge(check, f"stores: {{vault: {{render: true, {auth}}}}}")


def test_a_shared_layer_may_hold_it_for_others(judge: Judge) -> None:
    base = BASE.replace("{provider: vault,", "{provider: vault, auth: {kubernetes: {role: a}},")
    assert not judge(check, "labels: {a: b}", base=base)


def test_finds_conditions_of_a_secret_store(judge: Judge) -> None:
    found = judge(check, "stores: {vault: {render: true, kind: SecretStore, conditions: {namespaces: [a]}}}")
    assert found.messages == ['"conditions" has no effect on a SecretStore']


def test_leaves_own_settings_alone(judge: Judge) -> None:
    assert not judge(check, "stores: {vault: {mount: kv}, azure: {tenantId: a, environmentType: PublicCloud}}")


def test_a_bundle_leaves_its_provider_without_effect(judge: Judge) -> None:
    provider = "caProvider: {type: ConfigMap, name: a, key: b}"
    found = judge(check, f"stores: {{vault: {{render: true, caBundle: LS0t, {provider}}}}}")
    assert (found.messages, found.marked) == (['"caProvider" has no effect beside "caBundle"'], ["caProvider"])
    assert not judge(check, f"stores: {{vault: {{render: true, {provider}}}}}")
    # Live commands trust it too.
    assert not judge(check, "stores: {vault: {caBundle: LS0t}}")
