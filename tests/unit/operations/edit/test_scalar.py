import pytest

from compiler.operations.edit.scalar import scalar


@pytest.mark.parametrize("word", ["y", "N", "no", "On", "TRUE", "null", "1e3", "08", "a: b", "a #b", "'", '"', "{", ""])
def test_a_word_that_some_reader_takes_for_something_else_is_quoted(word: str) -> None:
    assert scalar(word).startswith('"')


@pytest.mark.parametrize("word", ["a", "agents/github", "a-1.b_c"])
def test_other_words_stay_plain(word: str) -> None:
    assert scalar(word) == word
