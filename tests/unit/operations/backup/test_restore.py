import gc
from collections import UserDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from compiler.change.apply import Change, carry_out
from compiler.change.journal import runs
from compiler.change.plan import End, Kind, OnConflict, Options, Plan, State
from compiler.model.environment import Environment, Store
from compiler.operations.backup import Backup, require_only, require_origin, restoration
from compiler.refusal import Refusal
from compiler.stores.errors import Code, SoftDeletedError
from compiler.stores.secret_value import SecretValue
from tests.unit.changes import Listening
from tests.unit.conftest import Stores, taking

BACKUP = Backup(
    "prod",
    "2026-01-02T03:04:05+00:00",
    {
        ("github", "GITHUB_APP_KEY"): SecretValue("pem"),
        ("github", "GITHUB_TOKEN"): SecretValue("t"),
        ("jira", "JIRA_TOKEN"): SecretValue("t"),
    },
)


def planned(
    environment: Environment,
    stores: Stores,
    on_conflict: OnConflict = OnConflict.FAIL,
    to: Store | None = None,
    only: tuple[str, ...] = (),
    backup: Backup = BACKUP,
) -> Plan:
    return changing(environment, stores, Options(only, on_conflict=on_conflict), to, backup).plan(None)


def changing(
    environment: Environment,
    stores: Stores,
    options: Options,
    to: Store | None = None,
    backup: Backup = BACKUP,
    root: Path = Path(),
) -> Change:
    options = replace(options, root=root, stores=stores.live, applies=root != Path())
    return restoration(backup, environment, to, options)


class Walked(UserDict[tuple[str, str], SecretValue]):
    """Values that count how often somebody goes through all of them."""

    walks = 0

    def __iter__(self) -> Iterator[tuple[str, str]]:
        self.walks += 1
        return super().__iter__()


def test_a_backup_is_gone_through_as_often_for_many_secrets_as_for_one(
    environment: Environment, stores: Stores
) -> None:
    walks = []
    for count in (1, 50):
        values = Walked({(f"gone-{number}", "KEY"): SecretValue("t") for number in range(count)})
        planned(environment, stores, backup=replace(BACKUP, values=values))
        walks.append(values.walks)
    assert walks[0] == walks[1]


def reached(found: object) -> Iterator[object]:
    """All that `found` keeps in memory, without what modules and classes keep."""
    seen, left = dict[int, object](), [found]
    while left:
        each = left.pop()
        if id(each) in seen or isinstance(each, ModuleType | type):
            continue
        seen[id(each)] = each
        if isinstance(each, FunctionType):
            left += [cell.cell_contents for cell in each.__closure__ or ()]
        else:
            left += gc.get_referents(each)
    yield from seen.values()


def test_a_restoration_keeps_no_environment_which_may_be_large(environment: Environment, stores: Stores) -> None:
    kept = {type(each) for each in reached(changing(environment, stores, Options()).plan)}
    assert Store in kept
    assert Environment not in kept


def kinds(plan: Plan) -> dict[str, Kind]:
    return {step.key: step.kind for step in plan.steps}


def test_into_an_empty_store_all_is_created_where_the_catalogue_says(
    environment: Environment, stores: Stores, tmp_path: Path, listening: Listening
) -> None:
    change = changing(environment, stores, Options(), environment.stores["azure"], root=tmp_path)
    ended = carry_out(change, listening)
    assert kinds(ended.plan) == dict.fromkeys(("GITHUB_APP_KEY", "GITHUB_TOKEN", "JIRA_TOKEN"), Kind.CREATE)
    assert ended.end is End.APPLIED
    assert [result.state for result in ended.results] == [State.DONE] * 3
    assert stores.azure is not None
    assert stores.vault is not None
    whole = stores.azure.held["github-app-key"].whole
    assert whole is not None
    assert whole.reveal() == "pem"
    assert stores.azure.held["agents-github"].properties["GITHUB_TOKEN"].reveal() == "t"
    assert stores.vault.reads == []


