import getpass
import sys
from pathlib import Path

import pytest

from compiler.cli.commands.backup import PASSPHRASE_FILE_VARIABLE, passphrase
from compiler.cli.commands.backup import _recipients as recipients
from compiler.cli.commands.restore import _identities as identities
from compiler.refusal import Refusal


class Person:
    def isatty(self) -> bool:
        return True


def file(folder: Path, content: bytes) -> str:
    path = folder / "keys"
    path.write_bytes(content)
    path.chmod(0o600)
    return str(path)


def test_recipients_are_those_of_the_command_line_and_of_files(tmp_path: Path) -> None:
    name = file(tmp_path, b"# ops\n\n age1one \nage1two\n")
    assert recipients(["age1named"], [name]) == ("age1named", "age1one", "age1two")
    assert recipients([], []) == ()


def test_a_private_key_is_no_recipient_and_is_not_shown(tmp_path: Path) -> None:
    for named, files in ((["age-secret-key-1S3NTINEL"], []), ([], [file(tmp_path, b"AGE-SECRET-KEY-1S3NTINEL")])):
        with pytest.raises(Refusal, match="this is a private one") as caught:
            recipients(named, files)
        assert "S3NTINEL" not in f"{caught.value} {caught.value.help}"


def test_a_file_without_recipients_is_not_taken_for_no_file(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="holds no recipient"):
        recipients([], [file(tmp_path, b"# nobody\n")])


def test_identities_are_a_line_each(tmp_path: Path) -> None:
    found = identities([file(tmp_path, b"# created\nAGE-SECRET-KEY-1A\nAGE-SECRET-KEY-1B\n")])
    assert [each.reveal() for each in found] == ["AGE-SECRET-KEY-1A", "AGE-SECRET-KEY-1B"]
    with pytest.raises(Refusal, match="not a text file") as caught:
        identities([file(tmp_path, b"\xff")])
    assert caught.value.__context__ is None


def test_the_variables_file_holds_the_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, file(tmp_path, b" with spaces \r\n"))
    assert passphrase(is_new=True).reveal() == " with spaces "


def test_a_key_file_is_not_cut_off_where_it_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = file(tmp_path, b"x" * (64 * 1024 + 1))
    for read in (lambda: recipients([], [name]), lambda: identities([name])):
        with pytest.raises(Refusal, match=r'"[^"]*/keys" is larger than 64 KiB'):
            read()
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, name)
    with pytest.raises(Refusal, match=f"the file that {PASSPHRASE_FILE_VARIABLE} names is larger than 64 KiB"):
        passphrase(is_new=False)
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, "/dev/zero")
    with pytest.raises(Refusal, match="names is a device, not a file"):
        passphrase(is_new=False)


def test_a_new_passphrase_is_typed_twice_and_an_old_one_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSPHRASE_FILE_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "stdin", Person())
    asked: list[str] = []
    answers = iter(["one", "one", "one", "one", "other", ""])

    def typed(question: str) -> str:
        asked.append(question)
        return next(answers)

    monkeypatch.setattr(getpass, "getpass", typed)
    assert passphrase(is_new=True).reveal() == "one"
    assert passphrase(is_new=False).reveal() == "one"
    assert asked == ["Passphrase (12 characters or more): ", "Repeat the passphrase: ", "Passphrase: "]
    with pytest.raises(Refusal, match="differ"):
        passphrase(is_new=True)
    assert passphrase(is_new=False).reveal() == ""


@pytest.mark.parametrize(
    ("is_new", "way_out"), [(True, "give --recipient, or "), (False, "the backup is encrypted with a passphrase: ")]
)
def test_without_a_terminal_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch, way_out: str, *, is_new: bool) -> None:
    monkeypatch.delenv(PASSPHRASE_FILE_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(Refusal) as caught:
        passphrase(is_new=is_new)
    rest = f"set {PASSPHRASE_FILE_VARIABLE} to the path of a file that holds it"
    assert caught.value.help == way_out + rest


def test_a_passphrase_in_place_of_its_files_name_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, "my s3ntinel phrase")
    with pytest.raises(Refusal, match="cannot be read") as caught:
        passphrase(is_new=False)
    error = caught.value
    assert "s3ntinel" not in f"{error} {error.help} {error.details}"
    assert error.__context__ is None


def test_a_private_key_in_place_of_its_files_name_is_not_shown() -> None:
    with pytest.raises(Refusal, match="takes a file") as caught:
        identities(["AGE-SECRET-KEY-1S3NTINEL"])
    assert "S3NTINEL" not in f"{caught.value} {caught.value.help}"
