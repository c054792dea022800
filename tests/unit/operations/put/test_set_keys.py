from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.model.place import Place
from compiler.operations.change.version_loss import LossKind
from compiler.operations.put.set_keys import Change, ChangePlan, Wanted, plan_changes
from compiler.stores.errors import DisabledError, SoftDeletedError, UnavailableError
from compiler.stores.interface import Dropped, Problem
from compiler.stores.values.secret import Secret

if TYPE_CHECKING:
    from compiler.model.environment import Environment
    from tests.unit.operations.conftest import Stores


def wanted(environment: Environment, key: str, value: str, place: Place | None = None, store: str = "vault") -> Wanted:
    return Wanted("jira", key, environment.stores[store], place or Place("agents/jira", key), Secret(value))


def shown(plan: ChangePlan) -> list[tuple[str, Change]]:
    return [(key.key, key.change) for key in plan.keys]


def test_each_remote_secret_is_read_once_and_its_keys_are_one_write(environment: Environment, stores: Stores) -> None:
    assert stores.vault is not None
    stores.vault.hold("agents/jira", {"A": Secret("same"), "B": Secret("old"), "OTHER": Secret("x")})
    plan = plan_changes(
        [wanted(environment, "A", "same"), wanted(environment, "B", "new"), wanted(environment, "C", "new")],
        stores.live,
    )
    assert shown(plan) == [("A", Change.SAME), ("B", Change.CHANGED), ("C", Change.NEW)]
    assert stores.vault.reads == ["agents/jira"]
    (write,) = plan.writes
    assert sorted(write.properties) == ["B", "C"]
    assert write.base is stores.vault.held["agents/jira"]
    assert stores.vault.writes == []
    assert plan.who == {"https://vault.example.com:8200/secret": "tester"}


def test_a_value_of_another_kind_is_changed_even_if_its_text_is_the_same(
    environment: Environment, stores: Stores
) -> None:
    from compiler.stores.values.secret import JsonKind  # noqa: PLC0415 - this test's need

    assert stores.vault is not None
    stores.vault.hold("agents/jira", {"A": Secret("1", JsonKind.NUMBER)})
    assert shown(plan_changes([wanted(environment, "A", "1")], stores.live)) == [("A", Change.CHANGED)]


def test_versions_that_the_writes_drop_are_asked_for_where_there_are_any(
    environment: Environment, stores: Stores
) -> None:
    assert stores.vault is not None
    stores.vault.hold("agents/jira", {"A": Secret("old")})
    stores.vault.drops = dict.fromkeys(("agents/jira", "agents/new"), Dropped(("v1",), 1))
    both = [wanted(environment, "A", "new"), wanted(environment, "B", "x", Place("agents/new", "B"))]
    assert [(loss.kind, loss.name) for loss in plan_changes(both, stores.live).losses] == [
        (LossKind.WAY_BACK, "agents/jira")
    ]
    assert plan_changes([wanted(environment, "A", "old")], stores.live).losses == ()


def test_without_replacing_only_new_keys_are_written(environment: Environment, stores: Stores) -> None:
    assert stores.vault is not None
    stores.vault.hold("agents/jira", {"A": Secret("old")})
    plan = plan_changes([wanted(environment, "A", "new"), wanted(environment, "B", "new")], stores.live, replaces=False)
    assert shown(plan) == [("A", Change.CHANGED), ("B", Change.NEW)]
    assert list(plan.writes[0].properties) == ["B"]


def test_a_whole_value_is_compared_with_the_whole_text(environment: Environment, stores: Stores) -> None:
    assert stores.azure is not None
    place = Place("github-app-key", None)
    stores.azure.hold("github-app-key", {}, "pem")
    for value, change in (("pem", Change.SAME), ("other", Change.CHANGED)):
        plan = plan_changes([wanted(environment, "KEY", value, place, "azure")], stores.live)
        assert shown(plan) == [("KEY", change)]
        assert bool(plan.writes) is (change is Change.CHANGED)
    assert plan.writes[0].properties == {}


@pytest.mark.parametrize("kind", [SoftDeletedError, DisabledError])
def test_what_cannot_be_read_is_refused_with_the_way_out(
    environment: Environment, stores: Stores, kind: type[SoftDeletedError]
) -> None:
    assert stores.vault is not None
    stores.vault.hold("first", {})
    stores.vault.failures["read", "agents/jira"] = stores.failure(kind, "agents/jira")
    plan = plan_changes(
        [wanted(environment, "X", "x", Place("first", "X")), wanted(environment, "A", "new")], stores.live
    )
    assert plan.is_refused
    assert [key.refusal for key in plan.keys] == [None, "it is refused; do something"]
    assert [write.name for write in plan.writes] == ["first"]


def test_a_store_that_does_not_answer_ends_the_plan(environment: Environment, stores: Stores) -> None:
    assert stores.vault is not None
    stores.vault.failures["read", "agents/jira"] = stores.failure(UnavailableError, "agents/jira")
    with pytest.raises(UnavailableError):
        plan_changes([wanted(environment, "A", "new")], stores.live)


def test_the_adapters_problems_refuse_their_key_or_all(environment: Environment, stores: Stores) -> None:
    assert stores.vault is not None
    both = [wanted(environment, "A", "new"), wanted(environment, "B", "new")]
    stores.vault.problems = (Problem("invalid-value", "agents/jira", "it is odd", "mend it", "B"),)
    plan = plan_changes(both, stores.live)
    assert [key.refusal for key in plan.keys] == [None, "it is odd; mend it"]
    assert plan.writes == ()
    stores.vault.problems = (Problem("too-large", "agents/jira", "it is large", "split it"),)
    plan = plan_changes(both, stores.live)
    assert [key.refusal for key in plan.keys] == ["it is large; split it"] * 2
    stores.vault.hold("agents/jira", {"A": Secret("new")})
    assert [key.refusal for key in plan_changes(both, stores.live).keys] == [None, "it is large; split it"]


def test_two_keys_at_one_place_must_agree(environment: Environment, stores: Stores) -> None:
    place = Place("agents/jira", "SHARED")
    agreeing = plan_changes([wanted(environment, key, "x", place) for key in "AB"], stores.live)
    assert not agreeing.is_refused
    assert list(agreeing.writes[0].properties) == ["SHARED"]
    differing = plan_changes([wanted(environment, key, key, place) for key in "AB"], stores.live)
    assert all("another value" in (key.refusal or "") for key in differing.keys)
    assert differing.writes == ()
    mixed = [wanted(environment, "A", "x", place), wanted(environment, "B", "x", Place("agents/jira", None))]
    assert all("whole value" in (key.refusal or "") for key in plan_changes(mixed, stores.live).keys)


def test_names_that_key_vault_takes_for_one_are_one_write(environment: Environment, stores: Stores) -> None:
    places = [Place("Agents-Jira", "A"), Place("agents-jira", "B")]
    plan = plan_changes(
        [wanted(environment, place.property or "", "x", place, "azure") for place in places], stores.live
    )
    assert len(plan.writes) == 1
    in_vault = plan_changes([wanted(environment, place.property or "", "x", place) for place in places], stores.live)
    assert len(in_vault.writes) == 2
