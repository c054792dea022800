from __future__ import annotations

import json
from typing import TYPE_CHECKING

from compiler.cli.json_report import print_report

if TYPE_CHECKING:
    import pytest


def test_the_whole_output_is_one_object_in_plain_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    print_report({"name": "\u202eé\n"})
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert json.loads(shown) == {"name": "\u202eé\n"}
