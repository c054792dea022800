import os
from pathlib import Path

import pytest

from compiler.model.facts import MAX_BYTES
from compiler.stages.files import read_text


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
