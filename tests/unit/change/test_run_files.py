import errno
import fcntl
import json
import os
import resource
import stat
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from compiler.change import run_files
from compiler.change.run_files import FOLDER, PATIENCE, LineFile, read_lines, run_lock
from compiler.refusal import Refusal


def test_lines_come_back_and_the_file_is_its_owners(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "run", new=True)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: file.append({"number": number, "name": "é"}), range(50)))
    file.close()
    file.close()
    assert sorted(line["number"] for line in read_lines(tmp_path / "run")) == list(range(50))
    assert {line["name"] for line in read_lines(tmp_path / "run")} == {"é"}
    # In ASCII alone: a line that is cut off anywhere is text all the same.
    assert (tmp_path / "run").read_bytes().isascii()
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o600


def test_a_new_file_replaces_none_and_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(FileExistsError):
        LineFile(tmp_path / "run", new=True)
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with pytest.raises(OSError, match="symbolic links"):
        LineFile(tmp_path / "link", new=False)


def test_a_line_that_was_cut_off_is_left_out_and_the_next_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text('{"a": 1}\n{"b": ')
    file = LineFile(path, new=False)
    file.append({"c": 3})
    file.close()
    assert list(read_lines(path)) == [{"a": 1}, {"c": 3}]


def test_what_is_no_object_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "run").write_text('[1]\n7\n{"a": 1}\n')
    assert list(read_lines(tmp_path / "run")) == [{"a": 1}]


@pytest.mark.parametrize("there", ["", '{"cut', '{"a":1}\n'])
def test_a_line_that_does_not_fit_is_taken_back_and_the_next_one_stands_alone(tmp_path: Path, there: str) -> None:
    path = tmp_path / "run"
    path.write_text(there)
    with LineFile(path) as file:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(there) + 5, limits[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                file.append({"lost": 1})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_text() == there
        file.append({"kept": 1})
    assert list(read_lines(path))[-1] == {"kept": 1}
    assert len(path.read_text().splitlines()) == 1 + bool(there)


def test_a_line_goes_on_where_the_disk_took_a_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    with LineFile(tmp_path / "run", new=True) as file:
        file.append({"a": 1})
    assert (tmp_path / "run").read_text() == '{"a":1}\n'


def test_half_a_line_that_cannot_be_taken_back_spoils_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 5:
            return write(descriptor, data[:-5])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def only_grows(_descriptor: int, _size: int) -> None:
        raise PermissionError

    write = os.write
    with LineFile(tmp_path / "run", new=True) as file:
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            patched.setattr(os, "ftruncate", only_grows)
            with pytest.raises(OSError, match="No space left"):
                file.append({"lost": 1})
        file.append({"a": 1})
        file.append({"b": 2})
    assert (tmp_path / "run").read_text() == '{"lost\n{"a":1}\n{"b":2}\n'
    assert list(read_lines(tmp_path / "run")) == [{"a": 1}, {"b": 2}]


def test_threads_share_one_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = LineFile(tmp_path / "run", new=True)
    sizes: list[int] = []
    counted: list[int] = []
    threads, wait = 16, LineFile._wait

    def waiting(file: LineFile, number: int) -> None:
        counted.append(number)
        wait(file, number)

    def slow(descriptor: int) -> None:
        sizes.append(os.fstat(descriptor).st_size)
        # The first wait lasts until all lines are written and counted: one that is only written waits alone.
        while len(sizes) == 1 and len(counted) < threads:
            time.sleep(0.001)

    monkeypatch.setattr(LineFile, "_wait", waiting)
    monkeypatch.setattr(os, "fsync", slow)

    def append(number: int) -> bool:
        line = {"number": number}
        file.append(line)
        # On the disk when it returns: some wait began when the line was there.
        return (tmp_path / "run").read_bytes()[: max(sizes)].count(b'{"number":%d}\n' % number) == 1

    with ThreadPoolExecutor(threads) as pool:
        assert all(pool.map(append, range(threads)))
    file.close()
    assert len(sizes) == 2


def test_lines_that_need_not_wait_are_on_the_disk_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LineFile(tmp_path / "run", new=True)
    waits: list[int] = []
    monkeypatch.setattr(os, "fsync", waits.append)
    file.append({"a": 1}, wait=False)
    assert not waits
    file.append({"b": 2})
    file.close()
    assert len(waits) == 1
    assert list(read_lines(tmp_path / "run")) == [{"a": 1}, {"b": 2}]


def test_a_wait_that_failed_is_the_error_of_the_append_and_not_taken_for_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fsync = LineFile(tmp_path / "run", new=True), os.fsync

    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        file.append({"a": 1})
    # A kernel that lost a line says so once; what comes after it is on the disk when the file is opened anew.
    monkeypatch.setattr(os, "fsync", fsync)
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output") as raised:
            file.append({"b": 2})
        assert raised.value.errno == errno.EIO
    file.close()
    again = LineFile(tmp_path / "run", new=False)
    again.append({"c": 3})
    again.close()
    assert list(read_lines(tmp_path / "run"))[-1] == {"c": 3}


def test_what_is_no_file_of_ones_own_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "device").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    for name in ("device", "pipe", "folder", "huge"):
        with pytest.raises(OSError, match=r"symbolic|argument|directory"):
            list(read_lines(tmp_path / name))


