"""`import store` on real stores: what no entry covers becomes entries, and no value is asked for or shown."""

import json

import pytest

from tests.leaks import leaks
from tests.proofs.conftest import World

SENTINEL = 's3ntinel/"4711"+é&'


def leaked(text: str) -> list[str]:
    return leaks(text, SENTINEL)


def test_a_vault_in_three_levels_is_taken_as_it_lies(world: World) -> None:
    for name in ("team-a/shop/db", "team-a/shop/api", "team-b/db", "top"):
        world.put(name, {"DB_USER": SENTINEL, "DB_PASSWORD": SENTINEL})
    world.put("agents/github", {"GITHUB_TOKEN": SENTINEL})
    world.put("team-b/odd", {"not a key!": SENTINEL})
    world.put("gone", {"KEY": SENTINEL})
    world.bao.call("DELETE", f"{world.mount}/data/gone")
    done = world.run("import", "store", "vault", "--environment", "prod")
    assert done.code == 0, done
    assert 'store "vault": 7 remote secrets, 1 in the catalogue' in done.out
    assert 'team-a/shop/: "team-a/shop/api", "team-a/shop/db" (2 remote secrets)' in done.out
    assert "  1 with a deleted newest version: passed over" in done.out
    assert 'remote secret "team-b/odd" is refused' in done.err
    assert "8 keys read as before by the compiled environment" in done.out
    only = world.run("import", "store", "vault", "--environment", "prod", "--only", "team-a/*", "--format", "json")
    assert [each["target"] for each in only.report["secrets"]] == ["team-a-shop-api", "team-a-shop-db"]
    written = world.run("import", "store", "vault", "--environment", "prod", "--only", "team-*/db", "--apply")
    assert written.code == 0, written
    checked = world.run("verify", "prod", "b-db", "db")
    every = (done, only, written, checked)
    assert not [leak for each in every for leak in leaked(each.out + each.err)]
    files = [path.read_text("utf-8") for path in world.root.rglob("*") if path.is_file()]
    assert not [leak for text in files for leak in leaked(text)]


def test_a_key_vault_gives_its_texts_and_keeps_its_json_to_itself(world: World) -> None:
    world.serve_from("azure")
    world.azure.seed("smtp-password", SENTINEL)
    world.azure.seed("shop", json.dumps({"A": SENTINEL}))
    world.azure.seed_certificate("tls", SENTINEL)
    world.azure.forget_requests()
    done = world.run("import", "store", "azure", "--environment", "prod")
    assert "  1 of certificates: passed over" in done.out
    assert "smtp-password" in done.out
    # Only the list is asked for.
    assert {request.path for request in world.azure.requests() if request.authorised} == {"/secrets"}
    assert not leaked(done.out + done.err)


def test_what_the_server_holds_beside_the_store_is_said(world: World) -> None:
    world.bao.call("POST", "sys/mounts/old-kv", {"type": "kv", "options": {"version": "1"}})
    try:
        done = world.run("import", "store", "vault", "--environment", "prod")
        assert "not looked at: " in done.out
        assert "kv version 1 at old-kv/" in done.out
    finally:
        world.bao.call("DELETE", "sys/mounts/old-kv")


@pytest.mark.parametrize("store", ["vault", "azure"])
def test_no_value_is_shown_whatever_goes_wrong(world: World, monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    world.serve_from(store)
    world.put("team-a/shop/db", {"DB_USER": SENTINEL, "nested": {"deep": SENTINEL}})
    world.put("team-a/shop/odd", {"not a key!": SENTINEL})
    world.azure.seed("smtp-password", SENTINEL)
    world.azure.seed("shop", json.dumps({"A": SENTINEL}))
    words = ("import", "store", store, "--environment", "prod", "--debug")
    whole = [world.run(*words), world.run(*words, "--all"), world.run(*words, "--format", "json")]
    assert {done.code for done in whole} == {0}
    with monkeypatch.context() as broken:
        broken.setattr("compiler.imports.store_names._find_clashes", lambda *found: int(repr(found)))
        whole.append(world.run(*words))
    world.azure.denied["list"] = "ForbiddenByRbac"
    world.variables["VAULT_TOKEN"] = "nobody's"
    whole.append(world.run(*words))
    world.azure.close()
    world.variables["VAULT_ADDR"] = "http://127.0.0.1:9"
    whole.append(world.run(*words))
    assert [done.code for done in whole[3:]] == [3, 3, 3]
    assert "internal error" in whole[3].err
    assert not [leak for done in whole for leak in leaked(done.out + done.err)]
