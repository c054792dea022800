from __future__ import annotations

import pytest

from compiler.operations.edit.splice import (
    Splice,
    after_line,
    end_of_block,
    is_flow,
    newline_of,
    offset_before,
    scalar,
    spliced,
)
from compiler.stages.load import load_text

OLD = "abcdef"
SPLICES = (Splice(1, 1, "XY"), Splice(3, 5, ""), Splice(6, 6, "!"))


def test_what_is_not_named_is_kept() -> None:
    assert spliced(OLD, SPLICES) == "aXYbcf!"
    assert spliced(OLD, ()) == OLD


def test_what_is_kept_is_found_where_it_stood() -> None:
    new = spliced(OLD, SPLICES)
    for offset, character in enumerate(new):
        before = offset_before(SPLICES, offset)
        assert (OLD[before] if before is not None else None) == (character if character in OLD else None)


def test_the_end_of_a_line_may_lack_its_break() -> None:
    assert after_line("a: 1\nb: 2", 3) == (5, "")
    assert after_line("a: 1\nb: 2", 7) == (9, "\n")
    assert after_line("a: |\n  x\nb: 2", 9) == (9, "")
    assert after_line("a: 1\r\nb: 2", 8) == (10, "\r\n")
    assert after_line("", 0) == (0, "")


def test_a_block_ends_with_what_is_in_it() -> None:
    text = "a:\n  b: {c: 1}\n  d: [1,\n    2]\n\n# end\ne: 1\n"
    document, _ = load_text("x", text)
    assert document is not None
    block = document.root.nearest("a")
    assert text[: end_of_block(block)].endswith("2]")
    assert not is_flow(block)
    assert is_flow(block.nearest("b"))
    assert is_flow(block.nearest("d"))


def test_a_files_line_break_is_its_own() -> None:
    assert (newline_of("a\nb"), newline_of("a\r\nb"), newline_of("")) == ("\n", "\r\n", "\n")


@pytest.mark.parametrize("word", ["y", "N", "no", "On", "TRUE", "null", "1e3", "08", "a: b", "a #b", "'", '"', "{", ""])
def test_a_word_that_some_reader_takes_for_something_else_is_quoted(word: str) -> None:
    assert scalar(word).startswith('"')


@pytest.mark.parametrize("word", ["a", "agents/github", "a-1.b_c"])
def test_other_words_stay_plain(word: str) -> None:
    assert scalar(word) == word
