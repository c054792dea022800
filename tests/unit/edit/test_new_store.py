from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from compiler.edit.new_entry import StoreRequest, new_store
from compiler.pipeline import compile_project, plan_values
from compiler.refusal import Refusal
from compiler.rules import incomplete_auth
from compiler.stores.registry import PROVIDERS
from tests.github_project import CATALOGUE

BASE = """\
# Of all.
namespace: ai-platform
store: vault
refreshInterval: 1h
externalSecretsOperator: "2.9"
stores:
  vault:   # the old one
    provider: vault
    name: vault-store
    server: https://vault.example.com # by name

  azure:
    provider: azurekv
    name: azure-store
    vaultUrl: https://platform.vault.azure.net
secrets:
  github: {}
"""
EVERY = [(provider, way) for provider in PROVIDERS for way in PROVIDERS[provider].log_ins]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "base.yaml").write_text(BASE, "utf-8")
    (folder / "catalogue.yaml").write_text(CATALOGUE, "utf-8")
    (folder / "prod.yaml").write_text("# Of prod.\n", "utf-8")
    return tmp_path


def wanted(store: str, way: str, options: Mapping[str, str] | None = None, **more: str) -> StoreRequest:
    needed = {
        "appRole": {"--role": "0a1b"},
        "servicePrincipal": {"--tenant-id": "11111111-2222-3333-4444-555555555555"},
    }
    chosen = options or needed.get(way, {})
    return StoreRequest(store, way, more.pop("into", "base"), options=chosen, **more)  # type: ignore[arg-type]


def refusal(root: Path, asked: StoreRequest) -> tuple[str, str | None]:
    with pytest.raises(Refusal) as caught:
        new_store(root, asked)
    return caught.value.message, caught.value.help


@pytest.mark.parametrize(("provider", "way"), EVERY)
def test_every_log_in_renders_a_store_that_no_rule_has_anything_against(provider: str, way: str, root: Path) -> None:
    store = {"vault": "vault", "azurekv": "azure"}[provider]
    output, result = new_store(root, wanted(store, way))
    # A note refuses nothing, and says what the operator deprecates.
    notes = ["deprecated-managed-identity"] if way == "managedIdentity" else []
    assert [each.rule for each in result.diagnostics] == notes
    output.path.write_text(output.text, "utf-8")
    project = compile_project(root).project
    assert project is not None
    (file,), found = plan_values(project, root, "", root)
    assert not found
    (made,) = yaml.safe_load(file.output.text)["clusterSecretStores"].values()
    assert made["conditions"] == [{"namespaces": ["ai-platform"]}]
    assert made["provider"][provider].keys() & {"auth", "authType"}


@pytest.mark.parametrize(("provider", "way"), EVERY)
def test_every_log_in_is_one_that_the_rule_knows(provider: str, way: str, root: Path) -> None:
    """A log-in that the rule would refuse is shown as an error of `--auth`, and nothing is written."""
    _, result = new_store(root, wanted("more", way, provider=provider, name="more-store"))
    assert incomplete_auth.check.id not in {each.rule for each in result.diagnostics}


def test_every_byte_stays_and_the_lines_are_in_the_store(root: Path) -> None:
    output, _ = new_store(root, wanted("vault", "kubernetes", {"--role": "shop"}))
    assert output.shown == "environments/base.yaml"
    assert output.text == BASE.replace(
        "server: https://vault.example.com # by name\n",
        """server: https://vault.example.com # by name
    render: true
    conditions: {namespaces: [ai-platform]}
    auth:
      kubernetes:
        role: shop
        serviceAccount: {name: external-secrets, namespace: external-secrets, audiences: [vault]}
""",
    )


def test_a_new_store_has_its_provider_name_and_address(root: Path) -> None:
    asked = StoreRequest("eu", "token", "base", "vault", addresses={"server": "https://eu.example.com"})
    output, result = new_store(root, asked)
    assert not result.failed
    store = yaml.safe_load(output.text)["stores"]["eu"]
    assert store["auth"] == {"token": {"name": "eu-log-in", "key": "token", "namespace": "external-secrets"}}
    assert {key: store[key] for key in ("provider", "name", "server", "mount", "render")} == {
        "provider": "vault",
        "name": "eu",
        "server": "https://eu.example.com",
        "mount": "secret",
        "render": True,
    }


