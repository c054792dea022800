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

from compiler.change.journal import RunEntry, find_run
from compiler.change.operations import Delete, Put
from compiler.change.plan import State, WriteResult
from compiler.change.run_log import AuditError, AuditLog, RunLog, UndoLog, explain_failure
from compiler.stores.interface import Attributes, RemoteSecret, Written
from tests.memory_store import MemoryStore, secrets
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


def audited(root: Path) -> list[tuple[str, str, str | None, str | None]]:
    return [(line["state"], line["action"], line["before"], line["version"]) for line in lines(root / "audit")]


def test_each_write_has_a_line_before_and_after_it_with_who_what_when_and_where(
    tmp_path: Path, journal: RunLog
) -> None:
    with AuditLog(tmp_path / "audit") as audit, closing(RunLog(journal.run, audit, {"azure": "ada"})) as log:
        log.start(WRITE)
        log.record_version(WRITE, Written("v1"))
        log.record_result(WriteResult(*A, State.DONE, "v1"))
    announced, line = lines(tmp_path / "audit")
    assert (announced["state"], announced["version"]) == ("writing", None)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "run": RUN,
        "state": "written",
        "who": "ada",
        "action": "create",
        "environment": "prod",
        "store": "https://memory",
        "name": "a",
        "properties": [],
        "before": None,
        "version": "v1",
    }
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o600


@pytest.mark.parametrize(("maybe_stored", "state"), [(False, "failed"), (True, "unknown")])
def test_what_was_not_stored_or_may_be_is_said(
    tmp_path: Path, journal: RunLog, *, maybe_stored: bool, state: str
) -> None:
    update = replace(WRITE, base=RemoteSecret("a", "v1", {}, Attributes()))
    with AuditLog(tmp_path / "audit") as audit, closing(RunLog(journal.run, audit)) as log:
        log.start(update)
        log.record_result(WriteResult(*A, State.FAILED), maybe_stored=maybe_stored)
    assert audited(tmp_path) == [("writing", "create", "v1", None), (state, "create", "v1", None)]


def test_a_recovery_and_the_write_after_it_are_two_actions(tmp_path: Path) -> None:
    write = replace(WRITE, recover=True, deleted="v1")
    found = RemoteSecret("a", "v1", {}, Attributes())
    with AuditLog(tmp_path / "audit") as audit, closing(begin_journal(tmp_path, RUN, plan_of(write), {})) as begun:
        log = RunLog(begun.run, audit)
        log.start(write)
        log.record_recovery(A, found)
        log.record_version(replace(write, base=found, recover=False), Written("v2"))
    assert audited(tmp_path) == [
        ("writing", "recover", None, None),
        ("written", "recover", None, "v1"),
        ("written", "update", "v1", "v2"),
    ]


def test_a_write_that_an_earlier_part_stored_is_said_once_it_is_found(tmp_path: Path, journal: RunLog) -> None:
    with AuditLog(tmp_path / "audit") as audit, closing(RunLog(journal.run, audit)) as log:
        log.record_found(A, "v1")
    assert audited(tmp_path) == [("written", "create", None, "v1")]


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

    def test_it_is_said_in_the_audit_file_too(self, tmp_path: Path, journal: RunLog) -> None:
        write = Delete(*A, base=RemoteSecret("a", "v1", {}, Attributes()))
        with AuditLog(tmp_path / "audit") as audit, closing(UndoLog(journal.run, audit)) as undo:
            undo.start(write)
            undo.record_version(write, Written("v1"))
        assert audited(tmp_path) == [("writing", "delete", "v1", None), ("written", "delete", "v1", "v1")]

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
    found = [(line["store"], line["who"]) for line in lines(tmp_path / "audit") if line["state"] == "written"]
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
        log.record({"state": "written"})
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
