from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from compiler.change.journal import Run, RunEntry, RunHistory
from compiler.change.operations import Delete, Operation, RecoverVersions, Restore
from compiler.change.plan import Kind, Location, NoteKind, Plan, Step
from compiler.change.run_log import RunLog
from compiler.change.undo import (
    Reversal,
    drop_foreign_writes,
    drop_writes_in_use,
    foreign_targets,
    judge_deletion,
    plan_undo,
)
from compiler.live.observation import PastRun
from compiler.model.environment import Environment, Store
from compiler.model.provider import Provider
from compiler.model.store import Place, StoreAddress
from compiler.refusal import Refusal
from compiler.stores.errors import Action, Code, DisabledError, StoreError, StoreLocation, VersionGoneError
from compiler.stores.interface import (
    VALUE_SINCE,
    Attributes,
    Dropped,
    RemoteSecret,
    StoreState,
    Use,
    VersionStates,
    Written,
)
from compiler.stores.secret_value import SecretValue
from tests import providers
from tests.memory_store import MemoryStore
from tests.unit.change.undoing import (
    ID,
    MEMORY,
    NEWER,
    OLDER,
    PLACE,
    PROVIDERS,
    Past,
    begun,
    created,
    deleted,
    deleting,
    deleting_run,
    deletion,
    kinds,
    only,
    plan_for,
    run_of,
    setting,
    started,
    three,
    two_versions,
    undo_begun,
    undone,
    updated,
    wrote,
)
from tests.unit.changes import loss_of, plan_of
from tests.unit.conftest import Stores


def test_a_run_that_wrote_nothing_has_nothing_to_undo() -> None:
    store = MemoryStore()
    assert plan_for(run_of(a=Past(setting("v1"))), store).steps == ()
    assert store.calls == []


def test_an_undo_that_was_stopped_before_it_could_note_its_version_is_done() -> None:
    store = two_versions()
    store.seed("a", A="old")
    stopped = plan_for(run_of(a=updated().then(undo_begun)), store)
    assert [(step.kind, step.reason) for step in stopped.steps] == [(Kind.KEEP, "it is already undone")]
    # Its version is noted now, for the undo of an older run.
    assert stopped.stored == {("azure", "a"): "v3"}
    assert kinds(run_of(a=updated()), store) == [Kind.REFUSE]
    store.seed("a", A="theirs")
    assert kinds(run_of(a=updated().then(undo_begun)), store) == [Kind.REFUSE]


def test_a_stopped_undo_of_what_the_run_had_made_is_no_writer() -> None:
    store = two_versions()
    step, _write = only(run_of(a=created().then(undo_begun)), store)
    assert (step.kind, "another writer changed it since" in step.reason) == (Kind.REFUSE, True)


def test_runs_on_one_secret_are_undone_newest_first() -> None:
    store = two_versions()
    store.seed("a", A="newest")
    older, newer = run_of(a=updated()), run_of(a=updated("v2", "v3"))
    history = RunHistory(runs={(MEMORY, "a", "v2"): OLDER, (MEMORY, "a", "v3"): NEWER})
    step, write = only(older, store, history)
    # The newer one may be another command's: its own line undoes it.
    assert (step.kind, write) == (Kind.REFUSE, None)
    assert step.remedy == "undo that run first: platform-secrets put staging --undo newer"
    assert step.reason == "the current version is v3, the run wrote version v2: the run newer wrote it since"
    closed = RunHistory(runs={(MEMORY, "a", "v3"): replace(NEWER, can_undo=False)})
    assert only(older, store, closed)[0].remedy == "compare the versions and keep the right one by hand"
    step, write = only(newer, store, history)
    assert step.kind is Kind.UPDATE
    store.seed("a", A="new")
    # What the newer one's undo wrote is what the older one had written.
    history.again[MEMORY, "a", "v4"] = "v2"
    step, write = only(older, store, history)
    assert write is not None
    assert (step.kind, write.before) == (Kind.UPDATE, "v4")
    assert isinstance(write, Restore)
    assert write.earlier.version == "v1"
    assert kinds(older, store) == [Kind.REFUSE]


def test_a_run_that_recovered_what_an_earlier_undo_wrote_is_undone() -> None:
    store = MemoryStore()
    store.seed("a", A="kept")
    history = RunHistory(again={(MEMORY, "a", "v1"): "v0"})
    assert only(run_of(a=created(recover=True)), store, history)[0].kind is Kind.DELETE


