import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from time import sleep

import pytest

from compiler.model.document import Severity
from compiler.model.facts import MAX_BYTES
from compiler.model.files import create_file, temporary_beside
from compiler.stages import files
from compiler.stages.files import Output, read_old, read_text, write_all

HEADER = "# Compiled from "
OLD, NEW = f"{HEADER}a\nold: true\n", f"{HEADER}a\nnew: true\n"


def outputs(folder: Path, *names: str) -> list[Output]:
    return [Output(folder / name, f"chart/{name}", NEW) for name in names]


def contents(folder: Path) -> dict[str, str]:
    """Every file of the folder, hidden ones too, so that nothing left behind is overlooked."""
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, as another process would."""
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
    os.close(descriptor)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A folder with the old `a` and `b`, and without `c`."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(OLD, "utf-8")
    return tmp_path


def test_writes_new_and_old_files_with_the_mode_that_git_knows(three: Path) -> None:
    (three / "a").chmod(0o600)
    umask = os.umask(0o077)
    try:
        assert write_all(outputs(three, "a", "b", "c"), three) == ()
    finally:
        os.umask(umask)
    assert contents(three) == dict.fromkeys("abc", NEW)
    assert {stat.S_IMODE(path.stat().st_mode) for path in three.iterdir()} == {0o644}


def test_writes_nothing_for_nothing(tmp_path: Path) -> None:
    assert write_all([], tmp_path) == ()


def failing(monkeypatch: pytest.MonkeyPatch, name: str, at: int, error: BaseException) -> None:
    """Makes the call number `at` of `os.<name>` fail, and those after it succeed again."""
    original: Callable[..., object] = getattr(os, name)
    calls = 0

    def call(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == at:
            raise error
        return original(*arguments, **named)

    monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize("at", [1, 2, 3, 4])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_full_disk_loses_nothing(three: Path, monkeypatch: pytest.MonkeyPatch, at: int, error: int) -> None:
    failing(monkeypatch, "fsync", at, OSError(error, os.strerror(error)))
    (diagnostic,) = write_all(outputs(three, "a", "b", "c"), three)
    assert diagnostic.rule == "unwritable-output"
    assert os.strerror(error).lower() in diagnostic.message
    assert diagnostic.help
    assert contents(three) == {"a": OLD, "b": OLD}


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_failure_between_two_files_puts_the_first_back(three: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    before = {name: (three / name).stat().st_ino for name in ("a", "b")}
    failing(monkeypatch, "replace", at, OSError(errno.EACCES, "Permission denied"))
    (diagnostic,) = write_all(outputs(three, "a", "b", "c"), three)
    assert diagnostic.span.path == f"chart/{'abc'[at - 1]}"
    assert contents(three) == {"a": OLD, "b": OLD}
    assert {name: (three / name).stat().st_ino for name in ("a", "b")} == before


def test_an_interrupt_between_two_files_puts_the_first_back(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "replace", 2, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        write_all(outputs(three, "c", "a", "b"), three)
    assert contents(three) == {"a": OLD, "b": OLD}


def test_a_file_system_without_links_loses_nothing_either(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EPERM, "no")))
    failing(monkeypatch, "replace", 2, OSError(errno.EACCES, "Permission denied"))
    assert write_all(outputs(three, "a", "b"), three)
    assert contents(three) == {"a": OLD, "b": OLD}
    assert write_all(outputs(three, "a", "b"), three) == ()
    assert contents(three) == {"a": NEW, "b": NEW}


def test_a_folder_at_the_destination_is_left_alone(three: Path) -> None:
    (three / "c").mkdir()
    (diagnostic,) = write_all(outputs(three, "a", "c"), three)
    assert diagnostic.rule == "unwritable-output"
    assert diagnostic.span.path == "chart/c"
    assert (three / "a").read_text("utf-8") == OLD
    assert sorted(path.name for path in three.iterdir()) == ["a", "b", "c"]


def test_a_folder_is_made_or_what_stands_there_is_said(tmp_path: Path) -> None:
    assert write_all(outputs(tmp_path / "in/folders", "a"), tmp_path) == ()
    assert contents(tmp_path / "in/folders") == {"a": NEW}
    (tmp_path / "file").touch()
    (diagnostic,) = write_all(outputs(tmp_path / "file", "a"), tmp_path)
    assert diagnostic.message == "chart cannot be created: file exists"


def test_what_a_killed_run_left_behind_is_removed_and_nobody_elses_file(three: Path) -> None:
    ours, theirs = temporary_beside(three / "a"), (three / ".a.tmp", three / "a.0123456789abcdef.platform-secrets-tmp")
    for path in (ours, *theirs):
        path.write_text("left behind", "utf-8")
    folder, link = temporary_beside(three / "folder"), temporary_beside(three / "link")
    folder.mkdir()
    link.symlink_to("a")
    assert write_all([], three, [three, three / "none"]) == ()
    left = sorted(path.name for path in three.iterdir())
    assert left == sorted(["a", "b", folder.name, link.name, *(path.name for path in theirs)])


def test_the_files_of_a_run_that_is_under_way_are_left_alone(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = temporary_beside(three / "a")
    theirs.write_text("under way", "utf-8")
    monkeypatch.setattr("compiler.stages.files._PATIENCE", 0.05)
    with locked(three):
        assert write_all([], three, [three]) == ()
        (diagnostic,) = write_all(outputs(three, "a", "c"), three)
    assert (diagnostic.rule, diagnostic.help) == ("unwritable-output", "wait until it ends")
    assert diagnostic.message == "chart/a cannot be written: another run is writing there"
    assert contents(three) == {"a": OLD, "b": OLD, theirs.name: "under way"}
    assert write_all(outputs(three, "a"), three) == ()
    assert contents(three) == {"a": NEW, "b": OLD}


def test_only_a_folder_that_is_written_is_waited_for(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slept(_seconds: float) -> None:
        raise AssertionError

    monkeypatch.setattr("compiler.stages.files.time.sleep", slept)
    with locked(three):
        assert write_all([], three, [three]) == ()


def test_a_folder_that_a_link_leads_elsewhere_keeps_no_other_from_being_swept(tmp_path: Path) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project / "b", elsewhere):
        folder.mkdir(parents=True)
    (project / "a").symlink_to(elsewhere)
    theirs, ours = temporary_beside(elsewhere / "x"), temporary_beside(project / "b/x")
    for path in (theirs, ours):
        path.write_text("left behind", "utf-8")
    assert write_all([], project, [project / "a", project / "b"]) == ()
    assert (theirs.exists(), ours.exists()) == (True, False)


def test_a_stray_that_another_run_removes_first_keeps_no_other(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        temporary_beside(three / "a").write_text("left behind", "utf-8")
    original, gone = Path.unlink, list[Path]()

    def unlink(path: Path, missing_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - pathlib's own signature
        if not gone:
            os.unlink(path)  # noqa: PTH108 - not by the method in whose place this stands
        gone.append(path)
        original(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    assert write_all([], three, [three]) == ()
    assert (contents(three), len(gone)) == ({"a": OLD, "b": OLD}, 3)


def test_a_stray_that_cannot_be_removed_is_no_failure(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stray = temporary_beside(three / "a")
    stray.write_text("left behind", "utf-8")
    failing(monkeypatch, "unlink", 1, PermissionError(errno.EPERM, "not permitted"))
    assert write_all([], three, [three]) == ()
    assert stray.exists()


def test_what_lies_at_a_files_new_name_is_not_written_to(three: Path) -> None:
    (three / "link").symlink_to("c")
    for name in ("a", "link"):
        with pytest.raises(FileExistsError):
            create_file(three / name, NEW.encode())
    (three / "link").unlink()
    assert contents(three) == {"a": OLD, "b": OLD}


def test_a_run_waits_for_another_one(three: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with locked(three):
            waiting = pool.submit(write_all, outputs(three, "a"), three)
            sleep(0.1)
            assert not waiting.done()
            assert contents(three)["a"] == OLD
        assert waiting.result(10) == ()
    assert contents(three) == {"a": NEW, "b": OLD}


def test_a_file_system_without_locks_is_written_and_not_swept(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stray = temporary_beside(three / "a")
    stray.write_text("whose?", "utf-8")
    monkeypatch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOLCK, "no locks")))
    assert write_all(outputs(three, "a"), three) == ()
    assert contents(three) == {"a": NEW, "b": OLD, stray.name: "whose?"}


class _Stepping:
    """Raises at step `at` of those that change the folder, before or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> None:
        self.steps, self._at, self._after = 0, at, after
        for name in ("open", "link", "fsync", "replace", "unlink"):
            monkeypatch.setattr(os, name, partial(self._call, getattr(os, name)))

    def _call(self, original: Callable[..., object], *arguments: object, **named: object) -> object:
        self.steps += 1
        mine = self.steps
        if mine == self._at and not self._after:
            raise KeyboardInterrupt
        found = original(*arguments, **named)
        if mine == self._at and self._after:
            if isinstance(found, int):
                os.close(found)
            raise KeyboardInterrupt
        return found


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupt_around_any_step_leaves_all_new_or_all_old_and_no_stray(three: Path, after: bool) -> None:  # noqa: FBT001
    at, steps, seen = 0, 1, []
    while at <= steps:
        at += 1
        for name in ("a", "b"):
            (three / name).write_text(OLD, "utf-8")
        (three / "c").unlink(missing_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            stepping = _Stepping(patch, at, after=after)
            with suppress(KeyboardInterrupt):
                write_all(outputs(three, "c", "a", "b"), three)
            steps = stepping.steps
        found = contents(three)
        assert found in ({"a": OLD, "b": OLD}, dict.fromkeys("abc", NEW)), at
        seen.append(found)
    assert {"a": OLD, "b": OLD} in seen
    assert at > 15


@pytest.mark.parametrize("turn", [1, 2, 3, 4])
def test_a_signal_while_a_failure_is_undone_does_not_end_the_undoing(
    three: Path, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    failing(monkeypatch, "fsync", 4, OSError(errno.EIO, "Input/output error"))
    with monkeypatch.context() as patch:
        patch.setattr("compiler.stages.files._put_back", _interrupted_once(patch, turn))
        with pytest.raises(KeyboardInterrupt):
            write_all(outputs(three, "c", "a", "b"), three)
    assert contents(three) == {"a": OLD, "b": OLD}


def _interrupted_once(patch: pytest.MonkeyPatch, turn: int) -> Callable[..., None]:
    """`_put_back`, with a signal at the first time that it looks for a file the `turn`th time."""
    original, lexists, looks = files._put_back, os.path.lexists, count(1)

    def look(path: str) -> bool:
        if next(looks) == turn:
            raise KeyboardInterrupt
        return lexists(path)

    def put_back(done: Iterable[object]) -> None:
        patch.setattr(os.path, "lexists", look)
        original(done)  # type: ignore[arg-type]

    return put_back


def test_a_link_put_there_meanwhile_is_replaced_and_not_followed(three: Path) -> None:
    (three / "c").symlink_to("a")
    assert write_all(outputs(three, "c"), three) == ()
    assert contents(three) == {"a": OLD, "b": OLD, "c": NEW}
    assert not (three / "c").is_symlink()


def refusal(path: Path) -> tuple[str | None, list[tuple[str, str]]]:
    old, diagnostics = read_old(path, "chart/values-prod.yaml", HEADER)
    return old, [(each.rule, each.message.removeprefix("chart/values-prod.yaml ")) for each in diagnostics]


def test_reads_what_it_wrote_and_what_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "values-prod.yaml"
    assert refusal(path) == (None, [])
    for text in (OLD, "", OLD.replace("\n", "\r\n")):
        path.write_bytes(text.encode())
        assert refusal(path) == (text, [])


def test_refuses_what_it_did_not_write(tmp_path: Path) -> None:
    path = tmp_path / "values-prod.yaml"
    for content in (b"replicas: 3\n", b"\n# Compiled from ", b"\xff\xfe", HEADER.encode() + b"\xff"):
        path.write_bytes(content)
        assert refusal(path) == (None, [("foreign-output", "was not written by this compiler")])


def test_says_of_what_it_wrote_that_a_conflict_is_in_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "values-prod.yaml"
    path.write_text(f"<<<<<<< HEAD\n{OLD}=======\n{OLD}>>>>>>> other\n", "utf-8")
    assert refusal(path) == (None, [("foreign-output", "has the marks of a merge conflict")])
    (diagnostic,) = read_old(path, "chart/values-prod.yaml", HEADER)[1]
    assert diagnostic.help == "remove it, and run the command again: it is generated"
    # Somebody's own file may have such lines.
    path.write_text("<<<<<<< HEAD\nreplicas: 3\n", "utf-8")
    assert refusal(path) == (None, [("foreign-output", "was not written by this compiler")])


def test_refuses_links_folders_pipes_and_what_is_read_only(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text(OLD, "utf-8")
    link, broken, folder, pipe, read_only = (tmp_path / name for name in ("link", "broken", "folder", "pipe", "ro"))
    link.symlink_to(target)
    broken.symlink_to("nowhere")
    folder.mkdir()
    os.mkfifo(pipe)
    read_only.write_text(OLD, "utf-8")
    read_only.chmod(0o444)
    what = {link: "is a link", broken: "is a link", folder: "is not a regular file", pipe: "is not a regular file"}
    for path, message in (what | {read_only: "is read-only"}).items():
        assert refusal(path) == (None, [("unwritable-output", message)])


def test_refuses_a_place_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    assert refusal(tmp_path / "file/values-prod.yaml")[1] == [("unwritable-output", "cannot be read: not a directory")]


def test_an_old_file_that_cannot_be_read_is_not_replaced() -> None:
    # A regular file, writable by its owner, whose first byte no one can read.
    old, diagnostics = read_old(Path("/proc/self/mem"), "chart/values-prod.yaml", HEADER)
    assert (old, [each.severity for each in diagnostics]) == (None, [Severity.ERROR])
    assert refusal(Path("/proc/self/mem"))[1] == [("unwritable-output", "cannot be read: input/output error")]


def test_refuses_what_is_larger_than_any_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", len(OLD))
    path = tmp_path / "values-prod.yaml"
    path.write_text(OLD, "utf-8")
    assert refusal(path) == (OLD, [])
    for more in ("x", "x" * 100):
        path.write_text(OLD + more, "utf-8")
        what = f"was not written by this compiler: it has more than {len(OLD)} bytes"
        assert refusal(path) == (None, [("foreign-output", what)])
        # Enough to know that, and no more of what may be gigabytes.
        assert len(files._read(path)) == len(OLD) + 1


def test_a_link_or_a_pipe_put_there_after_the_look_is_neither_followed_nor_waited_for(tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(tmp_path / "target")
    (tmp_path / "target").write_text(OLD, "utf-8")
    with pytest.raises(OSError, match="symbolic links"):
        files._read(link)
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(files._read, pipe)
        try:
            assert reading.result(10) == b""
        finally:
            # Where it waits, this is what it waits for.
            os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))


def test_what_cannot_be_tidied_up_afterwards_is_no_failure(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unlink = os.unlink

    def kept(path: Path, *given: object, **named: object) -> None:
        if os.path.lexists(path):
            raise OSError(errno.EIO, "Input/output error")
        unlink(path)

    monkeypatch.setattr(os, "unlink", kept)
    assert write_all(outputs(three, "a", "c"), three) == ()
    assert ((three / "a").read_text("utf-8"), (three / "c").read_text("utf-8")) == (NEW, NEW)


@pytest.mark.parametrize("links", [True, False])
def test_a_link_that_was_there_is_there_again_after_a_failure(
    three: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EPERM, "no")))
    (three / "c").symlink_to("a")
    failing(monkeypatch, "replace", 2, OSError(errno.EACCES, "Permission denied"))
    assert write_all(outputs(three, "c", "b"), three)
    assert (three / "b").read_text("utf-8") == OLD
    assert (three / "c").read_text("utf-8") == OLD
    # Without second names a copy of what it pointed to is the best there is.
    assert (three / "c").is_symlink() == links


def test_a_file_is_whole_before_it_is_waited_for(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync, sizes = os.fsync, list[int]()

    def watched(descriptor: int) -> None:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            sizes.append(status.st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    assert write_all(outputs(three, "a", "c"), three) == ()
    assert sizes == [len(NEW), len(NEW)]


def test_the_names_of_the_files_are_waited_for_after_all_are_in_place(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, seen = os.fsync, list[dict[str, str]]()

    def watched(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            seen.append({name: (three / name).read_text("utf-8") for name in ("a", "b")})
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    assert write_all(outputs(three, "a", "b"), three) == ()
    assert seen == [{"a": NEW, "b": NEW}]


def test_what_somebody_else_put_there_meanwhile_is_not_taken_away(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> None:
        (three / "c").write_text("theirs", "utf-8")
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", late)
    (diagnostic,) = write_all(outputs(three, "c"), three)
    assert (diagnostic.severity, diagnostic.span.path) == (Severity.ERROR, "chart/c")
    assert contents(three) == {"a": OLD, "b": OLD, "c": "theirs"}


def test_no_descriptor_stays_open(three: Path) -> None:
    before = {path.name for path in Path("/proc/self/fd").iterdir()}
    assert write_all(outputs(three, "a", "b", "c"), three) == ()
    assert {path.name for path in Path("/proc/self/fd").iterdir()} <= before


def test_nothing_is_written_where_a_link_leads_out_of_the_project(three: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "chart").symlink_to(three)
    (diagnostic,) = write_all([*outputs(project, "new"), *outputs(project / "chart", "a", "c")], project)
    assert (diagnostic.rule, diagnostic.span.path) == ("unwritable-output", "chart/a")
    assert diagnostic.message == "chart/a leads out of the project through a link"
    assert (three / "a").read_text("utf-8") == OLD
    assert not (three / "c").exists()
    assert not (project / "new").exists()


@pytest.mark.parametrize(
    ("mode", "replaced"), [(0o600, True), (0o464, True), (0o446, True), (0o444, False), (0o555, False)]
)
def test_what_nobody_may_write_is_left_alone(tmp_path: Path, mode: int, *, replaced: bool) -> None:
    path = tmp_path / "values-prod.yaml"
    path.write_text(OLD, "utf-8")
    path.chmod(mode)
    assert refusal(path) == ((OLD, []) if replaced else (None, [("unwritable-output", "is read-only")]))


def test_a_refusal_says_the_way_out(tmp_path: Path) -> None:
    helps = {}
    for name, text in (("foreign", "replicas: 3\n"), ("folder", "")):
        path = tmp_path / name
        if text:
            path.write_text(text, "utf-8")
        else:
            path.mkdir()
        (diagnostic,) = read_old(path, "chart/values-prod.yaml", HEADER)[1]
        helps[name] = diagnostic.help
    assert helps == {
        "foreign": "move it away, or name another folder with `--out`",
        "folder": "make it a regular, writable file, or name another folder with `--out`",
    }


def test_a_failure_that_the_system_does_not_explain_is_told_all_the_same(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "fsync", 1, OSError())
    (diagnostic,) = write_all(outputs(three, "c"), three)
    assert diagnostic.message == "chart/c cannot be written: unknown reason"


def test_a_text_that_is_replaced_must_still_be_there_and_keeps_its_mode(three: Path) -> None:
    (three / "a").chmod(0o640)
    assert write_all([Output(three / "a", "environments/a", NEW, replaces=OLD)], three) == ()
    assert ((three / "a").read_text("utf-8"), stat.S_IMODE((three / "a").stat().st_mode)) == (NEW, 0o640)
    before = contents(three)
    both = [Output(three / "b", "chart/b", NEW), Output(three / "a", "environments/a", OLD, replaces=OLD)]
    (refused,) = write_all(both, three)
    assert refused.message == "environments/a was changed by somebody else meanwhile; nothing was written"
    assert refused.help == "run the command again"
    assert contents(three) == before


def test_a_text_that_is_replaced_and_gone_is_not_written(three: Path) -> None:
    (refused,) = write_all([Output(three / "gone", "environments/gone", NEW, replaces=OLD)], three)
    assert "environments/gone cannot be written: no such file" in refused.message


def test_reads_a_text_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes("a: \u00e4\r\n".encode())
    assert read_text(tmp_path, "a.yaml") == ("a: \u00e4\r\n", ())


def test_the_largest_file_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"#" * MAX_BYTES)
    text, diagnostics = read_text(tmp_path, "a.yaml")
    assert text is not None
    assert len(text) == MAX_BYTES
    assert not diagnostics
    (tmp_path / "a.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    text, (diagnostic,) = read_text(tmp_path, "a.yaml")
    assert text is None
    assert diagnostic.rule == "too-large"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xef\xbb\xbfa", "the file begins with a byte order mark (UTF-8)"),
        (b"\xff\xfea\x00", "the file begins with a byte order mark (UTF-16)"),
        (b"\xfe\xff\x00a", "the file begins with a byte order mark (UTF-16)"),
        (b"a: b\nc: \xe9\n", "the byte 0xe9 is not valid UTF-8"),
        (b"a: \xe2\x82", "the byte 0xe2 is not valid UTF-8"),
    ],
)
def test_what_is_no_plain_utf_8(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    text, (diagnostic,) = read_text(tmp_path, "a.yaml")
    assert text is None
    assert (diagnostic.rule, diagnostic.message) == ("invalid-encoding", message)


@pytest.mark.parametrize(
    ("content", "way_out"),
    [
        (b"\xef\xbb\xbfa", "save it as UTF-8 without one"),
        (b"\xff\xfea\x00", "save it as UTF-8 without one: `iconv -f UTF-16 -t UTF-8 'a b.yaml'` shows it"),
        (
            b"a: \x93b\x94\n",
            "save it as UTF-8: `iconv -f WINDOWS-1252 -t UTF-8 'a b.yaml'` shows it, if that is what it is in",
        ),
    ],
)
def test_the_way_out_of_another_encoding_can_be_pasted(tmp_path: Path, content: bytes, way_out: str) -> None:
    (tmp_path / "a b.yaml").write_bytes(content)
    _, (diagnostic,) = read_text(tmp_path, "a b.yaml")
    assert diagnostic.help == way_out


def test_a_wrong_byte_is_placed_and_its_line_hidden(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: b\ntoken: x\xe9\n")
    _, (diagnostic,) = read_text(tmp_path, "a.yaml")
    assert diagnostic.span.where == "a.yaml:2:9"
    (hidden,) = diagnostic.conceals
    assert diagnostic.span.source.text[hidden.start : hidden.end] == "token: x"


def test_a_path_that_no_system_takes(tmp_path: Path) -> None:
    text, (diagnostic,) = read_text(tmp_path, "a\0b")
    assert text is None
    assert diagnostic.message == "the file cannot be read: its path is not usable"
    assert read_text(tmp_path, "x" * 300)[1][0].rule == "unreadable-file"


def test_what_cannot_be_read_has_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "out").symlink_to("/etc/hostname")
    helps = [read_text(tmp_path, name)[1][0].help for name in ("folder", "out", "missing")]
    instead = "replace it with the file itself"
    assert helps == [instead, instead, "create it, or restore it, as from Git"]


def test_a_right_to_read_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("compiler.stages.files.os.open", refuses)
    assert read_text(tmp_path, "a.yaml")[1][0].help == "let your user read it"


def test_a_path_upwards_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "a.yaml").write_text("a: b", "utf-8")
    text, (diagnostic,) = read_text(tmp_path / "in", "../a.yaml")
    assert text is None
    assert diagnostic.rule == "unreadable-file"


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = tmp_path / "a.yaml", os.read
    path.write_text("a: b\n", "utf-8")

    def grows(descriptor: int, most: int) -> bytes:
        with path.open("a", encoding="utf-8") as file:
            file.write("c: d\n")
        return read(descriptor, most)

    monkeypatch.setattr("compiler.stages.files.os.read", grows)
    text, (diagnostic,) = read_text(tmp_path, "a.yaml")
    assert (text, diagnostic.message) == (None, "the file changed while it was read; run again")


def test_a_disk_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text("a: b\n", "utf-8")

    def fails(*_arguments: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("compiler.stages.files.os.read", fails)
    text, (diagnostic,) = read_text(tmp_path, "a.yaml")
    assert (text, diagnostic.message) == (None, "the file cannot be read: input/output error")
