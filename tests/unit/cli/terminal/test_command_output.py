import json

import pytest

from tests.commands import invocation_of


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
