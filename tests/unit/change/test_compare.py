from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from compiler.change.compare import Head, Wanted, callers, plan_change, read_destinations
from compiler.change.journal import Run, RunEntry
from compiler.change.plan import Kind, Location, LossKind, NoteKind, OnConflict, Options, Plan, Step
from compiler.live.read_many import PastRun, nobody
from compiler.model.store import Place
from compiler.stores.errors import (
    Action,
    DisabledError,
    InvalidNameError,
    SoftDeletedError,
    StoreLocation,
    UnavailableError,
    VersionGoneError,
)
from compiler.stores.interface import Attributes, Dropped, Limit, Problem, RemoteSecret, Use
from compiler.stores.secret_value.secret import JsonKind, SecretValue

if TYPE_CHECKING:
    from compiler.model.environment import Environment
    from compiler.stores.errors import StoreError
    from tests.unit.conftest import Stores

REFUSED = Step("jira", "GONE", Kind.REFUSE, None, None, "no place", "write one")


def wanted(environment: Environment, key: str, value: str, name: str = "agents/jira", store: str = "vault") -> Wanted:
    return Wanted("jira", key, environment.stores[store], Place(name, key), SecretValue(value))


def planned(stores: Stores, *members: Wanted | Step, options: Options | None = None, run: Run | None = None) -> Plan:
    seen = read_destinations(members, stores.live)
    return plan_change(Head("put", "prod", options or Options(), run=run), members, seen)


def test_each_key_is_compared_with_what_its_store_holds(environment: Environment, stores: Stores) -> None:
    assert stores.vault is not None
    stores.vault.hold("agents/jira", {"SAME": SecretValue("s"), "OTHER": SecretValue("old"), "KEPT": SecretValue("k")})
    plan = planned(
        stores,
        wanted(environment, "SAME", "s"),
        wanted(environment, "OTHER", "new"),
        wanted(environment, "ADDED", "a"),
        wanted(environment, "NEW", "n", "agents/new"),
        REFUSED,
    )
    assert {step.key: step.kind for step in plan.steps} == {
        "SAME": Kind.KEEP,
        "OTHER": Kind.CONFLICT,
        "ADDED": Kind.UPDATE,
        "NEW": Kind.CREATE,
        "GONE": Kind.REFUSE,
    }
    assert [(write.name, list(write.changes), write.before) for write in plan.writes] == [
        ("agents/jira", ["ADDED"], "v1"),
        ("agents/new", ["NEW"], None),
    ]
    assert stores.vault.reads == ["agents/jira", "agents/new"]
    assert plan.steps[0].destination == Location("vault", "agents/jira", "SAME")


def test_a_write_that_its_store_would_deny_is_refused_and_a_run_that_goes_on_is_not_ended(
    environment: Environment, stores: Stores
) -> None:
    assert stores.vault is not None
    stores.vault.denied = (Problem("forbidden", "agents/jira", "no policy grants it", "add one"),)
    members = (wanted(environment, "A", "1"), wanted(environment, "B", "2", "agents/new"))
    plan = planned(stores, *members)
    assert [(step.kind, step.reason) for step in plan.steps] == [
        (Kind.REFUSE, "no policy grants it"),
        (Kind.CREATE, ""),
    ]
    assert [write.name for write in plan.writes] == ["agents/new"]
    assert stores.vault.expected["agents/jira"] == {Use.CREATE, Use.UPDATE}
    stores.vault.access_asked.clear()
    entries = {("vault", name): RunEntry(Kind.CREATE, None, recover=False) for name in ("agents/jira", "agents/new")}
    plan = planned(stores, *members, run=Run("r", Path("r"), "put", "prod", {}, {}, entries))
    assert (len(plan.writes), plan.is_blocked, stores.vault.access_asked) == (2, False, [])


def test_a_name_whose_versions_are_destroyed_is_asked_for_as_an_update(
    environment: Environment, stores: Stores
) -> None:
    assert stores.vault is not None
    place = StoreLocation("vault", "agents/jira")
    stores.vault.failures["read", "agents/jira"] = VersionGoneError(place, Action.READ, "it is destroyed", "write", "3")
    assert len(planned(stores, wanted(environment, "A", "1")).writes) == 1
    assert stores.vault.access_asked == [{"agents/jira": {Use.UPDATE}}]


