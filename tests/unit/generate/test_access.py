"""What is generated for a role: the paths that an environment has, in Vault's and in Azure's words."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compiler.generate.access import FORMS, access_text, names_in, uses_of
from compiler.model.environment import Environment
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from compiler.stores.azure_key_vault.access import access_text as key_vault_text
from compiler.stores.interface import Role, Use
from tests.platforms import write_agents_project

VAULT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/agents"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
# Records what it is called with, a line each, and answers as `az` does to a query.
AZ = f"""\
#!{sys.executable}
import json, sys
with open(__file__ + ".log", "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
answers = {{"keyvault": "{VAULT}", "identity": "42"}}
print(answers.get(sys.argv[1], "") if "show" in sys.argv else "")
"""


def compiled(root: Path) -> Environment:
    result = compile_project(root, ["prod"])
    assert result.project is not None
    return result.project.environments[0]


def text_of(root: Path, role: Role, form: str, store: str | None = None, *, is_wide: bool = False) -> str:
    return access_text(compiled(root), role, form, ["generate", "access"], store, is_wide=is_wide)


def rules_of(text: str) -> dict[str, list[str]]:
    return {path: json.loads(found) for path, found in re.findall(r'path "([^"]+)" \{ capabilities = (\[.*?\])', text)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_agents_project(tmp_path / "project")
    return tmp_path / "project"


def change(root: Path, old: str, new: str, name: str = "base") -> None:
    path = root / f"environments/{name}.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_the_operator_reads_what_the_environment_reads(root: Path) -> None:
    assert rules_of(text_of(root, Role.OPERATOR, "hcl")) == {
        "secret/data/agents/github": ["read"],
        "secret/data/agents/jira": ["read"],
    }
    change(root, "jira: {}", "jira: {store: azure}")
    assert rules_of(text_of(root, Role.OPERATOR, "hcl")) == {"secret/data/agents/github": ["read"]}
    assert len(rules_of(text_of(root, Role.OPERATOR, "hcl", "vault"))) == 2


def test_capabilities_of_one_path_are_merged(root: Path) -> None:
    found = rules_of(text_of(root, Role.WRITER, "hcl"))
    assert found["secret/data/agents/github"] == ["create", "read", "update"]
    assert found["secret/metadata/agents/github"] == ["read", "update"]
    assert found["secret/config"] == ["read"]
    assert not any(path.startswith("secret/destroy/") for path in found)
    assert not {"delete", "sudo", "list"} & {each for capabilities in found.values() for each in capabilities}


def test_a_prefix_is_each_folder_that_has_secrets(root: Path) -> None:
    change(root, "agents/github", "agents/deep/github", "catalogue")
    change(root, "vault: agents/jira", "vault: jira", "catalogue")
    found = rules_of(text_of(root, Role.READER, "hcl", is_wide=True))
    assert found == {"secret/data/agents/deep/*": ["read"], "secret/data/jira": ["read"]}
    change(root, "vault: jira", "vault: agents/jira", "catalogue")
    assert rules_of(text_of(root, Role.READER, "hcl", is_wide=True)) == {"secret/data/agents/*": ["read"]}


def test_keys_that_are_not_in_use_are_for_people(root: Path) -> None:
    environment = compiled(root)
    azure = environment.stores["azure"]
    secrets, in_use = environment.secrets.values(), ["agents-github", "agents-jira"]
    assert list(names_in(environment, azure, secrets, Role.OPERATOR)) == in_use
    assert list(names_in(environment, azure, secrets, Role.READER)) == [*in_use, "github-app-key"]
    assert names_in(environment, azure, (), Role.READER) == {}


def test_the_role_is_that_of_the_log_in(root: Path) -> None:
    plain = text_of(root, Role.OPERATOR, "hcl")
    assert "auth/kubernetes/role/external-secrets bound_service_account_names=external-secrets" in plain
    account = "serviceAccount: {name: eso, namespace: ops, audiences: [bao]}"
    log_in = f"auth: {{kubernetes: {{mountPath: k8s, role: agents, {account}}}}}, vaultNamespace: team"
    change(root, "mount: secret}", f"mount: secret, render: true, {log_in}, conditions: {{namespaces: [agents]}}}}")
    line = next(line for line in text_of(root, Role.OPERATOR, "hcl").splitlines() if "/role/" in line)
    assert line == (
        "#   bao write -namespace=team auth/k8s/role/agents bound_service_account_names=eso "
        "bound_service_account_namespaces=ops audience=bao token_policies=platform-secrets-prod-operator token_ttl=1h"
    )
    change(root, log_in, "auth: {token: {name: a, key: b, namespace: agents}}")
    assert "/role/" not in text_of(root, Role.OPERATOR, "hcl")
    assert "/role/" not in text_of(root, Role.WRITER, "hcl")


@pytest.mark.parametrize("name", ["agents/+/github", "+", "agents/{{identity.entity.id}}", "agents/${path}", "a}}b"])
def test_a_name_that_a_policy_would_misread_is_refused(root: Path, name: str) -> None:
    change(root, "{vault: agents/github,", f'{{vault: "{name}",', "catalogue")
    with pytest.raises(Refusal, match="pattern or a template"):
        text_of(root, Role.READER, "hcl")


def test_a_line_break_does_not_leave_the_comment(root: Path) -> None:
    account = 'serviceAccount: {name: eso, namespace: ops}, role: "a\\npath \\"*\\" {}"'
    change(
        root,
        "mount: secret}",
        f"mount: secret, render: true, conditions: {{namespaces: [agents]}}, auth: {{kubernetes: {{{account}}}}}}}",
    )
    with pytest.raises(Refusal, match="cannot be printed"):
        text_of(root, Role.OPERATOR, "hcl")


@pytest.mark.parametrize(
    "its",
    [
        "role: ../../../sys/policies/acl/all",
        "mountPath: ../sys",
        'serviceAccount: {name: eso, namespace: ops, audiences: ["@/root/.vault-token"]}',
        'serviceAccount: {name: eso, namespace: ops, audiences: ["-"]}',
    ],
)
def test_a_log_in_leads_the_printed_command_neither_elsewhere_nor_to_a_file(root: Path, its: str) -> None:
    role = "" if its.startswith("role") else "role: agents, "
    account = "" if its.startswith("service") else ", serviceAccount: {name: eso, namespace: ops}"
    auth = f"auth: {{kubernetes: {{{role}{its}{account}}}}}"
    change(root, "mount: secret}", f"mount: secret, render: true, conditions: {{namespaces: [agents]}}, {auth}}}")
    with pytest.raises(Refusal, match="another path, or for a file"):
        text_of(root, Role.OPERATOR, "hcl")
    assert "/role/" not in text_of(root, Role.READER, "hcl")


@pytest.mark.parametrize(
    ("form", "store", "message"),
    [
        ("az", None, "reads no secret from Key Vault"),
        ("az", "vault", "is for Key Vault, which"),
        ("hcl", "azure", "is for Vault, which"),
        ("hcl", "elsewhere", 'has no store "elsewhere"'),
    ],
)
def test_another_store_is_refused(root: Path, form: str, store: str | None, message: str) -> None:
    with pytest.raises(Refusal, match=re.escape(message)):
        text_of(root, Role.READER, form, store)


def test_several_stores_of_a_provider_are_named(root: Path) -> None:
    change(root, "  azure:", '  second: {provider: vault, name: second, server: "https://b.example.com"}\n  azure:')
    change(root, "jira: {}", "jira: {store: second}")
    with pytest.raises(Refusal, match="several stores of Vault"):
        text_of(root, Role.READER, "hcl")
    assert len(rules_of(text_of(root, Role.READER, "hcl", "second"))) == 2


def called(folder: Path, script: str, **variables: str) -> list[list[str]]:
    """What the script calls `az` with."""
    az = folder / "az"
    az.write_text(AZ)
    az.chmod(0o700)
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        env={"PATH": f"{folder}:/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (folder / "az.log").read_text().splitlines()]


def given(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_the_script_assigns_a_role_on_each_secret(root: Path, tmp_path: Path) -> None:
    calls = called(tmp_path, text_of(root, Role.READER, "az", "azure"), ASSIGNEE="7")
    assigned = [words for words in calls if words[:3] == ["role", "assignment", "create"]]
    names = ("agents-github", "agents-jira", "github-app-key")
    assert [given(words, "--scope") for words in assigned] == [f"{VAULT}/secrets/{name}" for name in names]
    assert {given(words, "--role") for words in assigned} == {SECRETS_USER}
    assert {given(words, "--assignee-object-id") for words in assigned} == {"7"}
    assert {given(words, "--assignee-principal-type") for words in assigned} == {"User"}


@pytest.mark.parametrize("role", [Role.WRITER, Role.RETIRER])
def test_who_changes_secrets_gets_a_role_that_cannot_purge(root: Path, tmp_path: Path, role: Role) -> None:
    script = text_of(root, role, "az", "azure", is_wide=True)
    calls = called(tmp_path, script, ASSIGNEE="7", ASSIGNEE_TYPE="Group")
    made = next(words for words in calls if words[0] == "rest")
    body = json.loads(given(made, "--body"))["properties"]
    (permission,) = body["permissions"]
    assert not any("purge" in action for action in permission["dataActions"])
    assert ("setSecret" in str(permission["dataActions"])) == (role is Role.WRITER)
    assert permission["actions"] == []
    assert body["assignableScopes"] == ["/subscriptions/s/resourceGroups/g"]
    assigned = calls[-1]
    assert f"/roleDefinitions/{given(assigned, '--role')}?" in given(made, "--url")
    assert (given(assigned, "--scope"), given(assigned, "--assignee-principal-type")) == (VAULT, "Group")


def test_who_imports_may_list_the_whole_store_and_read_no_value(root: Path, tmp_path: Path) -> None:
    assert rules_of(text_of(root, Role.IMPORTER, "hcl", "vault")) == {
        "secret/metadata/*": ["list"],
        "secret/subkeys/*": ["read"],
    }
    # Also where the environment reads nothing from that store yet.
    change(root, "{github: {}, jira: {}}", "{}")
    assert "secret/subkeys/*" in text_of(root, Role.IMPORTER, "hcl", "vault")
    calls = called(tmp_path, text_of(root, Role.IMPORTER, "az", "azure"), ASSIGNEE="7")
    made = next(words for words in calls if words[0] == "rest")
    (permission,) = json.loads(given(made, "--body"))["properties"]["permissions"]
    assert permission["dataActions"] == ["Microsoft.KeyVault/vaults/secrets/readMetadata/action"]
    assert given(calls[-1], "--role") != SECRETS_USER
    assert given(calls[-1], "--scope") == VAULT


def test_the_operator_gets_an_identity_that_its_account_logs_in_as(root: Path, tmp_path: Path) -> None:
    variables = {"IDENTITY": "eso", "IDENTITY_GROUP": "ids", "CLUSTER_ISSUER": "https://issuer"}
    calls = called(tmp_path, text_of(root, Role.OPERATOR, "az", "azure"), **variables)
    federated = next(words for words in calls if words[1] == "federated-credential")
    assert given(federated, "--subject") == "system:serviceaccount:external-secrets:external-secrets"
    assert given(federated, "--audiences") == "api://AzureADTokenExchange"
    assert {given(words, "--assignee-object-id") for words in calls if words[0] == "role"} == {"42"}
    log_in = "render: true, conditions: {namespaces: [agents]}, auth: {managedIdentity: {clientId: abc}}"
    change(root, 'vaultUrl: "https://agents.vault.azure.net"', f'vaultUrl: "https://agents.vault.azure.net", {log_in}')
    assert "federated" not in text_of(root, Role.OPERATOR, "az", "azure")


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("is_wide", [False, True])
def test_the_script_has_no_finding_of_shellcheck(root: Path, role: Role, *, is_wide: bool) -> None:
    program = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("shellcheck is not installed: run `make .venv/.dev`")
    script = text_of(root, role, "az", "azure", is_wide=is_wide)
    done = subprocess.run([program, "-"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_name_that_no_secret_has_is_refused(root: Path) -> None:
    store = compiled(root).stores["azure"]
    with pytest.raises(Refusal, match="no secret of the name"):
        key_vault_text(store, Role.READER, "title", ["../keys"], {Use.READ}, namespace="agents", is_wide=False)


def test_a_place_that_is_no_secret_is_refused(root: Path) -> None:
    change(root, "azurekv: agents-github}", "azurekv: cert/github}", "catalogue")
    with pytest.raises(Refusal, match='the name of a secret in "azure" is invalid'):
        text_of(root, Role.READER, "az", "azure")


def test_a_store_without_an_address_is_refused(root: Path) -> None:
    change(root, ', vaultUrl: "https://agents.vault.azure.net"', "")
    with pytest.raises(Refusal, match='"azure" has no vaultUrl'):
        text_of(root, Role.READER, "az", "azure")


@pytest.mark.parametrize("url", ["https://10.0.0.1", "https://agents.example.com", "https://agents"])
def test_a_vault_that_is_none_is_refused(root: Path, url: str) -> None:
    change(root, "https://agents.vault.azure.net", url)
    with pytest.raises(Refusal, match="names no Key Vault"):
        text_of(root, Role.READER, "az", "azure")


def test_each_role_has_the_uses_of_its_commands() -> None:
    assert uses_of(Role.OPERATOR) == {Use.READ}
    assert uses_of(Role.READER) == {Use.READ, Use.AGE}
    assert uses_of(Role.RETIRER) == {Use.DELETE_VERSIONS, Use.RECOVER_VERSIONS}
    assert not uses_of(Role.WRITER) & uses_of(Role.RETIRER)
    assert set(FORMS) == {"hcl", "az"}
