import threading
import time
from datetime import UTC, datetime

import pytest

from compiler.change.operations import Delete, Operation, Put, Restore, losses_of, refuse_targets
from compiler.change.plan import (
    WRITING,
    Kind,
    Location,
    Note,
    NoteKind,
    OnConflict,
    Options,
    Outcome,
    Plan,
    State,
    Step,
    WriteResult,
)
from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, ForbiddenError, StoreError
from compiler.stores.interface import Attributes, Dropped, Limit, RemoteSecret
from compiler.stores.secret_value import SecretValue
from tests import providers
from tests.memory_store import MemoryStore
from tests.refusals import is_refused
from tests.unit.changes import loss_of, outcome_of, plan_of


def plan(*kinds: Kind, on_conflict: OnConflict = OnConflict.FAIL) -> Plan:
    steps = tuple(Step("github", "KEY", kind, None, None) for kind in kinds)
    return plan_of(steps=steps, options=Options(on_conflict=on_conflict))


@pytest.mark.parametrize(
    ("kind", "clean", "blocked"),
    [
        (Kind.CREATE, True, False),
        (Kind.UPDATE, True, False),
        (Kind.KEEP, True, False),
        (Kind.CONFLICT, False, True),
        (Kind.REFUSE, False, True),
        (Kind.MISSING, False, True),
    ],
)
def test_what_stops_a_plan(kind: Kind, clean: bool, blocked: bool) -> None:  # noqa: FBT001
    found = plan(Kind.KEEP, kind)
    assert (found.is_clean, found.is_blocked) == (clean, blocked)


def test_a_conflict_that_is_skipped_stops_nothing_and_is_not_clean() -> None:
    found = plan(Kind.CONFLICT, on_conflict=OnConflict.SKIP)
    assert (found.is_clean, found.is_blocked) == (False, False)


@pytest.mark.parametrize(
    ("state", "incomplete", "differs"),
    [
        (State.DONE, False, False),
        (State.KEPT, False, False),
        (State.CONFLICT, False, True),
        (State.UNVERIFIED, False, True),
        (State.FAILED, True, False),
        (State.PENDING, True, False),
    ],
)
def test_what_became_of_a_run(state: State, incomplete: bool, differs: bool) -> None:  # noqa: FBT001
    outcome = outcome_of(WriteResult("azure", "a", State.DONE), WriteResult("azure", "b", state))
    assert (outcome.is_incomplete, outcome.has_differences) == (incomplete, differs)
    assert outcome_of(interrupted=True).is_incomplete


def test_a_place_is_shown_with_its_property_or_without_and_no_value_ever() -> None:
    assert str(Location("vault", "agents/jira", "TOKEN")) == "vault:agents/jira#TOKEN"
    assert str(Location("azure", "pem", None)) == "azure:pem"
    assert "sentinel" not in repr(Put("azure", "a", (), {"KEY": SecretValue("sentinel")}))


def test_its_words_are_those_of_the_output_the_journal_and_the_audit_file() -> None:
    assert {kind: kind in WRITING for kind in map(str, Kind)} == {
        "create": True,
        "update": True,
        "recover": True,
        "remove": True,
        "delete": True,
        "keep": False,
        "conflict": False,
        "refuse": False,
        "missing": False,
    }
    assert list(map(str, OnConflict)) == ["fail", "skip", "overwrite"]
    assert list(map(str, State)) == ["done", "kept", "conflict", "failed", "unverified", "pending"]
    assert list(map(str, NoteKind)) == [
        "expires-left-behind",
        "not-before-left-behind",
        "content-type-left-behind",
        "tags-left-behind",
        "age-left-behind",
        "expired",
        "not-yet-valid",
        "keeps-past-expires",
        "keeps-not-before-ahead",
        "overdue",
        "access-unknown",
        "drops-versions",
        "drops-way-back",
        "drops-unknown",
        "deletes-itself",
    ]


def test_what_nobody_says_is_the_careful_choice() -> None:
    assert Options() == Options((), False, OnConflict.FAIL, False, False, (), False)
    assert WriteResult("azure", "a", State.DONE) == WriteResult("azure", "a", State.DONE, None, (), "", "", "")
    assert Step("jira", "KEY", Kind.KEEP, None, None) == Step("jira", "KEY", Kind.KEEP, None, None, "", "", ())
    place = Location("azure", "a", None)
    assert Note(NoteKind.TAGS, "jira", place) == Note(NoteKind.TAGS, "jira", place, None, "")
    found = Plan("put", "prod")
    assert (found.extras, found.skipped, found.stored) == ((), (), {})
    assert (found.notes, found.losses, found.who) == ((), (), {})


