import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.model.files import NamedFileError, as_file, is_pipe, read_named, require_file

SECRET = "s3ntinel-4711"


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)
    return path


@pytest.fixture
def substituted() -> Iterator[tuple[str, int]]:
    """What the shell makes of `<(…)`, and the end that its command writes to."""
    reading, writing = os.pipe()
    yield f"/dev/fd/{reading}", writing
    os.close(reading)


def write(path: Path, *pieces: bytes) -> threading.Thread:
    def run() -> None:
        with path.open("wb", buffering=0) as file:
            for piece in pieces:
                file.write(piece)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_of_a_file_no_more_is_read_than_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"x" * 10)
    path.chmod(0o600)
    found = read_named(str(path), 4)
    assert (found.data, found.is_exposed) == (b"x" * 5, False)
    path.chmod(0o640)
    found = read_named(str(path), 10)
    assert (found.data, found.is_exposed) == (b"x" * 10, True)


def test_what_a_command_gives_the_shell_is_read_to_its_end(substituted: tuple[str, int]) -> None:
    path, writing = substituted

    def give() -> None:
        for piece in (b"one", b"two"):
            time.sleep(0.05)
            os.write(writing, piece)
        os.close(writing)

    thread = threading.Thread(target=give)
    thread.start()
    assert read_named(path, 100).data == b"onetwo"
    thread.join()


def test_a_pipe_whose_writer_comes_later_is_waited_for(fifo: Path) -> None:
    later = threading.Timer(0.2, lambda: write(fifo, b"value").join())
    later.start()
    found = read_named(str(fifo), 100)
    later.join()
    assert (found.data, found.is_exposed) == (b"value", False)


def test_a_pipe_that_gives_nothing_is_given_up(fifo: Path, substituted: tuple[str, int]) -> None:
    path, writing = substituted
    for each in (str(fifo), path):
        with pytest.raises(NamedFileError, match=r"^is a pipe that has given nothing for 1 s$"):
            read_named(each, 100, silence=0.1)
    os.close(writing)


def test_a_pipe_that_gives_without_end_is_read_no_further_than_asked(substituted: tuple[str, int]) -> None:
    path, writing = substituted
    os.write(writing, b"x" * 1000)
    assert len(read_named(path, 100).data) == 101
    os.close(writing)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_file(path: str) -> None:
    for read in (lambda: read_named(path, 4), lambda: require_file(path, 4), lambda: as_file(path, 4).__enter__()):
        with pytest.raises(NamedFileError, match=r"^is a device, not a file$") as caught:
            read()
        assert not caught.value.is_unreadable


def test_what_the_system_does_not_give_is_told_without_its_name(tmp_path: Path) -> None:
    names = {SECRET: "no such file or directory", f"{SECRET}\0": "its path is not usable", ".": "is a directory"}
    for name, reason in names.items():
        for read in (read_named, require_file):
            with pytest.raises(NamedFileError, match=f"^cannot be read: {reason}$") as caught:
                read(f"{tmp_path}/{name}", 4)
            assert caught.value.is_unreadable
            assert caught.value.__context__ is None


def test_a_library_opens_a_file_itself(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(b"x" * 2048)
    require_file(str(path), 2048)
    with as_file(str(path), 2048) as named:
        assert named == str(path)
    for read in (lambda: require_file(str(path), 1024), lambda: as_file(str(path), 1024).__enter__()):
        with pytest.raises(NamedFileError, match=r"^is larger than 1 KiB$"):
            read()


def test_a_library_may_read_twice_what_a_pipe_gives_once(fifo: Path) -> None:
    with pytest.raises(NamedFileError, match=r"^is a pipe, and is read more than once$"):
        require_file(str(fifo), 100)
    writer = write(fifo, b"certificate")
    with as_file(str(fifo), 100) as named:
        for _ in range(2):
            assert Path(named).read_bytes() == b"certificate"
    writer.join()
    assert not Path(named).exists()
    writer = write(fifo, b"x" * 200)
    with pytest.raises(NamedFileError, match=r"^is larger than 0 KiB$"), as_file(str(fifo), 100):
        raise AssertionError
    writer.join()


def test_without_files_in_memory_a_library_reads_the_pipe_itself(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with as_file(str(fifo), 100) as named:
        assert named == str(fifo)


def test_what_is_read_by_somebody_else_meanwhile_is_waited_for_again(
    substituted: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, writing = substituted
    os.write(writing, b"x")
    os.close(writing)
    read, blocked = os.read, [BlockingIOError()]

    def busy(descriptor: int, most: int) -> bytes:
        if blocked:
            raise blocked.pop()
        return read(descriptor, most)

    monkeypatch.setattr(os, "read", busy)
    assert read_named(path, 4).data == b"x"


def test_what_is_no_path_is_no_pipe(fifo: Path) -> None:
    assert [is_pipe(str(fifo)), is_pipe("/dev/null"), is_pipe("/absent"), is_pipe("a\0")] == [True, False, False, False]