def test_two_stores_are_two_destinations_with_their_callers(environment: Environment, stores: Stores) -> None:
    members = [wanted(environment, "A", "1"), wanted(environment, "A", "1", "agents-jira", "azure")]
    seen = read_destinations(members, stores.live)
    plan = callers(plan_change(Head("restore", "prod", Options()), members, seen), seen)
    assert [(write.store, write.name) for write in plan.writes] == [("vault", "agents/jira"), ("azure", "agents-jira")]
    assert plan.who == {"vault": "tester", "azure": "tester"}
    assert plan.destinations["vault"] != plan.destinations["azure"]


def test_a_plan_says_what_its_command_says_of_it(environment: Environment, stores: Stores) -> None:
    members = [wanted(environment, "A", "1")]
    seen = read_destinations(members, stores.live)
    extras, skipped = (Location("azure", "x", "Y"),), (("jira", "not enabled"),)
    head = Head("migrate", "prod", Options(stringify=True), {"azure": "https://a"}, extras, skipped)
    plan = callers(plan_change(head, members, seen), seen)
    assert (plan.command, plan.environment, plan.options) == ("migrate", "prod", Options(stringify=True))
    assert (plan.sources, plan.extras, plan.skipped) == ({"azure": "https://a"}, extras, skipped)
    assert (plan.who, plan.destinations) == ({"vault": "tester"}, {"vault": seen.writers["vault"].address.absolute})


def test_a_command_that_says_nothing_more_has_no_sources_extras_or_skipped(
    environment: Environment, stores: Stores
) -> None:
    plan = planned(stores, wanted(environment, "A", "1"))
    assert (plan.sources, plan.extras, plan.skipped) == ({}, (), ())


def test_recovering_what_is_deleted_overwrites_nothing_that_is_not(environment: Environment, stores: Stores) -> None:
    assert stores.vault is not None
    stores.vault.hold("agents/jira", {"A": SecretValue("theirs")})
    options = Options(recover=True, on_conflict=OnConflict.FAIL)
    plan = planned(stores, wanted(environment, "A", "new"), options=options)
    assert ([step.kind for step in plan.steps], plan.writes) == ([Kind.CONFLICT], ())


def test_a_copy_says_where_it_comes_from_and_takes_the_tags_along(environment: Environment, stores: Stores) -> None:
    source = Location("azure", "jira", "A")
    origin = RemoteSecret("jira", "v1", {}, Attributes(tags={"team": "a"}))
    plan = planned(stores, replace(wanted(environment, "A", "1"), source=source, origin=origin))
    assert [step.source for step in plan.steps] == [source]
    assert [write.attributes for write in plan.writes] == [Attributes(tags={"team": "a"})]


def test_the_versions_of_each_store_are_its_own(environment: Environment, stores: Stores) -> None:
    assert stores.vault is not None
    assert stores.azure is not None
    stores.vault.hold("one", {"A": SecretValue("1")})
    for _ in range(2):
        stores.azure.hold("one", {"A": SecretValue("1")})
    members = [wanted(environment, "A", "1", name, store) for name in ("one", "none") for store in ("vault", "azure")]
    assert read_destinations(members, stores.live).versions() == {("vault", "one"): "v1", ("azure", "one"): "v2"}


def test_a_store_that_was_asked_nothing_is_not_asked_who_calls(environment: Environment, stores: Stores) -> None:
    assert stores.vault is not None
    stores.vault.failures["read", "a/../b"] = stores.failure(InvalidNameError, "a/../b")
    members = [wanted(environment, "A", "1", "a/../b")]
    seen = read_destinations(members, stores.live)
    plan = callers(plan_change(Head("put", "prod", Options()), members, seen), seen)
    assert (plan.who, [step.kind for step in plan.steps]) == ({}, [Kind.REFUSE])


def test_two_spellings_of_one_name_of_a_key_vault_are_one_write(environment: Environment, stores: Stores) -> None:
    names = ("agents-jira", "Agents-Jira")
    members = [wanted(environment, f"K{index}", "v", name, "azure") for index, name in enumerate(names)]
    (write,) = planned(stores, *members).writes
    assert sorted(write.changes) == ["K0", "K1"]
    vaults = [wanted(environment, f"K{index}", "v", name) for index, name in enumerate(names)]
    # In a Vault capitals count.
    assert len(planned(stores, *vaults).writes) == 2


