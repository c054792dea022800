import io
import json
import os
import pty
import sys
import termios
from pathlib import Path

import pytest

from compiler.cli.terminal.outlet import Outlet, outlet_of, outlets, standard_error, standard_output
from compiler.refusal import Refusal
from compiler.render.content import Fitted, Painted, Style
from tests.commands import invocation_of

TOKEN = "ghp_0123456789abcdefghij0123456789abcdef"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_printed_past_the_methods_is_concealed_and_escaped_too(capsys: pytest.CaptureFixture[str]) -> None:
    with outlets():
        print("a", TOKEN, "b\x1b[31m\nc")  # noqa: T201 - a careless command does
        sys.stderr.writelines([TOKEN, "\n", "password=", "hunter2\n"])
    assert capsys.readouterr() == ("a … b\\x1b[31m\nc\n", "…\npassword=…\n")


def test_the_streams_are_given_back_with_all_that_was_written(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr

    def interrupted() -> None:
        with outlets():
            sys.stdout.write("begun")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out == "begun"


def test_a_credential_that_is_written_in_parts_is_seen_whole() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream)
    for part in (TOKEN[:10], TOKEN[10:20], TOKEN[20:], " b\nc"):
        outlet.write(part)
    assert stream.getvalue() == "… b\n"
    outlet.flush()
    assert stream.getvalue() == "… b\nc"


def test_methods_keep_the_order_of_what_is_written() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream)
    outlet.write("a ")
    outlet.show(["b\nc"])
    outlet.write("d")
    outlet.show({})
    outlet.write("e")
    outlet.write_raw("f\n")
    assert stream.getvalue() == "a b\\x0ac\nd{}\nef\n"


def test_notes_and_errors_are_a_line_each() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream)
    outlet.note("a")
    outlet.error(f"b\nhelp: {TOKEN}", "c")
    outlet.error("d")
    assert stream.getvalue() == "note: a\nerror: b\\x0ahelp: …\nhelp: c\nerror: d\n"


def test_notes_are_a_line_each_and_none_takes_no_progress_away() -> None:
    stream = Terminal()
    outlet = Outlet(stream)
    outlet.progress("1 of 2")
    before = stream.getvalue()
    outlet.note()
    assert stream.getvalue() == before
    outlet.note("a\nb", "c")
    assert stream.getvalue().removeprefix(before) == "\r\x1b[Knote: a\\x0ab\nnote: c\n"


def test_a_secret_over_the_lines_of_a_block_is_seen_whole() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream)
    body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj"
    outlet.block(["-----BEGIN PRIVATE KEY-----", body, "shortlastlineofakey", "-----END PRIVATE KEY-----", "b\x1b"])
    assert (body in stream.getvalue(), "shortlast" in stream.getvalue()) == (False, False)
    assert stream.getvalue().endswith("b\\x1b\n")
    outlet.error("c", "d", f"-----BEGIN PRIVATE KEY-----\n{body}\nshortlastlineofakey\n-----END PRIVATE KEY-----")
    assert (body in stream.getvalue(), "shortlast" in stream.getvalue()) == (False, False)


def test_a_progress_line_replaces_the_one_before() -> None:
    stream = Terminal()
    outlet = Outlet(stream)
    outlet.progress(f"[#] {TOKEN}\r\x1b[K")
    outlet.progress()
    assert stream.getvalue() == "\r\x1b[K[#] …\\x0d\\x1b[K\r\x1b[K"


def test_a_product_is_as_it_was_made() -> None:
    stream = io.StringIO()
    Outlet(stream).write_raw(f"a: {TOKEN}\n")
    assert stream.getvalue() == f"a: {TOKEN}\n"


def test_a_product_drives_no_terminal() -> None:
    terminal = Terminal()
    Outlet(terminal).write_raw("a: b\x1b[2J\n\tc: \u202ed\r\n")
    assert terminal.getvalue() == "a: b\\x1b[2J\n    c: \\u202ed\\x0d\n"