def test_a_secret_that_a_run_made_and_a_newer_one_changed_is_deleted_when_both_are_undone() -> None:
    store = two_versions()
    store.seed("a", A="old")
    step, write = only(run_of(a=created()), store, RunHistory(again={(MEMORY, "a", "v3"): "v1"}))
    assert write is not None
    assert (step.kind, write.kind, write.before) == (Kind.DELETE, Kind.DELETE, "v3")


def test_another_writers_version_is_not_covered_again_by_way_of_a_newer_undo() -> None:
    store = two_versions()
    store.seed("a", A="new")
    run = run_of(a=updated("v1", "v2", "v0"))
    step, _write = only(run, store, RunHistory(again={(MEMORY, "a", "v3"): "v2"}))
    assert (step.kind, step.remedy) == (Kind.REFUSE, "restore that version by hand")


def test_a_begun_write_over_what_an_undo_put_back_was_not_stored() -> None:
    store = two_versions()
    store.seed("a", A="old")
    assert plan_for(run_of(a=begun("v1")), store, RunHistory(again={(MEMORY, "a", "v3"): "v1"})).steps == ()


def test_a_version_that_has_only_the_number_of_the_runs_is_another_writers() -> None:
    store = two_versions()
    then = datetime(2026, 1, 1, tzinfo=UTC)
    *earlier, newest = store.versions["a"]
    store.versions["a"] = [*earlier, replace(newest, attributes=Attributes(created=then))]
    other = datetime(2025, 1, 1, tzinfo=UTC)
    for made, kind in ((then, Kind.UPDATE), (None, Kind.UPDATE), (other, Kind.REFUSE)):
        (step,) = plan_for(run_of(a=updated(made=made)), store).steps
        assert step.kind is kind
    assert step.reason == "its version v2 is not the run's, which was made at another time"
    # A store that tells no time.
    store.versions["a"] = [*earlier, newest]
    assert kinds(run_of(a=updated(made=then)), store) == [Kind.UPDATE]


Told = tuple[str, str, str, str, str]


def told(run: Run, store: MemoryStore, history: RunHistory | None = None) -> list[Told]:
    """What each step of a plan says."""
    return [
        (step.destination.name, step.key, str(step.kind), step.reason, step.remedy)
        for step in plan_for(run, store, history).steps
        if step.destination is not None
    ]


def test_a_plan_says_what_is_written_and_why_not() -> None:
    store = two_versions()
    for name in ("changed", "taken", "covered", "unread"):
        store.seed(name, A="old")
        store.seed(name, A="new")
    store.seed("changed", A="theirs")
    for name in ("made", "gone"):
        store.seed(name, A="x")
    store.deleted.add("gone")
    store.failures["read", "unread"] = DisabledError(store.place("unread"), Action.READ, "it is disabled", "enable it")
    store.seed("back", A="x")
    run = run_of(
        a=updated(),
        made=created(),
        back=created(recover=True),
        gone=created(),
        again=updated().then(undone("v3")),
        changed=updated(),
        taken=created(),
        covered=updated("v1", "v2", "v0", "v0b"),
        unread=updated(),
    )
    somebody = "the current version is v3, the run wrote version v2: another writer changed it since"
    theirs = "the current version is v2, the run wrote version v1: another writer changed it since"
    another = "the run's version v2 replaced another writer's version v0, v0b"
    assert told(run, store) == [
        ("a", "KEY", "update", "version v1 is restored", ""),
        ("made", "KEY", "delete", "the run created it", ""),
        ("back", "KEY", "delete", "the run recovered it", ""),
        ("gone", "KEY", "keep", "it is already deleted", ""),
        ("again", "KEY", "keep", "it is already undone", ""),
        ("changed", "KEY", "refuse", somebody, "compare the versions and keep the right one by hand"),
        ("taken", "KEY", "refuse", theirs, "compare the versions and keep the right one by hand"),
        ("covered", "KEY", "refuse", another, "restore that version by hand"),
        ("unread", "KEY", "refuse", "it is disabled", "enable it"),
    ]
    assert [(write.target, write.kind, write.before) for write in plan_for(run, store).writes] == [
        (("azure", "a"), Kind.UPDATE, "v2"),
        (("azure", "made"), Kind.DELETE, "v1"),
        (("azure", "back"), Kind.DELETE, "v1"),
    ]