def test_a_line_that_is_nested_without_end_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("[" * 100_000 + "\n" + json.dumps({"a": 1}) + "\n")
    assert list(read_lines(tmp_path / "run")) == [{"a": 1}]


@pytest.mark.parametrize(
    ("there", "text"),
    [
        ("", '{"c":3}\n'),
        ('{"a": 1}\n', '{"a": 1}\n{"c":3}\n'),
        ('{"a": 1}', '{"a": 1}\n{"c":3}\n'),
        ("{", '{\n{"c":3}\n'),
        ("\n", '\n{"c":3}\n'),
    ],
)
def test_a_line_gets_an_end_only_where_it_has_none(tmp_path: Path, there: str, text: str) -> None:
    (tmp_path / "run").write_text(there)
    file = LineFile(tmp_path / "run", new=False)
    file.append({"c": 3})
    file.close()
    assert (tmp_path / "run").read_text() == text


@pytest.mark.parametrize("new", [True, False])
def test_the_name_of_a_new_file_is_on_the_disk_before_its_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, new: bool
) -> None:
    waits: list[int] = []
    if not new:
        (tmp_path / "run").touch()
    monkeypatch.setattr(os, "fsync", lambda descriptor: waits.append(os.fstat(descriptor).st_ino))
    LineFile(tmp_path / "run", new=new).close()
    assert waits == ([tmp_path.stat().st_ino] if new else [])


def test_many_writers_append_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "lines"

    def work() -> None:
        with LineFile(path) as file:
            for _ in range(25):
                file.append({"who": "ada"})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == 100
    assert {json.loads(line)["who"] for line in lines} == {"ada"}


def test_a_line_waits_for_the_line_of_another_command_and_lets_the_next_one_write(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    with LineFile(path) as file, path.open("rb") as theirs, ThreadPoolExecutor(1) as pool:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        waiting = pool.submit(file.append, {})
        time.sleep(0.1)
        assert (waiting.done(), path.read_bytes()) == (False, b"")
        fcntl.flock(theirs, fcntl.LOCK_UN)
        waiting.result(10)
        assert list(read_lines(path)) == [{}]
        # Fails at once where it is still held.
        fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_no_descriptor_stays_open_and_none_is_closed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_descriptors()
    file, close, closed = LineFile(tmp_path / "run", new=True), os.close, list[int]()
    file.append({"a": 1})

    def counted(descriptor: int) -> None:
        closed.append(descriptor)
        close(descriptor)

    monkeypatch.setattr(os, "close", counted)
    file.close()
    # The number may be another file's by now.
    file.close()
    file.close()
    monkeypatch.undo()
    assert len(closed) == 1
    assert list(read_lines(tmp_path / "run")) == [{"a": 1}]
    assert open_descriptors() <= before


def test_a_journal_behind_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"a": 1}\n')
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        list(read_lines(tmp_path / "run"))


