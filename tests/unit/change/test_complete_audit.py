"""What an earlier part of a run stored gets its lines in the journal and in the audit file from a later one."""

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from compiler.change.journal import Run, RunEntry, find_run
from compiler.change.plan import Kind, MissingLine, Target, Write
from compiler.change.run_log import AuditError, AuditLog, RunLog, UndoLog, missing_lines, record_missing, unaudited
from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, DisabledError, StoreError
from tests import providers
from tests.refusals import refusal
from tests.unit.changes import begin_journal, plan_of
from tests.unit.memory_store import MemoryStore, secrets

RUN = "20250131-120000-4fa1c2"
A = ("azure", "a")
KEYS = (("jira", "TOKEN", "KEY"),)
NOTED = RunEntry(Kind.UPDATE, "v1", recover=False, keys=KEYS, before="v1", after="v2", audit_pending=True)
BEGUN = RunEntry(Kind.CREATE, None, recover=False, keys=KEYS, state="started", maybe_stored=True, audit_pending=True)
UNDONE = replace(NOTED, audit_pending=False, undo="started", undo_audit_pending=True, undo_before="v2")
DELETED, RESTORED = replace(UNDONE, kind=Kind.CREATE, undo="done"), replace(UNDONE, undo="done", undone_as="v3")


@dataclass
class Resumed:
    """A run whose journal says `entry` of one remote secret, which goes on or is undone."""

    root: Path
    journal: RunLog
    store: MemoryStore

    def record(self, stored: dict[Target, str | None] | None = None, *, has_file: bool = True, **more: Any) -> str:  # noqa: ANN401
        """Record what is missing, `stored` included; returns why the journal could not be written."""
        plan = plan_of(stores={"azure": self.store}, stored=stored or {})
        kind = RunLog if self.journal.run.entries[A].undo is None else UndoLog
        with AuditLog(self.root / "audit") as audit:
            log = kind(self.journal.run, audit if has_file else None, {"azure": "ada"}, **more)
            return record_missing(plan, log)

    @property
    def lines(self) -> list[tuple[Any, ...]]:
        found = [json.loads(line) for line in (self.root / "audit").read_text().splitlines()]
        for line in found:
            assert (line["who"], line["run"], line["environment"], line["store"]) == (
                "ada",
                RUN,
                "prod",
                "https://memory",
            )
            assert (line["name"], line["properties"]) == ("a", ["KEY"])
        return [(line["state"], line["action"], line["before"], line["version"]) for line in found]

    @property
    def read(self) -> RunEntry:
        """What the journal's file says of the secret."""
        return find_run(self.root, RUN).entries[A]


@pytest.fixture
def resumed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Resumed]:
    store = MemoryStore()
    for value in ("one", "two", "three"):
        store.seed("a", KEY=value)
    journal = begin_journal(tmp_path, RUN, plan_of(Write("azure", "a", (), secrets(KEY="sentinel"))), {})
    journal.run.entries[A] = replace(request.param)
    yield Resumed(tmp_path, journal, store)
    journal.close()


EACH: tuple[tuple[RunEntry, dict[Target, str | None], tuple[Any, ...]], ...] = (
    (NOTED, {}, ("update", "v1", "v2")),
    (BEGUN, {A: "v1"}, ("create", None, "v1")),
    (DELETED, {}, ("delete", "v2", "v2")),
    (RESTORED, {}, ("restore", "v2", "v3")),
    (replace(UNDONE, kind=Kind.CREATE), {A: None}, ("delete", "v2", "v2")),
    (UNDONE, {A: "v3"}, ("restore", "v2", "v3")),
    # A recovery that was answered, before the write that was to follow it.
    (replace(BEGUN, kind=Kind.RECOVER, recover=True, deleted="v1", recovered=True), {}, ("recover", None, "v1")),
)


@pytest.mark.parametrize(("resumed", "stored", "told"), EACH, indirect=["resumed"])
def test_a_stored_write_gets_its_line_and_is_missing_no_more(
    resumed: Resumed, stored: dict[Target, str | None], told: tuple[Any, ...]
) -> None:
    assert resumed.record(stored) == ""
    assert resumed.lines == [("written", *told)]
    assert missing_lines(resumed.journal.run) == ()
    if stored:
        entry = resumed.read
        assert (entry.after or entry.undone_as or entry.undo_before) in {told[2], "done"}
        assert entry.undo == ("done" if resumed.journal.run.entries[A].undo else None)
    # A second time it has nothing to add.
    resumed.record()
    assert len(resumed.lines) == 1


@pytest.mark.parametrize(("resumed", "stored", "told"), EACH[:-1], indirect=["resumed"])
@pytest.mark.parametrize("has_file", [False, True])
def test_what_cannot_be_added_is_still_missing_and_told(
    resumed: Resumed,
    monkeypatch: pytest.MonkeyPatch,
    stored: dict[Target, str | None],
    told: tuple[Any, ...],
    has_file: bool,  # noqa: FBT001
) -> None:
    def full(*_: object) -> None:
        raise AuditError("full")

    monkeypatch.setattr(AuditLog, "record", full)
    is_audited = resumed.journal.run.entries[A].undo is None
    assert resumed.record(stored, has_file=has_file, is_audited=is_audited) == ""
    (missing,) = unaudited(resumed.journal.run)
    assert (missing.action, missing.before, missing.version, missing.properties) == (*told, ("KEY",))
    assert missing.target == A


