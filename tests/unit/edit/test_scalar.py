from __future__ import annotations

import pytest

from compiler.edit.yaml_edit import scalar
from compiler.stages.load import load_text


@pytest.mark.parametrize("text", ["azure", "agents-2/x.y_z", "Azure"])
def test_a_plain_word_stays_plain(text: str) -> None:
    assert scalar(text) == text


@pytest.mark.parametrize(
    "text", ["on", "No", "y", "N", "null", "true", "1", "08", "1e3", "", "a b", "-a", "é", "a: b", "~"]
)
def test_whatever_a_reader_could_take_for_something_else_is_quoted(text: str) -> None:
    written = scalar(text)
    assert (written[0], written[-1]) == ('"', '"')
    document, _ = load_text("x.yaml", f"a: {written}\n")
    assert document is not None
    assert document.root.text("a") == text
