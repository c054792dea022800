from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from compiler.operations.change.plan import Options, Plan, State, Write
from compiler.operations.runs.audit import AuditError, AuditLog
from compiler.operations.runs.journal import Journal
from compiler.operations.runs.notes import AGAIN, Notes, unnoted
from tests.unit.operations.memory_store import MemoryStore, secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = "20250131-120000-4fa1c2"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    plan = Plan("prod", "azure", "https://memory", {}, Options(), (), (Write("a", (), secrets(KEY="sentinel")),))
    opened = Journal.begin(tmp_path, RUN, plan, {})
    yield opened
    opened.close()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_lines_around_a_write_say_who_what_where_and_for_which_run(tmp_path: Path, journal: Journal) -> None:
    with AuditLog(tmp_path / "audit") as audit:
        notes = Notes(journal, "prod", audit, "ada")
        with notes.writing(MemoryStore(), "a", ("KEY",), "v1", "update") as line:
            assert len(lines(tmp_path / "audit")) == 1
            line.written("v2")
    first, last = lines(tmp_path / "audit")
    same = {"run": RUN, "who": "ada", "action": "update", "environment": "prod", "name": "a", "before": "v1"}
    assert same.items() <= first.items()
    assert same.items() <= last.items()
    assert (first["store"], first["properties"]) == ("https://memory", ["KEY"])
    assert (first["version"], last["version"]) == (None, "v2")


def test_without_an_audit_file_nothing_is_noted_there(journal: Journal) -> None:
    with Notes(journal, "prod").writing(MemoryStore(), "a", (), None, "create") as line:
        line.written("v1")


@pytest.mark.parametrize(
    ("has_file", "is_audited", "owes", "lacks"),
    [(False, False, False, False), (True, False, True, False), (True, True, True, False), (False, True, True, True)],
)
def test_what_a_run_owes_its_audit_file(
    tmp_path: Path,
    journal: Journal,
    has_file: bool,  # noqa: FBT001
    is_audited: bool,  # noqa: FBT001
    owes: bool,  # noqa: FBT001
    lacks: bool,  # noqa: FBT001
) -> None:
    with AuditLog(tmp_path / "audit") as audit:
        notes = Notes(journal, "prod", audit if has_file else None, is_audited=is_audited)
        assert (notes.owes, notes.lacks) == (owes, lacks)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AuditError("the audit file cannot be written: full"), "the audit file cannot be written: full"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), f"cannot be written: {os.strerror(errno.ENOSPC)}"),
        (OSError("the line could not be written whole"), "is the disk full?"),
    ],
)
def test_what_cannot_be_noted_is_a_failure_with_the_way_on(error: AuditError | OSError, said: str) -> None:
    result = unnoted("a", error)
    assert (result.name, result.state, result.code, result.remedy) == ("a", State.FAILED, "unnoted", AGAIN)
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
    result = unnoted("a", error)
    assert (result.reason, result.remedy) == (reason, "run the same command again: it compares first")
