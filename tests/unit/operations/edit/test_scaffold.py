from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.operations.edit import scaffold
from compiler.operations.edit.scaffold import environment_text, new_secret, with_secret
from compiler.refusal import Refusal
from compiler.stages.load import load_text

if TYPE_CHECKING:
    from compiler.model.document import Document

ROOT = Path(__file__).resolve().parents[4]
ENTRY = "description: d\n    target: t-{0}\n    remote: {{vault: v/{0}}}\n    syncWave: -49\n    keys: {{K: {{}}}}"


def _document(text: str) -> Document:
    document, diagnostics = load_text("environments/catalogue.yaml", text)
    assert document is not None, diagnostics
    return document


def _entry(name: str) -> str:
    return f"  {name}:\n    {ENTRY.format(name)}"


SHAPES = {
    "last": f"secrets:\n{_entry('a')}\n",
    "no line break at the end": f"secrets:\n{_entry('a')}",
    "a comment at the end": f"secrets:\n{_entry('a')}\n# the end\n",
    "blank lines": f"# first\n\nsecrets:\n\n{_entry('a')}\n\n\n",
    "another section below": f"secrets:\n{_entry('a')}\nwaive: {{shared-place: on purpose}}\n",
    "a comment behind": f"secrets:\n{_entry('a')} # behind\n  # below\n",
    "carriage returns": f"secrets:\n{_entry('a')}\n".replace("\n", "\r\n"),
    "a literal block": f"secrets:\n{_entry('a')}\n    description2: |\n      text\n".replace(
        "description: d\n    ", ""
    ).replace("description2", "description")
    + "waive: {shared-place: on purpose}\n",
    "a block list": f"secrets:\n{_entry('a')}\n    mountedBy:\n      - x\n      - y\nwaive: {{shared-place: why}}\n",
    "a flow map over lines": f"secrets:\n{_entry('a')}\n".replace("{K: {}}", "{\n      K: {}\n    }"),
    "four spaces": "secrets:\n    a:\n        target: t\n        keys: {K: {}}\n",
    "nothing yet": "# yaml-language-server: $schema=x\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_byte_is_kept_and_one_secret_is_more(shape: str) -> None:
    old = SHAPES[shape]
    text, _ = with_secret(_document(old), new_secret("b", None, None, {}, ()))
    at = next(index for index, (left, right) in enumerate(zip(old + "\0", text, strict=False)) if left != right)
    # What follows the insertion is the old text's end, to the byte.
    assert text.startswith(old[:at])
    assert text.endswith(old[at:])
    before, after = _document(old).root.plain_data(), _document(text).root.plain_data()
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    secrets = after["secrets"]
    assert isinstance(secrets, dict)
    assert list(secrets)[-1] == "b"
    assert {**after, "secrets": {name: entry for name, entry in secrets.items() if name != "b"}} == {
        "secrets": {},
        **before,
    }
    assert ("\r\n" in text) == ("\r\n" in old)
    assert "\n" not in text.replace("\r\n", "") or "\r\n" not in old


@pytest.mark.parametrize("text", ["secrets: {}\n", "secrets: {a: {target: t, keys: {K: {}}}}\n"])
def test_a_form_without_lines_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        with_secret(_document(text), new_secret("b", None, None, {}, ()))
    assert caught.value.help


@pytest.mark.parametrize("reading", [None, {"secrets": {}}, {"secrets": {"b": {}}}, {"secrets": []}])
def test_an_edit_that_another_reader_takes_for_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, reading: object
) -> None:
    document = _document(SHAPES["last"])
    with_secret(document, new_secret("b", None, None, {}, ()))
    monkeypatch.setattr(scaffold, "second_reading", lambda text: None if text == document.source.text else reading)
    with pytest.raises(Refusal):
        with_secret(document, new_secret("b", None, None, {}, ()))


def test_what_is_not_said_follows_the_contract() -> None:
    secret = new_secret("two-words", None, None, {"vault": None}, ())
    assert secret.target == "agent-two-words-secrets"
    assert secret.remote == {
        "vault": "ai-platform-engineering/two-words-secret",
        "azurekv": "ai-platform-engineering-two-words",
    }
    assert secret.keys == ("TWO_WORDS_TOKEN",)


def test_the_new_entry_breaks_no_rule_that_the_old_text_kept() -> None:
    catalogue = _document((ROOT / "environments/catalogue.yaml").read_text("utf-8"))
    assert with_secret(catalogue, new_secret("b", None, None, {}, ()))[1] == ()
    _, diagnostics = with_secret(catalogue, new_secret("b", "Not A Name", None, {"azurekv": "a_b"}, ("1",)))
    assert {"invalid-kubernetes-name", "invalid-key-vault-name"} <= {each.rule for each in diagnostics}


@given(
    st.text(min_size=1, max_size=30),
    st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=3, unique=True),
    st.sampled_from(["no", "y", "null", "1", "08", "1e3", "a: b", "a #b", "'", '"', "{", "x"]),
)
def test_whatever_is_said_means_what_was_said(description: str, keys: list[str], target: str) -> None:
    secret = new_secret("b", target, description, {"vault": target}, keys)
    try:
        text, _ = with_secret(_document(SHAPES["last"]), secret)
    except Refusal:
        # What the loader itself refuses, such as a control character, has no place in a file.
        return
    document, diagnostics = load_text("environments/catalogue.yaml", text)
    if document is None:
        assert {each.rule for each in diagnostics} <= {"control-character", "forbidden-yaml"}
        return
    entry = document.root.nearest("secrets", "b")
    assert entry.text("description") == description
    assert entry.text("target") == target
    assert list(entry.nearest("keys").children) == list(keys)


@pytest.mark.parametrize("word", ["y", "Y", "n", "no", "On", "TRUE", "null", "1e3"])
def test_a_word_that_some_reader_takes_for_something_else_is_quoted(word: str) -> None:
    text, diagnostics = with_secret(_document(SHAPES["last"]), new_secret("b", "t-b", None, {}, [word]))
    assert diagnostics == ()
    assert f'      "{word}": {{}}\n' in text


def test_an_environment_names_what_it_extends() -> None:
    assert environment_text("qa", ()).splitlines() == [
        "# yaml-language-server: $schema=../schemas/environment.schema.json",
        "# What qa sets differently from base.",
    ]
    assert environment_text("qa", ("europe", "no")).splitlines()[1:] == [
        "# What qa sets differently from europe and no.",
        'extends: [europe, "no"]',
    ]