def test_what_is_larger_than_any_runs_file_is_refused_and_nothing_smaller(tmp_path: Path) -> None:
    path, largest, blank = tmp_path / "run", 64 * 1024 * 1024, b" " * 65535 + b"\n"
    path.write_bytes((b'{"a": 1}\n' + blank * 1024)[: largest - 1] + b"\n")
    assert list(read_lines(path)) == [{"a": 1}]
    with path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(OSError, match=r".") as caught:
        list(read_lines(path))
    assert caught.value.errno == errno.EINVAL


def test_a_line_of_other_bytes_than_text_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(b'{"a": 1}\n\xff\xfe{\n{"b": 2}\n')
    assert list(read_lines(tmp_path / "run")) == [{"a": 1}, {"b": 2}]


@pytest.mark.heavy
def test_one_line_at_a_time_is_in_memory(tmp_path: Path) -> None:
    line = b'{"a": [' + b"[]," * 50_000 + b"[]]}\n"
    (tmp_path / "run").write_bytes(line * 12)
    tracemalloc.start()
    try:
        # All at once they are over 30 MiB.
        assert sum(1 for _ in read_lines(tmp_path / "run")) == 12
        assert tracemalloc.get_traced_memory()[1] < 17 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_line_longer_than_any_of_a_run_ends_the_reading(tmp_path: Path) -> None:
    longest = 4 * 1024 * 1024 - len('{"a": ""}\n')
    (tmp_path / "run").write_bytes(b'{"a": "' + b"x" * longest + b'"}\n')
    assert [len(line["a"]) for line in read_lines(tmp_path / "run")] == [longest]
    (tmp_path / "run").write_bytes(b'{"a": "' + b"x" * (longest + 1) + b'"}\n')
    with pytest.raises(OSError, match=r"large") as caught:
        list(read_lines(tmp_path / "run"))
    assert caught.value.errno == errno.EFBIG


def test_no_more_of_a_line_is_in_memory_than_any_of_a_run_has(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(b"x" * 32 * 1024 * 1024)
    tracemalloc.start()
    try:
        with pytest.raises(OSError, match=r"large"):
            list(read_lines(tmp_path / "run"))
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_file_that_grows_while_it_is_read_is_read_to_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_files, "_LARGEST", 90)
    path, line = tmp_path / "run", b'{"a": 1}\n'
    path.write_bytes(line * 10)
    reading = read_lines(path)
    assert next(reading) == {"a": 1}
    with path.open("ab") as file:
        file.write(line * 1000)
    assert list(reading) == [{"a": 1}] * 9


def test_a_byte_that_is_no_text_spoils_no_more_than_itself(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(b'{"a": "\xff"}\n')
    assert list(read_lines(tmp_path / "run")) == [{"a": "\ufffd"}]


def test_the_second_is_told_the_first_and_gets_in_after_it(tmp_path: Path) -> None:
    told: list[str] = []
    with run_lock(tmp_path, "first") as rename:
        rename("first, resumed")
        second = run_lock(tmp_path, "second", told.append, patience=0.3)
        with pytest.raises(Refusal, match=r"first, resumed \(process \d+\)"), second:
            pytest.fail("two runs at once")
    assert told == [f"first, resumed (process {os.getpid()})"]
    with run_lock(tmp_path, "third"):
        pass
    assert (tmp_path / FOLDER / "lock").read_text("ascii") == ""


def test_the_second_waits_for_the_first_and_then_goes_on(tmp_path: Path) -> None:
    told, begun = threading.Event(), threading.Event()

    def first() -> None:
        with run_lock(tmp_path, "first"):
            begun.set()
            assert told.wait(20)

    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(20)
    with run_lock(tmp_path, "second", lambda _holder: told.set(), patience=20):
        assert "second" in (tmp_path / FOLDER / "lock").read_text("ascii")
    thread.join()


def test_nobody_is_told_of_a_wait_that_is_none(tmp_path: Path) -> None:
    told: list[str] = []
    with run_lock(tmp_path, "only", told.append):
        assert told == []
    assert PATIENCE == 10


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / "target").write_text("precious")
    (tmp_path / FOLDER / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"), run_lock(tmp_path, "run"):
        pytest.fail("followed a link")
    assert (tmp_path / "target").read_text() == "precious"


def test_a_lock_with_another_name_elsewhere_is_refused_and_keeps_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / "target").write_text("precious")
    (tmp_path / FOLDER / "lock").hardlink_to(tmp_path / "target")
    with (
        pytest.raises(OSError, match="has other links or is not a regular file; remove it") as caught,
        run_lock(tmp_path, "run"),
    ):
        pytest.fail("took a file of others")
    assert caught.value.filename == str(tmp_path / FOLDER / "lock")
    assert (tmp_path / "target").read_text() == "precious"


