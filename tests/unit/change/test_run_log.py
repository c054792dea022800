import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from compiler.change.journal import Run, RunEntry, find_run
from compiler.change.plan import Kind, MissingLine, State, Target, Write, WriteResult
from compiler.change.run_log import (
    AuditError,
    AuditLog,
    RunLog,
    UndoLog,
    missing_lines,
    record_missing,
    unaudited,
    unrecorded,
)
from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, ConflictError, DisabledError, StoreError, StoreLocation
from compiler.stores.interface import Attributes, RemoteSecret, Written
from tests import providers
from tests.memory_store import MemoryStore, secrets
from tests.refusals import refusal
from tests.unit.changes import begin_journal, plan_of

RUN = "20250131-120000-4fa1c2"
WRITE = Write("azure", "a", (), secrets(KEY="sentinel"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[RunLog]:
    plan = plan_of(WRITE)
    opened = begin_journal(tmp_path, RUN, plan, {})
    yield opened
    opened.close()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@contextmanager
def writing(journal: RunLog, path: Path) -> Iterator[Callable[[str | None], None]]:
    """Surrounds an update by ada with its lines in the audit file `path`."""
    base = RemoteSecret("a", "v1", {}, Attributes())
    with AuditLog(path) as audit:
        log = RunLog(journal.run, audit, {"azure": "ada"})
        with log.writing(MemoryStore(), replace(WRITE, base=base), "update") as line:
            yield line


def ends(path: Path) -> list[tuple[str, str | None]]:
    return [(line["state"], line["version"]) for line in lines(path)]


def test_the_lines_around_a_write_say_who_what_when_where_and_for_which_run(tmp_path: Path, journal: RunLog) -> None:
    path = tmp_path / "audit"
    with writing(journal, path) as line:
        # Whoever is killed here leaves what an auditor needs to know whose the version may be.
        assert ends(path) == [("writing", None)]
        line("v2")
    first, last = lines(path)
    told = datetime.fromisoformat(first.pop("time"))
    assert told.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=5)
    assert first == {
        "run": RUN,
        "state": "writing",
        "who": "ada",
        "action": "update",
        "environment": "prod",
        "store": "https://memory",
        "name": "a",
        "properties": ["KEY"],
        "before": "v1",
        "version": None,
    }
    assert {**last, "state": "writing", "version": None}.items() >= first.items()
    assert (last["state"], last["version"], len(last)) == ("written", "v2", len(first) + 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ConflictError(StoreLocation("s"), Action.WRITE, "r", "m", found=None), "failed"),
        (StoreError(StoreLocation("s"), Action.WRITE, "r", "m", Code.OUTCOME_UNKNOWN), "unknown"),
        (KeyboardInterrupt(), "unknown"),
        (KeyError("a defect"), "unknown"),
    ],
)
def test_a_write_that_does_not_end_well_says_whether_it_may_be_stored(
    tmp_path: Path, journal: RunLog, error: BaseException, state: str
) -> None:
    path = tmp_path / "audit"
    with pytest.raises(type(error)), writing(journal, path):
        raise error
    assert ends(path) == [("writing", None), (state, None)]


