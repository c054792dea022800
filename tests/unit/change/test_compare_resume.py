from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from compiler.change.compare import narrow_to_run
from compiler.change.journal import Run, RunEntry
from compiler.change.operations import DeleteVersions, Operation, Put
from compiler.change.plan import Kind, Location, OnConflict, Options, Plan, Step
from compiler.stores.interface import Attributes, RemoteSecret
from tests.unit.change.undoing import deleted, deleting, deleting_run, started
from tests.unit.changes import plan_of

A = ("azure", "a")
KEY = ("secret", "KEY", None)


def step(name: str | None, kind: Kind = Kind.UPDATE) -> Step:
    return Step("secret", f"KEY-{name}", kind, None, Location("azure", name, "KEY") if name else None)


def write(name: str, before: str | None, *, recover: bool = False) -> Put:
    base = RemoteSecret(name, before, {}, Attributes()) if before else None
    return Put("azure", name, (step(name),), {}, base=base, recover=recover)


def entry(
    before: str | None,
    after: str | None = None,
    state: str = "planned",
    *,
    maybe: bool = False,
    deleted: str = "",
    recovered: bool = True,
) -> RunEntry:
    """With `deleted` the version that the run recovered, unless it only announced that."""
    maybe = maybe or state == "started"
    kind = Kind.RECOVER if deleted else Kind.UPDATE
    given = (KEY,), before, after, state, maybe
    return RunEntry(kind, before, bool(deleted), *given, deleted=deleted or None, recovered=bool(deleted) and recovered)


def plan(steps: tuple[Step, ...], *writes: Operation) -> Plan:
    return plan_of(*writes, steps=steps)


def run(**entries: RunEntry) -> Run:
    noted = {("azure", name): entry for name, entry in entries.items()}
    return Run("id", Path("run"), "migrate", "prod", {"azure": "https://a"}, {}, noted, is_planned=True)


def test_what_the_run_did_not_plan_is_left_out() -> None:
    steps = (step("a"), step("b"), step(None, Kind.MISSING))
    left = narrow_to_run(plan(steps, write("a", "v1"), write("b", None)), run(a=entry("v1")), {A: "v1"})
    assert [each.name for each in left.writes] == ["a"]
    assert left.steps == (step("a"),)
    assert left.left_out == (("azure", "b"),)


@pytest.mark.parametrize(
    ("known", "stands", "kept"),
    [
        (entry("v1"), "v1", True),
        (entry(None), None, True),
        (entry("v1", "v2", "done"), "v2", True),
        (entry("v1"), "v2", False),
        (entry(None), "v1", False),
        (entry("v1", "v2", "done"), "v3", False),
        (entry(None, deleted="v1"), "v1", True),
        (entry(None, deleted="v1"), "v2", False),
    ],
)
def test_a_version_that_the_run_does_not_know_is_a_conflict(known: RunEntry, stands: str | None, kept: bool) -> None:  # noqa: FBT001
    left = narrow_to_run(plan((step("a"),), write("a", stands)), run(a=known), {A: stands} if stands else {})
    assert [each.name for each in left.writes] == (["a"] if kept else [])
    assert left.steps[0].kind is (Kind.UPDATE if kept else Kind.CONFLICT)
    assert kept or "another writer changed it" in left.steps[0].reason


def test_a_version_of_the_runs_number_that_was_made_at_another_time_is_a_conflict() -> None:
    made = datetime(2025, 1, 31, tzinfo=UTC)
    for created, is_kept in ((made, True), (made + timedelta(seconds=1), False)):
        known = replace(entry("1", "2", "done"), made=made.isoformat())
        base = RemoteSecret("a", "2", {}, Attributes(created=created))
        left = narrow_to_run(plan((step("a"),), replace(write("a", "2"), base=base)), run(a=known), {A: "2"})
        assert [each.name for each in left.writes] == (["a"] if is_kept else [])
        said = "another writer changed it: the current version is 2, made at another time, the run expected version 2"
        assert is_kept or left.steps[0].reason == said


def test_a_secret_that_is_still_deleted_is_recovered() -> None:
    left = narrow_to_run(plan((step("a"),), write("a", None, recover=True)), run(a=entry("v1")), {})
    assert len(left.writes) == 1


def test_what_is_no_write_stays_as_it_is() -> None:
    steps = (step("a", Kind.MISSING), step("a"))
    left = narrow_to_run(plan(steps, write("a", "v9")), run(a=entry("v1")), {A: "v9"})
    assert [each.kind for each in left.steps] == [Kind.MISSING, Kind.CONFLICT]