def test_a_lock_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    os.mkfifo(tmp_path / FOLDER / "lock")
    with pytest.raises(OSError, match="has other links or is not a regular file"), run_lock(tmp_path, "run"):
        pytest.fail("took a pipe")


@pytest.mark.parametrize("linked", [FOLDER, f"{FOLDER}/runs"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_that_is_a_link_is_refused(tmp_path: Path, linked: str, *, exists: bool) -> None:
    elsewhere = tmp_path / "elsewhere"
    if exists:
        elsewhere.mkdir()
        (elsewhere / "lock").write_text("precious")
    (tmp_path / linked).parent.mkdir(exist_ok=True)
    (tmp_path / linked).symlink_to(elsewhere)
    with pytest.raises(OSError, match="is a link"), run_lock(tmp_path, "run"):
        pytest.fail("followed a link")
    assert elsewhere.exists() == exists
    assert not exists or (elsewhere / "lock").read_text() == "precious"


def test_the_lock_names_its_run_and_process_from_the_beginning(tmp_path: Path) -> None:
    lock = tmp_path / ".platform-secrets" / "lock"
    with run_lock(tmp_path, "a name that is long") as rename:
        assert lock.read_text("ascii") == f"a name that is long (process {os.getpid()})\n"
        rename("short")
        assert lock.read_text("ascii") == f"short (process {os.getpid()})\n"


def test_the_lock_and_its_folder_are_their_owners_alone(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        with run_lock(tmp_path, "run"):
            pass
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / FOLDER / "lock").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        (b" a run \n", "a run"),
        # Between two writes of the holder, or of one that wrote none.
        (b"", "unknown"),
        (b"\xff\n", "\ufffd"),
        (b"x" * 1000, "x" * 256),
    ],
)
def test_the_second_is_told_whatever_the_lock_holds_and_the_way_out(tmp_path: Path, noted: bytes, said: str) -> None:
    waited: list[str] = []
    with run_lock(tmp_path, "first"):
        (tmp_path / FOLDER / "lock").write_bytes(noted)
        before = {path.name for path in Path("/proc/self/fd").iterdir()}
        with pytest.raises(Refusal) as caught, run_lock(tmp_path, "second", waited.append, patience=0.2):
            pytest.fail("two runs at once")
        assert {path.name for path in Path("/proc/self/fd").iterdir()} <= before
    assert waited == [said]
    assert (caught.value.kind, caught.value.message) == ("cannot run", f"another run is in progress: {said}")
    assert caught.value.help == "wait until it ends; a killed run holds no lock"


def test_a_link_is_told_with_its_path_and_the_way_out(tmp_path: Path) -> None:
    (tmp_path / FOLDER).symlink_to(tmp_path)
    with pytest.raises(OSError, match="is a link; remove it") as caught, run_lock(tmp_path, "run"):
        pytest.fail("followed a link")
    assert (caught.value.errno, caught.value.strerror, caught.value.filename) == (
        errno.ELOOP,
        "is a link; remove it",
        str(tmp_path / FOLDER),
    )
