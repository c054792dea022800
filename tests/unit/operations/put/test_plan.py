from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.operations.migrate.routes import UnknownNameError
from compiler.operations.put.plan import UnfitValueError, UnknownKeyError, plan_put, spaced_keys, target_of
from compiler.stores.values.secret import JsonKind, Secret

if TYPE_CHECKING:
    from compiler.model.environment import Environment
    from tests.unit.operations.conftest import Stores


def test_no_keys_means_those_that_the_environment_uses(environment: Environment) -> None:
    target = target_of(environment, "github", (), None)
    assert target.keys == ("GITHUB_TOKEN",)
    assert target.store.id == "vault"
    assert target.unused == ()


def test_named_keys_may_be_of_variants_not_in_use_and_of_another_store(environment: Environment) -> None:
    target = target_of(environment, "github", ("GITHUB_APP_ID", "GITHUB_TOKEN", "GITHUB_APP_ID"), "azure")
    assert target.keys == ("GITHUB_APP_ID", "GITHUB_TOKEN")
    assert target.store.id == "azure"
    assert target.unused == ("GITHUB_APP_ID",)


def test_what_there_is_not_is_answered_with_what_there_is(environment: Environment) -> None:
    with pytest.raises(UnknownNameError, match='no secret "gihub"') as unknown:
        target_of(environment, "gihub", (), None)
    assert unknown.value.help == 'did you mean "github"?'
    with pytest.raises(UnknownNameError, match='no store "azur"'):
        target_of(environment, "github", (), "azur")
    with pytest.raises(UnknownKeyError, match='"jira" has no key "JIRA_TOKEM"') as unknown_key:
        target_of(environment, "jira", ("JIRA_TOKEM",), None)
    assert unknown_key.value.help == 'did you mean "JIRA_TOKEN"?'


def test_the_plan_is_for_the_store_that_was_named(environment: Environment, stores: Stores) -> None:
    target = target_of(environment, "github", ("GITHUB_APP_KEY",), "azure")
    plan = plan_put(target, {"GITHUB_APP_KEY": Secret("pem")}, stores.live)
    assert [(write.writer.address.provider, write.name, list(write.values)) for write in plan.writes] == [
        ("azurekv", "github-app-key", [None])
    ]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (Secret(""), "is blank"),
        (Secret(" \n"), "is blank"),
        (Secret("<your token>"), "is a placeholder"),
        (Secret("changeme"), "is a placeholder"),
        (Secret("5", JsonKind.NUMBER), "is no text"),
        (Secret("a\0b"), "NUL"),
        (Secret("\ud800x"), "no valid Unicode"),
    ],
)
def test_no_unfit_value_is_even_compared(environment: Environment, stores: Stores, value: Secret, what: str) -> None:
    target = target_of(environment, "jira", (), None)
    with pytest.raises(UnfitValueError, match=f'the value of "JIRA_URL" .*{what}'):
        plan_put(target, {"JIRA_TOKEN": Secret("fine"), "JIRA_URL": value}, stores.live)
    assert stores.vault is not None
    assert stores.vault.reads == []


def test_a_key_without_a_place_in_the_store_is_refused(environment: Environment, stores: Stores) -> None:
    from dataclasses import replace  # noqa: PLC0415 - this test's need

    entry = environment.catalogue.entries["vaultonly"]
    secret = replace(environment.secrets["jira"], id="vaultonly", entry=entry, keys=())
    changed = replace(environment, secrets={"vaultonly": secret})
    target = target_of(changed, "vaultonly", ("ONLY",), "azure")
    with pytest.raises(UnfitValueError, match='"ONLY" has no place in "azure"'):
        plan_put(target, {"ONLY": Secret("x")}, stores.live)
    storeless = replace(environment, secrets={"jira": replace(secret, store=None)})
    with pytest.raises(UnknownNameError):
        target_of(storeless, "jira", ("ONLY",), None)


def test_space_at_an_end_is_told() -> None:
    assert spaced_keys({"A": Secret("x "), "B": Secret("x"), "C": Secret("\nx")}) == ("A", "C")
