import shutil
from pathlib import Path

from compiler.model.environment import Environment
from compiler.operations.references import cells_to_read
from compiler.pipeline import compile_project

ROOT = Path(__file__).resolve().parents[4]
CATALOGUE = """\
secrets:
  github:
    target: agent-github-secrets
    remote: {vault: team/github, azurekv: team-github}
    syncWave: -49
    keys:
      TOKEN: {}
      PEM: {remote: {azurekv: {name: github-pem, whole: true}}}
  local:
    target: agent-local-secrets
    remote: {vault: team/local}
    syncWave: -49
    keys:
      KEY: {}
"""
PROD = """\
namespace: team
store: vault
refreshInterval: 1h
fetch: %s
externalSecretsOperator: "2.9"
stores:
  vault: {provider: vault, name: vault-secret-store, server: "https://vault.example.com"}
  azure: {provider: azurekv, name: azure-keyvault-store, vaultUrl: "https://team.vault.azure.net", prefix: "x-"}
secrets:
  github: {}
  local: {}
"""


def compiled(folder: Path, fetch: str = "perKey", prod: str = PROD) -> Environment:
    shutil.copytree(ROOT / "schemas", folder / "schemas")
    (folder / "environments").mkdir()
    (folder / "environments/catalogue.yaml").write_text(CATALOGUE, "utf-8")
    (folder / "environments/prod.yaml").write_text(prod % fetch, "utf-8")
    project = compile_project(folder).project
    assert project is not None
    return project.environments[0]


def test_every_key_asks_its_own_store_at_the_lines_of_the_input(tmp_path: Path) -> None:
    found, diagnostics = cells_to_read(compiled(tmp_path))
    assert not diagnostics
    assert [(each.secret, each.key, each.store.id, each.remote_key, each.property) for each in found] == [
        ("github", "TOKEN", "vault", "team/github", "TOKEN"),
        ("github", "PEM", "vault", "team/github", "PEM"),
        ("local", "KEY", "vault", "team/local", "KEY"),
    ]
    assert not any(each.by_name for each in found)
    assert [each.key_at.where for each in found] == [
        "environments/catalogue.yaml:7:7",
        "environments/catalogue.yaml:8:7",
        "environments/catalogue.yaml:14:7",
    ]
    assert [each.secret_at.where for each in found[1:]] == [
        "environments/prod.yaml:10:3",
        "environments/prod.yaml:11:3",
    ]


def test_another_store_is_asked_at_its_own_names_and_a_key_without_one_is_said(tmp_path: Path) -> None:
    environment = compiled(tmp_path)
    found, diagnostics = cells_to_read(environment, store=environment.stores["azure"])
    assert [(each.key, each.store.id, each.remote_key, each.property) for each in found] == [
        ("TOKEN", "azure", "x-team-github", "TOKEN"),
        ("PEM", "azure", "x-github-pem", None),
    ]
    (missing,) = diagnostics
    assert (missing.rule, missing.span.where) == ("missing-remote", "environments/catalogue.yaml:14:7")
    assert missing.message == '"KEY" of "local" has no place in the store "azure"'


def test_only_the_named_secrets_are_asked_for(tmp_path: Path) -> None:
    found, _ = cells_to_read(compiled(tmp_path), ["local"])
    assert [each.secret for each in found] == ["local"]


def test_an_environments_own_remote_name_goes_to_the_other_store_too(tmp_path: Path) -> None:
    environment = compiled(tmp_path, prod=PROD.replace("github: {}", "github: {remote: {azurekv: own-github}}"))
    found, _ = cells_to_read(environment, ["github"], environment.stores["azure"])
    assert found[0].remote_key == "x-own-github"


def test_a_bundle_is_taken_apart_by_name(tmp_path: Path) -> None:
    assert all(each.by_name for each in cells_to_read(compiled(tmp_path, "bundle"))[0])


def test_a_secret_whose_store_is_unknown_asks_nobody(tmp_path: Path) -> None:
    environment = compiled(tmp_path, prod=PROD.replace("github: {}", "github: {store: azrue}"))
    assert [each.secret for each in cells_to_read(environment)[0]] == ["local"]


def test_a_copy_could_come_from_the_store_that_is_read_or_the_only_other_one(tmp_path: Path) -> None:
    # One that is described, and neither read nor where a move leads, holds nothing as far as is known.
    assert {each.source for each in cells_to_read(compiled(tmp_path / "one"), ["github"])[0]} == {None}
    environment = compiled(tmp_path, prod=PROD + "moves: {to: azure, steps: [[github]]}\n")
    vault, azure = environment.stores["vault"], environment.stores["azure"]
    assert {each.source for each in cells_to_read(environment, ["github"], vault)[0]} == {"azure"}
    assert {each.source for each in cells_to_read(environment, ["github"], azure)[0]} == {"vault"}
    third = '  third: {provider: azurekv, name: third, vaultUrl: "https://third.vault.azure.net"}\nsecrets:'
    several = compiled(tmp_path / "several", prod=PROD.replace("secrets:", third))
    assert {each.source for each in cells_to_read(several, ["github"])[0]} == {None}
    there = cells_to_read(several, ["github"], several.stores["third"])[0]
    assert {each.source for each in there} == {"vault"}
