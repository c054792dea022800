"""Numbers through `migrate --stringify`, `put` and `--undo`: the digits that a store shows are those written."""

import json
import re
from collections.abc import Iterator

import pytest

from compiler.stores.secret_value import read_object
from tests.faulty_gateway import FaultyGateway, GatewayFault
from tests.proofs.conftest import World
from tests.unit.stores.scripted_vault import ScriptedVault, data

TOKENS = ("1.10", "0.00001", "1.0", "1e400", "-0", "12345678901234567.25", "9007199254740993", "1E+2", "9" * 5_000)
# Two at a time, one for each key; the longest alone.
PAIRS = [*zip(TOKENS[::2], (*TOKENS[1::2], "7"), strict=True)]
STRINGIFY = ("--from", "vault", "--only", "jira", "--stringify", "--apply")


@pytest.fixture
def keeping(world: World) -> Iterator[ScriptedVault]:
    """A Vault that keeps numbers as text, in place of the real one."""
    with ScriptedVault() as vault:
        mount = data(path=world.mount, type="kv", options={"version": "2"})
        vault.on("GET", f"sys/internal/ui/mounts/{world.mount}", mount)
        world.variables["VAULT_ADDR"] = vault.url
        yield vault


def stored(document: str) -> dict[str, str]:
    """Each property's raw token."""
    return {name: value.reveal() for name, value in read_object(document).items()}


@pytest.mark.parametrize(("token", "other"), PAIRS)
def test_stringify_takes_the_token_that_vault_shows(
    world: World, keeping: ScriptedVault, token: str, other: str
) -> None:
    keeping.keep(f"{world.mount}/data/agents/jira", f'{{"JIRA_TOKEN": {token}, "JIRA_URL": {other}}}')
    done = world.migrate(*STRINGIFY)
    assert done.code == 0, done.err + done.out
    assert world.azure_object("agents-jira") == {"JIRA_TOKEN": token, "JIRA_URL": other}
    again = world.migrate(*STRINGIFY)
    assert (again.code, len(world.azure.versions("agents-jira"))) == (0, 1)


def test_put_and_undo_leave_a_vaults_other_numbers_alone(world: World, keeping: ScriptedVault) -> None:
    numbers = ", ".join(f'"N{at}": {token}, "L{at}": [{token}, {{ "a":{token} }}]' for at, token in enumerate(TOKENS))
    before = f'{{"JIRA_TOKEN": "old", {numbers}, "T": true, "Z": null}}'
    kept = keeping.keep(f"{world.mount}/data/agents/jira", before)
    keeping.on("GET", f"{world.mount}/data/agents/github", data(data={}, metadata={"version": 1, "created_time": ""}))
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "new", "JIRA_URL": "u"}')
    meant = {**stored(before), "JIRA_TOKEN": "new", "JIRA_URL": "u"}
    done = world.migrate("--from", "azure", "--only", "jira", "--on-conflict", "overwrite", "--apply", to="vault")
    assert done.code == 0, done.err + done.out
    assert stored(kept[-1]) == meant
    (run,) = re.findall(r"run (\S+):", done.out)
    # Not from under those who read it.
    world.serve_from("azure")
    undone = world.run("migrate", "prod", "--undo", run, "--apply")
    assert undone.code == 0, undone.err + undone.out
    assert stored(kept[-1]) == stored(before)
    world.serve_from("vault")
    values = world.private("values.json", '{"JIRA_TOKEN": "new", "JIRA_URL": "u"}')
    put = world.run("put", "prod", "jira", "--from-file", str(values), "--apply")
    assert put.code == 0, put.err + put.out
    assert stored(kept[-1]) == meant


@pytest.mark.parametrize(("token", "other"), PAIRS)
def test_so_it_is_with_key_vaults(world: World, token: str, other: str) -> None:
    before = f'{{ "N":{token},  "JIRA_TOKEN": {token}, "M":{other}, "JIRA_URL": {other}}}'
    world.azure.seed("agents-jira", before)
    world.put("agents/jira", {"JIRA_TOKEN": "new", "JIRA_URL": "u"})
    done = world.migrate("--only", "jira", "--on-conflict", "overwrite", "--apply")
    assert done.code == 0, done.err + done.out
    assert world.azure.value("agents-jira") == f'{{ "N":{token},  "JIRA_TOKEN": "new", "M":{other}, "JIRA_URL": "u"}}'
    (run,) = re.findall(r"run (\S+):", done.out)
    assert world.run("migrate", "prod", "--undo", run, "--apply").code == 0
    assert world.azure.value("agents-jira") == before
    to_vault = ("--from", "azure", "--only", "jira", "--stringify", "--on-conflict", "overwrite", "--apply")
    assert world.migrate(*to_vault, to="vault").code == 0
    assert world.get("agents/jira") == {"JIRA_TOKEN": token, "JIRA_URL": other}


@pytest.mark.parametrize("token", ["0.00001", "1.10", "1e21", "9007199254740993", "1.0"])
def test_what_openbao_makes_of_a_number_is_what_stringify_takes(world: World, token: str) -> None:
    # OpenBao itself keeps float64; the program adds nothing to that.
    shown: list[str] = []

    def seen(body: bytes) -> bytes:
        if found := re.search(rb'"JIRA_TOKEN":([^,}]+)', body):
            shown.append(found[1].decode())
        return body

    world.put("agents/jira", {"JIRA_TOKEN": json.loads(token), "JIRA_URL": "u"})
    with FaultyGateway(world.bao.url, lambda _seen: GatewayFault(rewrite=seen)) as gateway:
        world.variables["VAULT_ADDR"] = gateway.url
        done = world.migrate(*STRINGIFY)
    assert done.code == 0, done.err + done.out
    assert shown
    assert world.azure_object("agents-jira")["JIRA_TOKEN"] == shown[0]


def test_a_neighbour_that_the_store_changes_is_told(world: World) -> None:
    world.put("agents/jira", {"JIRA_TOKEN": "old", "N": 5})
    values = world.private("values.json", '{"JIRA_TOKEN": "new", "JIRA_URL": "u"}')
    change = GatewayFault(
        rewrite=lambda body: body.replace(b'"N":5', b'"N":6') if b'"JIRA_TOKEN":"new"' in body else body
    )
    with FaultyGateway(world.bao.url, lambda _seen: change) as gateway:
        world.variables["VAULT_ADDR"] = gateway.url
        done = world.run("put", "prod", "jira", "--from-file", str(values), "--apply")
    assert done.code == 1
    unverified = "vault:agents/jira unverified, version 2: version 2 reads back with a different value"
    assert unverified in " ".join(done.out.split())
