import pytest

from compiler.stores.azure_key_vault.rules.unsupported_cloud_config import check
from tests.unit.rules.conftest import Judge

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
    found = judge(check, _environment(settings, operator))
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
    assert not judge(check, text)
