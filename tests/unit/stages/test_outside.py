import pytest

from compiler.model.diagnostic import Diagnostic
from compiler.stages.resolve import Outside, outside_layer, outside_of
from tests import providers
from tests.unit.stages.conftest import load

TEXT = """\
store: vault
stores:
  vault: {provider: vault, name: vault-store}
  azure: {provider: azurekv, name: azure-store}
  written: {provider: azurekv, name: azure, vaultUrl: "https://Platform.vault.azure.net/"}
"""


def layer(outside: Outside, text: str = TEXT) -> tuple[object, tuple[Diagnostic, ...]]:
    top, diagnostics = outside_layer(load(text).root, outside)
    return (top.root.plain_data() if top is not None else None), diagnostics


def test_nothing_said_is_no_layer() -> None:
    assert layer(Outside()) == (None, ())
    assert layer(Outside(), "secrets: {}\n") == (None, ())


def test_the_option_goes_before_the_variable() -> None:
    environ = {"AI_PLATFORM_SECRET_STORE": "vault", "AZURE_KEYVAULT_NAME": "name"}
    assert outside_of("azure", environ, variable_counts=True) == Outside(
        "azure", "--store", {providers.KEY_VAULT: "name"}
    )
    assert outside_of(None, environ, variable_counts=True) == Outside(
        "vault", "AI_PLATFORM_SECRET_STORE", {providers.KEY_VAULT: "name"}
    )


def test_the_variable_counts_for_one_environment_alone_and_not_when_empty() -> None:
    environ = {"AI_PLATFORM_SECRET_STORE": "vault", "AZURE_KEYVAULT_NAME": ""}
    assert outside_of(None, environ, variable_counts=False).store is None
    empty = outside_of(None, {"AI_PLATFORM_SECRET_STORE": ""}, variable_counts=True)
    assert (empty.store, empty.addresses) == (None, {})


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [("azure", "azure"), ("azure-store", "azure"), ("vault-store", "vault"), ("written", "written")],
)
def test_a_store_is_named_by_its_id_or_its_name_in_the_cluster(wanted: str, chosen: str) -> None:
    assert layer(Outside(wanted)) == ({"store": chosen}, ())


def test_an_id_goes_before_a_name() -> None:
    text = "stores: {a: {provider: vault, name: b}, b: {provider: vault, name: a}}\n"
    assert layer(Outside("a"), text) == ({"store": "a"}, ())


def test_an_unknown_store_is_said_at_the_option_or_the_variable() -> None:
    data, (diagnostic,) = layer(Outside("azur", "AI_PLATFORM_SECRET_STORE"))
    assert data is None
    assert diagnostic.rule == "unknown-store"
    assert diagnostic.span.where == "AI_PLATFORM_SECRET_STORE:1:1"
    assert diagnostic.help == 'did you mean "azure"?'
    assert layer(Outside("a"), "secrets: {}\n")[1][0].help == "there are no stores"


def test_a_vaults_name_fills_what_is_not_written() -> None:
    data, diagnostics = layer(Outside(addresses={providers.KEY_VAULT: "other"}))
    assert data == {"stores": {"azure": {"vaultUrl": "https://other.vault.azure.net"}}}
    assert not diagnostics


@pytest.mark.parametrize(
    ("cloud", "domain"),
    [
        ("USGovernmentCloud", "vault.usgovcloudapi.net"),
        ("ChinaCloud", "vault.azure.cn"),
        ("PublicCloud", "vault.azure.net"),
    ],
)
def test_each_cloud_has_its_domain(cloud: str, domain: str) -> None:
    text = f"stores: {{a: {{provider: azurekv, environmentType: {cloud}}}}}\n"
    data, _ = layer(Outside(addresses={providers.KEY_VAULT: "name"}), text)
    assert data == {"stores": {"a": {"vaultUrl": f"https://name.{domain}"}}}


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        (TEXT.replace("store: vault", "store: written"), Outside(addresses={providers.KEY_VAULT: "other"})),
        (TEXT, Outside("written", addresses={providers.KEY_VAULT: "other"})),
        (TEXT + "secrets: {github: {store: written}}\n", Outside(addresses={providers.KEY_VAULT: "other"})),
    ],
)
def test_another_name_than_that_of_a_store_in_use_is_a_conflict(text: str, outside: Outside) -> None:
    _, (diagnostic,) = layer(outside, text)
    assert diagnostic.rule == "conflicting-vault-url"
    assert diagnostic.span.line == 5


def test_the_same_name_and_a_store_that_nothing_reads_are_no_conflict() -> None:
    used = TEXT.replace("store: vault", "store: written")
    assert layer(Outside(addresses={providers.KEY_VAULT: "platform"}), used)[1] == ()
    assert layer(Outside(addresses={providers.KEY_VAULT: "other"}))[1] == ()


def test_a_credential_is_no_name_of_a_vault() -> None:
    secret = "AKIA" + "Q7W9Z2L4V8H6Y1M3"
    data, (diagnostic,) = layer(Outside(addresses={providers.KEY_VAULT: secret}))
    assert data is None
    assert diagnostic.rule == "secret-in-config"
    assert secret not in diagnostic.message
    assert diagnostic.conceals == (diagnostic.span,)


@pytest.mark.parametrize("value", ["platform.vault.azure.net", "https://platform.vault.azure.net/"])
def test_a_url_is_no_name_of_a_vault_and_is_not_shown(value: str) -> None:
    for text in (TEXT, TEXT.replace("store: vault", "store: written")):
        _, found = layer(Outside(addresses={providers.KEY_VAULT: value}), text)
        diagnostic = found[0]
        assert {(each.message, each.help) for each in found} == {(diagnostic.message, diagnostic.help)}
        assert (diagnostic.rule, diagnostic.span.where) == ("invalid-address", "AZURE_KEYVAULT_NAME:1:1")
        assert diagnostic.message == "AZURE_KEYVAULT_NAME is not the name of a Key Vault"
        assert diagnostic.help == 'set it to the vault\'s name, "platform"'
        assert diagnostic.conceals == (diagnostic.span,)
    assert layer(Outside(addresses={providers.KEY_VAULT: value}), "store: vault\n") == (None, ())
