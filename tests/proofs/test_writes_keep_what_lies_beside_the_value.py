"""Whatever writes a value keeps what its owners wrote beside it: tags, types, dates, limits and settings."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pyrage import x25519  # type: ignore[import-untyped]

from tests.commands import Done
from tests.proofs.conftest import World

BESIDE = {
    "content_type": "application/vnd.team+json",
    "tags": {"owner": "the team", "ä b": "é"},
    "expires": 4102444800,
    "not_before": 1609459200,
}
SETTINGS = {
    "custom_metadata": {"owner": "the team", "ä b": "é"},
    "max_versions": 7,
    "cas_required": True,
    "delete_version_after": "720h0m0s",
}
VALUES = {"JIRA_TOKEN": "new", "JIRA_URL": "new"}
OLD = '{"JIRA_TOKEN": "old", "JIRA_URL": "old", "BESIDE": 1.50}'


def put(world: World, *options: str) -> Done:
    path = world.private("values.json", json.dumps(VALUES))
    return world.run("put", "prod", "jira", "--from-file", str(path), "--apply", *options)


def restore(world: World, *options: str) -> Done:
    """Restore a backup that was made of the other store."""
    made = x25519.Identity.generate()
    key, backup = world.root / "key.txt", world.root / "prod.age"
    key.write_text(f"{made}\n", "utf-8")
    key.chmod(0o600)
    source, to = ("azure", "vault") if "vault" in options else ("vault", "azure")
    fill(world, source)
    prod = world.root / "environments/prod.yaml"
    prod.write_text(f"store: {source}\nsecrets: {{github: {{enabled: false}}}}\n", "utf-8")
    assert world.run("backup", "prod", str(backup), "--recipient", str(made.to_public())).code == 0
    argv = ("--identity", str(key), "--to", to, "--on-conflict", "overwrite", "--apply")
    return world.run("restore", "prod", str(backup), *argv)


def migrate(world: World, *options: str) -> Done:
    source, to = ("azure", "vault") if "vault" in options else ("vault", "azure")
    fill(world, source)
    argv = ("--from", source, "--only", "jira", "--on-conflict", "overwrite", "--recover", "--apply")
    return world.migrate(*argv, to=to)


def undo(world: World, *_options: str) -> Done:
    return world.run("migrate", "prod", "--undo", world.journals()[-1].stem, "--quiet", "--apply")


def fill(world: World, store: str) -> None:
    if store == "vault":
        world.put("agents/jira", VALUES)
    else:
        world.azure.seed("agents-jira", json.dumps(VALUES), tags={"of": "the source"})


def beside(world: World, name: str = "agents-jira") -> dict[str, Any]:
    newest = world.azure.versions(name)[-1]
    return {field: getattr(newest, field) for field in BESIDE} | {"enabled": newest.enabled}


def settings(world: World, name: str = "agents/jira") -> dict[str, Any]:
    data = world.bao.call("GET", f"{world.mount}/metadata/{name}")["data"]
    return {field: data[field] for field in SETTINGS}


def old_in_vault(world: World) -> None:
    world.bao.call("POST", f"{world.mount}/metadata/agents/jira", SETTINGS)
    world.bao.call("POST", f"{world.mount}/data/agents/jira", {"data": json.loads(OLD), "options": {"cas": 0}})


@pytest.mark.parametrize("write", [put, restore, migrate])
def test_key_vault_keeps_tags_type_dates_and_state(world: World, write: Callable[..., Done]) -> None:
    world.azure.seed("agents-jira", OLD, **BESIDE)  # type: ignore[arg-type]
    assert write(world, "--store", "azure").code == 0
    assert world.azure_object("agents-jira") == {**VALUES, "BESIDE": 1.5}
    assert len(world.azure.versions("agents-jira")) == 2
    assert beside(world) == {**BESIDE, "enabled": True}


def test_an_undo_in_key_vault_brings_back_what_lay_beside_the_earlier_value(world: World) -> None:
    world.azure.seed("agents-jira", OLD, **BESIDE)  # type: ignore[arg-type]
    assert migrate(world).code == 0
    assert undo(world).code == 0
    assert world.azure.value("agents-jira") == OLD
    assert beside(world) == {**BESIDE, "enabled": True}


def test_a_recovered_secret_of_key_vault_has_all_of_it_in_its_new_version(world: World) -> None:
    world.azure.seed("agents-jira", OLD, **BESIDE)  # type: ignore[arg-type]
    with world.azure.lock:
        world.azure.state.delete(world.azure.url, "agents-jira")
    assert migrate(world).code == 0
    assert world.azure_object("agents-jira") == {**VALUES, "BESIDE": 1.5}
    assert beside(world) == {**BESIDE, "enabled": True}


def test_a_whole_value_keeps_it_too(world: World) -> None:
    world.azure.seed("github-app-key", "old pem", **BESIDE)  # type: ignore[arg-type]
    world.put("agents/github", {"GITHUB_TOKEN": "t", "GITHUB_APP_KEY": "new pem"})
    assert world.migrate("--only", "github", "--on-conflict", "overwrite", "--apply").code == 0
    assert world.azure.value("github-app-key") == "new pem"
    assert beside(world, "github-app-key") == {**BESIDE, "enabled": True}
    pem = world.private("app.pem", "newer pem")
    argv = ("github", "GITHUB_APP_KEY", "--from-file", str(pem), "--store", "azure", "--apply")
    assert world.run("put", "prod", *argv).code == 0
    assert world.azure.value("github-app-key") == "newer pem"
    assert beside(world, "github-app-key") == {**BESIDE, "enabled": True}


@pytest.mark.parametrize("write", [put, restore, migrate])
def test_nothing_enables_what_somebody_disabled(world: World, write: Callable[..., Done]) -> None:
    world.azure.seed("agents-jira", OLD, enabled=False, **BESIDE)  # type: ignore[arg-type]
    assert write(world, "--store", "azure").code == 1
    assert len(world.azure.versions("agents-jira")) == 1
    assert beside(world) == {**BESIDE, "enabled": False}


@pytest.mark.parametrize("write", [put, restore, migrate])
def test_vault_keeps_custom_metadata_and_every_setting(world: World, write: Callable[..., Done]) -> None:
    old_in_vault(world)
    assert write(world, "--store", "vault").code == 0
    assert world.get("agents/jira") == {**VALUES, "BESIDE": 1.5}
    assert world.vault_versions("agents/jira") == 2
    assert settings(world) == SETTINGS


def test_an_undo_in_vault_keeps_them(world: World) -> None:
    old_in_vault(world)
    assert migrate(world, "vault").code == 0
    assert undo(world).code == 0
    assert world.get("agents/jira") == json.loads(OLD)
    assert settings(world) == SETTINGS


def test_a_recovered_secret_of_vault_keeps_them(world: World) -> None:
    old_in_vault(world)
    world.bao.call("DELETE", f"{world.mount}/data/agents/jira")
    assert migrate(world, "vault").code == 0
    assert world.get("agents/jira") == {**VALUES, "BESIDE": 1.5}
    assert settings(world) == SETTINGS


def test_what_was_settled_before_the_first_version_stays_beside_the_tags_of_the_source(world: World) -> None:
    world.bao.call("POST", f"{world.mount}/metadata/agents/jira", SETTINGS)
    assert migrate(world, "vault").code == 0
    assert world.get("agents/jira") == VALUES
    assert settings(world) == {**SETTINGS, "custom_metadata": {**SETTINGS["custom_metadata"], "of": "the source"}}  # type: ignore[dict-item]


def test_the_mounts_own_settings_are_kept_to(world: World) -> None:
    config = {"cas_required": True, "max_versions": 4, "delete_version_after": "24h0m0s"}
    world.bao.call("POST", f"{world.mount}/config", config)
    assert put(world, "--store", "vault").code == 0
    assert migrate(world, "vault").code == 0
    found = world.bao.call("GET", f"{world.mount}/config")["data"]
    assert {name: found[name] for name in config} == config