def test_what_goes_wrong_after_the_line_of_a_write_adds_no_second_end(tmp_path: Path, journal: RunLog) -> None:
    path = tmp_path / "audit"

    def fails() -> None:
        with writing(journal, path) as line:
            line("7")
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert ends(path) == [("writing", None), ("written", "7")]


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many lines still fit into the audit file."""
    left, write = [0], AuditLog._write

    def fits(self: AuditLog, data: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, data)

    monkeypatch.setattr(AuditLog, "_write", fits)
    return left


@pytest.mark.usefixtures("full")
def test_a_write_that_cannot_be_announced_is_not_begun(tmp_path: Path, journal: RunLog) -> None:
    with pytest.raises(AuditError, match="no space left") as caught, writing(journal, tmp_path / "audit"):
        raise AssertionError
    assert caught.value.is_before


def test_an_end_that_cannot_be_noted_hides_neither_the_write_nor_the_cause(
    tmp_path: Path, journal: RunLog, full: list[int]
) -> None:
    full[0] = 1
    with pytest.raises(AuditError, match="no space left") as caught, writing(journal, tmp_path / "audit") as line:
        line("7")
    assert not caught.value.is_before
    full[0] = 1
    with pytest.raises(KeyError), writing(journal, tmp_path / "audit"):
        raise KeyError
    assert ends(tmp_path / "audit") == [("writing", None)] * 2


def test_without_an_audit_file_nothing_is_noted_there(journal: RunLog) -> None:
    with journal.writing(MemoryStore(), WRITE, "create") as line:
        line("v1")
    with pytest.raises(KeyError), journal.writing(MemoryStore(), WRITE, "create"):
        raise KeyError


@pytest.mark.parametrize(
    ("has_file", "is_audited", "owes"),
    [(False, False, False), (True, False, True), (True, True, True), (False, True, True)],
)
def test_what_a_run_owes_its_audit_file(
    tmp_path: Path,
    journal: RunLog,
    has_file: bool,  # noqa: FBT001
    is_audited: bool,  # noqa: FBT001
    owes: bool,  # noqa: FBT001
) -> None:
    with AuditLog(tmp_path / "audit") as audit:
        notes = RunLog(journal.run, audit if has_file else None, is_audited=is_audited)
        assert notes.needs_lines is owes


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AuditError("the audit file cannot be written: full"), "the audit file cannot be written: full"),
        (OSError(errno.EIO, "Input/output error"), "the journal cannot be written: Input/output error"),
        (OSError("no number"), "the journal cannot be written: is the disk full?"),
    ],
)
def test_what_cannot_be_noted_names_the_file(error: AuditError | OSError, reason: str) -> None:
    assert unrecorded(error) == reason


def test_each_note_of_a_run_stands_in_its_journal(tmp_path: Path, journal: RunLog) -> None:
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


def test_a_write_after_a_recovery_is_noted_with_the_version_that_came_back(tmp_path: Path, journal: RunLog) -> None:
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
        journal: RunLog,
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
        self, tmp_path: Path, journal: RunLog, earlier: RemoteSecret | None
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
        self, tmp_path: Path, journal: RunLog, result: WriteResult, undo: str
    ) -> None:
        notes = UndoLog(journal.run)
        notes.note_version(replace(WRITE, changes={}), Written("v3"))
        notes.settled(result)
        assert self.entry(tmp_path).undo == undo

    @pytest.mark.parametrize("owes", [True, False])
    def test_it_is_owed_to_the_audit_file_until_it_is_for_the_next_undo(
        self,
        tmp_path: Path,
        journal: RunLog,
        owes: bool,  # noqa: FBT001
    ) -> None:
        notes = UndoLog(journal.run)
        UndoLog(journal.run, is_audited=owes).note_version(replace(WRITE, changes={}), Written("v3"))
        assert self.entry(tmp_path).undo_audit_pending is owes
        notes.settled(WriteResult("azure", "a", State.UNVERIFIED, "v3"))
        assert not self.entry(tmp_path).undo_audit_pending
        notes.note_version(replace(WRITE, changes={}), Written("v3"))
        assert not self.entry(tmp_path).undo_audit_pending

    def test_the_run_has_ended_whatever_becomes_of_its_undo(self, tmp_path: Path, journal: RunLog) -> None:
        journal.end("conflict")
        UndoLog(journal.run).end("complete")
        assert find_run(tmp_path, RUN).ended == "conflict"


def test_each_store_knows_the_caller_by_a_name_of_its_own(tmp_path: Path, journal: RunLog) -> None:
    with AuditLog(tmp_path / "audit") as audit:
        notes = RunLog(journal.run, audit, {"azure": "ada", "vault": "grace"})
        for store in ("azure", "vault", "other"):
            with notes.writing(MemoryStore(f"https://{store}"), replace(WRITE, store=store), "create"):
                pass
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


# What an earlier part of a run stored gets its lines in the journal and in the audit file from a later one.

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
