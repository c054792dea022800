import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.change.journal import Run, RunEntry, find_run
from compiler.change.operations import Delete, Put
from compiler.change.plan import Plan, State, WriteResult
from compiler.change.run_log import AuditError, AuditLog, RunLog, UndoLog, explain_failure
from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, DisabledError, StoreError
from compiler.stores.interface import Attributes, RemoteSecret, Written
from tests import providers
from tests.memory_store import MemoryStore, secrets
from tests.refusals import refusal
from tests.unit.changes import begin_journal, plan_of

A = ("azure", "a")
RUN = "20250131-120000-4fa1c2"
WRITE = Put("azure", "a", (), secrets(KEY="sentinel"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[RunLog]:
    plan = plan_of(WRITE)
    opened = begin_journal(tmp_path, RUN, plan, {})
    yield opened
    opened.close()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def audit_of(root: Path, run: Run, plan: Plan, *, has_file: bool = True, kind: type[RunLog] = RunLog) -> str:
    """Has a part of the run that writes nothing tell the audit file what it lacks; returns why that failed."""
    with AuditLog(root / "audit") as audit, closing(kind(run, audit if has_file else None, {"azure": "ada"})) as log:
        return log.write_audit(plan)


def audited(root: Path) -> list[tuple[str, str, str | None, str | None]]:
    return [(line["state"], line["action"], line["before"], line["version"]) for line in lines(root / "audit")]


def stored(*values: str) -> Plan:
    """A plan without writes, whose store holds a version with each value."""
    store = MemoryStore()
    for value in values:
        store.seed("a", KEY=value)
    return plan_of(stores={"azure": store})


@pytest.fixture
def update(journal: RunLog) -> Put:
    """A write over v1, of a run that has an audit file."""
    journal.run.is_audited = True
    return replace(WRITE, base=RemoteSecret("a", "v1", {}, Attributes()))


def test_each_write_is_a_line_that_says_who_what_when_where_and_for_which_run(
    tmp_path: Path, journal: RunLog, update: Put
) -> None:
    plan = stored("one", "two")
    with AuditLog(tmp_path / "audit") as audit, closing(RunLog(journal.run, audit, {"azure": "ada"})) as log:
        log.start(update)
        log.record_version(update, Written("v2"))
        assert lines(tmp_path / "audit") == []
        assert log.write_audit(plan) == ""
    (line,) = lines(tmp_path / "audit")
    # That of the journal, so that a line which is added twice is the same line.
    assert line.pop("time") == lines(journal.run.path)[-2]["time"]
    assert line == {
        "run": RUN,
        "state": "written",
        "who": "ada",
        "action": "create",
        "environment": "prod",
        "store": "https://memory",
        "name": "a",
        "properties": [],
        "before": "v1",
        "version": "v2",
    }
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o600
    # A later part of the run has nothing to add.
    assert audit_of(tmp_path, find_run(tmp_path, RUN), plan) == ""
    assert len(lines(tmp_path / "audit")) == 1


@pytest.mark.parametrize("error", [None, DisabledError, Code.UNAVAILABLE])
@pytest.mark.parametrize("is_there", [True, False])
def test_what_the_journal_alone_says_is_written_only_where_the_store_knows_it(
    tmp_path: Path, journal: RunLog, update: Put, error: type[StoreError] | Code | None, *, is_there: bool
) -> None:
    with closing(RunLog(journal.run)) as killed:
        killed.start(update)
        killed.record_version(update, Written("v2"))
    plan, run = stored("one", *(["two"] if is_there else [])), find_run(tmp_path, RUN)
    store = plan.stores["azure"]
    assert isinstance(store, MemoryStore)
    if error is not None:
        store.failures["read_version", "a"] = refusal(error, store.place("a"), Action.READ, "it is so", "wait")
    assert audit_of(tmp_path, run, plan) == ""
    if error is Code.UNAVAILABLE:
        # It stays owed until the store answers.
        assert (audited(tmp_path), len(find_run(tmp_path, RUN).owed)) == ([], 1)
        del store.failures["read_version", "a"]
        assert audit_of(tmp_path, find_run(tmp_path, RUN), plan) == ""
    is_known = is_there or error is DisabledError
    assert audited(tmp_path) == [("written" if is_known else "unknown", "create", "v1", "v2" if is_known else None)]
    assert find_run(tmp_path, RUN).owed == []


def test_a_version_that_was_deleted_since_was_written_all_the_same(
    tmp_path: Path, journal: RunLog, update: Put
) -> None:
    with closing(RunLog(journal.run)) as killed:
        killed.start(update)
        killed.record_version(update, Written("v2"))
    vault = MemoryStore(StoreAddress(providers.VAULT, "https://memory"))
    for value in ("one", "two"):
        vault.seed("a", KEY=value)
    vault.gone["a"] = {"v2"}
    assert audit_of(tmp_path, find_run(tmp_path, RUN), plan_of(stores={"azure": vault})) == ""
    assert [state for state, *_ in audited(tmp_path)] == ["written"]


def test_what_a_killed_run_began_is_found_or_not_known(tmp_path: Path, journal: RunLog, update: Put) -> None:
    with closing(RunLog(journal.run)) as killed:
        killed.start(update)
    plan, run = stored("one", "two"), find_run(tmp_path, RUN)
    for _ in range(2):
        # Not there yet, or another writer's: told once.
        assert audit_of(tmp_path, run, plan) == ""
        assert audited(tmp_path) == [("unknown", "create", "v1", None)]
        run = find_run(tmp_path, RUN)
    with AuditLog(tmp_path / "audit") as audit, closing(RunLog(run, audit, {"azure": "ada"})) as log:
        log.record_found(A, "v2")
        log.write_audit(replace(plan, stored={A: "v2"}))
    assert audited(tmp_path)[1:] == [("written", "create", "v1", "v2")]


def test_an_undo_says_nothing_of_what_its_run_began(tmp_path: Path, journal: RunLog, update: Put) -> None:
    with closing(RunLog(journal.run)) as killed:
        killed.start(update)
    assert audit_of(tmp_path, find_run(tmp_path, RUN), stored("one"), kind=UndoLog) == ""
    assert lines(tmp_path / "audit") == []


@pytest.mark.parametrize("is_there", [True, False])
def test_a_deletion_that_an_undo_finds_is_written_only_where_the_store_knows_what_it_deleted(
    tmp_path: Path, journal: RunLog, *, is_there: bool
) -> None:
    plan = stored("one", "two") if is_there else stored()
    with AuditLog(tmp_path / "audit") as audit, closing(UndoLog(journal.run, audit)) as undo:
        undo.start(replace(WRITE, base=RemoteSecret("a", "v2", {}, Attributes())))
        undo.record_found(A, None)
        undo.write_audit(replace(plan, stored={A: None}))
    ((state, action, *_),) = audited(tmp_path)
    assert (action, state) == ("delete", "written" if is_there else "unknown")


@pytest.mark.parametrize("has_file", [True, False])
@pytest.mark.parametrize("is_audited", [True, False])
def test_what_a_part_without_the_runs_audit_file_writes_is_owed_to_it(
    tmp_path: Path, journal: RunLog, *, has_file: bool, is_audited: bool
) -> None:
    journal.run.is_audited = is_audited
    with AuditLog(tmp_path / "audit") as audit, closing(RunLog(journal.run, audit if has_file else None)) as log:
        log.start(WRITE)
        log.record_version(WRITE, Written("v1"))
    run = find_run(tmp_path, RUN)
    assert (run.is_audited, len(run.owed)) == (has_file or is_audited, int(has_file or is_audited))
    assert audit_of(tmp_path, run, stored("one"), has_file=False) == ""
    assert lines(tmp_path / "audit") == []


def test_a_full_audit_file_gets_no_line_and_all_of_them_later(
    tmp_path: Path, journal: RunLog, update: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with closing(RunLog(journal.run)) as killed:
        killed.start(update)
        killed.record_version(update, Written("v2"))
    with monkeypatch.context() as patched:
        patched.setattr(AuditLog, "_write", full)
        reason = audit_of(tmp_path, find_run(tmp_path, RUN), stored("one", "two"))
    assert reason == "the audit file cannot be written: no space left on device"
    assert lines(tmp_path / "audit") == []
    assert audit_of(tmp_path, find_run(tmp_path, RUN), stored("one", "two")) == ""
    assert [state for state, *_ in audited(tmp_path)] == ["written"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AuditError("the audit file cannot be written: full"), "the audit file cannot be written: full"),
        (OSError(errno.EIO, "Input/output error"), "the journal cannot be written: Input/output error"),
        (OSError("no number"), "the journal cannot be written: is the disk full?"),
    ],
)
def test_what_cannot_be_noted_names_the_file(error: AuditError | OSError, reason: str) -> None:
    assert explain_failure(error) == reason


class TestAnUndo:
    """Its notes stand in the journal of the run that it takes back."""

    def entry(self, tmp_path: Path) -> RunEntry:
        return find_run(tmp_path, RUN).entries["azure", "a"]

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
        self, tmp_path: Path, journal: RunLog, result: WriteResult, undo: str
    ) -> None:
        notes = UndoLog(journal.run)
        notes.record_version(Delete(*A), Written("v3"))
        notes.record_result(result)
        assert self.entry(tmp_path).undo == undo

    def test_an_undo_that_goes_on_without_its_audit_file_owes_what_it_writes(
        self, tmp_path: Path, journal: RunLog
    ) -> None:
        with AuditLog(tmp_path / "audit") as audit:
            UndoLog(journal.run, audit).start(replace(WRITE, base=RemoteSecret("a", "v1", {}, Attributes())))
        UndoLog(journal.run).record_version(Delete(*A), Written("v1"))
        assert [(each.action, each.version) for each in find_run(tmp_path, RUN).owed] == [("delete", "v1")]

    def test_the_run_has_ended_whatever_becomes_of_its_undo(self, tmp_path: Path, journal: RunLog) -> None:
        journal.end("conflict")
        UndoLog(journal.run).end("complete")
        assert find_run(tmp_path, RUN).ended == "conflict"


