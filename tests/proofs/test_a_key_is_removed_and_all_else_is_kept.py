"""`put --remove` on real stores: a new version without the key, killed at any line, resumed, and undone."""

import json
import re
import shlex

import pytest

from tests.commands import Done
from tests.proofs.conftest import World
from tests.proofs.test_a_write_killed_at_any_point_is_resumed import DYING, KILLED

IN_VAULT, IN_AZURE = "agents/jira", "agents-jira"
TEXT = '{ "JIRA_TOKEN" : "t0ken-1", "OLD":"o",\n "JIRA_URL": "https://jira", "N": 1.50 }'
LEFT = '{ "JIRA_TOKEN" : "t0ken-1",\n "JIRA_URL": "https://jira", "N": 1.50 }'
# run, plan, planned, three for the write, end.
LINES = 7


@pytest.fixture
def extracting(world: World) -> World:
    """Vault serves jira, which is extracted; the Key Vault has a key more."""
    catalogue = world.root / "environments/catalogue.yaml"
    catalogue.write_text(catalogue.read_text("utf-8").replace("\n  jira:\n", "\n  jira:\n    extract: true\n"), "utf-8")
    world.fill()
    world.put(IN_VAULT, {"JIRA_TOKEN": "t0ken-1", "JIRA_URL": "https://jira", "N": "1.50"})
    world.azure.seed(IN_AZURE, TEXT, tags={"owner": "them"}, content_type="application/json")
    return world


def words(store: str) -> tuple[str, ...]:
    return ("put", "prod", "jira", "--remove", "OLD", "--store", store)


def removed(world: World, store: str = "azure", *options: str) -> Done:
    return world.run(*words(store), "--quiet", "--apply", *options)


def undone(world: World, done: Done) -> Done:
    (line,) = re.findall("to undo it: platform-secrets (.*)", done.out)
    return world.run(*shlex.split(line), "--quiet")


def test_a_key_vault_keeps_every_other_byte_and_its_attributes(extracting: World) -> None:
    done = removed(extracting, "azure", "--audit", str(extracting.root / "audit.jsonl"))
    assert done.code == 0, done
    _, line = [json.loads(each) for each in (extracting.root / "audit.jsonl").read_text("utf-8").splitlines()]
    assert (line["action"], line["properties"]) == ("remove", ["OLD"])
    before, after = extracting.azure.versions(IN_AZURE)
    assert (before.value, after.value) == (TEXT, LEFT)
    assert (after.tags, after.content_type) == ({"owner": "them"}, "application/json")
    assert undone(extracting, done).code == 0
    assert extracting.azure.value(IN_AZURE) == TEXT
    assert "t0ken-1" not in done.out + done.err


def test_a_vault_keeps_the_other_properties_and_the_tags(extracting: World) -> None:
    values = {"JIRA_TOKEN": "t0ken-1", "OLD": "o", "JIRA_URL": "https://jira", "N": 12}
    extracting.put(IN_VAULT, values)
    extracting.bao.call("POST", f"{extracting.mount}/metadata/{IN_VAULT}", {"custom_metadata": {"owner": "them"}})
    refused = removed(extracting, "vault")
    assert (refused.code, "pods may read it" in " ".join(refused.out.split())) == (1, True)
    extracting.serve_from("azure")
    version = extracting.vault_versions(IN_VAULT)
    done = removed(extracting, "vault")
    assert done.code == 0, done
    assert extracting.get(IN_VAULT) == {key: value for key, value in values.items() if key != "OLD"}
    metadata = extracting.bao.call("GET", f"{extracting.mount}/metadata/{IN_VAULT}")["data"]
    assert (metadata["current_version"], metadata["custom_metadata"]) == (version + 1, {"owner": "them"})
    assert undone(extracting, done).code == 0
    assert extracting.get(IN_VAULT) == values


@pytest.mark.parametrize("turn", range(1, LINES + 1))
def test_killed_at_any_line_it_goes_on_and_removes_once(extracting: World, turn: int) -> None:
    program = DYING.replace("TURN", str(turn)).replace("HALF", str(turn % 2 == 1))
    assert extracting.process(program, *words("azure"), "--apply").returncode == KILLED
    done = removed(extracting)
    assert done.code == 0, done
    assert [each.value for each in extracting.azure.versions(IN_AZURE)] == [TEXT, LEFT]


def test_one_more_line_is_never_written(extracting: World) -> None:
    program = DYING.replace("TURN", str(LINES + 1)).replace("HALF", "False")
    assert extracting.process(program, *words("azure"), "--apply").returncode == 0