@pytest.mark.parametrize(
    "text",
    [
        *("::error::x", "a\n \t::error::x\n", "a ##[error]x", "a\r::error::x", "\u3000::x::"),
        *("a: b ##vso[task.setvariable variable=c]d\n", "a: ##VSO[task.prependpath]/tmp\n", "##teamcity[a 'b']"),
    ],
)
def test_a_product_is_no_command_of_a_runner(text: str) -> None:
    stream, terminal = io.StringIO(), Terminal()
    with pytest.raises(Refusal, match="a runner of CI would take a line of the output for a command: line"):
        Outlet(stream).write_raw(text)
    assert stream.getvalue() == ""
    Outlet(stream).write_raw("a: ::error::x\n::1 localhost\n## Heading [x]\n")
    # A person at a terminal is shown it, and a log of a terminal obeys none of it either.
    Outlet(terminal).write_raw(text)
    Outlet(stream).write_raw(terminal.getvalue())


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    terminal = Terminal()
    Outlet(terminal).show([Painted("a", Style.RED).text, (Painted("a", Style.RED),)])
    assert terminal.getvalue() == "a\n\x1b[31ma\x1b[0m\n"
    assert not Outlet(io.StringIO()).may_colour
    assert not Outlet(Terminal(), is_colourless=True).may_colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Outlet(Terminal()).may_colour
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not Outlet(Terminal()).may_colour


def test_force_color_colours_every_stream_unless_somebody_said_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "")
    assert not Outlet(io.StringIO()).may_colour
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    assert Outlet(io.StringIO()).may_colour
    assert not Outlet(Terminal(), is_colourless=True).may_colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Outlet(Terminal()).may_colour


def test_a_finding_is_as_wide_as_the_terminal_and_elsewhere_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = Fitted((("a.yaml", ":1:2:"), " ", Painted("one two three", Style.STRONG)), 2)
    monkeypatch.setenv("COLUMNS", "18")
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        Outlet(stream, is_colourless=True).show([finding])
        Outlet(stream, is_colourless=True).show([finding])
    assert terminal.getvalue() == 2 * "a.yaml:1:2: one\n  two three\n"
    assert pipe.getvalue() == 2 * "a.yaml:1:2: one two three\n"
    monkeypatch.delenv("COLUMNS")
    unknown = Terminal()
    Outlet(unknown, is_colourless=True).show([finding])
    assert unknown.getvalue() == "a.yaml:1:2: one two three\n"


def test_a_finding_is_as_wide_as_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (24, 18))
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        Outlet(stream, is_colourless=True).show([Fitted(("a.yaml:1:2: one two three",), 2)])
    assert os.read(reader, 100) == b"a.yaml:1:2: one\r\n  two three\r\n"
    os.close(reader)


def test_an_outlet_is_not_put_before_an_outlet(capsys: pytest.CaptureFixture[str]) -> None:
    with outlets():
        assert standard_output() is outlet_of(sys.stdout)
        assert standard_error() is not standard_output()
    standard_error().show(["a"])
    assert capsys.readouterr().err == "a\n"


def test_it_says_of_the_stream_what_others_ask() -> None:
    with Path(os.devnull).open("w", encoding="utf-8") as stream:
        outlet = Outlet(stream)
        assert (outlet.encoding, outlet.fileno(), outlet.isatty()) == ("utf-8", stream.fileno(), False)


def test_a_line_takes_the_place_of_the_progress_that_it_comes_after() -> None:
    stream = Terminal()
    outlet = Outlet(stream)
    outlet.progress("[#]")
    outlet.note("waiting")
    outlet.note("still")
    outlet.progress("[##]")
    outlet.progress()
    outlet.note("done")
    clear = "\r\x1b[K"
    assert stream.getvalue() == f"{clear}[#]{clear}note: waiting\nnote: still\n{clear}[##]{clear}note: done\n"


def test_a_block_inside_of_another_one_keeps_its_outlets(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with outlets():
        outlet = standard_output()
        with outlets():
            assert standard_output() is outlet
            standard_output().show([(Painted("red", Style.RED),)])
        assert stream.getvalue() == "\x1b[31mred\x1b[0m\n"
    assert sys.stdout is stream


def printed(form: str) -> None:
    output = invocation_of(format=form)
    output.lines(["a", "b"])
    output.lines(["c"], is_error=True)
    assert output.report(lambda: {"name": "\u202eé\n"}, 4, "dev") == 4


def test_people_get_lines_on_the_stream_that_they_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    printed("text")
    assert capsys.readouterr() == ("a\nb\n", "c\n")


def test_programs_get_one_object_in_plain_ascii_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    printed("json")
    shown = capsys.readouterr()
    assert shown.out.isascii()
    around = {"format": 1, "command": "try", "environment": "dev", "exitCode": 4}
    assert json.loads(shown.out) == {**around, "name": "\u202eé\n"}
    assert shown.err == ""
