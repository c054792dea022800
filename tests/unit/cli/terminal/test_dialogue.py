import getpass
import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from compiler.cli.terminal.dialogue import (
    ask_hidden,
    ask_hidden_values,
    confirm,
    is_terminal,
    read_file,
    read_stdin,
)
from compiler.model.facts import MAX_INPUT_BYTES
from compiler.refusal import Refusal


class Terminal:
    def __init__(self, answer: str = "") -> None:
        self._answer = answer

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self._answer


def typing(monkeypatch: pytest.MonkeyPatch, typed: Callable[[str], str]) -> None:
    monkeypatch.setattr(getpass, "getpass", typed)
    monkeypatch.setattr(sys, "stdin", Terminal())


def test_each_key_is_asked_for_and_an_empty_one_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def typed(question: str) -> str:
        asked.append(question)
        return "" if question.startswith("B") else f"s3ntinel {question}"

    typing(monkeypatch, typed)
    values = ask_hidden_values(("A", "B", "C"))
    assert asked == ["A: ", "B: ", "C: "]
    assert {key: value.reveal() for key, value in values.items()} == {"A": "s3ntinel A: ", "C": "s3ntinel C: "}
    shown = capsys.readouterr()
    assert shown.err == "Input is hidden. Leave a value empty to keep the key unchanged.\n"
    assert shown.out == ""


@pytest.mark.parametrize("error", [EOFError(), UnicodeDecodeError("utf-8", b"s3ntinel\xff", 8, 9, "invalid")])
def test_an_input_that_ends_or_is_no_text_is_told_without_it(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def typed(_question: str) -> str:
        raise error

    typing(monkeypatch, typed)
    with pytest.raises(Refusal, match="the input ended") as caught:
        ask_hidden("A: ")
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("-----BEGIN PRIVATE KEY-----", "a prompt takes one line"),
        (" -----BEGIN OPENSSH PRIVATE KEY-----\r", "a prompt takes one line"),
        ("{", "a prompt takes one line"),
        ("s" * 4095, "a terminal takes no more than 4095 bytes in a line"),
        ("s" * 4091 + "é" * 2, "a terminal takes no more than 4095 bytes in a line"),
    ],
)
def test_a_part_of_a_longer_text_is_no_value(monkeypatch: pytest.MonkeyPatch, typed: str, why: str) -> None:
    typing(monkeypatch, lambda _question: typed)
    with pytest.raises(Refusal, match=f"{why}, and only a part") as caught:
        ask_hidden_values(("A",))
    assert caught.value.help == "nothing was written; give the text in a file"


@pytest.mark.parametrize(
    "typed", ["s3ntinle\x1b[D\x1b[D", "\x1b[200~s3ntinel\x1b[201~", "s3n\x7ftinel", "s3n\x9btinel"]
)
def test_keys_that_move_the_cursor_are_no_part_of_a_value(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    typing(monkeypatch, lambda _question: typed)
    with pytest.raises(Refusal, match="what was typed has a control character") as caught:
        ask_hidden_values(("A",))
    assert caught.value.help == "nothing was written; type it again, or give the text in a file"


@pytest.mark.parametrize(
    "typed", ["tab\tbed", "s" * 4094, "{s3ntinel", "-----BEGIN X-----s3ntinel-----END X-----", "---BEGIN"]
)
def test_a_whole_line_is_a_value(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    typing(monkeypatch, lambda _question: typed)
    assert ask_hidden_values(("A",))["A"].reveal() == typed


def test_ctrl_z_at_a_hidden_prompt_ends_the_command_as_a_shell_would_show_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def typed(_question: str) -> str:
        # Raised only where it is handled: it would stop this process for good.
        if callable(signal.getsignal(signal.SIGTSTP)):
            signal.raise_signal(signal.SIGTSTP)
        return "s3ntinel"

    before = signal.getsignal(signal.SIGTSTP)
    typing(monkeypatch, typed)
    with pytest.raises(Refusal, match="a hidden prompt cannot be suspended"):
        ask_hidden("A: ")
    assert signal.getsignal(signal.SIGTSTP) is before


@pytest.mark.parametrize("stdin", [io.StringIO("s3ntinel\n"), None])
def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    assert not is_terminal()
    with pytest.raises(Refusal) as caught:
        ask_hidden_values(("A",))
    assert caught.value.help == "give the values with --stdin or --from-file"


def test_a_closed_input_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdin", closed)
    assert not is_terminal()


@pytest.mark.parametrize(
    ("answer", "means"),
    [("y\n", True), (" YES \n", True), ("n\n", False), ("\n", False), ("", False), ("yeah\n", False)],
)
def test_only_a_yes_is_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, *, means: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert confirm("Write 1 key?") is means
    assert capsys.readouterr().err == "Write 1 key? [y/N] "


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
