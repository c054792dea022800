import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.change.audit import AuditError, AuditLog, Completed, RunLog, adoption, complete, owed_by, owed_by_undo
from compiler.change.journal import Journal, RecordedKey, Run, RunEntry, find_run
from compiler.change.plan import Adopted, Kind, Write
from compiler.model.store import Provider, StoreAddress
from compiler.stores.errors import Action, DisabledError, StoreError, UnavailableError
from tests.unit.changes import plan_of
from tests.unit.memory_store import MemoryStore, secrets

RUN = "20250131-120000-4fa1c2"
NOTED = Adopted("azure", "a", "v2", ("KEY",), "update", "v1", is_recorded=True)
FOUND = Adopted("azure", "a", "v1", ("KEY",), "create")
DELETED = Adopted("azure", "a", "v1", ("KEY",), "delete", "v1", is_undo=True)
RESTORED = Adopted("azure", "a", "v3", ("KEY",), "restore", "v2", is_recorded=True, is_undo=True)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    plan = plan_of(Write("azure", "a", (), secrets(KEY="sentinel")))
    opened = Journal.begin(tmp_path, RUN, plan, {})
    opened.started(("azure", "a"), "v1", owes=True)
    yield opened
    opened.close()


def entry_of(tmp_path: Path) -> RunEntry:
    return find_run(tmp_path, RUN).entries["azure", "a"]


def store() -> MemoryStore:
    """One with three versions of the secret."""
    made = MemoryStore()
    for value in ("one", "two", "three"):
        made.seed("a", KEY=value)
    return made


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("adopted", [NOTED, FOUND, DELETED, RESTORED])
def test_a_stored_write_gets_its_line_and_is_owed_no_more(tmp_path: Path, journal: Journal, adopted: Adopted) -> None:
    if adopted.is_recorded:
        journal.written(("azure", "a"), "v1", "v2", (), owes=True)
    with AuditLog(tmp_path / "audit") as audit:
        found = complete(
            [adopted], {"azure": store()}, RunLog(journal, "prod", audit, {"azure": "ada"}, is_audited=True)
        )
    assert (found.unaudited, found.unrecorded) == ((), "")
    (line,) = lines(tmp_path / "audit")
    assert (line["state"], line["action"], line["version"]) == ("written", adopted.action, adopted.version)
    assert (line["who"], line["run"], line["before"]) == ("ada", RUN, adopted.before)
    assert (line["properties"], line["environment"]) == (["KEY"], "prod")
    entry = entry_of(tmp_path)
    assert not (entry.undo_owes if adopted.action in {"delete", "restore"} else entry.owes)


@pytest.mark.parametrize("adopted", [NOTED, DELETED, RESTORED])
def test_a_version_that_the_store_does_not_know_is_not_said_to_be_written(
    tmp_path: Path, journal: Journal, adopted: Adopted
) -> None:
    journal.written(("azure", "a"), "v1", "v2", (), owes=True)
    with AuditLog(tmp_path / "audit") as audit:
        notes = RunLog(journal, "prod", audit, {"azure": "ada"}, is_audited=True)
        found = complete([replace(adopted, version="v9")], {"azure": store()}, notes)
    assert (found.unaudited, found.unrecorded) == ((), "")
    (line,) = lines(tmp_path / "audit")
    assert (line["state"], line["name"], line["version"]) == ("unknown", "a", None)


def test_a_deleted_version_was_written_all_the_same(tmp_path: Path, journal: Journal) -> None:
    journal.written(("azure", "a"), "v1", "v2", (), owes=True)
    deleted = store()
    deleted.gone["a"] = {"v2"}
    vault = MemoryStore(StoreAddress(Provider.VAULT, "https://memory", "kv"))
    vault.versions, vault.gone = deleted.versions, deleted.gone
    with AuditLog(tmp_path / "audit") as audit:
        complete([NOTED], {"azure": vault}, RunLog(journal, "prod", audit, {"azure": "ada"}, is_audited=True))
    assert [line["state"] for line in lines(tmp_path / "audit")] == ["written"]