def test_what_a_stopped_run_had_recovered_is_no_conflict_but_a_later_version_is(
    environment: Environment, stores: Stores
) -> None:
    assert stores.vault is not None
    stores.vault.hold("agents/jira", {"A": SecretValue("deleted")})
    entry = RunEntry(Kind.RECOVER, None, recover=True, deleted="v1", recovered=True)
    run = Run("one", Path("one"), "restore", "prod", {}, {}, {("vault", "agents/jira"): entry})
    options = Options(recover=True, on_conflict=OnConflict.FAIL)
    member = wanted(environment, "A", "new")
    assert [step.kind for step in planned(stores, member, options=options, run=run).steps] == [Kind.UPDATE]
    # Made at another time, it is none of the run's, and neither is one that was only announced.
    entry.recovered_made = "2025-01-31T12:00:00+00:00"
    assert [step.kind for step in planned(stores, member, options=options, run=run).steps] == [Kind.CONFLICT]
    entry.recovered_made, entry.recovered = None, False
    assert [step.kind for step in planned(stores, member, options=options, run=run).steps] == [Kind.CONFLICT]
    entry.recovered = True
    stores.vault.hold("agents/jira", {"A": SecretValue("theirs")})
    assert [step.kind for step in planned(stores, member, options=options, run=run).steps] == [Kind.CONFLICT]


def test_a_value_of_another_kind_is_another_value_even_if_its_text_is_the_same(
    environment: Environment, stores: Stores
) -> None:
    assert stores.vault is not None
    stores.vault.hold("agents/jira", {"A": SecretValue("1", JsonKind.NUMBER)})
    member, options = wanted(environment, "A", "1"), Options(on_conflict=OnConflict.OVERWRITE)
    assert [step.kind for step in planned(stores, member, options=options).steps] == [Kind.UPDATE]


def test_a_whole_value_is_compared_with_the_whole_text(environment: Environment, stores: Stores) -> None:
    assert stores.azure is not None
    stores.azure.hold("pem", {}, "text")
    options = Options(on_conflict=OnConflict.OVERWRITE)
    for value, kind in (("text", Kind.KEEP), ("other", Kind.UPDATE)):
        member = Wanted("github", "KEY", environment.stores["azure"], Place("pem", None), SecretValue(value))
        plan = planned(stores, member, options=options)
        assert [step.kind for step in plan.steps] == [kind]
        assert [(write.whole is not None, write.changes) for write in plan.writes] == [(True, {})] * (
            kind is not Kind.KEEP
        )


def test_a_conflict_has_both_times_the_run_and_the_whole_command_for_each_case(
    environment: Environment, stores: Stores
) -> None:
    assert stores.vault is not None
    stores.vault.hold("agents/jira", {"A": SecretValue("theirs")})
    late, early = datetime(2026, 11, 28, 7, 12, tzinfo=UTC), datetime(2026, 11, 28, 7, 11, tzinfo=UTC)
    (held,) = stores.vault.versions["agents/jira"]
    stores.vault.versions["agents/jira"] = [replace(held, attributes=Attributes(created=late))]
    origin = RemoteSecret("agents-jira", "a", {}, Attributes(created=early))
    member = replace(wanted(environment, "A", "ours"), source=Location("azure", "agents-jira", "A"), origin=origin)
    seen = read_destinations([member], stores.live)
    past = PastRun("20250131-120000-4fa1c2", "put", "prod")
    head = Head(
        "migrate",
        "prod",
        Options(words=("migrate", "prod", "--to", "vault"), applies=True),
        {"azure": "https://azure"},
        writer_of=lambda version: past if version.store == "vault" else None,
    )
    (step,) = plan_change(head, [member], seen).steps
    assert step.reason == (
        "the destination already holds a different value, version v1; "
        '"vault" was written later, 2026-11-28 07:12:00 UTC by put, run 20250131-120000-4fa1c2, '
        '"azure" 2026-11-28 07:11:00 UTC'
    )
    back = "platform-secrets migrate prod --to azure --from vault --only jira --on-conflict overwrite"
    assert step.remedies == (
        "to replace it: platform-secrets migrate prod --to vault --only jira --on-conflict overwrite --apply",
        f'to copy it to "azure" instead: {back}',
        "to take back what put wrote: platform-secrets put prod --undo 20250131-120000-4fa1c2",
        "to leave it as it is: platform-secrets migrate prod --to vault --on-conflict skip --apply",
    )
    # A value of a person or a file has no time, and comes from no store.
    (step,) = plan_change(replace(head, writer_of=nobody), [wanted(environment, "A", "ours")], seen).steps
    assert step.reason.endswith("version v1; written 2026-11-28 07:12:00 UTC")
    assert [way.partition(":")[0] for way in step.remedies] == ["to replace it", "to leave it as it is"]