def test_a_write_that_nobody_confirmed_is_left_and_the_rest_is_undone() -> None:
    store = two_versions()
    for name in ("b", "made"):
        store.seed(name, A="x")
    run = run_of(a=updated(), b=begun(None), made=created())
    stopped = "the run was stopped while it wrote this: it is not known who wrote version v1"
    line = "az keyvault secret list-versions --id https://memory/secrets/b"
    assert told(run, store)[1] == ("b", "KEY", "refuse", stopped, f"compare its versions: {line}")
    assert [(write.name, write.kind) for write in plan_for(run, store).writes] == [
        ("a", Kind.UPDATE),
        ("made", Kind.DELETE),
    ]


def test_the_versions_of_such_a_write_in_a_vault_are_listed_there() -> None:
    store = MemoryStore(StoreAddress(providers.VAULT, MEMORY))
    store.seed("b", A="x")
    ((*_, remedy),) = told(run_of(b=begun(None)), store)
    assert remedy == "compare its versions: bao kv metadata get -mount=secret b"


@pytest.mark.parametrize(
    ("error", "reason", "remedy"),
    [
        (
            DisabledError(PLACE, Action.READ, "it is disabled", "enable it"),
            "the value before the run, version v1, cannot be read: it is disabled",
            "restore it from a backup",
        ),
        (
            VersionGoneError(PLACE, Action.READ, "it is evicted", "use another", version="v1"),
            "the value before the run, version v1, cannot be read: it is evicted",
            "restore it from a backup",
        ),
        (StoreError(PLACE, Action.READ, "no answer", "wait", Code.UNAVAILABLE), "no answer", "wait"),
    ],
)
def test_a_value_before_the_run_that_cannot_be_read_is_told_with_the_way_out(
    error: StoreError, reason: str, remedy: str
) -> None:
    store = two_versions()
    store.failures["read_version", "a"] = error
    assert told(run_of(a=updated()), store) == [("a", "KEY", "refuse", reason, remedy)]


def test_what_a_newer_undo_wrote_and_cannot_be_compared_is_told_with_both_versions() -> None:
    store = two_versions()
    store.seed("a", A="theirs")
    # A Vault counts from 1 again where somebody ended the secret for good.
    history = RunHistory(again={(MEMORY, "a", "v3"): "v2"}, runs={(MEMORY, "a", "v2"): OLDER})
    somebody = "the current version is v3, the run wrote version v2: another writer changed it since"
    remedy = "compare the versions and keep the right one by hand"
    assert told(run_of(a=updated()), store, history) == [("a", "KEY", "refuse", somebody, remedy)]
    del store.versions["a"][1]
    unlike = "version v3 cannot be compared with the run's version v2: it is evicted"
    assert told(run_of(a=updated()), store, history) == [("a", "KEY", "refuse", unlike, remedy)]


def test_what_is_put_back_is_what_the_run_saw_last() -> None:
    store = MemoryStore()
    for value in ("planned", "seen", "ours"):
        store.seed("a", A=value)

    def found(log: RunLog, write: Operation) -> None:
        log.record_found(write.target, "v3")

    # A later part of the run saw another version than was planned; or only found that an earlier one wrote.
    for call, expected in ((wrote("v3", before="v2"), "v2"), (found, "v1")):
        _, write = only(run_of(a=Past(setting("v1"), (call,))), store)
        assert write is not None
        assert isinstance(write, Restore)
        assert write.earlier.version == expected


@pytest.mark.parametrize(("planned", "before"), [("v1", "v2"), ("v2", "v1"), ("v2", None)])
def test_a_begun_write_is_not_stored_where_either_version_before_it_stands(planned: str, before: str | None) -> None:
    assert plan_for(run_of(a=begun(before, planned)), two_versions()).steps == ()


@pytest.mark.parametrize("other", [None, "theirs"])
def test_a_whole_value_is_taken_for_the_runs_own_only_where_it_is_the_same(other: str | None) -> None:
    # An undo of the run is noted as begun; what stands there now is of another shape or another value.
    store = MemoryStore()
    for value in ("old", "new"):
        store.seed_whole("a", value)
    if other is None:
        store.seed("a", A="old")
    else:
        store.seed_whole("a", other)
    assert kinds(run_of(a=updated().then(undo_begun)), store) == [Kind.REFUSE]


