import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.stores.secret_value import forms


@pytest.mark.parametrize("text", ["", "abc", " abc\n", "true", "False", "null", "None"])
def test_what_stands_in_messages_by_itself_has_no_form(text: str) -> None:
    assert forms(text) == frozenset()


@pytest.mark.parametrize(
    "form",
    [
        "p@ss/w<rd é",
        "cEBzcy93PHJkIMOp",
        "p%40ss%2Fw%3Crd%20%C3%A9",
        "p%40ss%2fw%3crd%20%c3%a9",
        "p%40ss/w%3Crd%20%C3%A9",
        "p%40ss%2Fw%3Crd+%C3%A9",
        "p@ss/w<rd \\u00e9",
        "p@ss/w\\u003crd é",
        "p@ss/w\\\\u003crd é",
        "p@ss\\/w<rd é",
    ],
)
def test_each_way_of_writing_a_value_is_a_form(form: str) -> None:
    assert form in forms("p@ss/w<rd é")


def test_base64_has_its_other_alphabet_and_no_padding() -> None:
    found = forms("??>>pass")
    assert {"Pz8-PnBhc3M=", "Pz8+PnBhc3M=", "Pz8-PnBhc3M", "Pz8+PnBhc3M"} <= found


@pytest.mark.parametrize("user", ["", "u", "us", "user", "somebody"])
def test_within_a_longer_base64_text_too(user: str) -> None:
    shown = base64.b64encode(f"{user}:a long password".encode()).decode()
    assert any(form in shown for form in forms("a long password"))


def test_a_long_line_of_a_value_counts_by_itself_and_a_short_one_does_not() -> None:
    found = forms("-----BEGIN KEY-----\nMIIEvQIBADAN\nshort\n-----END KEY-----\n")
    assert {"MIIEvQIBADAN", "-----BEGIN KEY-----"} <= found
    assert "short" not in found


TEXT = st.text(st.characters(codec="utf-8"), min_size=6, max_size=60).filter(
    lambda text: len(text.strip()) >= 4 and text.strip().lower() not in {"true", "false", "null", "none"}
)


@given(TEXT)
def test_no_encoding_of_any_text_is_missed(text: str) -> None:
    found = forms(text)
    for encoded in (
        text,
        text.strip(),
        base64.b64encode(text.encode()).decode(),
        base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
        quote(text),
        quote_plus(text),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
    ):
        assert any(form in encoded for form in found)