@pytest.mark.parametrize("error", [DisabledError, UnavailableError])
def test_a_disabled_version_is_known_and_a_store_that_tells_nothing_leaves_the_line_owed(
    tmp_path: Path, journal: Journal, error: type[StoreError]
) -> None:
    journal.written(("azure", "a"), "v1", "v2", (), owes=True)
    silent = store()
    silent.failures["read_version", "a"] = error(silent.place("a"), Action.READ, "it is so", "wait")
    with AuditLog(tmp_path / "audit") as audit:
        notes = RunLog(journal, "prod", audit, {"azure": "ada"}, is_audited=True)
        found = complete([NOTED], {"azure": silent}, notes)
    is_known = error is DisabledError
    assert (found.unaudited, len(lines(tmp_path / "audit"))) == (((), 1) if is_known else ((NOTED,), 0))
    assert entry_of(tmp_path).owes is not is_known


@pytest.mark.parametrize("adopted", [NOTED, FOUND, DELETED, RESTORED])
@pytest.mark.parametrize("has_file", [False, True])
def test_what_cannot_be_noted_is_still_owed_and_told(
    tmp_path: Path,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    adopted: Adopted,
    has_file: bool,  # noqa: FBT001
) -> None:
    def full(*_: object) -> None:
        raise AuditError("full")

    journal.written(("azure", "a"), "v1", "v2", (), owes=True)
    journal.undo(("azure", "a"), "started", before="v2", owes=True)
    monkeypatch.setattr(AuditLog, "record", full)
    with AuditLog(tmp_path / "audit") as audit:
        notes = RunLog(journal, "prod", audit if has_file else None, {"azure": "ada"}, is_audited=True)
        found = complete([adopted], {"azure": MemoryStore()}, notes)
    assert found.unaudited == (adopted,)
    entry = entry_of(tmp_path)
    assert (entry.owes, entry.undo_owes) == (True, True)


def test_nothing_is_owed_where_nobody_asked_for_an_audit_file(tmp_path: Path, journal: Journal) -> None:
    assert complete([FOUND], {"azure": MemoryStore()}, RunLog(journal, "prod")).unaudited == ()
    assert (entry_of(tmp_path).after, entry_of(tmp_path).owes) == ("v1", False)


def test_a_journal_without_room_is_told(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Journal, "adopted", full)
    found = complete([FOUND, FOUND], {"azure": MemoryStore()}, RunLog(journal, "prod"))
    assert found.unrecorded == f"the journal cannot be written: {os.strerror(errno.ENOSPC)}"


def test_what_a_run_owes_is_what_it_stored() -> None:
    entries = {
        ("azure", "stored"): RunEntry(
            Kind.CREATE, None, recover=False, keys=(RecordedKey("jira", "TOKEN", "KEY"),), after="v1", owes=True
        ),
        ("azure", "noted"): RunEntry(Kind.CREATE, None, recover=False, after="v1"),
        ("azure", "not-stored"): RunEntry(Kind.CREATE, None, recover=False, owes=True),
    }
    run = Run(RUN, Path("run"), "put", "prod", {"azure": "https://memory"}, {}, entries)
    assert list(owed_by(run)) == [Adopted("azure", "stored", "v1", ("KEY",), "create", None, is_recorded=True)]


def test_a_recovered_version_is_told_as_such() -> None:
    entry = RunEntry(Kind.RECOVER, None, recover=True, deleted="v1")
    assert [adoption(("azure", "a"), entry, version).action for version in ("v1", "v2")] == ["recover", "update"]


@pytest.mark.parametrize(
    ("undo", "owes", "version", "owed"),
    [
        ("done", True, "v3", ("restore", "v3", True)),
        ("started", True, "v3", ("restore", "v3", False)),
        ("done", True, None, ("delete", "v2", True)),
        ("started", True, None, ("delete", "v2", False)),
        ("done", False, None, None),
    ],
)
def test_what_an_undo_owes(undo: str, owes: bool, version: str | None, owed: tuple[str, str, bool] | None) -> None:  # noqa: FBT001
    entry = RunEntry(Kind.CREATE, None, recover=False, after="v2", undo=undo, undo_owes=owes, undo_before="v2")
    found = owed_by_undo(("azure", "a"), entry, version)
    assert (found and (found.action, found.version, found.is_recorded)) == owed


