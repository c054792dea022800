from __future__ import annotations

from pathlib import Path

import pytest

from compiler.operations.chart.staleness import differing_lines, stale_values
from compiler.pipeline import ValuesFile
from compiler.stages.write import Output


def _file(old: str | None, new: str) -> ValuesFile:
    return ValuesFile("dev", Output(Path("chart/values-dev.yaml"), "chart/values-dev.yaml", new), old, {})


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("a\nb\nc\n", "a\nx\nc\n", "chart/values-dev.yaml:2:1"),
        ("a\n", "a\nb\n", "chart/values-dev.yaml:1:2"),
        ("a\nb\n", "a\n", "chart/values-dev.yaml:2:1"),
        ("", "a\n", "chart/values-dev.yaml:1:1"),
        (None, "a\n", "chart/values-dev.yaml:1:1"),
    ],
)
def test_the_first_line_that_differs_is_named(old: str | None, new: str, where: str) -> None:
    diagnostic = stale_values(_file(old, new))
    assert (diagnostic.rule, diagnostic.span.where) == ("stale-values", where)
    assert diagnostic.help == "run `make values ENV=dev` and commit the result"


def test_a_missing_file_is_called_missing() -> None:
    assert stale_values(_file(None, "a\n")).message == "chart/values-dev.yaml is missing"


def test_the_lines_are_a_unified_diff() -> None:
    lines = list(differing_lines(_file("a\ntoken: c\n", "a\ntoken: b\n")))
    assert lines == [
        "--- chart/values-dev.yaml",
        "+++ chart/values-dev.yaml (compiled)",
        "@@ -1,2 +1,2 @@",
        " a",
        "-token: c",
        "+token: b",
    ]
