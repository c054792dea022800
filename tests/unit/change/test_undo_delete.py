from datetime import UTC, datetime

import pytest

from compiler.change.journal import RunHistory
from compiler.change.plan import Kind
from compiler.change.undo import Reversal, judge_deletion, plan_undo
from compiler.live.read_many import PastRun
from compiler.model.provider import Provider
from compiler.stores.errors import Action, Code, StoreError, StoreLocation, VersionGoneError
from compiler.stores.interface import StoreState, VersionStates
from tests import providers
from tests.unit.change.undoing import (
    ID,
    PROVIDERS,
    Past,
    deleted,
    deleting,
    deleting_run,
    deletion,
    only,
    run_of,
    started,
    three,
    undo_begun,
    undone,
    updated,
)
from tests.unit.memory_store import MemoryStore

TARGET = ("azure", "a")
READABLE, DELETED, DESTROYED = StoreState.PRESENT, StoreState.SOFT_DELETED, StoreState.DESTROYED
MADE, LATER = (datetime(2025, 1, day, tzinfo=UTC) for day in (1, 2))
PLACE = StoreLocation("https://memory", "a")


def recovery_of(past: Past, states: VersionStates | StoreError) -> Reversal:
    run = deleting_run(past)
    found = judge_deletion(run, run.entries[TARGET], states)
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
    assert (made.kind, made.versions, made.before) == (Kind.RECOVER, write.versions, "v3")
    assert (step.secret, step.key, step.kind) == ("jira", "KEY", Kind.RECOVER)
    assert ("read", "a") not in store.calls


@pytest.mark.parametrize(
    ("states", "kind", "words"),
    [
        ({"1": DELETED, "2": DELETED}, Kind.RECOVER, "versions 1, 2 can be read again"),
        ({"1": DELETED, "2": READABLE}, Kind.RECOVER, "versions 1, 2 can be read again"),
        ({"0": DELETED, "1": DELETED, "2": DELETED}, Kind.RECOVER, "versions 1, 2 can be read again"),
        (
            {"1": DESTROYED, "2": DELETED},
            Kind.RECOVER,
            "version 2 can be read again; version 1 cannot: ",
        ),
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
    past = deleted("1", "2").then(undone(owes=True))
    found = recovery_of(past, VersionStates({"1": READABLE, "2": READABLE}))
    assert (found.kind, found.is_done) == (Kind.KEEP, False)


def test_an_undo_that_was_stopped_before_it_could_note_it_is_done() -> None:
    found = recovery_of(deleted("1", "2").then(undo_begun), VersionStates({"1": READABLE, "2": READABLE}))
    assert (found.kind, found.reason) == (Kind.KEEP, "it is already undone")
    assert found.is_done


def test_a_store_that_does_not_tell_is_refused_with_its_reason() -> None:
    error = StoreError(PLACE, Action.DESCRIBE, "no answer", "wait", Code.UNAVAILABLE)
    for past in (deleted("1"), deleting("1").then(started)):
        found = recovery_of(past, error)
        assert (found.kind, found.reason, found.remedy) == (Kind.REFUSE, "no answer", "wait")


def test_while_a_deletion_is_in_doubt_the_run_says_how_to_settle_it() -> None:
    store = three(providers.VAULT)
    store.delete_versions("a", ("v1", "v2", "v3"))
    run = deleting_run(deleting("v1", "v2", "v3").then(started))
    plan = plan_undo(run, {"azure": store})
    (step,) = plan.steps
    assert (step.kind, step.remedy) == (Kind.REFUSE, "run the same retire again to settle that, then undo it")
    assert "the run was stopped while it deleted versions v1, v2, v3" in step.reason
    store.recover_versions("a", ("v1", "v2", "v3"))
    assert plan_undo(run, {"azure": store}).steps == ()


def test_a_doubt_that_no_run_can_settle_any_more_is_undone() -> None:
    store = three(providers.VAULT)
    store.delete_versions("a", ("v1", "v2", "v3"))
    run = deleting_run(deleting("v1", "v2", "v3").then(started), "complete")
    (write,) = plan_undo(run, {"azure": store}).writes
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
    store.failures["read", "a"] = VersionGoneError(PLACE, Action.READ, "evicted", "restore it", version="v1")
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