HELD = RemoteSecret("a", "v1", {}, Attributes())
KEY = {"KEY": SecretValue("x")}


@pytest.mark.parametrize(
    ("write", "kind", "before"),
    [
        (Put("azure", "a", (), KEY), Kind.CREATE, None),
        (Put("azure", "a", (), SecretValue("x")), Kind.CREATE, None),
        (Put("azure", "a", (), KEY, base=HELD), Kind.UPDATE, "v1"),
        (Put("azure", "a", (), SecretValue("x"), base=HELD), Kind.UPDATE, "v1"),
        (Restore("azure", "a", (), base=HELD, earlier=HELD, attributes=HELD.attributes), Kind.UPDATE, "v1"),
        (Put("azure", "a", (), KEY, recover=True), Kind.RECOVER, None),
        (Delete("azure", "a", (), base=HELD), Kind.DELETE, "v1"),
    ],
)
def test_what_a_write_does_follows_from_what_is_there_and_what_it_sets(
    write: Operation, kind: Kind, before: str | None
) -> None:
    assert (write.kind, write.before, write.target) == (kind, before, ("azure", "a"))


@pytest.mark.parametrize(
    "outcome",
    [
        outcome_of(interrupted=True),
        outcome_of(defect=KeyError()),
        outcome_of(unrecorded="full"),
    ],
)
def test_a_run_that_was_cut_short_is_incomplete(outcome: Outcome) -> None:
    assert outcome.is_incomplete
    assert not outcome_of().is_incomplete


def step_in(name: str, kind: Kind) -> Step:
    return Step(name, "KEY", kind, None, Location("azure", name, "KEY"))


def test_what_is_left_out_is_refused_with_its_reason_and_not_written() -> None:
    steps = (step_in("kept", Kind.UPDATE), step_in("out", Kind.DELETE), Step("out", "KEY", Kind.MISSING, None, None))
    writes = tuple(Delete("azure", name, ()) for name in ("kept", "out"))
    losses = tuple(loss_of("azure", name, "1", keeps=1) for name in ("kept", "out"))
    found = refuse_targets(plan_of(*writes, steps=steps, losses=losses), {("azure", "out"): ("the reason", "the way")})
    assert [(each.kind, each.reason, each.remedy) for each in found.steps] == [
        (Kind.UPDATE, "", ""),
        (Kind.REFUSE, "the reason", "the way"),
        (Kind.MISSING, "", ""),
    ]
    assert [write.name for write in found.writes] == ["kept"]
    assert [loss.place.name for loss in found.losses] == ["kept"]


def test_a_step_that_writes_nothing_stays_what_it_is() -> None:
    found = refuse_targets(plan_of(steps=(step_in("out", Kind.KEEP),)), {("azure", "out"): ("the reason", "the way")})
    assert [each.kind for each in found.steps] == [Kind.KEEP]


TEN = Dropped(("1",), 10)


@pytest.fixture
def vault() -> MemoryStore:
    return MemoryStore(StoreAddress(providers.VAULT, "https://vault:8200", mount="team/kv"))


def write(name: str, replaces: str | None = "10") -> Operation:
    """A write of a secret whose current version is `replaces`, or of a deleted one that is recovered before."""
    if replaces is None:
        return Put("kv", name)
    if int(replaces) % 2:
        return Put("kv", name, (), {}, recover=True, deleted=replaces)
    return Put("kv", name, base=RemoteSecret(name, replaces, {}, Attributes()))


def found(vault: MemoryStore, name: str = "a", replaces: str | None = "10") -> Note:
    (loss,) = losses_of([write(name, replaces)], {"kv": vault})
    return loss


def test_each_loss_has_the_versions_and_the_command_that_keeps_them_in_the_order_of_the_writes(
    vault: MemoryStore,
) -> None:
    vault.drops = {"a": TEN, "c": Dropped(("3", "4"), 2)}
    remedy = "bao kv metadata put -mount=team/kv -max-versions={} {}"
    assert losses_of([write(name) for name in ("c", "b", "a")], {"kv": vault}) == (
        loss_of("kv", "c", "3", "4", keeps=2, remedy=remedy.format(4, "c")),
        loss_of("kv", "a", "1", keeps=10, remedy=remedy.format(20, "a")),
    )