def test_each_store_knows_the_caller_by_a_name_of_its_own(tmp_path: Path) -> None:
    stores = {name: MemoryStore(f"https://{name}") for name in ("azure", "vault", "other")}
    writes = [replace(WRITE, store=store) for store in stores]
    plan = plan_of(*writes, stores=stores)
    with AuditLog(tmp_path / "audit") as audit, closing(begin_journal(tmp_path, RUN, plan, {})) as begun:
        log = RunLog(begun.run, audit, {"azure": "ada", "vault": "grace"})
        for write in writes:
            log.start(write)
            log.record_version(write, Written("v1"))
        log.write_audit(plan)
    found = [(line["store"], line["who"]) for line in lines(tmp_path / "audit")]
    assert found == [("https://azure", "ada"), ("https://vault", "grace"), ("https://other", "")]


def test_what_is_no_file_of_its_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x", "utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "no/such/folder", "."):
        with pytest.raises(AuditError, match="audit file"):
            AuditLog(tmp_path / name)
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(AuditError, match=r"^the audit file is not a regular file$"):
            AuditLog(tmp_path / "pipe")
    finally:
        os.close(reader)


def test_a_file_that_cannot_be_used_is_told_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to("target")
    told = {"link": "too many levels of symbolic links", "no/such/folder": "no such file or directory"}
    for name, why in told.items():
        with pytest.raises(AuditError) as caught:
            AuditLog(tmp_path / name)
        assert str(caught.value) == f"the audit file cannot be opened: {why}"
        assert (caught.value.kind, caught.value.help) == ("cannot run", "name another file with --audit")

    def fails(_descriptor: int) -> None:
        raise OSError

    monkeypatch.setattr(os, "fsync", fails)
    with AuditLog(tmp_path / "audit") as log, pytest.raises(AuditError) as caught:
        log.record([{"state": "written"}])
    assert str(caught.value) == "the audit file cannot be written: unknown reason"


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    before = open_descriptors()
    with pytest.raises(AuditError):
        AuditLog(tmp_path / "pipe")
    with AuditLog(tmp_path / "audit"):
        pass
    assert open_descriptors() <= before
    os.close(reader)
