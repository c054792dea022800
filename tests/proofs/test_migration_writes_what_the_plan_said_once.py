import json
import stat
from pathlib import Path

import pytest

from tests.faulty_gateway import FaultyGateway, GatewayFault
from tests.faulty_key_vault import Fault, FaultKind
from tests.proofs.conftest import World
from tests.proofs.writing import COMMANDS, PEM, TOKEN, VALUES, VAULT, Writing


def test_a_plan_sends_no_writing_request_and_apply_does_what_it_said(world: World) -> None:
    world.fill()
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "token-2"}', content_type="application/json")
    planned = world.report()
    assert not any(request.writes for request in world.azure.requests())
    assert not (world.root / ".platform-secrets").exists()
    kinds = {f"{step['secret']}/{step['key']}": step["kind"] for step in planned["steps"]}
    assert kinds == {"github/GITHUB_TOKEN": "create", "jira/JIRA_TOKEN": "keep", "jira/JIRA_URL": "update"}
    assert planned["exitCode"] == 0

    applied = world.report("--apply")
    assert applied["steps"] == planned["steps"]
    assert applied["exitCode"] == 0
    assert {result["name"]: result["state"] for result in applied["results"]} == {
        "agents-github": "done",
        "agents-jira": "done",
    }
    assert world.azure_object("agents-github") == {"GITHUB_TOKEN": "token-1"}
    assert world.azure_object("agents-jira") == {"JIRA_TOKEN": "token-2", "JIRA_URL": "https://jira.example.com"}
    puts = [request for request in world.azure.requests() if request.writes and request.authorised]
    assert len(puts) == 2
    assert world.azure.versions("agents-github")[0].content_type == "application/json"


def test_a_second_migration_writes_nothing_and_makes_no_version(world: World) -> None:
    world.fill()
    assert world.migrate("--apply").code == 0
    versions = world.azure_versions()
    journals = world.journals()
    world.azure.forget_requests()
    done = world.migrate("--apply")
    assert done.code == 0
    assert "3 keys unchanged" in done.out
    assert world.azure_versions() == versions
    assert not any(request.writes for request in world.azure.requests())
    assert world.journals() == journals


def test_both_ways_twice_and_the_source_is_never_changed(world: World) -> None:
    world.fill()
    assert world.migrate("--apply").code == 0
    assert world.migrate("--apply", "--from", "azure", to="vault").code == 0
    assert world.vault_versions("agents/github") == 1
    assert world.vault_versions("agents/jira") == 1


@pytest.mark.parametrize("kind", [FaultKind.DROP_REPLY, FaultKind.RESET_REPLY, FaultKind.TRUNCATE_REPLY])
def test_a_reply_that_is_lost_after_the_write_leaves_one_version(
    world: World, writing: Writing, kind: FaultKind
) -> None:
    world.azure.add_fault(Fault(kind, method="PUT", path=TOKEN))
    assert writing("--apply").code == 0
    assert writing.versions() == {TOKEN: 1, PEM: 1}
    # The version is the run's own, lost reply or not.
    assert writing.undo("--apply").code == 0


def test_in_vault_too(world: World, tmp_path: Path) -> None:
    lost = GatewayFault(drop_after=True)
    for number, name in enumerate(COMMANDS):
        writing = Writing(world, tmp_path, name, "vault")
        writing.has({**VALUES, "GITHUB_TOKEN": name})
        with FaultyGateway(
            world.bao.url, lambda seen: lost if seen.method == "POST" and "/data/" in seen.path else None
        ) as gateway:
            world.variables["VAULT_ADDR"] = gateway.url
            done = writing("--apply")
        world.variables["VAULT_ADDR"] = world.bao.url
        assert done.code == 0, done
        assert writing.versions() == {VAULT: number + 1}


@pytest.mark.parametrize("stored", ['{"GITHUB_TOKEN": "other"}', '{"GITHUB_TOKEN": "token-1"}'])
def test_a_store_that_stores_other_bytes_than_it_says_is_found(world: World, writing: Writing, stored: str) -> None:
    # The second lie is about what was to stay as it was.
    world.azure.seed(TOKEN, '{"OTHER": "kept"}')
    world.azure.add_fault(Fault(FaultKind.LIE, method="PUT", path=TOKEN, value=stored))
    report = writing("--apply", "--format", "json").report
    (found,) = [result for result in report["results"] if result["name"] == TOKEN]
    assert (found["state"], found["code"]) == ("unverified", "unverified")
    assert report["exitCode"] == 1
    if writing.name != "put" and "other" in stored:
        assert world.run(*writing.words, "--format", "json").report["counts"]["conflict"] == 1


def test_the_journal_is_its_owners_alone_and_holds_no_value(world: World) -> None:
    world.fill()
    assert world.migrate("--apply", "--audit", str(world.root / "audit.jsonl")).code == 0
    (journal,) = world.journals()
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.parent.stat().st_mode) == 0o700
    lines = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    assert [line["type"] for line in lines[:4]] == ["run", "plan", "plan", "planned"]
    assert lines[-1]["state"] == "complete"
    audit = [json.loads(line) for line in (world.root / "audit.jsonl").read_text("utf-8").splitlines()]
    assert {(line["name"], line["action"]) for line in audit} == {
        ("agents-github", "create"),
        ("agents-jira", "create"),
    }
    assert all(line["who"] for line in audit)
    assert "token-1" not in journal.read_text("utf-8")