@pytest.mark.parametrize(
    ("versions", "replaces", "kind"),
    [
        (("1",), "1", NoteKind.DROPS_WAY_BACK),
        (("1", "2"), "2", NoteKind.DROPS_WAY_BACK),
        (("1",), "2", NoteKind.DROPS_VERSIONS),
        (("1",), None, NoteKind.DROPS_VERSIONS),
    ],
)
def test_the_version_that_is_replaced_is_the_worst_loss(
    vault: MemoryStore, versions: tuple[str, ...], replaces: str | None, kind: NoteKind
) -> None:
    vault.drops = {"a": Dropped(versions, 1)}
    assert found(vault, replaces=replaces).kind is kind


def test_the_command_is_one_for_a_shell_and_for_the_namespace() -> None:
    vault = MemoryStore(StoreAddress(providers.VAULT, "https://vault", mount="kv", vault_namespace="team a"))
    vault.drops = {"a b": TEN}
    assert found(vault, "a b").remedy == "bao kv metadata put '-namespace=team a' -mount=kv -max-versions=20 'a b'"


def test_a_store_that_keeps_all_is_not_asked() -> None:
    azure = MemoryStore()
    azure.drops = {"a": TEN}
    assert losses_of([write("a")], {"kv": azure}) == ()
    assert azure.calls == []


def test_what_may_not_be_asked_is_told_as_unknown(vault: MemoryStore) -> None:
    vault.failures["losses_of_write", "a"] = ForbiddenError(
        vault.place("a"), Action.DESCRIBE, "no policy", "add one", permission="read"
    )
    assert found(vault) == loss_of("kv", "a", kind=NoteKind.LOSS_UNKNOWN, remedy="no policy; add one")


def test_a_version_that_will_delete_itself_is_named_with_the_lines_that_have_it_stay(vault: MemoryStore) -> None:
    vault.drops = {"a": Dropped(("9",), 1, 90, (Limit.NAME, Limit.MOUNT))}
    dropped, itself = losses_of([write("a")], {"kv": vault})
    assert (dropped.kind, dropped.lives, dropped.date) == (NoteKind.DROPS_VERSIONS, None, None)
    assert (itself.kind, itself.versions, itself.lives) == (NoteKind.DELETES_ITSELF, (), 90)
    assert itself.date is not None
    assert abs((itself.date - datetime.now(UTC)).total_seconds() - 90) < 30
    assert itself.remedy == (
        "bao write team/kv/config delete_version_after=0s"
        " && bao kv metadata put -mount=team/kv -delete-version-after=0s a"
    )


def test_the_metadata_of_new_names_are_no_loss_where_they_may_not_be_read(vault: MemoryStore) -> None:
    for name in "ab":
        vault.failures["losses_of_write", name] = ForbiddenError(
            vault.place(name), Action.DESCRIBE, "no policy", "add one", permission="read"
        )
    assert losses_of([write("a", None), write("b", None)], {"kv": vault}, workers=1) == ()
    # Each refusal is asked about at length: one is enough to know.
    assert vault.calls == [("losses_of_write", "a")]


def test_a_store_that_is_gone_ends_the_plan(vault: MemoryStore) -> None:
    gone = vault.unavailable("a")
    vault.failures["losses_of_write", "a"] = gone
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        losses_of([write("a"), write("b")], {"kv": vault})


def test_no_more_are_asked_about_at_once_than_there_are_workers(vault: MemoryStore) -> None:
    lock, both = threading.Lock(), threading.Barrier(2, timeout=10)
    under_way, most = 0, 0

    def before(_method: str, name: str) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        if name in {"a", "b"}:
            both.wait()
        time.sleep(0.01)
        with lock:
            under_way -= 1

    vault.before = before
    assert losses_of([write(name) for name in "abcdefgh"], {"kv": vault}, workers=2) == ()
    assert most == 2


def test_after_a_failure_nothing_more_is_asked_and_nothing_waited_for(vault: MemoryStore) -> None:
    begun, over, was_over = threading.Event(), threading.Event(), list[bool]()

    def before(_method: str, name: str) -> None:
        if name == "a":
            assert begun.wait(10)
            raise vault.unavailable(name)
        begun.set()
        was_over.append(over.wait(5))

    vault.before = before
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        losses_of([write(name) for name in "abcdefgh"], {"kv": vault}, workers=2)
    over.set()
    for thread in threading.enumerate():
        if thread.name.startswith("ask-many"):
            thread.join(10)
    # The second one, and at most one that the first one's thread took.
    assert was_over in ([True], [True, True])
