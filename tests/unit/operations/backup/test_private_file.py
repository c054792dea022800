import os
import stat
from pathlib import Path

import pytest

from compiler.operations.age_file import require_writable, write_private
from compiler.refusal import Refusal


def test_a_new_file_is_its_owners_alone_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "prod.age"
    write_private(path, b"new", replaces=False)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "prod.age"
    path.write_bytes(b"old")
    path.chmod(0o644)
    with pytest.raises(Refusal, match="already exists"):
        write_private(path, b"new", replaces=False)
    assert path.read_bytes() == b"old"
    write_private(path, b"new", replaces=True)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_appears_meanwhile_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prod.age"
    fsync = os.fsync

    def somebody_else_writes(descriptor: int) -> None:
        path.write_bytes(b"theirs")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", somebody_else_writes)
    with pytest.raises(Refusal, match="already exists"):
        write_private(path, b"ours", replaces=False)
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_without_hard_links_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_private(tmp_path / "prod.age", b"new", replaces=False)
    assert (tmp_path / "prod.age").read_bytes() == b"new"


def test_what_cannot_be_written_is_refused_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").write_text("x", "utf-8")
    for name, reason in (
        ("link", "is a link"),
        (".", "not a regular file"),
        ("no/such", 'no/such" does not exist'),
        ("file/below", "cannot be written: not a directory"),
    ):
        with pytest.raises(Refusal, match=reason):
            require_writable(tmp_path / name, replaces=True)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(Refusal, match="read-only"):
        require_writable(tmp_path / "new", replaces=False)
    assert not (tmp_path / "elsewhere").exists()
