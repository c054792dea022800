import io
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from compiler.cli.terminal.dialogue import read_file, read_stdin
from compiler.model.facts import MAX_INPUT_BYTES
from compiler.refusal import Refusal


def test_no_more_than_any_store_takes_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"x" * (MAX_INPUT_BYTES + 50))))
    assert len(read_stdin()) == MAX_INPUT_BYTES + 1


def test_a_closed_input_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert read_stdin() == b""


def test_a_file_that_others_can_read_is_read_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"x" * 10)
    path.chmod(0o600)
    assert read_file(str(path), 4) == b"x" * 5
    assert capsys.readouterr().err == ""
    path.chmod(0o640)
    read_file(str(path), is_secret=False)
    assert capsys.readouterr().err == ""
    read_file(str(path))
    assert capsys.readouterr().err == f'note: "{path}" can be read by other users; `chmod 600` it, or remove it\n'


def test_a_pipe_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o644)
    writer = threading.Thread(target=path.write_bytes, args=(b"value",))
    writer.start()
    assert read_file(str(path)) == b"value"
    writer.join()
    assert capsys.readouterr().err == ""


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    for name, reason in (("no", "no such file"), (".", "is a directory")):
        with pytest.raises(Refusal, match=f"cannot be read: {reason}"):
            read_file(str(tmp_path / name))


def test_a_file_that_a_variable_names_is_told_by_the_variable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s3ntinel"
    with pytest.raises(Refusal, match="the file that X_FILE names cannot be read: no such file") as caught:
        read_file(str(path), variable="X_FILE")
    assert caught.value.help == "X_FILE must hold the path of a file, not the secret"
    path.write_bytes(b"x")
    path.chmod(0o644)
    assert read_file(str(path), variable="X_FILE") == b"x"
    assert (
        capsys.readouterr().err
        == "note: the file that X_FILE names can be read by other users; `chmod 600` it, or remove it\n"
    )