def test_properties_are_taken_for_the_runs_own_only_where_there_are_no_others() -> None:
    for values in ({"A": "old", "B": "more"}, {"B": "old"}, {}):
        store = two_versions()
        store.seed("a", **values)
        assert kinds(run_of(a=updated().then(undo_begun)), store) == [Kind.REFUSE]
    store = two_versions()
    store.seed_whole("a", "old")
    assert kinds(run_of(a=updated().then(undo_begun)), store) == [Kind.REFUSE]


def test_an_undo_costs_versions_where_it_writes_one() -> None:
    store = MemoryStore(StoreAddress(providers.VAULT, "https://vault", mount="kv"))
    for name in ("a", "c"):
        store.seed(name, A="old")
        store.seed(name, A="new")
    store.seed("b", A="x")
    store.seed("c", A="theirs")
    store.drops = dict.fromkeys("abc", Dropped(("1",), 10))
    run = run_of(a=updated(), b=created(), c=updated())
    assert kinds(run, store) == [Kind.UPDATE, Kind.DELETE, Kind.REFUSE]
    assert [(loss.place.store, loss.place.name) for loss in plan_for(run, store).losses] == [("azure", "a")]
    store.drops = {"a": Dropped(("v1", "v2"), 10)}
    # The version that the undo replaces is among those that its write drops.
    assert [loss.kind for loss in plan_for(run_of(a=updated()), store).losses] == [NoteKind.DROPS_WAY_BACK]


def test_an_undo_that_was_stopped_is_refused_where_the_value_before_the_run_is_gone() -> None:
    store = two_versions()
    store.seed("a", A="old")
    del store.versions["a"][0]
    step, _ = only(run_of(a=updated().then(undo_begun)), store)
    assert (step.kind, step.remedy) == (Kind.REFUSE, "restore it from a backup")


def test_a_recovered_version_is_told_from_one_of_its_number_by_when_the_store_made_it() -> None:
    store = MemoryStore()
    store.seed("a", A="another writer's")
    then = datetime(2026, 1, 1, tzinfo=UTC)
    store.versions["a"] = [replace(each, attributes=Attributes(created=then)) for each in store.versions["a"]]
    for made, kind in ((then, Kind.DELETE), (datetime(2025, 1, 1, tzinfo=UTC), Kind.REFUSE)):

        def recovered(log: RunLog, write: Operation, made: datetime = made) -> None:
            log.start(write)
            log.record_recovery(write.target, RemoteSecret("a", "v1", {}, Attributes(created=made)))
            log.record_version(write, Written("v1"))

        run = run_of(a=Past(setting(None, recover=True, deleted="v1"), (recovered,)))
        (step,) = plan_for(run, store).steps
        assert step.kind is kind


def test_before_it_reads_it_tells_each_store_what_an_undo_may_do_there() -> None:
    store = three(providers.VAULT)
    for name in ("b", "c", "d"):
        store.seed(name, A="x")
    run = run_of(a=deleting("v1", "v2", "v3").then(started), b=updated(), c=created(), d=created(recover=True))
    expected: list[dict[str, frozenset[Use]]] = []
    store.before = lambda _method, _name: expected.append(dict(store.expected))
    plan_for(run, store)
    # A refusal of the first read names already all rights that the undo takes.
    assert expected[0] == {
        "a": frozenset({Use.RECOVER_VERSIONS}),
        "b": frozenset({Use.UPDATE}),
        "c": frozenset({Use.DELETE}),
        "d": frozenset({Use.DELETE}),
    }


def test_what_an_undo_puts_back_has_the_date_that_it_had() -> None:
    # In a Vault the tag is of all versions by now: the run's.
    store = MemoryStore(StoreAddress(providers.VAULT, MEMORY))
    store.seed("a", A="old")
    store.versions["a"].append(
        RemoteSecret("a", "v2", {"A": SecretValue("new")}, Attributes(tags={VALUE_SINCE: "2026-01-01 from version 2"}))
    )
    had = Attributes(tags={VALUE_SINCE: "2025-01-01 from version 1"})
    planned = replace(setting("v1"), base=RemoteSecret("a", "v1", {}, had))
    (write,) = plan_for(run_of(a=Past(planned, (wrote("v2"),))), store).writes
    assert isinstance(write, Restore)
    assert write.as_it_was.attributes.tags == had.tags


TARGET = ("azure", "a")
READABLE, DELETED, DESTROYED = StoreState.PRESENT, StoreState.SOFT_DELETED, StoreState.DESTROYED
MADE, LATER = (datetime(2025, 1, day, tzinfo=UTC) for day in (1, 2))
MEMORY_PLACE = StoreLocation("https://memory", "a")