def test_a_deleted_secret_is_restored_where_that_is_asked_and_else_named_with_the_command(
    environment: Environment, stores: Stores, tmp_path: Path, listening: Listening
) -> None:
    assert stores.vault is not None
    stores.vault.hold("agents/jira", {"JIRA_TOKEN": SecretValue("old"), "KEPT": SecretValue("k")})
    stores.vault.deleted.add("agents/jira")
    refused = changing(environment, stores, Options(("jira",), words=("restore", "prod"))).plan(None)
    assert [(step.kind, step.remedy) for step in refused.steps] == [
        (Kind.REFUSE, "to recover it first: platform-secrets restore prod --only jira --recover")
    ]
    ended = carry_out(changing(environment, stores, Options(("jira",), recover=True), root=tmp_path), listening)
    assert kinds(ended.plan) == {"JIRA_TOKEN": Kind.RECOVER}
    assert [result.state for result in ended.results] == [State.DONE]
    assert stores.vault.shown("agents/jira") == {"JIRA_TOKEN": "t", "KEPT": "k"}


def test_the_same_backup_with_the_same_options_is_the_same_run(environment: Environment, stores: Stores) -> None:
    first = changing(environment, stores, Options()).identity
    assert first == changing(environment, stores, Options()).identity
    later = replace(BACKUP, time="2026-02-02T03:04:05+00:00")
    others = (
        changing(environment, stores, Options(("jira",))),
        changing(environment, stores, Options(recover=True)),
        changing(environment, stores, Options(on_conflict=OnConflict.SKIP)),
        changing(environment, stores, Options(), environment.stores["azure"]),
        changing(environment, stores, Options(), backup=later),
    )
    assert all(other.identity != first for other in others)
    assert "pem" not in repr(first)


@pytest.mark.parametrize(
    ("on_conflict", "kind", "written"),
    [
        (OnConflict.FAIL, Kind.CONFLICT, ["agents/github"]),
        (OnConflict.SKIP, Kind.CONFLICT, ["agents/github"]),
        (OnConflict.OVERWRITE, Kind.UPDATE, ["agents/github", "agents/jira"]),
    ],
)
def test_another_value_in_the_store_is_what_was_said(
    environment: Environment, stores: Stores, on_conflict: OnConflict, kind: Kind, written: list[str]
) -> None:
    assert stores.vault is not None
    stores.vault.hold("agents/github", {"GITHUB_TOKEN": SecretValue("t")})
    stores.vault.hold("agents/jira", {"JIRA_TOKEN": SecretValue("newer")})
    plan = planned(environment, stores, on_conflict)
    assert kinds(plan) == {"GITHUB_APP_KEY": Kind.UPDATE, "GITHUB_TOKEN": Kind.KEEP, "JIRA_TOKEN": kind}
    assert plan.is_blocked is (on_conflict is OnConflict.FAIL)
    assert [write.name for write in plan.writes] == written


def test_only_the_named_secrets_are_restored(environment: Environment, stores: Stores) -> None:
    assert kinds(planned(environment, stores, only=("jira",))) == {"JIRA_TOKEN": Kind.CREATE}


def test_what_has_no_place_any_more_is_refused_by_name(environment: Environment, stores: Stores) -> None:
    backup = replace(
        BACKUP,
        values={
            ("gone", "A"): SecretValue("x"),
            ("jira", "OLD"): SecretValue("x"),
            ("jira", "JIRA_URL"): SecretValue("u"),
        },
    )
    plan = planned(environment, stores, backup=backup)
    assert kinds(plan) == {"A": Kind.REFUSE, "OLD": Kind.REFUSE, "JIRA_URL": Kind.CREATE}
    assert plan.is_blocked
    assert [step.reason for step in plan.steps if step.kind is Kind.REFUSE] == [
        "the environment has no such secret",
        "the catalogue no longer has this key of the secret",
    ]
    entry = environment.catalogue.entries["vaultonly"]
    secret = replace(environment.secrets["jira"], id="vaultonly", entry=entry)
    changed = replace(environment, secrets={"vaultonly": secret})
    backup = replace(BACKUP, values={("vaultonly", "ONLY"): SecretValue("x")})
    (step,) = planned(changed, stores, to=environment.stores["azure"], backup=backup).steps
    assert step.reason == 'the catalogue names no place for it in "azure"'
    storeless = replace(environment, secrets={"vaultonly": replace(secret, store=None)})
    (step,) = planned(storeless, stores, backup=backup).steps
    assert step.reason == "the environment has no store for it"


