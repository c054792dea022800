import pytest

from compiler.model.document import Document
from compiler.operations.references import cells_of_values, secrets_of_values
from compiler.refusal import Refusal
from compiler.stages.load import load_text
from compiler.stores.azure_key_vault.provider import CLOUDS

VALUES = """\
externalSecrets:
  github:
    storeRef: {kind: "ClusterSecretStore", name: "%s"}
    fetch: "%s"
    remoteKey: "team/github"
    keys: ["TOKEN", "USER"]
    data: {PEM: {key: "github-pem"}, APP: {key: "team/app", property: "ID"}}
  jira:
    storeRef: {kind: "SecretStore", name: "own"}
    remoteKey: "team/jira"
    keys: ["TOKEN"]
clusterSecretStores:
  v:
    name: "rendered"
    provider: {vault: {server: "https://vault.example.com", path: "kv", namespace: "team"}}
secretStores:
  a:
    name: "own"
    provider: {azurekv: {vaultUrl: "https://own.vault.azure.net"}}
"""


def load(name: str = "vault-secret-store", fetch: str = "perKey") -> Document:
    document, diagnostics = load_text("values-x.yaml", VALUES % (name, fetch))
    assert document is not None
    assert not diagnostics
    return document


def test_each_key_is_asked_for_at_its_own_place_and_line() -> None:
    found = cells_of_values(load(), {}, ["github"])
    assert [(each.key, each.remote_key, each.property, each.by_name) for each in found] == [
        ("TOKEN", "team/github", "TOKEN", False),
        ("USER", "team/github", "USER", False),
        ("PEM", "github-pem", None, False),
        ("APP", "team/app", "ID", False),
    ]
    assert [each.key_at.where for each in found] == [
        "values-x.yaml:6:12",
        "values-x.yaml:6:21",
        "values-x.yaml:7:12",
        "values-x.yaml:7:38",
    ]
    assert {each.secret_at.where for each in found} == {"values-x.yaml:2:3"}


def test_a_bundle_is_found_by_name() -> None:
    found = cells_of_values(load(fetch="bundle"), {}, ["github"])
    assert [each.by_name for each in found] == [True, True, False, False]


def test_a_rendered_store_says_where_it_is() -> None:
    (jira,) = cells_of_values(load("rendered"), {}, ["jira"])
    assert (jira.store.provider.id, jira.store.address) == ("azurekv", "https://own.vault.azure.net")
    github = cells_of_values(load("rendered"), {}, ["github"])[0].store
    assert (github.provider.id, github.mount, github.vault_namespace) == ("vault", "kv", "team")
    assert github.address == "https://vault.example.com"


def test_a_known_name_tells_the_provider() -> None:
    store = cells_of_values(load("azure-keyvault-store"), {"AZURE_KEYVAULT_NAME": "kv"}, ["github"])[0].store
    assert (store.provider.id, store.address) == ("azurekv", "https://kv.vault.azure.net")
    store = cells_of_values(load(), {"AZURE_KEYVAULT_NAME": "kv"}, ["github"])[0].store
    assert (store.provider.id, store.address, store.mount) == ("vault", None, "secret")


@pytest.mark.parametrize(("cloud", "domain"), CLOUDS.items())
def test_a_vault_that_the_variable_names_is_in_the_stores_cloud(cloud: str, domain: str) -> None:
    text = load("own").source.text.replace('vaultUrl: "https://own.vault.azure.net"', f"environmentType: {cloud}")
    document, _ = load_text("values-x.yaml", text)
    assert document is not None
    (jira,) = cells_of_values(document, {"AZURE_KEYVAULT_NAME": "kv"}, ["jira"])
    assert jira.store.address == f"https://kv.{domain}"


@pytest.mark.parametrize(("variable", "provider"), [("VAULT_ADDR", "vault"), ("AZURE_KEYVAULT_NAME", "azurekv")])
def test_the_only_address_there_is_tells_the_provider(variable: str, provider: str) -> None:
    assert cells_of_values(load("mine"), {variable: "x"}, ["github"])[0].store.provider.id == provider


@pytest.mark.parametrize("environ", [{}, {"VAULT_ADDR": "http://x", "AZURE_KEYVAULT_NAME": "x"}])
def test_no_provider_is_guessed(environ: dict[str, str]) -> None:
    with pytest.raises(Refusal, match='the provider of the store "mine" is unknown') as caught:
        cells_of_values(load("mine"), environ, ["github"])
    assert (caught.value.kind, caught.value.help) == ("usage", "set either VAULT_ADDR or AZURE_KEYVAULT_NAME")


def test_the_secrets_of_a_file_are_listed_and_a_file_may_have_none() -> None:
    assert secrets_of_values(load()) == ("github", "jira")
    empty, _ = load_text("values-x.yaml", "remoteRefDefaults: {}\n")
    assert empty is not None
    assert secrets_of_values(empty) == ()
    assert cells_of_values(empty, {}) == ()