def test_an_environment_has_the_log_in_alone(root: Path) -> None:
    output, result = new_store(root, wanted("azure", "workloadIdentity", into="prod"))
    assert not result.diagnostics
    assert output.shown == "environments/prod.yaml"
    store = yaml.safe_load(output.text)["stores"]["azure"]
    assert store.keys() == {"render", "conditions", "auth"}
    assert output.text.startswith("# Of prod.\nstores:\n  azure:\n    render: true\n")


def test_the_store_serves_each_namespace_that_reads_it(root: Path) -> None:
    (root / "environments/prod.yaml").write_text("secrets: {github: {namespace: web}}\n", "utf-8")
    output, result = new_store(root, wanted("vault", "kubernetes"))
    assert not result.diagnostics
    assert yaml.safe_load(output.text)["stores"]["vault"]["conditions"] == {"namespaces": ["ai-platform", "web"]}


def test_a_store_of_one_namespace_refers_to_its_own(root: Path) -> None:
    base = root / "environments/base.yaml"
    base.write_text(BASE.replace("name: vault-store", "name: vault-store\n    kind: SecretStore"), "utf-8")
    output, result = new_store(root, wanted("vault", "kubernetes"))
    assert not result.diagnostics
    store = yaml.safe_load(output.text)["stores"]["vault"]
    assert "conditions" not in store
    assert store["auth"]["kubernetes"]["serviceAccount"] == {"name": "external-secrets", "audiences": ["vault"]}


@pytest.mark.parametrize(
    ("asked", "message", "way_out"),
    [
        (StoreRequest("vualt", "token", "base"), 'there is no store "vualt"', 'did you mean "vault"?'),
        (StoreRequest("x", "token", "base", "gcp"), '"gcp" is not a provider of stores', "the providers are"),
        (StoreRequest("vault", "token", "base", "azurekv"), 'the provider of "vault" is vault', "leave --provider out"),
        (StoreRequest("azure", "token", "base"), '"token" is not a log-in of azurekv', "the log-ins are"),
        (StoreRequest("vault", "appRole", "base"), "an AppRole needs --role", "role id"),
        (StoreRequest("vault", "token", "base", options={"--role": "r"}), "token has no role", "leave --role out"),
        (StoreRequest("azure", "servicePrincipal", "base"), "a service principal needs --tenant-id", "tenant"),
        (StoreRequest("vault", "token", "qa"), 'there is no environment or layer "qa"', "base"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked: StoreRequest, message: str, way_out: str, root: Path) -> None:
    said, help_text = refusal(root, asked)
    assert said == message
    assert way_out in (help_text or "")


@pytest.mark.parametrize("member", ["render: false", "auth: {token: {name: a, key: b}}"])
def test_a_store_with_a_log_in_stays(member: str, root: Path) -> None:
    base = root / "environments/base.yaml"
    base.write_text(BASE.replace("name: vault-store", f"name: vault-store\n    {member}"), "utf-8")
    message, _ = refusal(root, wanted("vault", "token"))
    assert message == 'the store "vault" has `auth` or `render` already'


@pytest.mark.parametrize(
    "stores", ["stores: {}", "stores: {vault: {provider: vault, name: v, server: 'https://v.example.com'}}"]
)
def test_a_form_without_a_place_is_refused(stores: str, root: Path) -> None:
    (root / "environments/prod.yaml").write_text(f"{stores}\n", "utf-8")
    message, _ = refusal(root, wanted("vault", "kubernetes", into="prod"))
    assert message == "`stores` in environments/prod.yaml is not written as a block"


def test_an_input_with_errors_is_left_alone(root: Path) -> None:
    (root / "environments/base.yaml").write_text("stores: [\n", "utf-8")
    message, _ = refusal(root, wanted("vault", "kubernetes"))
    assert message == "the input has errors"