def test_what_the_store_refuses_is_refused_before_anything_is_written(environment: Environment, stores: Stores) -> None:
    assert stores.vault is not None
    stores.vault.failures["read", "agents/jira"] = stores.failure(SoftDeletedError, "agents/jira")
    plan = planned(environment, stores)
    assert kinds(plan)["JIRA_TOKEN"] is Kind.REFUSE
    assert plan.is_blocked
    assert stores.vault.writes == []


def test_a_backup_of_another_environment_needs_that_said() -> None:
    require_origin(BACKUP, "prod", None)
    require_origin(BACKUP, "staging", "prod")
    with pytest.raises(Refusal, match='of the environment "prod", not of "staging"') as refused:
        require_origin(BACKUP, "staging", None)
    assert str(refused.value.help).endswith("--from-environment prod")
    with pytest.raises(Refusal):
        require_origin(BACKUP, "prod", "staging")


def test_what_a_backup_says_that_it_is_of_is_quoted_for_who_pastes_it() -> None:
    """Whoever knows a recipient can make a file that opens, and that says anything."""
    with pytest.raises(Refusal) as refused:
        require_origin(replace(BACKUP, environment="prod; id #"), "staging", None)
    assert str(refused.value.help).endswith("--from-environment 'prod; id #'")


def test_only_what_the_backup_holds_can_be_asked_for(environment: Environment) -> None:
    require_only(BACKUP, environment, ("jira",))
    with pytest.raises(Refusal, match='no secret "slack"') as refused:
        require_only(BACKUP, environment, ("jira", "slack"))
    assert refused.value.help == 'the backup has "github", "jira"'


@pytest.fixture
def cut_off(environment: Environment, stores: Stores, tmp_path: Path, listening: Listening) -> Change:
    """A restoring of two remote secrets into the Key Vault, of which the first was written and the other was not."""
    assert stores.azure is not None
    stores.azure.failures["write", "agents-jira"] = stores.failure(Code.UNAVAILABLE, "agents-jira")
    change = changing(environment, stores, Options(), environment.stores["azure"], root=tmp_path)
    ended = carry_out(change, listening)
    assert ended.is_incomplete
    stores.azure.failures.clear()
    stores.azure.writes.clear()
    return change


def test_a_restoring_that_was_cut_off_goes_on_with_what_is_left(
    cut_off: Change, stores: Stores, tmp_path: Path, listening: Listening
) -> None:
    assert stores.azure is not None
    ended = carry_out(cut_off, listening)
    assert kinds(ended.plan)["JIRA_TOKEN"] is Kind.CREATE
    assert (ended.end, stores.azure.writes[-1], len(listening.resumed)) == (End.APPLIED, "agents-jira", 1)
    assert [run.ended for run in runs(tmp_path)] == ["complete"]
    assert {version for versions in stores.azure.versions.values() for version in [len(versions)]} == {1}


def test_another_value_than_the_run_restored_is_a_conflict_by_its_key(
    cut_off: Change, environment: Environment, stores: Stores, tmp_path: Path, listening: Listening
) -> None:
    # A backup of the same moment with another value: the run may not cover what it wrote itself.
    assert stores.azure is not None
    backup = replace(BACKUP, values={**BACKUP.values, ("github", "GITHUB_APP_KEY"): SecretValue("other")})
    run, to = next(runs(tmp_path)), environment.stores["azure"]
    for on_conflict in OnConflict:
        plan = changing(environment, stores, Options(on_conflict=on_conflict), to, backup).plan(run)
        assert kinds(plan)["GITHUB_APP_KEY"] is Kind.CONFLICT
        assert "github-app-key" not in [write.name for write in plan.writes]
    change = changing(environment, stores, Options(), to, backup, tmp_path)
    assert change.identity == cut_off.identity
    assert (carry_out(change, listening).end, stores.azure.writes) == (End.BLOCKED, [])
    assert [run.ended for run in runs(tmp_path)] == ["conflict"]