@pytest.mark.parametrize(
    ("known", "stands", "adopted"),
    [
        (entry("v1", state="started"), "v2", True),
        (entry(None, state="started"), "v1", True),
        (entry("v1", state="failed", maybe=True), "v2", True),
        (entry("v1", state="failed"), "v2", False),
        (entry("v1", state="started"), "v1", False),
        (entry("v1", "v2", "done"), "v2", False),
        (entry("v1", "v2", "failed", maybe=True), "v3", False),
        (entry("v1"), "v2", False),
        (entry(None, state="started"), None, False),
    ],
)
def test_a_write_that_was_stored_and_not_noted_becomes_the_runs(
    known: RunEntry, stands: str | None, *, adopted: bool
) -> None:
    left = narrow_to_run(plan((step("a", Kind.KEEP),)), run(a=known), {A: stands} if stands else {})
    assert left.stored == ({A: stands} if adopted else {})


def test_what_is_not_wholly_there_is_not_adopted() -> None:
    steps = (step("a", Kind.KEEP), step("a", Kind.CONFLICT))
    left = narrow_to_run(plan(steps), run(a=entry("v1", state="started")), {A: "v2"})
    assert left.stored == {}


@pytest.mark.parametrize("kind", [Kind.CREATE, Kind.UPDATE])
@pytest.mark.parametrize(
    ("known", "stands", "said"),
    [
        (entry("v1"), "v2", "the current version is v2, the run expected version v1"),
        (entry(None), "v2", "the current version is v2, the run expected no version"),
        (entry("v1"), None, "it does not exist now, the run expected version v1"),
    ],
)
def test_a_conflict_names_both_versions_and_the_way_out(
    kind: Kind, known: RunEntry, stands: str | None, said: str
) -> None:
    left = narrow_to_run(plan((step("a", kind),), write("a", stands)), run(a=known), {A: stands} if stands else {})
    assert (left.steps[0].kind, left.steps[0].reason, left.steps[0].remedy) == (
        Kind.CONFLICT,
        f"another writer changed it: {said}",
        "run the command again for a new plan; this run ends here",
    )


@pytest.mark.parametrize("state", ["planned", "started"])
@pytest.mark.parametrize(
    ("on_conflict", "command", "again"),
    [
        (OnConflict.FAIL, "platform-secrets migrate prod --recover", " --on-conflict overwrite --apply"),
        (OnConflict.SKIP, "platform-secrets migrate prod --recover", " --on-conflict overwrite --apply"),
        (OnConflict.OVERWRITE, "platform-secrets put prod --recover", " --apply"),
    ],
)
@pytest.mark.parametrize("kind", [Kind.UPDATE, Kind.CONFLICT])
def test_what_is_there_again_and_not_known_to_be_by_the_run_is_a_conflict_and_not_its_own(
    state: str, on_conflict: OnConflict, command: str, again: str, kind: Kind
) -> None:
    known = entry(None, state=state, deleted="v1", recovered=False)
    words = command.split()[1:]
    if on_conflict is OnConflict.SKIP:
        words[2:2] = ["--on-conflict", "skip"]
    options = Options(on_conflict=on_conflict, recover=True, words=tuple(words))
    wanted = replace(plan((step("a", kind),), write("a", "v1")), options=options)
    left = narrow_to_run(wanted, run(a=known), {A: "v1"})
    assert (left.writes, left.stored, left.unsettled) == ((), {}, (A,))
    assert left.steps[0].kind is Kind.CONFLICT
    assert left.steps[0].reason.startswith("version v1 was deleted and is there again: it is not known whether the run")
    assert left.steps[0].remedy == f"compare it; to write over it: {command}{again}"
    by_hand = narrow_to_run(replace(wanted, options=Options()), run(a=known), {A: "v1"})
    assert by_hand.steps[0].remedy == "compare it by hand"


def test_what_is_there_again_as_it_was_meant_is_left_and_nobodys() -> None:
    known = entry(None, state="started", deleted="v1", recovered=False)
    left = narrow_to_run(plan((step("a", Kind.KEEP),)), run(a=known), {A: "v1"})
    assert (left.steps[0].kind, left.stored, left.unsettled) == (Kind.KEEP, {}, ())


