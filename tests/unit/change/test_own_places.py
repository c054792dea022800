from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.change.plan import Adopted, Kind, Location, LossKind, Plan, Step, VersionLoss, Write
from compiler.change.undo import kept_to_own
from tests.unit.changes import plan_of
from tests.unit.memory_store import MemoryStore

if TYPE_CHECKING:
    from compiler.model.environment import Environment


def deletion(name: str, to: str = "azure") -> Write:
    store = MemoryStore()
    store.seed(name, JIRA_TOKEN="t")
    step = Step("jira", "JIRA_TOKEN", Kind.DELETE, None, Location(to, name, "JIRA_TOKEN"))
    return Write(to, name, (step,), {}, base=store.read(name))


def kept(plan: Plan, environment: Environment) -> Plan:
    return kept_to_own(plan, environment, environment.stores)


@pytest.mark.parametrize(
    ("to", "name"),
    [("azure", "agents-jira"), ("azure", "Agents-JIRA"), ("vault", "agents/jira"), ("azure", "agents-github")],
)
def test_what_has_a_place_in_the_catalogue_is_undone_in_use_or_not(
    environment: Environment, to: str, name: str
) -> None:
    plan = plan_of(deletion(name, to))
    found = kept(plan, environment)
    assert (found.steps, found.writes) == (plan.steps, plan.writes)


@pytest.mark.parametrize(
    ("to", "name"), [("azure", "agents-jira-2"), ("vault", "Agents/jira"), ("vault", "agents-jira")]
)
def test_what_has_none_stays_and_is_told(environment: Environment, to: str, name: str) -> None:
    own, foreign = deletion("agents-jira"), deletion(name, to)
    found = kept(plan_of(own, foreign), environment)
    assert found.writes == (own,)
    assert [step.kind for step in found.steps] == [Kind.DELETE, Kind.REFUSE]
    assert found.steps[1].reason == "the catalogue has no key there: the run or its journal is of something else"
    assert "remove the journal" in found.steps[1].remedy


def test_neither_the_audit_file_nor_the_losses_tell_of_it(environment: Environment) -> None:
    names = ("agents-jira", "of-others")
    adopted = tuple(Adopted("azure", name, "1") for name in names)
    losses = tuple(VersionLoss(LossKind.VERSIONS, "azure", name, ("1",), 1, "keep it") for name in names)
    found = kept(plan_of(*map(deletion, names), adopted=adopted, losses=losses), environment)
    assert [each.name for each in found.adopted] == ["agents-jira"]
    assert [each.name for each in found.losses] == ["agents-jira"]
