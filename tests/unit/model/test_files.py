import grp
import itertools
import os
import pwd
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.model.files import (
    NamedFileError,
    as_file,
    foreign_part,
    is_inside,
    is_pipe,
    is_temporary,
    leads_out,
    read_named,
    require_file,
    temporary_beside,
)

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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a folder, a link to it, and links that lead out; `alias` beside it is a link to the project."""
    root = tmp_path / "project"
    (root / "chart").mkdir(parents=True)
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    # A neighbour whose name begins as the project's does is no part of it.
    (tmp_path / "project-2").mkdir()
    (root / "inner").symlink_to("chart")
    (root / "outer").symlink_to(tmp_path / "elsewhere")
    (root / "neighbour").symlink_to("../project-2")
    (root / "dangling").symlink_to("../nowhere")
    (root / "loop").symlink_to("loop")
    (root / "itself").symlink_to(".")
    (tmp_path / "alias").symlink_to("project")
    return root


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("chart", False),
        ("chart/new/file", False),
        ("inner/file", False),
        ("itself", False),
        ("itself/chart/file", False),
        ("outer", True),
        ("outer/file", True),
        ("outer/deep/new/file", True),
        ("neighbour/file", True),
        ("dangling", True),
        ("dangling/file", True),
        # The system follows the link before it goes up, so that this is a file in the link's parent.
        ("chart/../outer/deep/../file", True),
        # By its name it is outside: whoever named it meant that.
        ("../elsewhere/file", False),
        ("../project-2/file", False),
        (".", False),
    ],
)
def test_a_name_in_the_project_must_not_lead_out_of_it(root: Path, path: str, *, expected: bool) -> None:
    assert leads_out(root, root / path) is expected


def test_a_project_behind_a_link_has_the_same_rule(root: Path, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    for project in (root, alias):
        for named in (root, alias):
            assert leads_out(project, named / "outer/file")
            assert not leads_out(project, named / "inner/file")


def test_relative_names_count_from_the_working_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path  # noqa: PLC0415 - at run time here alone

    monkeypatch.chdir(root / "chart")
    assert leads_out(root, Path("../outer/file"))
    assert not leads_out(root, Path("file"))


def test_inside_is_below_and_not_the_folder_itself(root: Path) -> None:
    assert is_inside(root, root / "inner/file")
    assert not is_inside(root, root)
    assert not is_inside(root, root / "neighbour/file")
    assert not is_inside(root, root.parent / "elsewhere")


@pytest.mark.parametrize("named", ["project", "alias"])
def test_inside_is_where_the_links_lead(root: Path, named: str) -> None:
    (root / "chart/out").symlink_to("../../elsewhere")
    # Beside it, and with its whole name somewhere else.
    others = [root.parent / "project-2/file", root.parent / "elsewhere" / root.relative_to("/") / "file"]
    below = (*os.listdir(root), "missing", "..", "../project-2", "a/../../project/chart", "chart/out")  # noqa: PTH208
    names: list[str | Path] = [*below, *others]
    for parts in itertools.product(names, repeat=2):
        path = (root.parent / named).joinpath(*parts)
        leads_to = Path(os.path.realpath(path))  # resolve() refuses a loop
        assert is_inside(root.parent / named, path) == (root.resolve() in leads_to.parents), path


STRANGER = 54_321
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the caller's with a file that only the caller changes."""
    made = tmp_path / "environments"
    made.mkdir(mode=0o755)
    (made / "prod.yaml").touch(0o644)
    return made


def test_what_is_the_callers_own_is_no_strangers(folder: Path, tmp_path: Path) -> None:
    assert foreign_part((folder, tmp_path / "none")) is None
    (folder / "gone.yaml").symlink_to("nowhere")
    (folder / "README.md").touch(0o666)
    assert foreign_part((folder,)) is None


@needs_root
@pytest.mark.parametrize("name", ["", "prod.yaml"])
def test_another_users_folder_or_file_is_named(folder: Path, name: str) -> None:
    os.chown(folder / name, STRANGER, -1)
    assert foreign_part((folder,)) == (folder / name, "belongs to another user")


@needs_root
def test_a_link_is_judged_by_what_it_leads_to(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").touch(0o644)
    os.chown(tmp_path / "shared.yaml", STRANGER, -1)
    (folder / "qa.yaml").symlink_to("../shared.yaml")
    assert foreign_part((folder,)) == (folder / "qa.yaml", "belongs to another user")


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o602])
@pytest.mark.parametrize("name", ["", "prod.yaml"])
def test_what_everybody_may_write_is_named(folder: Path, name: str, mode: int) -> None:
    (folder / name).chmod(mode | 0o500)
    assert foreign_part((folder,)) == (folder / name, "can be changed by other users")


@pytest.mark.parametrize(
    ("name", "others", "is_foreign"),
    [("me", [], False), ("me", ["me"], False), ("me", ["bob"], True), ("team", [], True), (None, [], True)],
)
def test_a_group_that_has_the_caller_alone_may_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str | None, others: list[str], *, is_foreign: bool
) -> None:
    (folder / "prod.yaml").chmod(0o664)

    def group(_number: int) -> grp.struct_group:
        if name is None:
            raise KeyError
        return grp.struct_group((name, "x", 7, others))

    me = pwd.struct_passwd(("me", "x", 7, 7, "", "/", ""))
    monkeypatch.setattr("grp.getgrgid", group)
    monkeypatch.setattr("pwd.getpwuid", lambda _number: me)
    assert (foreign_part((folder,)) is not None) is is_foreign


def test_no_two_names_are_alike_and_each_is_known_again() -> None:
    names = {temporary_beside(Path("chart/values-prod.yaml")) for _ in range(100)}
    assert len(names) == 100
    assert {name.parent for name in names} == {Path("chart")}
    assert all(is_temporary(name.name) and name.name.startswith(".values-prod.yaml.") for name in names)


def test_a_long_name_is_still_one_that_a_file_system_takes(tmp_path: Path) -> None:
    temporary = temporary_beside(tmp_path / ("ü" * 120))
    temporary.write_text("", "utf-8")
    assert is_temporary(temporary.name)


def test_what_others_make_is_not_taken_for_it() -> None:
    name = temporary_beside(Path("a")).name
    for other in ("", "a", name[1:], f"{name}~", name.replace(".platform", ""), ".a.0123.platform-secrets-tmp"):
        assert not is_temporary(other)
