from __future__ import annotations

import json
import os
import resource
import stat
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from compiler.operations.audit import AuditEntry, AuditError, AuditLog

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = AuditEntry("ada", "put", "prod", "https://vault/secret", "agents/github", ("TOKEN",), "7")


def test_a_line_says_who_did_what_where_and_when_to_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) as log:
        log.record(ENTRY)
    assert json.loads(path.read_text("utf-8")) == {
        "time": "2026-01-02T03:04:05.000+00:00",
        "who": "ada",
        "action": "put",
        "environment": "prod",
        "store": "https://vault/secret",
        "name": "agents/github",
        "properties": ["TOKEN"],
        "version": "7",
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_many_writers_append_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    def work() -> None:
        with AuditLog(path) as log:
            for _ in range(25):
                log.record(ENTRY)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == 100
    assert {json.loads(line)["who"] for line in lines} == {"ada"}


def test_a_full_disk_leaves_the_lines_that_were_there(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with AuditLog(path) as log:
        log.record(ENTRY)
        before = path.read_bytes()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
        try:
            with pytest.raises(AuditError, match="cannot be written"):
                log.record(ENTRY)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before


def test_what_is_no_file_of_its_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x", "utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "no/such/folder", "."):
        with pytest.raises(AuditError, match="audit file"):
            AuditLog(tmp_path / name)
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(AuditError, match="no regular file"):
            AuditLog(tmp_path / "pipe")
    finally:
        os.close(reader)