def recovery_of(past: Past, states: VersionStates | StoreError) -> Reversal:
    run = deleting_run(past)
    found = judge_deletion(run.entries[TARGET], states)
    assert found is not None
    return found


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_undo_brings_back_exactly_what_the_run_deleted(provider: Provider) -> None:
    store = three(provider)
    store.gone["a"] = {"v1"} if provider is providers.VAULT else set()
    write = deletion(store)
    store.delete_versions("a", write.versions)
    plan = plan_undo(deleting_run(deleted(*write.versions)), {"azure": store})
    (made,), (step,) = plan.writes, plan.steps
    assert isinstance(made, RecoverVersions)
    assert (made.kind, made.versions, made.before) == (Kind.RECOVER, write.versions, "v3")
    assert (step.secret, step.key, step.kind) == ("jira", "KEY", Kind.RECOVER)
    assert ("read", "a") not in store.calls


@pytest.mark.parametrize(
    ("states", "kind", "words"),
    [
        ({"1": DELETED, "2": DELETED}, Kind.RECOVER, "versions 1, 2 can be read again"),
        ({"1": DELETED, "2": READABLE}, Kind.RECOVER, "versions 1, 2 can be read again"),
        ({"0": DELETED, "1": DELETED, "2": DELETED}, Kind.RECOVER, "versions 1, 2 can be read again"),
        ({"1": DESTROYED, "2": DELETED}, Kind.RECOVER, "version 2 can be read again; version 1 cannot: "),
        ({"2": DELETED}, Kind.RECOVER, "version 2 can be read again; version 1 cannot: "),
        ({"1": READABLE, "2": READABLE}, Kind.KEEP, "another writer recovered it already"),
        ({"1": DELETED, "2": DESTROYED}, Kind.REFUSE, "version 2 was destroyed or purged since, and cannot be "),
        ({}, Kind.REFUSE, "version 2 was destroyed or purged since, and cannot be brought back"),
        ({"1": DELETED, "2": DELETED, "3": READABLE}, Kind.REFUSE, "another writer wrote version 3 since the run "),
    ],
)
def test_what_stands_there_now_decides(states: dict[str, StoreState], kind: Kind, words: str) -> None:
    found = recovery_of(deleted("1", "2"), VersionStates(states))
    assert (found.kind, found.reason.startswith(words)) == (kind, True), found.reason
    back = tuple(version for version in ("1", "2") if states.get(version, DESTROYED) is not DESTROYED)
    assert found.versions == (back if kind is Kind.RECOVER else ())


def test_a_version_that_was_deleted_along_comes_back_too() -> None:
    found = recovery_of(deleted("a", slipped=("b",)), VersionStates({"b": DELETED}))
    assert (found.kind, found.versions, found.reason) == (Kind.RECOVER, ("b",), "version b can be read again")


def test_an_undo_that_was_done_is_not_repeated() -> None:
    past = deleted("1", "2").then(undone())
    found = recovery_of(past, VersionStates({"1": READABLE, "2": READABLE}))
    assert (found.kind, found.is_done) == (Kind.KEEP, False)


def test_an_undo_that_was_stopped_before_it_could_note_it_is_done() -> None:
    found = recovery_of(deleted("1", "2").then(undo_begun), VersionStates({"1": READABLE, "2": READABLE}))
    assert (found.kind, found.reason) == (Kind.KEEP, "it is already undone")
    assert found.is_done


def test_a_store_that_does_not_tell_is_refused_with_its_reason() -> None:
    error = StoreError(MEMORY_PLACE, Action.DESCRIBE, "no answer", "wait", Code.UNAVAILABLE)
    for past in (deleted("1"), deleting("1").then(started)):
        found = recovery_of(past, error)
        assert (found.kind, found.reason, found.remedy) == (Kind.REFUSE, "no answer", "wait")


def test_a_deletion_that_nobody_confirmed_is_undone() -> None:
    store = three(providers.VAULT)
    store.delete_versions("a", ("v1", "v2", "v3"))
    run = deleting_run(deleting("v1", "v2", "v3").then(started))
    (write,) = plan_undo(run, {"azure": store}).writes
    assert isinstance(write, RecoverVersions)
    assert (write.kind, write.versions) == (Kind.RECOVER, ("v1", "v2", "v3"))
    store.recover_versions("a", ("v1", "v2", "v3"))
    assert plan_undo(run, {"azure": store}).steps == ()