def test_nothing_is_missing_where_nobody_asked_for_an_audit_file(tmp_path: Path) -> None:
    journal = begin_journal(tmp_path, RUN, plan_of(Write("azure", "a", (), secrets(KEY="x"))), {})
    found = Resumed(tmp_path, journal, MemoryStore())
    found.record({A: "v1"}, has_file=False)
    journal.close()
    assert (unaudited(journal.run), found.read.after, found.lines) == ((), "v1", [])


@pytest.mark.parametrize(
    ("resumed", "stored", "count"),
    [
        (NOTED, {}, 1),
        (DELETED, {}, 1),
        (RESTORED, {}, 1),
        # What a stopped undo was to delete is not there: that it was ever there, the journal alone says.
        (replace(UNDONE, kind=Kind.CREATE), {A: None}, 1),
        (replace(UNDONE, kind=Kind.CREATE, audit_pending=True), {A: None}, 2),
    ],
    indirect=["resumed"],
)
def test_a_version_that_the_store_does_not_know_is_not_said_to_be_written(
    resumed: Resumed, stored: dict[Target, str | None], count: int
) -> None:
    for versions in (resumed.store.versions, resumed.store.gone):
        versions.pop("a", None)
    resumed.record(stored)
    assert [(state, version) for state, _, _, version in resumed.lines] == [("unknown", None)] * count
    assert unaudited(resumed.journal.run) == ()


@pytest.mark.parametrize("resumed", [NOTED], indirect=True)
def test_a_deleted_version_was_written_all_the_same(resumed: Resumed) -> None:
    vault = MemoryStore(StoreAddress(providers.VAULT, "https://memory"))
    vault.versions, vault.gone = resumed.store.versions, {"a": {"v2"}}
    replace(resumed, store=vault).record()
    assert [json.loads(line)["state"] for line in (resumed.root / "audit").read_text().splitlines()] == ["written"]


@pytest.mark.parametrize("error", [DisabledError, Code.UNAVAILABLE])
@pytest.mark.parametrize("resumed", [NOTED], indirect=True)
def test_a_disabled_version_is_known_and_a_store_that_tells_nothing_leaves_the_line_missing(
    resumed: Resumed, error: type[StoreError] | Code
) -> None:
    store = resumed.store
    store.failures["read_version", "a"] = refusal(error, store.place("a"), Action.READ, "it is so", "wait")
    resumed.record()
    is_known = error is DisabledError
    assert (len(unaudited(resumed.journal.run)), len(resumed.lines)) == ((0, 1) if is_known else (1, 0))


@pytest.mark.parametrize("resumed", [BEGUN], indirect=True)
def test_a_journal_without_room_is_told_with_its_first_cause(resumed: Resumed, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = iter((errno.ENOSPC, errno.EIO))

    def full(*_: object, **__: object) -> None:
        number = next(errors)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(RunLog, "find", full)
    reason = resumed.record({A: "v1", ("azure", "b"): "v1"})
    assert reason == f"the journal cannot be written: {os.strerror(errno.ENOSPC)}"


def test_what_a_run_recovered_and_has_not_written_is_no_version_of_it() -> None:
    entry = EACH[-1][0]
    run = Run(RUN, Path("run"), "put", "prod", {}, {}, {A: entry})
    assert (len(missing_lines(run)), unaudited(run)) == (1, ())
    # Its recovery is still to be told where nobody can tell it now.
    assert [each.action for each in unaudited(run, lacks_file=True)] == ["recover"]
    run.entries[A] = replace(entry, after="v2")
    assert [(each.action, each.version) for each in unaudited(run)] == [("update", "v2")]
    run.entries[A] = replace(entry, after="v1")
    assert [(each.action, each.version) for each in unaudited(run)] == [("recover", "v1")]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (replace(NOTED, audit_pending=False), None),
        (replace(NOTED, after=None, maybe_stored=True), None),
        (replace(NOTED, before=None, planned_before="v0"), MissingLine(*A, "v2", ("KEY",), "update", "v0")),
        (replace(DELETED, undo_before=None), None),
        (replace(DELETED, undo="started"), None),
        (replace(DELETED, kind=Kind.DELETE), MissingLine(*A, "v2", ("KEY",), "recover", "v2", is_undo=True)),
    ],
)
def test_only_a_known_version_of_what_was_stored_is_missing(entry: RunEntry, expected: MissingLine | None) -> None:
    run = Run(RUN, Path("run"), "put", "prod", {}, {}, {A: entry})
    assert missing_lines(run) == ((expected,) if expected is not None else ())