@pytest.mark.parametrize(("command", "is_given"), [("put", True), ("restore", True), ("migrate", False)])
def test_a_given_value_that_differs_from_what_the_run_wrote_is_a_conflict_of_its_keys_alone(
    command: str, *, is_given: bool
) -> None:
    same, other = replace(step("a", Kind.KEEP), key="SAME"), replace(step("a"), key="OTHER")
    wanted = replace(plan((same, other), replace(write("a", "v2"), steps=(other,))), command=command)
    left = narrow_to_run(wanted, run(a=entry("v1", "v2", "done")), {A: "v2"})
    assert [each.kind for each in left.steps] == [Kind.KEEP, Kind.CONFLICT if is_given else Kind.UPDATE]
    assert len(left.writes) == (0 if is_given else 1)
    assert left.stored == {}
    if is_given:
        assert (left.steps[1].key, "wrote a different value" in left.steps[1].reason, "v2" in left.steps[1].reason) == (
            "OTHER",
            True,
            True,
        )


@pytest.mark.parametrize("command", ["put", "restore"])
@pytest.mark.parametrize(
    "known", [entry("v1"), entry("v1", state="failed"), entry(None, deleted="v1"), entry("v1", state="started")]
)
def test_a_given_value_of_what_the_run_has_not_written_yet_is_written(command: str, known: RunEntry) -> None:
    wanted = replace(plan((step("a"),), write("a", "v1")), command=command)
    left = narrow_to_run(wanted, run(a=known), {A: "v1"})
    assert ([each.kind for each in left.steps], len(left.writes)) == ([Kind.UPDATE], 1)


def test_one_name_in_two_stores_is_two_remote_secrets() -> None:
    there = replace(write("a", "v1"), store="vault")
    steps = (step("a"), replace(step("a"), destination=Location("vault", "a", "KEY")))
    left = narrow_to_run(plan(steps, write("a", "v1"), there), run(a=entry("v1")), {A: "v1", ("vault", "a"): "v1"})
    assert ([each.target for each in left.writes], left.left_out) == ([A], (("vault", "a"),))
    assert left.steps == steps[:1]


def test_what_is_gone_is_not_adopted_and_keeps_nothing_else_from_it() -> None:
    noted = entry("v1", "v2", "done")
    entries = {"a": entry("v1", state="started"), "b": noted, "c": entry("v1", state="started")}
    steps = tuple(step(name, Kind.KEEP) for name in entries)
    left = narrow_to_run(plan(steps), run(**entries), {("azure", "b"): "v2", ("azure", "c"): "v2"})
    assert left.stored == {("azure", "c"): "v2"}


def deletion(*versions: str) -> DeleteVersions:
    base = RemoteSecret("a", versions[-1], {}, Attributes())
    return DeleteVersions("azure", "a", (step("a", Kind.DELETE),), base=base, versions=versions)


def test_a_deletion_does_not_go_on_at_versions_that_were_made_at_another_time() -> None:
    made = datetime(2025, 1, 31, 12, tzinfo=UTC)
    known = deleting_run(deleting("v1", "v2", made={"v1": made, "v2": made}))
    for now, kind in ((made, Kind.DELETE), (made + timedelta(days=1), Kind.CONFLICT)):
        wanted = replace(deletion("v1", "v2"), made={"v1": made, "v2": now})
        left = narrow_to_run(plan((step("a", Kind.DELETE),), wanted), known, {})
        assert (left.steps[0].kind, len(left.writes)) == (kind, int(kind is Kind.DELETE))
    assert left.steps[0].reason == "version v2 is not what the run planned to delete: it was made at another time"


def test_a_deletion_goes_on_at_exactly_the_versions_that_the_run_planned() -> None:
    steps = (step("a", Kind.DELETE),)
    for found, words in (
        (deleting("v1", "v2"), None),
        (deleting("v1", "v2").then(started), None),
        (deleting("v2"), "other versions can be read than the run expected"),
        (deleted("v1", "v2"), "another writer recovered it: the run already deleted version v2"),
    ):
        left = narrow_to_run(plan(steps, deletion("v1", "v2")), deleting_run(found), {})
        assert [each.name for each in left.writes] == ([] if words else ["a"])
        assert left.steps[0].kind is (Kind.CONFLICT if words else Kind.DELETE)
        assert (words or "") in left.steps[0].reason


def test_a_deletion_that_was_begun_and_is_there_is_the_runs_own() -> None:
    kept, planned = plan((step("a", Kind.KEEP),)), deleting("v1", "v2")
    begun = deleting_run(planned.then(started))
    assert narrow_to_run(kept, begun, {A: "v2"}).stored == {A: "v2"}
    assert narrow_to_run(kept, deleting_run(planned), {A: "v2"}).stored == {}
    assert narrow_to_run(kept, begun, {A: "v3"}).stored == {}
