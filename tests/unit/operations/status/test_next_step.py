from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from compiler.operations.status.next_step import next_commands
from compiler.operations.status.row import Problem, Seen, State
from compiler.operations.status.values import Likeness, Values

if TYPE_CHECKING:
    from compiler.operations.status.row import Status
    from tests.unit.operations.status.conftest import World

MOVE = "moves: {to: azure, steps: [[github], [all]]}\n"


def moving(world: World, text: str = MOVE, **values: Values) -> Status:
    world.bench.write("prod", text)
    status = world.status()
    return replace(status, rows=tuple(replace(row, values=values.get(row.secret.id, Values())) for row in status.rows))


def seen(status: Status, **live: Seen) -> Status:
    return replace(status, rows=tuple(replace(row, seen=live.get(row.secret.id, Seen())) for row in status.rows))


def test_without_a_move_and_a_problem_nothing_comes_next(world: World) -> None:
    assert next_commands(world.status()) == ()


def test_what_the_cluster_has_not_told_in_time_is_waited_for_before_the_next_step(world: World) -> None:
    status = replace(moving(world), is_live=True)
    options = ("--cluster", "--context", "there")
    assert next_commands(status, options) == ("platform-secrets status prod --wait --context there",)
    assert next_commands(seen(status), options)[0].startswith("platform-secrets cutover prod --next")


def test_the_next_step_of_the_move(world: World) -> None:
    assert next_commands(moving(world)) == ("platform-secrets cutover prod --next",)
    equal = Values(Likeness.EQUAL)
    options = ("--cluster", "--context", "there")
    assert next_commands(moving(world, github=equal), options) == (
        "platform-secrets cutover prod --next --cluster --context there",
    )


@pytest.mark.parametrize("likeness", [Likeness.MISSING, Likeness.DIFFERENT])
def test_what_the_other_store_lacks_is_copied_first(world: World, likeness: Likeness) -> None:
    status = moving(world, github=Values(likeness), jira=Values(likeness))
    assert next_commands(status) == ("platform-secrets migrate prod --to azure --only github",)


def test_a_store_without_access_is_looked_at_first(world: World) -> None:
    status = moving(world, github=Values(Likeness.NO_ACCESS))
    assert next_commands(status) == ("platform-secrets verify prod github --store azure",)


def test_at_its_end_a_move_is_finished_and_then_nothing_is_left(world: World) -> None:
    overrides = f"{MOVE}secrets: {{github: {{store: azure}}, jira: {{store: azure}}}}\n"
    assert next_commands(moving(world, overrides)) == ("platform-secrets cutover prod --finish --to azure",)
    assert next_commands(moving(world, f"{MOVE}store: azure\n")) == ()


def test_a_store_that_is_left_with_the_same_values_is_retired(world: World) -> None:
    equal = Values(Likeness.EQUAL)
    there = f"{MOVE}store: azure\n"
    assert next_commands(moving(world, there, github=equal, jira=equal), ("--cluster",)) == (
        "platform-secrets retire prod --store vault --cluster",
    )
    assert next_commands(moving(world, there, github=Values(Likeness.MISSING))) == ()


def test_a_fault_in_the_store_in_use_comes_before_all(world: World) -> None:
    status = seen(moving(world, jira=Values(faults=("it lacks a key",))), github=Seen((Problem(State.PODS, "a"),)))
    assert next_commands(status, ("--cluster",)) == ("platform-secrets verify prod jira",)


def test_what_the_store_in_use_lacks_is_put_at_once(world: World) -> None:
    github, jira = Values(faults=("a",), unset=("GITHUB_TOKEN",)), Values(faults=("b",), unset=("A", "B"))
    lines = ("platform-secrets put prod github GITHUB_TOKEN", "platform-secrets put prod jira")
    assert next_commands(moving(world, github=github, jira=jira)) == lines
    other = Values(faults=("another",))
    assert next_commands(moving(world, github=github, jira=other)) == (lines[0], "platform-secrets verify prod jira")


def test_a_value_that_two_secrets_share_is_put_once(world: World) -> None:
    catalogue = world.bench.text("catalogue").replace("{description: Token}", "{from: github/GITHUB_TOKEN}")
    world.bench.write("catalogue", catalogue)
    github, jira = Values(faults=("a",), unset=("GITHUB_TOKEN",)), Values(faults=("b",), unset=("JIRA_TOKEN",))
    line = "platform-secrets put prod github GITHUB_TOKEN"
    assert next_commands(moving(world, "", github=github, jira=jira)) == (line,)
    more = replace(jira, unset=("JIRA_TOKEN", "JIRA_URL"))
    assert next_commands(moving(world, "", github=github, jira=more)) == (line, "platform-secrets put prod jira")


def test_what_is_not_deployed_is_waited_for(world: World) -> None:
    status = seen(moving(world), jira=Seen((Problem(State.OTHER_SPEC, "a"),)))
    assert next_commands(status, ("--cluster", "--context", "there")) == (
        "platform-secrets status prod --wait --context there",
    )


def test_who_asked_for_some_secrets_waits_for_those(world: World) -> None:
    status = seen(moving(world), jira=Seen((Problem(State.OTHER_SPEC, "a"),)))
    assert next_commands(status, ("--cluster",), ("jira", "github")) == (
        "platform-secrets status prod --only jira --only github --wait",
    )


def test_what_fails_is_mended_by_its_own_line_or_looked_into(world: World) -> None:
    status = seen(moving(world), jira=Seen((Problem(State.RESTART, "a"),), help="kubectl rollout restart x"))
    assert next_commands(status, ("--cluster",)) == ("kubectl rollout restart x",)
    status = seen(moving(world), jira=Seen((Problem(State.FOREIGN, "a"),)))
    assert next_commands(status, ("--cluster",)) == ("platform-secrets verify prod jira --cluster",)