def test_versions_that_the_writes_drop_are_asked_for_where_there_are_any(
    environment: Environment, stores: Stores
) -> None:
    assert stores.vault is not None
    stores.vault.hold("agents/jira", {"A": SecretValue("old")})
    stores.vault.hold("agents/gone", {"A": SecretValue("old")})
    stores.vault.deleted.add("agents/gone")
    names = ("agents/jira", "agents/new", "agents/gone")
    stores.vault.drops = dict.fromkeys((names[0], names[2]), Dropped(("v1",), 1))
    # A new one has no earlier versions, and its own may be deleted after a time.
    stores.vault.drops["agents/new"] = Dropped((), 10, 60, (Limit.MOUNT,))
    options = Options(on_conflict=OnConflict.OVERWRITE, recover=True)
    members = [wanted(environment, "A", "new", name) for name in names]
    # A recovered secret is rewritten too: the version that was deleted is the one that is replaced.
    assert [(loss.kind, loss.store, loss.name) for loss in planned(stores, *members, options=options).losses] == [
        (LossKind.WAY_BACK, "vault", "agents/jira"),
        (LossKind.ITSELF, "vault", "agents/new"),
        (LossKind.WAY_BACK, "vault", "agents/gone"),
    ]
    assert planned(stores, wanted(environment, "A", "old"), options=options).losses == ()


@pytest.mark.parametrize("kind", [SoftDeletedError, DisabledError])
def test_what_cannot_be_read_is_refused_with_the_way_out_beside_the_others(
    environment: Environment, stores: Stores, kind: type[StoreError]
) -> None:
    assert stores.vault is not None
    stores.vault.failures["read", "agents/jira"] = stores.failure(kind, "agents/jira")
    plan = planned(stores, wanted(environment, "X", "x", "first"), wanted(environment, "A", "new"))
    assert [(step.kind, step.remedy) for step in plan.steps] == [(Kind.CREATE, ""), (Kind.REFUSE, "do something")]
    assert "it is refused" in plan.steps[1].reason
    assert (plan.is_blocked, [write.name for write in plan.writes]) == (True, ["first"])


def test_a_store_that_does_not_answer_ends_the_plan(environment: Environment, stores: Stores) -> None:
    assert stores.vault is not None
    stores.vault.failures["read", "agents/jira"] = stores.failure(UnavailableError, "agents/jira")
    with pytest.raises(UnavailableError):
        planned(stores, wanted(environment, "A", "new"))


def test_dates_that_a_given_value_leaves_as_they_are_are_noted(environment: Environment, stores: Stores) -> None:
    assert stores.azure is not None
    stores.azure.seed("agents-jira", A="old")
    (version,) = stores.azure.versions["agents-jira"]
    past = Attributes(expires=datetime(2025, 1, 31, tzinfo=UTC))
    stores.azure.versions["agents-jira"] = [replace(version, attributes=past)]
    member, options = wanted(environment, "A", "new", "agents-jira", "azure"), Options(on_conflict=OnConflict.OVERWRITE)
    (note,) = planned(stores, member, options=options).notes
    assert (note.kind, note.secret, note.place) == (
        NoteKind.KEEPS_EXPIRES,
        "jira",
        Location("azure", "agents-jira", None),
    )


def test_no_value_is_in_what_a_plan_shows_of_itself(environment: Environment, stores: Stores) -> None:
    plan = planned(stores, wanted(environment, "A", "s3ntinel"))
    assert "s3ntinel" not in repr(plan)
    assert "s3ntinel" not in repr(wanted(environment, "A", "s3ntinel"))
