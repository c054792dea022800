from compiler.rules.missing_remote import check
from tests.unit.rules.conftest import CATALOGUE, TAKING, Judge

ONLY_VAULT = CATALOGUE.replace(", azurekv: platform-github}", "}")


def test_names_the_provider_and_the_entry(judge: Judge) -> None:
    found = judge(check, "secrets: {github: {store: azure}}", catalogue=ONLY_VAULT)
    assert found.messages == ['"github" has no remote name for the Key Vault store "azure"']
    assert found.helps == ['add `azurekv: platform-github` under `remote` of "github" in the catalogue']
    assert found.marked == ["azure"]
    assert found.related == ["remote"]


def test_the_name_to_add_is_one_that_the_store_takes(judge: Judge) -> None:
    catalogue = ONLY_VAULT.replace("platform/github", "platform/git_hub.pat/")
    found = judge(check, "secrets: {github: {store: azure}}", catalogue=catalogue)
    assert found.helps == ['add `azurekv: platform-git-hub-pat` under `remote` of "github" in the catalogue']


def test_names_the_keys_where_others_have_their_own_place(judge: Judge) -> None:
    found = judge(check, "secrets: {github: {store: azure, use: [app]}}", catalogue=ONLY_VAULT)
    assert found.messages == ['"GITHUB_APP_ID" of "github" has no remote name for the Key Vault store "azure"']


def test_finds_a_vault_without_a_path(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("vault: platform/github, ", ""))
    assert found.messages == ['"github" has no remote name for the Vault store "vault"']


def test_an_own_name_in_the_environment_is_enough(judge: Judge) -> None:
    assert not judge(check, "secrets: {github: {store: azure, remote: {azurekv: gh}}}", catalogue=ONLY_VAULT)


def test_leaves_known_places_and_unknown_stores_alone(judge: Judge) -> None:
    assert not judge(check, "store: azure")
    assert not judge(check, "store: gcp", catalogue=ONLY_VAULT)
    assert not judge(check, "store: azure", catalogue=ONLY_VAULT + "colour: red\n")


def test_needs_no_name_of_the_secret_where_each_key_has_its_own(judge: Judge) -> None:
    catalogue = ONLY_VAULT.replace("{variants: [pat]}", "{variants: [pat], remote: {azurekv: github-token}}")
    assert not judge(check, "store: azure", catalogue=catalogue)


def test_names_the_entry_that_has_the_value(judge: Judge) -> None:
    catalogue = TAKING.replace("{vault: platform/github, azurekv: platform-github}", "{vault: platform/github}")
    found = judge(check, "secrets: {ci: {store: azure}}", catalogue=catalogue)
    assert found.messages == [
        '"github", which has the value of "CI_TOKEN" of "ci", has no remote name for the Key Vault store "azure"'
    ]
    assert found.helps == ['add `azurekv: platform-github` under `remote` of "github" in the catalogue']
    assert found.scopes == [("secrets", "ci")]


def test_what_leads_nowhere_is_another_rules(judge: Judge) -> None:
    assert not judge(check, "secrets: {ci: {}}", catalogue=TAKING.replace("github/GITHUB_TOKEN", "github/NONE"))
    assert not judge(check, "secrets: {ci: {}}", catalogue=TAKING)
