import pytest

from compiler.text.wording import typing_mistake


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{{ .Values.namespace }}", "template"),
        ("${NAMESPACE}", "template"),
        ("a-$(id)", "template"),
        ("\u201c2.9\u201d", "straight quotes"),
        ("\u00ab2.9\u00bb", "straight quotes"),
        ("platform\n", "line of its key"),
    ],
)
def test_a_habit_is_recognised(text: str, word: str) -> None:
    assert word in (typing_mistake(text) or "")


@pytest.mark.parametrize("text", ["", "platform", "a b", "it's", '"2.9"', "$", "{a}"])
def test_other_texts_are_none(text: str) -> None:
    assert typing_mistake(text) is None
