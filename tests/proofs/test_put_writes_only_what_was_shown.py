import json
import sys

import pytest

from tests.commands import Done
from tests.proofs.conftest import World, on_stores

VALUES = {"JIRA_TOKEN": "token-1", "JIRA_URL": "https://jira.example.com"}


def put(world: World, values: object, *options: str, to: str = "jira") -> Done:
    path = world.root / "values.json"
    path.write_text(json.dumps(values), "utf-8")
    path.chmod(0o600)
    return world.run("put", "prod", to, "--from-file", str(path), *options)


def test_a_plan_writes_nothing_and_apply_writes_what_it_said_once(world: World) -> None:
    planned = put(world, VALUES)
    assert (planned.code, planned.err) == (0, "")
    assert "  create    vault:agents/jira\n            jira: JIRA_TOKEN, JIRA_URL\n" in planned.out
    assert planned.out.endswith("nothing was written; add --apply to write this plan\n")
    applied = put(world, VALUES, "--apply", "--quiet")
    assert (applied.code, applied.err) == (0, "")
    assert ": 1 of 1 done and verified" in applied.out
    assert world.get("agents/jira") == VALUES
    again = put(world, VALUES, "--apply")
    assert "plan: 2 keys unchanged" in again.out
    assert world.vault_versions("agents/jira") == 1


@pytest.mark.parametrize("store", on_stores(["azure"], ["vault"]))
def test_other_properties_stay_byte_for_byte(world: World, store: str) -> None:
    world.put("agents/jira", {"OTHER": "ö\n", "JIRA_TOKEN": "old"})
    world.azure.seed("agents-jira", '{ "OTHER":"\\u00f6\\n",  "JIRA_TOKEN": "old" }', tags={"owner": "x"})
    done = put(world, {"JIRA_TOKEN": "new"}, "--apply", "--store", store)
    assert done.code == 0
    assert "            the value there now will be replaced\n" in done.out
    if store == "vault":
        assert world.get("agents/jira") == {"OTHER": "ö\n", "JIRA_TOKEN": "new"}
        assert len(world.azure_versions()["agents-jira"]) == 1
    else:
        assert world.azure.value("agents-jira") == '{ "OTHER":"\\u00f6\\n",  "JIRA_TOKEN": "new" }'
        assert world.azure.versions("agents-jira")[-1].tags == {"owner": "x"}
        assert world.vault_versions("agents/jira") == 1


def test_a_date_that_the_new_version_keeps_is_said_before_verify_says_it(world: World) -> None:
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "old", "JIRA_URL": "u"}', expires=1738281600)
    planned = put(world, {"JIRA_TOKEN": "new"}, "--store", "azure")
    assert "the new version keeps the expiry date, in the past, of jira (2025-01-31)\n" in planned.out
    assert f"--id {world.azure.url}/secrets/agents-jira --expires DATE\n" in planned.out
    assert put(world, {"JIRA_TOKEN": "new"}, "--store", "azure", "--apply").code == 0
    assert world.azure.versions("agents-jira")[-1].expires == 1738281600
    # Of a secret that is not written nothing is said.
    assert "2025-01-31" not in put(world, {"JIRA_TOKEN": "new"}, "--store", "azure").out


def test_keys_in_two_remote_secrets_are_two_writes_with_their_lines(world: World) -> None:
    audit = world.root / "audit.jsonl"
    values = {"GITHUB_TOKEN": "t", "GITHUB_APP_KEY": "-----BEGIN\nPEM-----\n"}
    done = put(world, values, "--apply", "--store", "azure", "--audit", str(audit), to="github")
    assert done.code == 0
    assert world.azure.value("github-app-key") == values["GITHUB_APP_KEY"]
    assert world.azure_object("agents-github") == {"GITHUB_TOKEN": "t"}
    lines = [json.loads(line) for line in audit.read_text("utf-8").splitlines()]
    assert sorted((line["name"], line["state"]) for line in lines) == [
        ("agents-github", "written"),
        ("github-app-key", "written"),
    ]
    assert "note: GITHUB_APP_KEY: the value begins or ends with white space" in done.err


@pytest.mark.parametrize(
    ("values", "code", "reason"),
    [
        ({"JIRA_TOKEN": "good", "JIRA_URL": ""}, 1, 'the value of "JIRA_URL" is blank'),
        ({"JIRA_TOKEN": "good", "JIRA_URL": "TODO"}, 1, 'the value of "JIRA_URL" is a placeholder'),
        ({"JIRA_TOKEN": "good", "JIRA_URI": "x"}, 2, "a key that the secret does not have"),
        ({"JIRA_TOKEN": "good", "JIRA_URL": 5}, 2, 'the value of "JIRA_URL" is a JSON number'),
        ({}, 2, "the input is empty"),
    ],
)
def test_one_bad_value_and_nothing_is_written(world: World, values: object, code: int, reason: str) -> None:
    done = put(world, values, "--apply")
    assert done.code == code
    assert reason in done.err
    world.put("agents/jira", {"x": "y"})
    assert world.vault_versions("agents/jira") == 1


def test_a_soft_deleted_secret_is_refused(world: World) -> None:
    world.azure.seed_deleted("agents-jira", "{}")
    done = put(world, VALUES, "--apply", "--store", "azure")
    assert done.code == 1
    assert "  refuse    jira: JIRA_TOKEN, JIRA_URL\n" in done.out
    assert done.out.endswith("nothing was written: 2 keys block this plan\n")
    assert len(world.azure.versions("agents-jira")) == 1


def test_what_is_too_large_is_refused_in_the_plan(world: World) -> None:
    done = put(world, {"JIRA_TOKEN": "é" * 12_800, "JIRA_URL": "u"}, "--apply", "--store", "azure")
    assert done.code == 1
    assert "25600" in done.out
    assert world.azure_versions() == {}


def test_a_writer_in_between_is_not_overwritten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put("agents/jira", {"JIRA_TOKEN": "old"})

    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            # Between the question and the answer, somebody else writes.
            world.put("agents/jira", {"JIRA_TOKEN": "theirs"})
            return "y\n"

    monkeypatch.setattr(sys, "stdin", Terminal())
    done = put(world, {"JIRA_TOKEN": "ours"})
    assert done.code == 1
    assert "Write 1 key to prod? [y/N]" in done.err
    assert "the store changed after the plan was shown" in done.out
    assert world.get("agents/jira") == {"JIRA_TOKEN": "theirs"}


def test_a_store_that_answers_nobody_is_an_error_with_a_way_out(world: World) -> None:
    world.variables["VAULT_TOKEN"] = "wrong"
    done = put(world, VALUES, "--apply")
    assert done.code == 3
    assert done.err.startswith("error: cannot ")
    assert "help: " in done.err
