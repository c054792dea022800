import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.change.journal import Journal, RunEntry, find_run
from compiler.change.plan import State, Write, WriteResult
from compiler.change.run_log import AGAIN, AuditError, AuditLog, RunLog, UndoLog, unrecorded
from compiler.stores.interface import Attributes, RemoteSecret, Written
from tests.unit.changes import begin_journal, plan_of
from tests.unit.memory_store import MemoryStore, secrets

RUN = "20250131-120000-4fa1c2"
WRITE = Write("azure", "a", (), secrets(KEY="sentinel"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    plan = plan_of(WRITE)
    opened = begin_journal(tmp_path, RUN, plan, {})
    yield opened
    opened.close()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_lines_around_a_write_say_who_what_where_and_for_which_run(tmp_path: Path, journal: Journal) -> None:
    with AuditLog(tmp_path / "audit") as audit:
        notes = RunLog(journal.run, audit, {"azure": "ada"})
        base = RemoteSecret("a", "v1", {}, Attributes())
        with notes.writing(MemoryStore(), replace(WRITE, base=base), "update") as line:
            assert len(lines(tmp_path / "audit")) == 1
            line.written("v2")
    first, last = lines(tmp_path / "audit")
    same = {"run": RUN, "who": "ada", "action": "update", "environment": "prod", "name": "a", "before": "v1"}
    assert same.items() <= first.items()
    assert same.items() <= last.items()
    assert (first["store"], first["properties"]) == ("https://memory", ["KEY"])
    assert (first["version"], last["version"]) == (None, "v2")


def test_without_an_audit_file_nothing_is_noted_there(journal: Journal) -> None:
    with RunLog(journal.run).writing(MemoryStore(), WRITE, "create") as line:
        line.written("v1")


@pytest.mark.parametrize(
    ("has_file", "is_audited", "owes"),
    [(False, False, False), (True, False, True), (True, True, True), (False, True, True)],
)
def test_what_a_run_owes_its_audit_file(
    tmp_path: Path,
    journal: Journal,
    has_file: bool,  # noqa: FBT001
    is_audited: bool,  # noqa: FBT001
    owes: bool,  # noqa: FBT001
) -> None:
    with AuditLog(tmp_path / "audit") as audit:
        notes = RunLog(journal.run, audit if has_file else None, is_audited=is_audited)
        assert notes.needs_lines is owes


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AuditError("the audit file cannot be written: full"), "the audit file cannot be written: full"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), f"cannot be written: {os.strerror(errno.ENOSPC)}"),
        (OSError("the line could not be written whole"), "is the disk full?"),
    ],
)
def test_what_cannot_be_noted_is_a_failure_with_the_way_on(error: AuditError | OSError, said: str) -> None:
    result = unrecorded(("azure", "a"), error)
    assert (result.store, result.name, result.state, result.code, result.remedy) == (
        "azure",
        "a",
        State.FAILED,
        "unrecorded",
        AGAIN,
    )
    assert said in result.reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AuditError("the audit file cannot be written: full"), "the audit file cannot be written: full"),
        (OSError(errno.EIO, "Input/output error"), "the journal cannot be written: Input/output error"),
        (OSError("no number"), "the journal cannot be written: is the disk full?"),
    ],
)
def test_what_cannot_be_noted_names_the_file_and_the_way_on(error: AuditError | OSError, reason: str) -> None:
    result = unrecorded(("azure", "a"), error)
    assert (result.reason, result.remedy) == (reason, "run the same command again to resume the run")


def test_each_note_of_a_run_stands_in_its_journal(tmp_path: Path, journal: Journal) -> None:
    def entry() -> RunEntry:
        return find_run(tmp_path, RUN).entries["azure", "a"]

    write = replace(WRITE, base=RemoteSecret("a", "v1", {}, Attributes()))
    notes = RunLog(journal.run, is_audited=True)
    notes.start(write)
    assert (entry().state, entry().before, entry().audit_pending) == ("started", "v1", True)
    notes.note_version(write, Written("v2", ("v1b",)))
    assert (entry().state, entry().after, entry().slipped, entry().audit_pending) == ("written", "v2", ("v1b",), True)
    RunLog(journal.run).note_version(write, Written("v3"))
    assert (entry().before, entry().after, entry().slipped, entry().audit_pending) == ("v1", "v3", (), False)
    notes.settled(WriteResult("azure", "a", State.FAILED, code="unavailable"), maybe_stored=True)
    assert (entry().state, entry().maybe_stored) == ("failed", True)
    notes.settled(WriteResult("azure", "a", State.FAILED, code="unavailable"))
    assert not entry().maybe_stored
    notes.end("incomplete")
    assert find_run(tmp_path, RUN).ended == "incomplete"