def test_the_undo_of_an_older_run_names_the_run_that_deleted_since() -> None:
    store = MemoryStore()
    store.seed("a", A="old")
    store.seed("a", A="new")
    store.deleted.add("a")
    step, _ = only(run_of(a=updated()), store)
    assert step.remedy == "recover it (`migrate --recover`)"
    history = RunHistory(retired={("https://memory", "a"): PastRun(ID, "retire", "staging")})
    step, write = only(run_of(a=updated()), store, history)
    assert (step.kind, write) == (Kind.REFUSE, None)
    assert step.remedy == f"undo that run first: platform-secrets retire staging --undo {ID}"
    store.failures["read", "a"] = VersionGoneError(MEMORY_PLACE, Action.READ, "evicted", "restore it", version="v1")
    assert only(run_of(a=updated()), store, history)[0].remedy == "restore it"


@pytest.mark.parametrize(
    ("then", "now", "others"),
    [
        ({"1": MADE, "2": MADE}, {"1": MADE, "2": MADE}, None),
        ({"1": MADE, "2": MADE}, {"1": LATER, "2": MADE}, "version 1"),
        ({"1": MADE, "2": MADE}, {"1": LATER, "2": LATER}, "versions 1, 2"),
        # A journal of an earlier release, and a store that does not tell.
        ({}, {"1": LATER, "2": LATER}, None),
        ({"1": MADE, "2": MADE}, {}, None),
    ],
)
@pytest.mark.parametrize("state", [DELETED, READABLE])
def test_versions_of_the_same_numbers_that_were_made_at_another_time_are_not_brought_back(
    then: dict[str, datetime], now: dict[str, datetime], others: str | None, state: StoreState
) -> None:
    found = recovery_of(deleted("1", "2", made=then), VersionStates({"1": state, "2": DELETED}, now))
    if others is None:
        assert (found.kind, found.versions) == (Kind.RECOVER, ("1", "2"))
    else:
        assert (found.kind, found.versions) == (Kind.REFUSE, ())
        assert found.reason == f"{others} is not what the run deleted: it was made at another time"
        assert found.remedy == "check which server answers at that address, then compare by hand"


JIRA = ("JIRA_TOKEN", "JIRA_URL")


def deletion_of(store: MemoryStore, name: str, *keys: str, to: str = "azure") -> Operation:
    steps = tuple(Step("jira", key, Kind.DELETE, None, Location(to, name, key)) for key in keys)
    return Delete(to, name, steps, base=store.versions[name][-1])


def restoring(store: MemoryStore, earlier: RemoteSecret) -> Restore:
    deleted = deletion_of(store, "agents-jira", *JIRA)
    return Restore(*deleted.target, deleted.steps, base=store.versions["agents-jira"][-1], earlier=earlier)


def reading(environment: Environment, store: str, name: str = "prod") -> Environment:
    """The environment with all secrets in `store`, under a name of its own."""
    chosen = environment.stores[store]
    places = {
        secret.id: tuple(
            key._replace(place=key.place._replace(remote_key=key.place.remote_key.replace("/", "-")))
            for key in secret.keys
            if key.place is not None
        )
        for secret in environment.secrets.values()
    }
    secrets = {
        each.id: replace(each, store=chosen, keys=places[each.id] if store == "azure" else each.keys)
        for each in environment.secrets.values()
    }
    return replace(environment, name=name, secrets=secrets)


@pytest.fixture
def azure(stores: Stores) -> MemoryStore:
    stores.azure.seed("agents-jira", JIRA_TOKEN="t", JIRA_URL="u")
    return stores.azure


@pytest.fixture
def spare(environment: Environment, stores: Stores) -> Callable[..., Plan]:
    def invoke(plan: Plan, *environments: Environment) -> Plan:
        return drop_writes_in_use(plan, environment.stores, lambda: environments, stores.live)

    return invoke


def test_what_nobody_reads_is_deleted(spare: Callable[..., Plan], azure: MemoryStore, environment: Environment) -> None:
    plan = plan_of(deletion_of(azure, "agents-jira", *JIRA))
    assert spare(plan, environment).writes == plan.writes
    assert spare(plan, environment).steps == plan.steps


