"""A secret whose keys nobody lists is verified, moved, saved and retired, and no command sets a key of it."""

from pathlib import Path
from typing import Any

import pytest

from tests.platforms import write_project
from tests.proofs.conftest import World

CATALOGUE = """\
secrets:
  app:
    target: app
    remote: {vault: team/app, azurekv: team-app}
    syncWave: -49
    extract: true
"""
HELD: dict[str, Any] = {"TOKEN": "sentinel-1", "tls.crt": "sentinel-2"}


@pytest.fixture
def moving(world: World) -> World:
    base = (world.root / "environments/base.yaml").read_text("utf-8")
    write_project(world.root, base=base[: base.index("secrets:")], catalogue=CATALOGUE, prod="secrets: {app: {}}\n")
    world.put("team/app", HELD)
    assert world.run("compile", "prod").code == 0
    return world


def verified(world: World, *options: str) -> list[tuple[str, str]]:
    done = world.run("verify", "prod", "--format", "json", *options)
    assert "sentinel" not in done.out + done.err
    (key,) = done.report["keys"]
    assert (key["secret"], key["key"], key["property"]) == ("app", "*", None)
    return [(each["rule"], each["message"]) for each in done.report["diagnostics"] if each["severity"] == "error"]


def test_its_names_are_read(moving: World) -> None:
    assert verified(moving) == []
    assert "prod: 2 of 2 keys OK" in moving.run("verify", "prod").out
    values = str(moving.root / "chart/values-prod.yaml")
    moving.monkeypatch.setenv("VAULT_ADDR", moving.bao.url)
    # The file has no mount: the store's usual one holds nothing of it.
    done = moving.run("verify", "--values", values)
    assert 'every key of "app"' in done.err
    for held, rule, words in (
        ({}, "missing-property", '"team/app" has no property, so the Secret of "app" would have no key'),
        ({"A B": "x", "A_B": "y"}, "unusable-bundle", 'its properties "A B" and "A_B" become one key'),
        ({"schlüssel": "x"}, "unusable-bundle", 'its property "schlüssel" cannot be a key of a Secret'),
    ):
        moving.put("team/app", held)
        ((found, message),) = verified(moving)
        assert (found, words in message) == (rule, True), message


def test_no_key_of_it_is_set(moving: World) -> None:
    for argv in (("put", "prod", "app"), ("put", "prod", "app", "TOKEN"), ("rotate", "prod", "app")):
        done = moving.run(*argv)
        assert (done.code, '"app" lists no keys' in done.err) == (2, True), done
        assert "add the key to its `keys` in the catalogue" in done.err


def test_all_of_it_is_moved_and_the_old_goes(moving: World) -> None:
    gate = moving.run("cutover", "prod", "app", "--to", "azure")
    assert (gate.code, "migrate prod --to azure --only app --apply" in gate.out) == (1, True)
    assert moving.run("migrate", "prod", "--to", "azure", "--apply").code == 0
    assert moving.azure_object("team-app") == HELD

    moving.put("team/app", {**HELD, "TOKEN": "sentinel-3", "NEW": "x"})
    gate = moving.run("cutover", "prod", "app", "--to", "azure", "--apply")
    assert gate.code == 1
    assert 'would lose keys, which are in "vault" and not in "azure": "NEW"' in gate.out
    assert 'values of "app" differ in "azure" and "vault": "TOKEN"' in gate.out
    assert 'app: "azure" lacks "NEW"' in moving.run("status", "prod").out
    assert moving.run("migrate", "prod", "--to", "azure", "--on-conflict", "overwrite", "--apply").code == 0
    gate = moving.run("cutover", "prod", "app", "--to", "azure", "--apply")
    assert (gate.code, "3 other keys" in gate.out) == (0, True), gate.out
    assert "vault: equal" in moving.run("status", "prod").out

    done = moving.run("retire", "prod", "--store", "vault", "--without-cluster", "--apply")
    assert (done.code, "app: NEW, TOKEN, tls.crt" in done.out) == (0, True), done.out
    back = moving.run("cutover", "prod", "app", "--back", "--to", "vault")
    assert (back.code, "migrate prod --to vault --only app --recover --apply" in back.out) == (1, True), back.out


def test_a_surplus_key_is_taken_out(moving: World) -> None:
    assert moving.run("migrate", "prod", "--to", "azure", "--apply").code == 0
    moving.put("team/app", {"TOKEN": HELD["TOKEN"]})
    gate = moving.run("cutover", "prod", "app", "--to", "azure")
    assert (gate.code, "put prod app --remove tls.crt --store azure --apply" in gate.out) == (1, True)
    refused = moving.run("put", "prod", "app", "--remove", "TOKEN", "--apply")
    assert (refused.code, "pods may read it" in refused.out, moving.vault_versions("team/app")) == (1, True, 2)
    done = moving.run("put", "prod", "app", "--remove", "tls.crt", "--store", "azure", "--apply")
    assert (done.code, moving.azure_object("team-app")) == (0, {"TOKEN": HELD["TOKEN"]}), done
    gate = moving.run("cutover", "prod", "app", "--to", "azure")
    assert (gate.code, "1 other key" in gate.out) == (0, True)


def test_what_is_not_equal_there_is_not_retired(moving: World) -> None:
    assert moving.run("migrate", "prod", "--to", "azure", "--apply").code == 0
    moving.serve_from("azure")
    (moving.root / "environments/prod.yaml").write_text("store: azure\nsecrets: {app: {}}\n", "utf-8")
    assert moving.run("compile", "prod").code == 0
    moving.put("team/app", {**HELD, "LATER": "x"})
    done = moving.run("retire", "prod", "--store", "vault", "--without-cluster", "--apply")
    assert (done.code, "plan: " in done.out, moving.get("team/app")["LATER"]) == (1, True, "x"), done.out


def test_a_backup_has_each_key(moving: World, tmp_path: Path) -> None:
    secret, file = tmp_path / "passphrase", str(tmp_path / "prod.age")
    secret.write_text("a long passphrase", "utf-8")
    secret.chmod(0o600)
    moving.monkeypatch.setenv("PLATFORM_SECRETS_PASSPHRASE_FILE", str(secret))
    done = moving.run("backup", "prod", file)
    assert (done.code, "1 secret, 2 keys" in done.out, done.err) == (0, True, "")
    moving.put("team/app", {"TOKEN": "another"})
    done = moving.run("restore", "prod", file, "--on-conflict", "overwrite", "--apply")
    assert (done.code, moving.get("team/app")) == (0, HELD), done
    moving.put("team/app", {})
    done = moving.run("backup", "prod", str(tmp_path / "none.age"), "--partial")
    assert (done.code, "there is nothing to back up" in done.err) == (2, True)


def test_what_the_source_lacks_is_said(moving: World) -> None:
    for held, words in (({}, "the source has no property"), (None, "the source has no such secret")):
        if held is None:
            moving.bao.call("DELETE", f"{moving.mount}/metadata/team/app")
        else:
            moving.put("team/app", held)
        done = moving.run("migrate", "prod", "--to", "azure", "--apply")
        assert (done.code, words in done.out, "app: every key" in done.out) == (1, True, True), done.out
        assert "put prod app" not in done.out
