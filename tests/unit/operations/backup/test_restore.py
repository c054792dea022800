from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from compiler.operations.backup.format import Backup
from compiler.operations.backup.restore import (
    Action,
    RestorePlan,
    RestoreRefusedError,
    plan_restore,
    require_only,
    require_origin,
)
from compiler.operations.change.plan import OnConflict
from compiler.operations.put.write_keys import State, write_keys
from compiler.stores.errors import SoftDeletedError
from compiler.stores.values.secret import Secret

if TYPE_CHECKING:
    from compiler.model.environment import Environment, Store
    from tests.unit.operations.conftest import Stores

BACKUP = Backup(
    "prod",
    "2026-01-02T03:04:05+00:00",
    {
        ("github", "GITHUB_APP_KEY"): Secret("pem"),
        ("github", "GITHUB_TOKEN"): Secret("t"),
        ("jira", "JIRA_TOKEN"): Secret("t"),
    },
)


def planned(
    environment: Environment,
    stores: Stores,
    on_conflict: OnConflict = OnConflict.FAIL,
    to: Store | None = None,
    only: tuple[str, ...] = (),
    backup: Backup = BACKUP,
) -> RestorePlan:
    return plan_restore(backup, environment, to, only, on_conflict, stores.live)


def actions(plan: RestorePlan) -> dict[str, Action]:
    return {step.key: step.action for step in plan.steps}


def test_into_an_empty_store_all_is_created_where_the_catalogue_says(environment: Environment, stores: Stores) -> None:
    plan = planned(environment, stores, to=environment.stores["azure"])
    assert actions(plan) == dict.fromkeys(("GITHUB_APP_KEY", "GITHUB_TOKEN", "JIRA_TOKEN"), Action.CREATE)
    assert not plan.is_blocked
    assert [outcome.state for outcome in write_keys(plan.changes, "prod", "restore", None, "run-1")] == [
        State.WRITTEN
    ] * 3
    assert stores.azure is not None
    assert stores.vault is not None
    whole = stores.azure.held["github-app-key"].whole
    assert whole is not None
    assert whole.reveal() == "pem"
    assert stores.azure.held["agents-github"].properties["GITHUB_TOKEN"].reveal() == "t"
    assert stores.vault.reads == []


@pytest.mark.parametrize(
    ("on_conflict", "action", "written"),
    [
        (OnConflict.FAIL, Action.CONFLICT, ["agents/github"]),
        (OnConflict.SKIP, Action.SKIP, ["agents/github"]),
        (OnConflict.OVERWRITE, Action.UPDATE, ["agents/github", "agents/jira"]),
    ],
)
def test_another_value_in_the_store_is_what_was_said(
    environment: Environment, stores: Stores, on_conflict: OnConflict, action: Action, written: list[str]
) -> None:
    assert stores.vault is not None
    stores.vault.hold("agents/github", {"GITHUB_TOKEN": Secret("t")})
    stores.vault.hold("agents/jira", {"JIRA_TOKEN": Secret("newer")})
    plan = planned(environment, stores, on_conflict)
    assert actions(plan) == {"GITHUB_APP_KEY": Action.CREATE, "GITHUB_TOKEN": Action.KEEP, "JIRA_TOKEN": action}
    assert plan.is_blocked is (on_conflict is OnConflict.FAIL)
    assert [write.name for write in plan.changes.writes] == written


def test_only_the_named_secrets_are_restored(environment: Environment, stores: Stores) -> None:
    assert actions(planned(environment, stores, only=("jira",))) == {"JIRA_TOKEN": Action.CREATE}


def test_what_has_no_place_any_more_is_refused_by_name(environment: Environment, stores: Stores) -> None:
    backup = replace(
        BACKUP,
        values={("gone", "A"): Secret("x"), ("jira", "OLD"): Secret("x"), ("jira", "JIRA_URL"): Secret("u")},
    )
    plan = planned(environment, stores, backup=backup)
    assert actions(plan) == {"A": Action.REFUSE, "OLD": Action.REFUSE, "JIRA_URL": Action.CREATE}
    assert plan.is_blocked
    assert [step.reason.partition(";")[0] for step in plan.steps if step.action is Action.REFUSE] == [
        "the environment has no such secret",
        "the catalogue gives the secret no such key any more",
    ]
    entry = environment.catalogue.entries["vaultonly"]
    secret = replace(environment.secrets["jira"], id="vaultonly", entry=entry)
    changed = replace(environment, secrets={"vaultonly": secret})
    backup = replace(BACKUP, values={("vaultonly", "ONLY"): Secret("x")})
    (step,) = planned(changed, stores, to=environment.stores["azure"], backup=backup).steps
    assert step.reason == 'the catalogue names no place for it in "azure"'
    storeless = replace(environment, secrets={"vaultonly": replace(secret, store=None)})
    (step,) = planned(storeless, stores, backup=backup).steps
    assert step.reason == "the environment names no store for it"


def test_what_the_store_refuses_is_refused_before_anything_is_written(environment: Environment, stores: Stores) -> None:
    assert stores.vault is not None
    stores.vault.failures["read", "agents/jira"] = stores.failure(SoftDeletedError, "agents/jira")
    plan = planned(environment, stores)
    assert actions(plan)["JIRA_TOKEN"] is Action.REFUSE
    assert plan.is_blocked
    assert stores.vault.writes == []


def test_a_backup_of_another_environment_needs_that_said() -> None:
    require_origin(BACKUP, "prod", None)
    require_origin(BACKUP, "staging", "prod")
    with pytest.raises(RestoreRefusedError, match='of the environment "prod", not of "staging"') as refused:
        require_origin(BACKUP, "staging", None)
    assert refused.value.help.endswith("--from-environment prod")
    with pytest.raises(RestoreRefusedError):
        require_origin(BACKUP, "prod", "staging")


def test_only_what_the_backup_holds_can_be_asked_for() -> None:
    require_only(BACKUP, ("jira",))
    with pytest.raises(RestoreRefusedError, match='no secret "slack"') as refused:
        require_only(BACKUP, ("jira", "slack"))
    assert refused.value.help == "it has github, jira"
