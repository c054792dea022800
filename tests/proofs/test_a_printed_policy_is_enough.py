"""The rules that a refusal prints, pasted once, make the command succeed, and take no right away."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Done
from tests.proofs.conftest import World
from tests.proofs.retiring import Retiring
from tests.proofs.writing import COMMANDS, VAULT, Writing

# What a token has first: one elsewhere in the mount, the reader's glob, and all of a writer but one.
NOTHING = 'path "{mount}/data/elsewhere" {{ capabilities = ["read"] }}'
READER = 'path "{mount}/data/*" {{ capabilities = ["read"] }}'
CREATOR = 'path "{mount}/data/*" {{ capabilities = ["read", "create"] }}'
NO_QUESTIONS = ' path "sys/capabilities-self" {{ capabilities = ["deny"] }}'
# One that Vault has not for a token without them: a default policy that lets it ask.
ASKS = ' path "sys/capabilities-self" {{ capabilities = ["update"] }}'
RULE = re.compile(r'path "[^"]+" \{ capabilities = \[[^\]]+\] \}')


class Person:
    """Somebody with a policy of their own, which may be added to."""

    def __init__(self, world: World, policy: str) -> None:
        self._world = world
        self._name = f"person-{world.mount}"
        self._policy = policy.format(mount=world.mount)
        self._write()
        made = world.bao.call("POST", "auth/token/create", {"policies": [self._name], "no_default_policy": True})
        world.variables["VAULT_TOKEN"] = made["auth"]["client_token"]

    def paste(self, done: Done) -> list[str]:
        """Add what the command printed to the policy."""
        rules = list(dict.fromkeys(RULE.findall(re.sub(r"\s+", " ", done.out + done.err))))
        assert rules, done
        self._policy += "\n" + "\n".join(rules)
        self._write()
        return rules

    def _write(self) -> None:
        self._world.bao.call("PUT", f"sys/policies/acl/{self._name}", {"policy": self._policy})


def may(world: World, name: str) -> set[str]:
    """What the person may do with the value there."""
    path = f"{world.mount}/data/{name}"
    root, world.bao.token = world.bao.token, world.variables["VAULT_TOKEN"]
    try:
        return set(world.bao.call("POST", "sys/capabilities-self", {"paths": [path]})["data"][path])
    finally:
        world.bao.token = root


def succeeds(command: Callable[..., Done], person: Person) -> list[str]:
    """The plan is refused before anything is written, and with the rules that it prints all is done."""
    shown = command()
    assert shown.code in (1, 3), shown
    rules = person.paste(shown)
    done = command("--apply")
    assert done.code == 0, (rules, done)
    return rules


@pytest.mark.parametrize("policy", [NOTHING, READER, CREATOR])
@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_write_over_a_version_takes(world: World, tmp_path: Path, name: str, policy: str) -> None:
    world.put(VAULT, {"GITHUB_TOKEN": "old", "KEPT": "x"})
    writing = Writing(world, tmp_path, name, "vault")
    person = Person(world, policy + ASKS)
    (rule,) = succeeds(writing, person)
    assert f'"{world.mount}/data/{VAULT}"' in rule
    assert world.get(VAULT)["KEPT"] == "x"
    assert may(world, VAULT) >= {"read", "update", *(("create",) if policy is CREATOR else ())}
    assert writing.undo("--apply").code == 0


@pytest.mark.parametrize("policy", [NOTHING, READER])
@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_write_of_a_new_name_takes(world: World, tmp_path: Path, name: str, policy: str) -> None:
    writing = Writing(world, tmp_path, name, "vault")
    person = Person(world, policy + ASKS)
    succeeds(writing, person)
    assert writing.standing() == {"GITHUB_TOKEN": "token-1", "GITHUB_APP_KEY": "pem-1"}
    # Its undo deletes, which is another right.
    world.serve_from("azure")
    succeeds(writing.undo, person)
    assert "read" in may(world, VAULT)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_recovering_takes(world: World, tmp_path: Path, name: str) -> None:
    world.put(VAULT, {"GITHUB_TOKEN": "old"})
    world.bao.call("POST", f"{world.mount}/delete/{VAULT}", {"versions": [1]})
    writing = Writing(world, tmp_path, name, "vault")
    person = Person(world, READER + ASKS)
    rules = succeeds(lambda *more: writing("--recover", *more), person)
    assert [rule.split('"')[1].split("/")[1] for rule in rules] == ["data", "undelete"]


@pytest.mark.parametrize("policy", [NOTHING, READER])
def test_what_retire_and_its_undo_take(world: World, policy: str) -> None:
    retiring = Retiring(world, "vault")
    person = Person(world, policy + ASKS)
    succeeds(retiring, person)
    succeeds(retiring.undo, person)
    assert {"read"} <= may(world, "agents/github")


def test_tags_that_may_not_be_written_are_found_before_the_plan_is_shown(world: World) -> None:
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "t", "JIRA_URL": "u"}', tags={"team": "a"})
    person = Person(world, CREATOR + ASKS)
    rules = succeeds(
        lambda *more: world.run("migrate", "prod", "--to", "vault", "--from", "azure", "--only", "jira", *more), person
    )
    assert rules == [f'path "{world.mount}/metadata/agents/jira" {{ capabilities = ["read", "update"] }}']


@pytest.mark.parametrize("name", COMMANDS)
def test_who_may_not_ask_gets_a_note_and_the_rule_for_the_whole_path(world: World, tmp_path: Path, name: str) -> None:
    world.put(VAULT, {"GITHUB_TOKEN": "old"})
    writing = Writing(world, tmp_path, name, "vault")
    person = Person(world, READER + NO_QUESTIONS)
    shown = writing()
    assert shown.code == 0, shown
    assert "does not let you ask (sys/capabilities-self)" in " ".join(shown.out.split())
    failed = writing("--apply")
    assert failed.code == 4, failed
    assert f'\n  path "{world.mount}/data/{VAULT}" {{ capabilities = ["read", "update"] }}\n' in failed.out
    person.paste(failed)
    assert writing("--apply").code == 0