def test_a_value_that_several_secrets_have_is_restored_once_and_for_each_of_them(
    tmp_path: Path, stores: Stores
) -> None:
    environment = taking(tmp_path / "project")
    for only in ((), ("report",), ("jira",)):
        require_only(BACKUP, environment, only)
        plan = planned(environment, stores, only=only)
        assert [(step.secret, step.key) for step in plan.steps if step.secret != "github"] == [("jira", "JIRA_TOKEN")]
    assert [(write.name, list(write.changes)) for write in plan.writes] == [("agents/jira", ["JIRA_TOKEN"])]
    with pytest.raises(Refusal, match='no secret "none"'):
        require_only(BACKUP, environment, ("none",))


def test_a_value_whose_secret_is_not_here_any_more_goes_to_who_takes_it(tmp_path: Path, stores: Stores) -> None:
    environment = taking(tmp_path / "project", "board: {}, github: {enabled: false}, jira: {enabled: false}")
    steps = planned(environment, stores).steps
    assert [(step.secret, step.key, step.kind) for step in steps] == [
        ("github", "GITHUB_APP_KEY", Kind.REFUSE),
        ("github", "GITHUB_TOKEN", Kind.REFUSE),
        ("board", "ATLASSIAN_TOKEN", Kind.CREATE),
    ]
    assert str(steps[2].destination) == "vault:agents/jira#JIRA_TOKEN"
    older = replace(
        BACKUP, values={("board", "ATLASSIAN_TOKEN"): SecretValue("t"), ("jira", "JIRA_TOKEN"): SecretValue("t")}
    )
    plan = planned(taking(tmp_path / "other"), stores, backup=older)
    assert [(write.name, list(write.changes)) for write in plan.writes] == [("agents/jira", ["JIRA_TOKEN"])]


def test_a_key_that_had_a_value_of_its_own_does_not_keep_the_one_that_it_takes_now_from_coming_back(
    tmp_path: Path, stores: Stores
) -> None:
    environment = taking(tmp_path / "project")
    older = {("board", "ATLASSIAN_TOKEN"): SecretValue("own"), ("jira", "JIRA_TOKEN"): SecretValue("t")}
    backup = replace(BACKUP, values=older)
    for only in ((), ("board",)):
        plan = planned(environment, stores, backup=backup, only=only)
        assert plan.is_blocked
        (refused,) = (step for step in plan.steps if step.kind is Kind.REFUSE)
        assert (refused.secret, refused.key) == ("board", "ATLASSIAN_TOKEN")
        assert refused.reason == "it takes the value of jira/JIRA_TOKEN now, of which the backup holds another"
        assert refused.remedy == "leave the secret out with --only, or restore with the project of then"
    # It is nobody else's: whoever else takes the value gets that of the key that has it.
    for only in (("jira",), ("report",)):
        plan = planned(environment, stores, backup=backup, only=only)
        assert [(step.secret, step.kind) for step in plan.steps] == [("jira", Kind.CREATE)]
        ((value,),) = (write.changes.values() for write in plan.writes)
        assert value.reveal() == "t"


def test_a_key_that_reads_another_store_than_its_source_gets_its_own_value_back(tmp_path: Path, stores: Stores) -> None:
    environment = taking(tmp_path / "project", "board: {store: azure}, report: {store: azure}")
    apart = {("board", "ATLASSIAN_TOKEN"): SecretValue("own"), ("jira", "JIRA_TOKEN"): SecretValue("t")}
    plan = planned(environment, stores, backup=replace(BACKUP, values=apart))
    assert [(step.secret, step.kind) for step in plan.steps] == [("board", Kind.CREATE), ("jira", Kind.CREATE)]
