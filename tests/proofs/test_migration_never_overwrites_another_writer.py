from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import compiler.cli.commands.migrate as command
from compiler.operations.change.apply import apply_migration

if TYPE_CHECKING:
    from collections.abc import Callable

    from compiler.operations.change.plan import Outcome, Plan
    from tests.proofs.conftest import World


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Do something after the plan is made and before it is applied."""

    def arrange(action: Callable[[], object]) -> None:
        def late(plan: Plan, *rest: Any, **options: Any) -> Outcome:  # noqa: ANN401 - passed on
            action()
            return apply_migration(plan, *rest, **options)

        monkeypatch.setattr(command, "apply_migration", late)

    return arrange


def test_proof_12_on_vault_a_writer_after_the_plan_is_a_conflict_and_the_rest_goes_on(
    world: World, between: Callable[[Callable[[], object]], None]
) -> None:
    world.azure.seed("agents-github", '{"GITHUB_TOKEN": "token-1"}')
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "token-2", "JIRA_URL": "u"}')
    world.put("agents/jira", {"OTHER": "kept"})
    between(lambda: world.put("agents/jira", {"OTHER": "kept", "JIRA_TOKEN": "theirs"}))
    report = world.report("--from", "azure", "--apply", to="vault")
    states = {result["name"]: result for result in report["results"]}
    assert states["agents/github"]["state"] == "done"
    assert (states["agents/jira"]["state"], states["agents/jira"]["otherVersions"]) == ("conflict", ["2"])
    assert report["exitCode"] == 1
    assert world.get("agents/jira") == {"OTHER": "kept", "JIRA_TOKEN": "theirs"}
    assert world.get("agents/github") == {"GITHUB_TOKEN": "token-1"}


def test_proof_12_on_key_vault_the_last_read_sees_the_writer(
    world: World, between: Callable[[Callable[[], object]], None]
) -> None:
    world.fill()
    between(lambda: world.azure.seed("agents-jira", '{"JIRA_TOKEN": "theirs"}'))
    report = world.report("--apply")
    states = {result["name"]: result for result in report["results"]}
    assert states["agents-github"]["state"] == "done"
    theirs = world.azure.versions("agents-jira")[0].id
    assert (states["agents-jira"]["state"], states["agents-jira"]["otherVersions"]) == ("conflict", [theirs])
    assert report["exitCode"] == 1
    assert world.azure_object("agents-jira") == {"JIRA_TOKEN": "theirs"}


def test_proof_12_on_key_vault_a_writer_after_the_last_read_is_found_and_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from compiler.stores.azure_key_vault.store import SdkClient  # noqa: PLC0415 - imports the SDK

    world.fill()
    put = SdkClient.set
    theirs: list[str] = []

    def slow(self: SdkClient, name: str, *rest: Any) -> Any:  # noqa: ANN401 - passed on
        if name == "agents-jira":
            theirs.append(world.azure.seed(name, '{"JIRA_TOKEN": "theirs"}'))
        return put(self, name, *rest)

    monkeypatch.setattr(SdkClient, "set", slow)
    report = world.report("--apply")
    (found,) = [result for result in report["results"] if result["name"] == "agents-jira"]
    assert (found["state"], found["otherVersions"]) == ("conflict", theirs)
    assert theirs[0] in found["reason"]
    assert report["exitCode"] == 1


def test_proof_12_what_the_plan_does_not_name_survives_byte_for_byte(world: World) -> None:
    world.fill()
    text = '{\n  "OTHER" : [1.50, "\\u00e9"],\n  "JIRA_TOKEN":"token-2" , "N": 9007199254740993\n}\n'
    world.azure.seed("agents-jira", text, content_type="application/json", tags={"owner": "them"})
    assert world.migrate("--apply").code == 0
    expected = text.replace("9007199254740993\n}", '9007199254740993, "JIRA_URL": "https://jira.example.com"\n}')
    assert world.azure.value("agents-jira") == expected
    assert world.azure.versions("agents-jira")[-1].tags == {"owner": "them"}


def test_a_conflict_stops_the_plan_is_skipped_or_overwritten_as_asked(world: World) -> None:
    world.fill()
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "theirs"}')
    failed = world.migrate("--apply")
    assert failed.code == 1
    assert "conflict  jira/JIRA_TOKEN" in failed.out
    assert "choose with --on-conflict skip or overwrite" in failed.out
    assert world.azure.versions("agents-github") == []

    assert world.migrate("--apply", "--on-conflict", "skip").code == 1
    assert world.azure_object("agents-jira") == {"JIRA_TOKEN": "theirs", "JIRA_URL": "https://jira.example.com"}
    assert world.azure_object("agents-github") == {"GITHUB_TOKEN": "token-1"}

    assert world.migrate("--apply", "--on-conflict", "overwrite").code == 0
    assert world.azure_object("agents-jira")["JIRA_TOKEN"] == "token-2"
