import pytest

from compiler.change.plan import (
    WRITING,
    Kind,
    Location,
    MissingLine,
    Note,
    NoteKind,
    OnConflict,
    Options,
    Outcome,
    Plan,
    State,
    Step,
    Write,
    WriteResult,
    refuse_targets,
)
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.secret_value import SecretValue
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
    assert "sentinel" not in repr(Write("azure", "a", (), {"KEY": SecretValue("sentinel")}, SecretValue("sentinel")))


def test_its_words_are_those_of_the_output_the_journal_and_the_audit_file() -> None:
    assert {kind: kind in WRITING for kind in map(str, Kind)} == {
        "create": True,
        "update": True,
        "recover": True,
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
    assert (found.extras, found.skipped, found.left_out, found.stored) == ((), (), (), {})
    assert (found.notes, found.losses, found.who) == ((), (), {})


HELD = RemoteSecret("a", "v1", {}, Attributes())
KEY = {"KEY": SecretValue("x")}


@pytest.mark.parametrize(
    ("write", "kind", "before"),
    [
        (Write("azure", "a", (), KEY), Kind.CREATE, None),
        (Write("azure", "a", (), {}, whole=SecretValue("x")), Kind.CREATE, None),
        (Write("azure", "a", (), KEY, base=HELD), Kind.UPDATE, "v1"),
        (Write("azure", "a", (), {}, whole=SecretValue("x"), base=HELD), Kind.UPDATE, "v1"),
        (Write("azure", "a", (), {}, base=HELD, earlier=HELD), Kind.UPDATE, "v1"),
        (Write("azure", "a", (), KEY, recover=True), Kind.RECOVER, None),
        (Write("azure", "a", (), {}, base=HELD), Kind.DELETE, "v1"),
    ],
)
def test_what_a_write_does_follows_from_what_is_there_and_what_it_sets(
    write: Write, kind: Kind, before: str | None
) -> None:
    assert (write.kind, write.before, write.target) == (kind, before, ("azure", "a"))
    assert MissingLine("azure", "a", "1").target == write.target


@pytest.mark.parametrize(
    "outcome",
    [
        outcome_of(interrupted=True),
        outcome_of(defect=KeyError()),
        outcome_of(unrecorded="full"),
        outcome_of(unaudited=(MissingLine("azure", "a", "1"),)),
    ],
)
def test_a_run_that_was_cut_short_is_incomplete(outcome: Outcome) -> None:
    assert outcome.is_incomplete
    assert not outcome_of().is_incomplete


def step_in(name: str, kind: Kind) -> Step:
    return Step(name, "KEY", kind, None, Location("azure", name, "KEY"))


def test_what_is_left_out_is_refused_with_its_reason_and_not_written() -> None:
    steps = (step_in("kept", Kind.UPDATE), step_in("out", Kind.DELETE), Step("out", "KEY", Kind.MISSING, None, None))
    writes = tuple(Write("azure", name, (), {}) for name in ("kept", "out"))
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
