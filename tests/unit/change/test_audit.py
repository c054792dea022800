import fcntl
import json
import os
import resource
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from compiler.change.run_log import AuditEntry, AuditError, AuditLog, IntentError
from compiler.stores.errors import Action, Code, ConflictError, StoreError, StoreLocation

ENTRY = AuditEntry("run-1", "ada", "put", "prod", "https://vault/secret", "agents/github", ("TOKEN",), "6")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def ends(path: Path) -> list[tuple[str, str | None]]:
    return [(line["state"], line["version"]) for line in lines(path)]


def test_a_line_says_who_did_what_where_and_when_to_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) as log:
        log.record(ENTRY)
    assert json.loads(path.read_text("utf-8")) == {
        "time": "2026-01-02T03:04:05.000+00:00",
        "run": "run-1",
        "state": "writing",
        "who": "ada",
        "action": "put",
        "environment": "prod",
        "store": "https://vault/secret",
        "name": "agents/github",
        "properties": ["TOKEN"],
        "before": "6",
        "version": None,
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


def write(log: AuditLog, *, then: BaseException | None = None, version: str | None = None) -> None:
    """A write that is noted as made when there is a version, and then raises."""
    with replace(ENTRY, log=log) as line:
        if version is not None:
            line.written(version)
        if then is not None:
            raise then


def test_threads_of_one_command_share_the_wait_for_the_disk_and_none_goes_on_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        time.sleep(0.01)
        fsync(descriptor)
        synced.append(size)

    monkeypatch.setattr(os, "fsync", slow)
    path = tmp_path / "audit"
    with AuditLog(path) as log, ThreadPoolExecutor(8) as pool:

        def work(number: int) -> bool:
            log.record(ENTRY, version=f"v{number}")
            # Up to where the disk has it, the file holds this line.
            return f'"v{number}"' in path.read_bytes()[: max(synced)].decode()

        assert all(pool.map(work, range(40)))
    assert len(lines(path)) == 40
    assert len(synced) < 40


def test_a_write_has_its_line_before_and_its_line_after(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    with AuditLog(path) as log, replace(ENTRY, log=log) as line:
        # Whoever is killed here leaves what an auditor needs to know whose the version may be.
        assert ends(path) == [("writing", None)]
        line.written("7")
    assert ends(path) == [("writing", None), ("written", "7")]
    assert lines(path)[0].keys() == lines(path)[1].keys()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ConflictError(StoreLocation("s"), Action.WRITE, "r", "m", expected=None, found=None), "failed"),
        (StoreError(StoreLocation("s"), Action.WRITE, "r", "m", Code.OUTCOME_UNKNOWN), "unknown"),
        (KeyboardInterrupt(), "unknown"),
        (KeyError("a defect"), "unknown"),
    ],
)
def test_a_write_that_does_not_end_well_says_whether_it_may_be_stored(
    tmp_path: Path, error: BaseException, state: str
) -> None:
    path = tmp_path / "audit"
    with AuditLog(path) as log, pytest.raises(type(error)), replace(ENTRY, log=log):
        raise error
    assert ends(path) == [("writing", None), (state, None)]


def test_what_goes_wrong_after_the_line_of_a_write_adds_no_second_end(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    with AuditLog(path) as log, pytest.raises(KeyError):
        write(log, version="7", then=KeyError())
    assert ends(path) == [("writing", None), ("written", "7")]


def test_a_write_that_cannot_be_announced_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise AuditError("the audit file cannot be written: no space left on device")

    with AuditLog(tmp_path / "audit") as log:
        monkeypatch.setattr(log, "record", full)
        with pytest.raises(IntentError, match="no space left") as caught, replace(ENTRY, log=log):
            raise AssertionError
    assert caught.value.__context__ is None


def test_an_end_that_cannot_be_noted_hides_neither_the_write_nor_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise AuditError("full")

    record, turn = AuditLog.record, count()

    def full_after_a_line(self: AuditLog, *entry: Any) -> None:  # noqa: ANN401
        if next(turn) % 2:
            raise AuditError("full")
        record(self, *entry)

    monkeypatch.setattr(AuditLog, "record", full_after_a_line)
    with AuditLog(tmp_path / "audit") as log:
        with pytest.raises(AuditError, match="full"):
            write(log, version="7")
        with pytest.raises(KeyError):
            write(log, then=KeyError())
    assert ends(tmp_path / "audit") == [("writing", None)] * 2


def test_without_a_log_nothing_is_noted() -> None:
    with replace(ENTRY) as line:
        line.written("7")
    with pytest.raises(KeyError), replace(ENTRY):
        raise KeyError


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
        log.record(ENTRY)
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


def test_a_line_waits_for_the_line_of_another_command_and_lets_the_next_one_write(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    with AuditLog(path) as log, path.open("rb") as theirs, ThreadPoolExecutor(1) as pool:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        waiting = pool.submit(log.record, ENTRY)
        time.sleep(0.1)
        assert (waiting.done(), path.read_bytes()) == (False, b"")
        fcntl.flock(theirs, fcntl.LOCK_UN)
        waiting.result(10)
        assert len(lines(path)) == 1
        # Fails at once where it is still held.
        fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_time_is_that_of_all_zones(tmp_path: Path) -> None:
    with AuditLog(tmp_path / "audit") as log:
        log.record(ENTRY)
    told = datetime.fromisoformat(lines(tmp_path / "audit")[0]["time"])
    assert told.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=5)