def test_each_owed_line_names_the_store_that_it_is_about(tmp_path: Path, journal: Journal) -> None:
    stores = {"azure": MemoryStore("https://one"), "vault": MemoryStore("https://two")}
    journal.written(("azure", "a"), "v1", "v2", (), owes=True)
    elsewhere = Adopted("vault", "gone", "v4", ("KEY",), "update", "v3", is_recorded=True)
    with AuditLog(tmp_path / "audit") as audit:
        notes = RunLog(journal, "prod", audit, {"azure": "ada", "vault": "grace"}, is_audited=True)
        complete([NOTED, elsewhere], stores, notes)
    found = [(line["store"], line["name"], line["who"]) for line in lines(tmp_path / "audit")]
    assert found == [("https://one", "a", "ada"), ("https://two", "gone", "grace")]


def test_where_nothing_is_owed_nothing_is_said(journal: Journal) -> None:
    assert complete([], {}, RunLog(journal, "prod")) == Completed() == Completed((), "")


def test_of_two_lines_without_room_the_first_is_told(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = iter((errno.ENOSPC, errno.EIO))

    def full(*_: object, **__: object) -> None:
        number = next(errors)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Journal, "adopted", full)
    found = complete([FOUND, FOUND], {"azure": MemoryStore()}, RunLog(journal, "prod"))
    assert found.unrecorded == f"the journal cannot be written: {os.strerror(errno.ENOSPC)}"


@pytest.mark.parametrize(("adopted", "undone_as"), [(DELETED, None), (RESTORED, "v3")])
def test_an_undo_that_was_stored_is_noted_as_done(
    tmp_path: Path, journal: Journal, adopted: Adopted, undone_as: str | None
) -> None:
    with AuditLog(tmp_path / "audit") as audit:
        complete([adopted], {"azure": MemoryStore()}, RunLog(journal, "prod", audit, {"azure": "ada"}))
    entry = entry_of(tmp_path)
    assert (entry.undo, entry.undone_as, entry.undo_before) == ("done", undone_as, adopted.before)


def test_an_adoption_rests_upon_what_the_run_saw_last() -> None:
    entry = RunEntry(
        Kind.UPDATE, "v0", recover=False, keys=(RecordedKey("jira", "TOKEN", "KEY"),), before="v1", deleted="v2"
    )
    assert adoption(("azure", "a"), entry, "v2") == Adopted("azure", "a", "v2", ("KEY",), "update", "v1")
    entry.before = None
    assert adoption(("azure", "a"), entry, "v2", is_recorded=True).before == "v0"


def test_what_an_undo_owes_has_all_that_its_line_says() -> None:
    entry = RunEntry(
        Kind.CREATE,
        None,
        recover=False,
        keys=(RecordedKey("jira", "TOKEN", "KEY"),),
        after="v2",
        undo="started",
        undo_owes=True,
        undo_before="v2",
    )
    for kind, version, made, action in (
        (Kind.CREATE, "v3", "v3", "restore"),
        (Kind.CREATE, None, "v2", "delete"),
        (Kind.DELETE, None, "v2", "recover"),
    ):
        entry.kind = kind
        owed = Adopted("azure", "a", made, ("KEY",), action, "v2", is_undo=True)
        assert owed_by_undo(("azure", "a"), entry, version) == owed
    entry.undo_before = None
    assert owed_by_undo(("azure", "a"), entry, None) is None


def test_a_deletion_of_a_run_is_noted_as_the_runs_and_not_as_an_undo(tmp_path: Path, journal: Journal) -> None:
    complete([Adopted("azure", "a", "v1", (), "delete", "v1")], {"azure": MemoryStore()}, RunLog(journal, "prod"))
    entry = entry_of(tmp_path)
    assert (entry.undo, entry.after) == (None, "v1")