def test_what_an_environment_reads_stays_and_the_rest_is_deleted(
    spare: Callable[..., Plan], azure: MemoryStore, environment: Environment
) -> None:
    azure.seed("github-app-key", PEM="p")
    theirs, free = deletion_of(azure, "agents-jira", *JIRA), deletion_of(azure, "github-app-key", "PEM")
    lost = tuple(loss_of("azure", each.name, "v1", keeps=10, remedy="") for each in (theirs, free))
    found = spare(plan_of(theirs, free, losses=lost), environment, reading(environment, "azure", "staging"))
    assert found.writes == (free,)
    assert [loss.place.name for loss in found.losses] == ["github-app-key"]
    assert [step.kind for step in found.steps] == [Kind.REFUSE, Kind.REFUSE, Kind.DELETE]
    assert found.steps[0].reason == 'it is in use again, read there by "staging/jira"'
    assert found.steps[0].remedy == "let another store serve it first (`cutover`), or set the right value (`put`)"
    assert not found.is_clean


def test_what_is_read_whole_stays(spare: Callable[..., Plan], azure: MemoryStore, environment: Environment) -> None:
    azure.hold("github-app-key", {}, "pem")
    plan = plan_of(deletion_of(azure, "github-app-key", "GITHUB_APP_KEY"))
    store = environment.stores["azure"]
    whole = tuple(key._replace(place=Place("github-app-key", None)) for key in environment.secrets["jira"].keys)
    secrets = {"jira": replace(environment.secrets["jira"], store=store, keys=whole)}
    found = spare(plan, replace(environment, name="staging", secrets=secrets))
    assert (found.writes, found.steps[0].reason) == ((), 'it is in use again, read there by "staging/jira"')


def test_each_reader_is_named_once_and_capitals_of_a_key_vault_do_not_count(
    spare: Callable[..., Plan], azure: MemoryStore, environment: Environment
) -> None:
    azure.seed("Agents-Jira", JIRA_TOKEN="t")
    plan = plan_of(deletion_of(azure, "Agents-Jira", *JIRA))
    found = spare(plan, *(reading(environment, "azure", name) for name in ("prod", "prod", "staging")))
    assert found.steps[1].reason == 'it is in use again, read there by "prod/jira", "staging/jira"'


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, 'it is in use again, read there by "staging/jira"'),
        ({"address": "https://VAULT.example.com.:8200/"}, 'it is in use again, read there by "staging/jira"'),
        ({"address": "https://other.example.com"}, 'it may be read by "staging/jira", in what may be the same store'),
        ({"mount": "kv"}, None),
        # Its server was not asked whether it has namespaces.
        ({"vault_namespace": "team"}, 'it may be read by "staging/jira", in what may be the same store'),
        ({"cluster_id": "stale"}, 'it is in use again, read there by "staging/jira"'),
    ],
)
def test_a_vault_counts_unless_it_is_proven_or_said_to_be_another(
    spare: Callable[..., Plan], stores: Stores, environment: Environment, fields: dict[str, Any], reason: str | None
) -> None:
    vault = stores.vault
    assert vault is not None
    vault.seed("agents/jira", JIRA_TOKEN="t")
    plan = plan_of(deletion_of(vault, "agents/jira", "JIRA_TOKEN", to="vault"))
    store = replace(environment.stores["vault"], **fields)
    secrets = {name: replace(each, store=store) for name, each in environment.secrets.items()}
    other = replace(environment, name="staging", stores={**environment.stores, "vault": store}, secrets=secrets)
    found = spare(plan, other)
    assert [step.reason for step in found.steps] == ([reason] if reason else [step.reason for step in plan.steps])
    assert (found.writes == ()) is (reason is not None)
    if reason and "may be" in reason:
        assert found.steps[0].remedy.endswith('if "staging/vault" is another store, add --not-the-same staging/vault')
        said = drop_writes_in_use(plan, environment.stores, lambda: [other], stores.live, ["staging/vault"])
        assert said.writes == plan.writes
    elif reason:
        with pytest.raises(Refusal, match='the store "staging/vault" is on the same server'):
            drop_writes_in_use(plan, environment.stores, lambda: [other], stores.live, ["staging/vault"])


@pytest.mark.parametrize(
    ("earlier", "stays"),
    [({"JIRA_URL": "old"}, True), ({"JIRA_TOKEN": "old", "JIRA_URL": "old"}, False), ({"JIRA_TOKEN": "old"}, True)],
)
def test_an_earlier_version_comes_back_unless_it_lacks_a_key_in_use(
    spare: Callable[..., Plan], azure: MemoryStore, environment: Environment, *, earlier: dict[str, str], stays: bool
) -> None:
    azure.seed("old", **earlier)
    back = restoring(azure, azure.versions["old"][-1])
    found = spare(plan_of(back), reading(environment, "azure"))
    assert (found.writes == ()) is stays


