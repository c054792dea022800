"""A Key Vault that answers for another secret or version, through `verify`, `migrate` and `put`: never a success."""

import json

import pytest

from tests.commands import Done
from tests.faulty_gateway import FaultyGateway, GatewayFault
from tests.faulty_key_vault import Fault, FaultKind
from tests.proofs.conftest import World

VALUES = {"JIRA_TOKEN": "token", "JIRA_URL": "https://jira.example.com"}


def other(method: str, name: str = "agents-jira") -> Fault:
    """Every reply about a secret names another one."""
    old, new = f"/secrets/{name}", "/secrets/agents-github"
    return Fault(FaultKind.ALTER, method=method, path=name, old=old, value=new, times=None)


def put(world: World, *options: str) -> Done:
    path = world.private("values.json", json.dumps(VALUES))
    return world.run("put", "prod", "jira", "--from-file", str(path), "--store", "azure", "--apply", *options)


def seed(world: World) -> None:
    world.fill()
    world.azure.seed("agents-github", '{"GITHUB_TOKEN": "token-1"}')
    world.azure.seed("agents-jira", json.dumps(VALUES))


def test_verify_takes_no_value_of_another_secret(world: World) -> None:
    seed(world)
    assert world.run("verify", "prod", "--store", "azure").code == 0
    world.azure.add_fault(other("GET"))
    done = world.run("verify", "prod", "--store", "azure")
    assert done.code == 1
    assert "error[no-answer]" in done.err
    assert 'the reply is for another secret, "agents-github"' in done.err


def test_migrate_copies_none_from_there_and_finds_none_equal(world: World) -> None:
    seed(world)
    world.azure.add_fault(other("GET"))
    for done in (world.migrate("--from", "azure", "--apply", to="vault"), world.migrate("--apply")):
        assert done.code == 3
        assert 'the reply is for another secret, "agents-github"' in done.err
    assert world.vault_versions("agents/jira") == 1


@pytest.mark.parametrize("old", ["/secrets/agents-jira/", "(?<=agents-jira/)[0-9a-f]{32}"])
def test_a_write_that_was_answered_for_another_is_told_with_what_is_stored(world: World, old: str) -> None:
    world.fill()
    new = "/secrets/agents-github/" if old.endswith("/") else "0" * 32
    world.azure.add_fault(Fault(FaultKind.ALTER, method="PUT", path="agents-jira", old=old, value=new, times=None))
    audit = world.root / "audit.jsonl"
    report = world.report("--apply", "--only", "jira", "--audit", str(audit))
    (found,) = report["results"]
    (stored,) = world.azure.versions("agents-jira")
    if new.startswith("/"):
        assert (found["state"], found["version"], report["exitCode"]) == ("unverified", stored.id, 1)
        _, line = map(json.loads, audit.read_text("utf-8").splitlines())
        assert (line["state"], line["version"]) == ("written", stored.id)
    else:
        # That version is looked for and is not the newest one.
        assert (found["state"], report["exitCode"]) == ("conflict", 1)
    assert world.migrate("--apply", "--only", "jira").code == 0


def test_put_names_the_version_to_look_at_where_the_vault_says_that_it_stored_other_bytes(world: World) -> None:
    # The reply alone is about another value.
    old, new = "https://jira.example.com", "https://other.example.com"
    world.azure.add_fault(Fault(FaultKind.ALTER, method="PUT", path="agents-jira", old=old, value=new))
    done = put(world)
    (stored,) = world.azure.versions("agents-jira")
    assert done.code == 1
    assert f"version {stored.id} was stored, with another value" in done.out
    assert "help: check that version by hand, and do not trust this address\n" in done.out
    report = put(world, "--format", "json").report
    assert (report["exitCode"], report["results"]) == (0, [])


def test_a_vault_that_answers_with_another_version_is_believed_nothing(world: World) -> None:
    world.put("agents/jira", {"JIRA_TOKEN": "old"})

    def next_but_one(body: bytes) -> bytes:
        return body.replace(b'"version":2', b'"version":3')

    path = world.private("values.json", json.dumps(VALUES))
    with FaultyGateway(world.bao.url, lambda _seen: GatewayFault(rewrite=next_but_one)) as gateway:
        world.variables["VAULT_ADDR"] = gateway.url
        done = world.run("put", "prod", "jira", "--from-file", str(path), "--apply")
    assert done.code == 1
    said = " ".join(done.out.split())
    assert "unverified, version 3: version 3 was stored, and 2 was expected after 1 help:" in said
