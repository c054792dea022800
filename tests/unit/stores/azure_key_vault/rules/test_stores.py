import pytest

from compiler.stores.azure_key_vault.rules.stores import (
    find_contradictory_validity,
    find_deprecated_managed_identity,
    find_unexpected_vault_domain,
    find_unsupported_cloud_config,
)
from tests.unit.rules.conftest import Judge

WAIVER = 'to accept it, add to "azure": `waive: {unexpected-vault-domain: the reason}`'


def test_finds_a_misspelt_domain(judge: Judge) -> None:
    found = judge(find_unexpected_vault_domain, "stores: {azure: {vaultUrl: https://platform.vault.azure.com}}")
    assert found.messages == [
        'the host of the store "azure" does not end in ".vault.azure.net", the domain of PublicCloud'
    ]
    assert found.helps == [f"write https://platform.vault.azure.net; {WAIVER}"]
    assert found.marked == ["https://platform.vault.azure.com"]


@pytest.mark.parametrize("host", ["portal.azure.com", "platform.example.com", "localhost:8443"])
def test_takes_no_name_from_a_host_that_is_no_vaults(judge: Judge, host: str) -> None:
    found = judge(find_unexpected_vault_domain, f"stores: {{azure: {{vaultUrl: 'https://{host}'}}}}")
    assert found.helps == [f"write https://NAME.vault.azure.net; {WAIVER}"]


def test_leaves_the_url_of_a_page_to_another_rule(judge: Judge) -> None:
    assert not judge(
        find_unexpected_vault_domain, "stores: {azure: {vaultUrl: https://management.azure.com/vaults/platform}}"
    )


def test_finds_the_domain_of_another_cloud(judge: Judge) -> None:
    found = judge(find_unexpected_vault_domain, "stores: {azure: {vaultUrl: https://platform.vault.azure.cn}}")
    assert found.helps == [f"set `environmentType: ChinaCloud`; {WAIVER}"]
    found = judge(find_unexpected_vault_domain, "stores: {azure: {environmentType: USGovernmentCloud}}")
    assert found.helps == [f"set `environmentType: PublicCloud`; {WAIVER}"]


@pytest.mark.parametrize(
    "store",
    [
        "{vaultUrl: https://platform.vault.azure.net/}",
        "{vaultUrl: https://PLATFORM.vault.azure.net:443}",
        "{vaultUrl: https://platform.vault.azure.cn, environmentType: ChinaCloud}",
        "{vaultUrl: not an address}",
        "{vaultUrl: null}",
    ],
)
def test_leaves_the_clouds_own_domain_alone(judge: Judge, store: str) -> None:
    assert not judge(find_unexpected_vault_domain, f"stores: {{azure: {store}}}")


CLOUD = "customCloudConfig: {activeDirectoryEndpoint: 'https://login.partner.microsoftonline.cn/'}"


def _environment(settings: str, operator: str = "2.9", *, render: bool = True) -> str:
    return f'externalSecretsOperator: "{operator}"\nstores: {{azure: {{render: {str(render).lower()}, {settings}}}}}\n'


@pytest.mark.parametrize(
    ("settings", "operator", "messages", "marked"),
    [
        (CLOUD, "2.9", ["has `customCloudConfig` without `useAzureSDK: true`"], ["customCloudConfig"]),
        (
            f"{CLOUD}, useAzureSDK: false",
            "1.2",
            ["has `customCloudConfig` without `useAzureSDK: true`"],
            ["customCloudConfig"],
        ),
        (
            f"{CLOUD}, useAzureSDK: true",
            "1.1",
            ["has `customCloudConfig`, which External Secrets Operator takes from 1.2 on"],
            ["customCloudConfig"],
        ),
        (
            "useAzureSDK: true",
            "0.19",
            ["has `useAzureSDK`, which External Secrets Operator takes from 0.20 on"],
            ["useAzureSDK"],
        ),
        *(
            (
                f"customCloudConfig: {{{endpoint}}}, useAzureSDK: true",
                "2.9",
                ["lacks an https address as `activeDirectoryEndpoint` in `customCloudConfig`"],
                ["customCloudConfig"],
            )
            for endpoint in ("keyVaultEndpoint: 'https://a'", "activeDirectoryEndpoint: 'http://a'")
        ),
    ],
)
def test_finds_what_the_operator_refuses(
    judge: Judge, settings: str, operator: str, messages: list[str], marked: list[str]
) -> None:
    found = judge(find_unsupported_cloud_config, _environment(settings, operator))
    assert found.messages == [f'the store "azure" {message}' for message in messages]
    assert found.marked == marked
    assert all(found.helps)


@pytest.mark.parametrize(
    "text",
    [
        _environment(f"{CLOUD}, useAzureSDK: true", "1.2"),
        _environment("useAzureSDK: true", "0.20"),
        _environment("useAzureSDK: false", "0.19"),
        _environment(CLOUD, "0.19", render=False),
        "stores: {vault: {render: true}}\n",
    ],
)
def test_leaves_what_the_operator_takes_alone(judge: Judge, text: str) -> None:
    assert not judge(find_unsupported_cloud_config, text)


@pytest.mark.parametrize("identity", ["{}", "{clientId: a}"])
def test_finds_a_log_in_by_managed_identity(judge: Judge, identity: str) -> None:
    found = judge(
        find_deprecated_managed_identity, f"stores: {{azure: {{render: true, auth: {{managedIdentity: {identity}}}}}}}"
    )
    message = "logs in by managed identity, which External Secrets Operator calls deprecated"
    assert (found.messages, found.marked) == ([f'the store "azure" {message}'], ["managedIdentity"])


@pytest.mark.parametrize(
    "store",
    [
        "azure: {render: false, auth: {managedIdentity: {}}}",
        "azure: {render: true, auth: {workloadIdentity: {serviceAccount: {name: a}}}}",
        "azure: {render: true}",
        "vault: {render: true, auth: {managedIdentity: {}}}",
    ],
)
def test_leaves_others_alone(judge: Judge, store: str) -> None:
    assert not judge(find_deprecated_managed_identity, f"stores: {{{store}}}")


def _with_validity(settings: str) -> str:
    return f"stores: {{azure: {{{settings}}}}}\n"


@pytest.mark.parametrize(("shortest", "longest"), [(30, 30), (31, 30)])
def test_finds_a_vault_that_accepts_no_date(judge: Judge, shortest: int, longest: int) -> None:
    found = judge(find_contradictory_validity, _with_validity(f"minValidity: {shortest}d, maxValidity: {longest}d"))
    message = f'the store "azure" accepts no expiry date: at least {shortest} days ahead, and at most {longest}'
    assert (found.messages, found.marked) == ([message], [f"{shortest}d"])
    assert all(found.helps)


@pytest.mark.parametrize(
    "settings", ["minValidity: 29d, maxValidity: 30d", "minValidity: 9d", "maxValidity: 1d", "requireExpiry: true"]
)
def test_leaves_a_vault_that_accepts_dates_alone(judge: Judge, settings: str) -> None:
    assert not judge(find_contradictory_validity, _with_validity(settings))