def test_a_write_after_a_recovery_is_noted_with_the_version_that_came_back(tmp_path: Path, journal: Journal) -> None:
    notes = RunLog(journal.run)
    notes.start(replace(WRITE, recover=True))
    notes.note_version(replace(WRITE, recover=True, base=RemoteSecret("a", "v1", {}, Attributes())), Written("v2"))
    entry = find_run(tmp_path, RUN).entries["azure", "a"]
    assert (entry.before, entry.after) == ("v1", "v2")


class TestAnUndo:
    """Its notes stand in the journal of the run that it takes back."""

    def entry(self, tmp_path: Path) -> RunEntry:
        return find_run(tmp_path, RUN).entries["azure", "a"]

    @pytest.mark.parametrize("has_file", [True, False])
    def test_it_is_announced_with_what_it_replaces_and_owed_to_the_audit_file(
        self,
        tmp_path: Path,
        journal: Journal,
        has_file: bool,  # noqa: FBT001
    ) -> None:
        base = RemoteSecret("a", "v2", {}, Attributes())
        with AuditLog(tmp_path / "audit") as audit:
            UndoLog(journal.run, audit if has_file else None).start(replace(WRITE, base=base))
        entry = self.entry(tmp_path)
        assert (entry.undo, entry.undo_before, entry.undo_audit_pending, entry.state) == (
            "started",
            "v2",
            has_file,
            "planned",
        )

    @pytest.mark.parametrize("earlier", [RemoteSecret("a", "v1", {}, Attributes()), None])
    def test_the_version_that_put_something_back_is_noted_and_a_deletion_has_none(
        self, tmp_path: Path, journal: Journal, earlier: RemoteSecret | None
    ) -> None:
        UndoLog(journal.run).note_version(replace(WRITE, changes={}, earlier=earlier), Written("v3"))
        entry = self.entry(tmp_path)
        assert (entry.undo, entry.undone_as) == ("done", "v3" if earlier is not None else None)
        # The run itself wrote no such version.
        assert entry.after is None

    @pytest.mark.parametrize(
        ("result", "undo"),
        [
            (WriteResult("azure", "a", State.DONE, "v3"), "done"),
            (WriteResult("azure", "a", State.CONFLICT, "v3", ("v4",)), "done"),
            (WriteResult("azure", "a", State.UNVERIFIED, "v3"), "started"),
            # It was stored and could not be read back.
            (WriteResult("azure", "a", State.FAILED, "v3"), "started"),
            (WriteResult("azure", "a", State.FAILED), "done"),
        ],
    )
    def test_what_is_not_known_to_be_as_it_was_is_for_the_next_undo(
        self, tmp_path: Path, journal: Journal, result: WriteResult, undo: str
    ) -> None:
        notes = UndoLog(journal.run)
        notes.note_version(replace(WRITE, changes={}), Written("v3"))
        notes.settled(result)
        assert self.entry(tmp_path).undo == undo

    @pytest.mark.parametrize("owes", [True, False])
    def test_it_is_owed_to_the_audit_file_until_it_is_for_the_next_undo(
        self,
        tmp_path: Path,
        journal: Journal,
        owes: bool,  # noqa: FBT001
    ) -> None:
        notes = UndoLog(journal.run)
        UndoLog(journal.run, is_audited=owes).note_version(replace(WRITE, changes={}), Written("v3"))
        assert self.entry(tmp_path).undo_audit_pending is owes
        notes.settled(WriteResult("azure", "a", State.UNVERIFIED, "v3"))
        assert not self.entry(tmp_path).undo_audit_pending
        notes.note_version(replace(WRITE, changes={}), Written("v3"))
        assert not self.entry(tmp_path).undo_audit_pending

    def test_the_run_has_ended_whatever_becomes_of_its_undo(self, tmp_path: Path, journal: Journal) -> None:
        journal.end("conflict")
        UndoLog(journal.run).end("complete")
        assert find_run(tmp_path, RUN).ended == "conflict"


def test_each_store_knows_the_caller_by_a_name_of_its_own(tmp_path: Path, journal: Journal) -> None:
    with AuditLog(tmp_path / "audit") as audit:
        notes = RunLog(journal.run, audit, {"azure": "ada", "vault": "grace"})
        for store in ("azure", "vault", "other"):
            notes.writing(MemoryStore(f"https://{store}"), replace(WRITE, store=store), "create").written("v1")
    found = [(line["store"], line["who"]) for line in lines(tmp_path / "audit")]
    assert found == [("https://azure", "ada"), ("https://vault", "grace"), ("https://other", "")]
