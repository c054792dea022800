import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Self

import pytest
from pyrage import x25519  # type: ignore[import-untyped]

from compiler.cli.invocation import orderly_termination
from compiler.operations.age_file import write_private
from compiler.refusal import Refusal
from tests.own_process import OwnProcesses
from tests.proofs.conftest import World

OLD, NEW = b"the old backup", b"the new backup" * 1000
POINTS = ("open", "write", "fsync file", "replace", "fsync folder")


class Torn:
    """A file to which `act` happens when a part of what is written has reached it."""

    def __init__(self, file: IO[bytes], act: Callable[[], None]) -> None:
        self._file, self._act = file, act

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def fileno(self) -> int:
        return self._file.fileno()

    def flush(self) -> None:
        self._file.flush()

    def write(self, content: bytes) -> None:
        self._file.write(content[:10])
        self._file.flush()
        self._act()
        self._file.write(content[10:])


def at(point: str, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let `act` happen when the writing of the file has come to `point`."""
    real_open, real_fdopen, real_fsync, real_replace = os.open, os.fdopen, os.fsync, Path.replace
    syncs = iter(("fsync file", "fsync folder"))

    def opening(path: str, flags: int, *mode: int) -> int:
        if point == "open" and flags & os.O_CREAT:
            act()
        return real_open(path, flags, *mode)

    def opened(descriptor: int, mode: str) -> IO[bytes] | Torn:
        file: IO[bytes] = real_fdopen(descriptor, mode)
        return Torn(file, act) if point == "write" else file

    def syncing(descriptor: int) -> None:
        if next(syncs) == point:
            act()
        real_fsync(descriptor)

    def replacing(path: Path, to: Path) -> Path:
        if point == "replace":
            act()
        return real_replace(path, to)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "fdopen", opened)
    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(Path, "replace", replacing)


def assert_whole(path: Path) -> None:
    assert path.read_bytes() in {OLD, NEW}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("point", POINTS)
def test_a_disk_that_refuses_leaves_old_or_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, code: int
) -> None:
    path = tmp_path / "prod.age"
    path.write_bytes(OLD)

    def refuse() -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        at(point, patch, refuse)
        with pytest.raises(Refusal, match="cannot be written"):
            write_private(path, NEW, replaces=True)
    assert_whole(path)
    assert (path.read_bytes() == NEW) is (point == "fsync folder")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("point", POINTS)
def test_a_signal_at_any_point_leaves_old_or_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, number: int
) -> None:
    path = tmp_path / "prod.age"
    path.write_bytes(OLD)
    with monkeypatch.context() as patch:
        at(point, patch, lambda: os.kill(os.getpid(), number))
        with pytest.raises(KeyboardInterrupt), orderly_termination():
            write_private(path, NEW, replaces=True)
    assert_whole(path)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_leaves_old_or_new_and_nothing_in_the_clear(
    tmp_path: Path, own_processes: OwnProcesses, point: str
) -> None:
    path = tmp_path / "prod.age"
    path.write_bytes(OLD)
    program = f"""
import os, pathlib, pytest, signal
from tests.proofs.test_backup_file_is_old_or_new import NEW, at
from compiler.operations.age_file import write_private
with pytest.MonkeyPatch.context() as patch:
    at({point!r}, patch, lambda: os.kill(os.getpid(), signal.SIGKILL))
    write_private(pathlib.Path({str(path)!r}), NEW, replaces=True)
"""
    done = own_processes.run(program, variables={"PATH": os.defpath})
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert path.read_bytes() in {OLD, NEW}
    rest = [each for each in tmp_path.iterdir() if each != path]
    assert all(NEW.startswith(each.read_bytes()) and each.stat().st_mode & 0o077 == 0 for each in rest)


def test_a_closed_output_leaves_a_whole_backup(world: World, tmp_path: Path) -> None:
    world.fill()
    identity = x25519.Identity.generate()
    key, path = tmp_path / "key", tmp_path / "prod.age"
    key.write_text(str(identity), "utf-8")
    key.chmod(0o600)
    program = "import os, sys; os.close(1); os.close(2); from compiler.__main__ import run; sys.exit(run())"
    done = world.process(program, "backup", "prod", str(path), "--recipient", str(identity.to_public()))
    assert done.returncode == 0
    restored = world.run("restore", "prod", str(path), "--identity", str(key))
    assert restored.code == 0
    assert "plan: 3 keys unchanged" in restored.out


def test_a_closed_output_is_not_taken_for_the_audit_file(world: World, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("token-1", "utf-8")
    token.chmod(0o600)
    audit = tmp_path / "audit"
    program = "import os, sys; os.closerange(0, 3); from compiler.__main__ import run; sys.exit(run())"
    options = ("--from-file", str(token), "--apply", "--audit", str(audit))
    assert world.process(program, "put", "prod", "jira", "JIRA_TOKEN", *options).returncode == 0
    assert world.get("agents/jira") == {"JIRA_TOKEN": "token-1"}
    lines = [json.loads(line) for line in audit.read_text("utf-8").splitlines()]
    assert [(line["name"], line["state"]) for line in lines] == [
        ("agents/jira", "writing"),
        ("agents/jira", "written"),
    ]


def test_a_reader_that_goes_away_changes_nothing(world: World, tmp_path: Path) -> None:
    world.fill()
    path = tmp_path / "prod.age"
    recipient = str(x25519.Identity.generate().to_public())
    reader, writer = os.pipe()
    os.close(reader)
    variables = {"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), **world.variables}
    command = [sys.executable, "-m", "compiler", "--root", str(world.root), "backup", "prod", str(path)]
    done = subprocess.run(
        [*command, "--recipient", recipient], env=variables, stdout=writer, stderr=writer, check=False, timeout=60
    )
    os.close(writer)
    assert done.returncode == 0
    assert path.read_bytes().startswith(b"age-encryption.org/v1\n")
    assert list(tmp_path.glob(".*")) == []
