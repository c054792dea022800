import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from compiler.change.run_files import FOLDER, PATIENCE, run_lock
from compiler.refusal import Refusal


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
    with pytest.raises(OSError, match="is no file of its own; remove it") as caught, run_lock(tmp_path, "run"):
        pytest.fail("took a file of others")
    assert caught.value.filename == str(tmp_path / FOLDER / "lock")
    assert (tmp_path / "target").read_text() == "precious"


def test_a_lock_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    os.mkfifo(tmp_path / FOLDER / "lock")
    with pytest.raises(OSError, match="is no file of its own"), run_lock(tmp_path, "run"):
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
