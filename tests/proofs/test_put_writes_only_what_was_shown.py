import json
import sys

import pytest

from tests.commands import Done
from tests.proofs.conftest import World

VALUES = {"JIRA_TOKEN": "token-1", "JIRA_URL": "https://jira.example.com"}


def put(world: World, values: object, *options: str, to: str = "jira") -> Done:
    path = world.private("values.json", json.dumps(values))
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