def test_a_key_that_nobody_reads_may_go(
    spare: Callable[..., Plan], azure: MemoryStore, environment: Environment
) -> None:
    azure.seed("agents-jira", JIRA_TOKEN="t", JIRA_URL="u", OTHER="x")
    azure.seed("old", JIRA_TOKEN="old", JIRA_URL="old")
    back = restoring(azure, azure.versions["old"][-1])
    assert spare(plan_of(back), reading(environment, "azure")).writes == (back,)


def test_the_environments_are_read_only_where_something_would_go(
    environment: Environment, stores: Stores, azure: MemoryStore
) -> None:
    def unknown() -> Sequence[Environment]:
        raise Refusal("found", "not known")

    back = restoring(azure, azure.versions["agents-jira"][-1])
    recovered = RecoverVersions("azure", "agents-jira", versions=("v1",))
    plan = plan_of(back, recovered)
    assert drop_writes_in_use(plan, environment.stores, unknown, stores.live) is plan
    with pytest.raises(Refusal, match="not known"):
        drop_writes_in_use(plan_of(deletion_of(azure, "agents-jira", *JIRA)), environment.stores, unknown, stores.live)


def test_the_environments_are_looked_through_once_a_store_and_not_once_a_write(
    spare: Callable[..., Plan], azure: MemoryStore, environment: Environment
) -> None:
    looked: list[str] = []

    class Counted(type(environment)):  # type: ignore[misc] # a class that is chosen as the test runs
        def stores_in_use(self) -> tuple[Store, ...]:
            looked.append(self.name)
            return tuple(super().stores_in_use())

    counted = Counted(**{field.name: getattr(environment, field.name) for field in fields(environment)})
    names = [f"free-{number}" for number in range(5)]
    for name in names:
        azure.seed(name, A="x")
    spare(plan_of(*(deletion_of(azure, name, "A") for name in names)), counted)
    assert looked == ["prod"]


def foreign(name: str, to: str = "azure") -> Operation:
    store = MemoryStore()
    store.seed(name, JIRA_TOKEN="t")
    step = Step("jira", "JIRA_TOKEN", Kind.DELETE, None, Location(to, name, "JIRA_TOKEN"))
    return Delete(to, name, (step,), base=store.read(name))


def kept(plan: Plan, environment: Environment) -> Plan:
    entries = {write.target: RunEntry(write.kind, None, recover=False) for write in plan.writes}
    run = Run("r", Path("r"), "migrate", "prod", {}, {}, entries)
    return drop_foreign_writes(plan, foreign_targets(run, environment, environment.stores))


@pytest.mark.parametrize(
    ("to", "name"),
    [("azure", "agents-jira"), ("azure", "Agents-JIRA"), ("vault", "agents/jira"), ("azure", "agents-github")],
)
def test_what_has_a_place_in_the_catalogue_is_undone_in_use_or_not(
    environment: Environment, to: str, name: str
) -> None:
    plan = plan_of(foreign(name, to))
    found = kept(plan, environment)
    assert (found.steps, found.writes) == (plan.steps, plan.writes)


@pytest.mark.parametrize(
    ("to", "name"), [("azure", "agents-jira-2"), ("vault", "Agents/jira"), ("vault", "agents-jira")]
)
def test_what_has_none_stays_and_is_told(environment: Environment, to: str, name: str) -> None:
    own, theirs = foreign("agents-jira"), foreign(name, to)
    found = kept(plan_of(own, theirs), environment)
    assert found.writes == (own,)
    assert [step.kind for step in found.steps] == [Kind.DELETE, Kind.REFUSE]
    assert found.steps[1].reason == "the catalogue has no key there: the run or its journal is of something else"
    assert "remove the journal" in found.steps[1].remedy


def test_neither_the_audit_file_nor_the_losses_tell_of_it(environment: Environment) -> None:
    names = ("agents-jira", "of-others")
    stored = {("azure", name): "1" for name in names}
    losses = tuple(loss_of("azure", name, "1", keeps=1, remedy="keep it") for name in names)
    found = kept(plan_of(*map(foreign, names), stored=stored, losses=losses), environment)
    assert list(found.stored) == [("azure", "agents-jira")]
    assert [each.place.name for each in found.losses] == ["agents-jira"]
