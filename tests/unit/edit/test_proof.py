from __future__ import annotations

import pytest

from compiler.edit import yaml_edit
from compiler.edit.yaml_edit import refuse_unproven
from compiler.refusal import Refusal
from compiler.stages.load import load_text

OLD = "a: 1\nsecrets:\n  x: {}\n"
NEW = f"{OLD}  b: {{}}\n"


def refusal(new: str, old: str = OLD) -> tuple[str, str, str | None] | None:
    document, _ = load_text("environments/prod.yaml", old)
    assert document is not None
    try:
        refuse_unproven(document, new, "b")
    except Refusal as refused:
        return refused.kind, refused.message, refused.help
    return None


@pytest.mark.parametrize("old", [OLD, "a: 1\n", "", "# a comment\n", "secrets: {}\n"])
def test_one_secret_more_is_proved(old: str) -> None:
    new = NEW if old == OLD else f"{old.replace('secrets: {}', '')}\nsecrets:\n  b: {{}}\n"
    assert refusal(new, old) is None


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        NEW.replace("a: 1", "a: 2"),
        NEW.replace("x: {}", "x: {store: azure}"),
        NEW.replace("b: {}", "c: {}"),
        f"{NEW}  c: {{}}\n",
        "a: 1\nsecrets: [b]\n",
        "a: 1\nsecrets: {}\n",
    ],
)
def test_whatever_else_a_text_says_is_refused(new: str) -> None:
    assert refusal(new) == (
        "usage",
        "environments/prod.yaml has a form that no secret can be added to",
        "add it by hand",
    )


def test_a_text_that_cannot_be_read_is_refused_without_a_place_in_it() -> None:
    found = refusal(f"{OLD}  b: {{\n")
    assert found is not None
    assert found[1].startswith("environments/prod.yaml would not be readable: ")


@pytest.mark.parametrize("reading", [None, {"secrets": {}}, {"secrets": {"b": {}}}, {"secrets": []}, []])
def test_an_edit_that_another_reader_takes_for_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, reading: object
) -> None:
    monkeypatch.setattr(yaml_edit, "second_reading", lambda text: {"a": 1} if text == OLD else reading)
    assert refusal(NEW) is not None
