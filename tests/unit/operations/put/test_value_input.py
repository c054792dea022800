import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.model.facts import MAX_INPUT_BYTES
from compiler.operations.value_input import InputForm, ValueInputError, read_values
from tests.pace import allowed

KNOWN = ("TOKEN", "URL")
SENTINEL = "s3ntinel"


def values(text: str | bytes, *keys: str, form: InputForm | None = None) -> dict[str, str]:
    data = text if isinstance(text, bytes) else text.encode()
    return {key: value.reveal() for key, value in read_values(data, keys, KNOWN, form).items()}


@pytest.mark.parametrize(
    ("text", "value"),
    [("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x\n"), (" x ", " x "), ("\ufeffx", "x"), ("a\nb\n", "a\nb"), ("", "")],
)
def test_one_key_takes_the_whole_input_less_one_line_break(text: str, value: str) -> None:
    assert values(text, "TOKEN") == {"TOKEN": value}


@pytest.mark.parametrize("text", ['{"TOKEN": "x"}', "TOKEN=x", "export TOKEN='x'\n"])
def test_an_input_that_names_its_one_key_is_not_guessed_at(text: str) -> None:
    with pytest.raises(ValueInputError, match='names "TOKEN" itself'):
        values(text, "TOKEN")
    assert values(text, "TOKEN", form=InputForm.VALUE) == {"TOKEN": text.rstrip("\n")}
    form = InputForm.JSON if text.startswith("{") else InputForm.DOTENV
    assert values(text, "TOKEN", form=form) == {"TOKEN": "x"}


def one_known(text: str, *keys: str) -> dict[str, str]:
    return {key: value.reveal() for key, value in read_values(text.encode(), keys, ("TOKEN",), None).items()}


@pytest.mark.parametrize(
    "text", ["abc", "-----BEGIN KEY-----\nMII=\n-----END KEY-----", "YWJj==", "YWI=", "two words", "a: b"]
)
def test_a_bare_text_is_the_value_of_the_only_key_of_a_secret(text: str) -> None:
    assert one_known(f"{text}\n") == {"TOKEN": text}
    with pytest.raises(ValueInputError):
        values(f"{text}\n")


@pytest.mark.parametrize(
    ("text", "found"), [("TOKEN=x", "x"), ('{"TOKEN": "x"}', "x"), ("# of today\nexport TOKEN='x'\n", "x")]
)
def test_a_text_that_names_the_only_key_is_read_by_it(text: str, found: str) -> None:
    assert one_known(text) == {"TOKEN": found}


@pytest.mark.parametrize("text", ["TOKEN: x", "TOKEN x", '{"token": "x"}', "TOKENS=x", "OTHER_KEY=x", "", "# nothing"])
def test_a_text_that_may_be_meant_otherwise_is_no_value(text: str) -> None:
    with pytest.raises(ValueInputError):
        one_known(text)


def test_a_name_nearly_as_a_known_one_is_shown_and_no_other() -> None:
    with pytest.raises(ValueInputError) as caught:
        read_values(b"STRIPE_APIKEY=x", (), ("STRIPE_API_KEY", "URL"), None)
    assert caught.value.message.startswith('the input has the key "STRIPE_APIKEY", which the secret does not have')
    assert caught.value.help == 'did you mean "STRIPE_API_KEY"?'
    for name in ("ZZZ_QQQ", "stripe_api_key"):
        with pytest.raises(ValueInputError) as caught:
            read_values(f"{name}=x".encode(), (), ("STRIPE_API_KEY", "URL"), None)
        assert name not in caught.value.message


def test_a_json_value_of_one_key_stays_as_it_is() -> None:
    assert values('{"client": "x"}', "TOKEN") == {"TOKEN": '{"client": "x"}'}


def test_json_gives_the_keys_that_are_asked_for_and_else_all() -> None:
    text = '\n{"TOKEN": "tö\\nken", "URL": "u"}'
    assert values(text) == {"TOKEN": "tö\nken", "URL": "u"}
    assert values('{"TOKEN": "t", "OTHER": "o", "URL": "u"}', "TOKEN", "URL") == {"TOKEN": "t", "URL": "u"}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("TOKEN=plain", "plain"),
        ("  export TOKEN = spaced out  # comment", "spaced out"),
        ("TOKEN=a#b", "a#b"),
        ("TOKEN=", ""),
        ("TOKEN= # to be filled in", ""),
        ("TOKEN=#", "#"),
        ("TOKEN= 'x'", "x"),
        ("TOKEN='lit\\n$x\"'", 'lit\\n$x"'),
        ("TOKEN='two\nlines' # comment", "two\nlines"),
        ('TOKEN="a\\n\\t\\"\\\\\\$b"', 'a\n\t"\\$b'),
        ('TOKEN="two\nlines"', "two\nlines"),
        ('TOKEN="joined \\\nline"', "joined line"),
        ("TOKEN=x==", "x=="),
        ("TOKEN=windows\r", "windows"),
        ("TOKEN='quoted\rreturn'", "quoted\rreturn"),
        ("TOKEN=''", ""),
    ],
)
def test_dotenv_lines(line: str, value: str) -> None:
    assert values(f"# head\n\n{line}\nURL=u") == {"TOKEN": value, "URL": "u"}


@given(st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])))
def test_any_text_survives_double_quotes(text: str) -> None:
    quoted = re.sub(r'(["\\])', r"\\\1", text)
    assert values(f'TOKEN="{quoted}"') == {"TOKEN": text}


@pytest.mark.parametrize(
    ("text", "keys", "form", "reason"),
    [
        (b"\xff" + SENTINEL.encode(), (), None, "not UTF-8"),
        (b"x" * (MAX_INPUT_BYTES + 1), ("TOKEN",), None, "larger than"),
        (SENTINEL.encode(), (), None, "line 1 of the input is not KEY=value"),
        (f"TOKEN=x\nTOKEN={SENTINEL}".encode(), (), None, "line 2 of the input repeats a key"),
        (f'\nTOKEN="{SENTINEL}'.encode(), (), None, "line 2 of the input has unbalanced quotes"),
        (f"\nTOKEN=x\rURL={SENTINEL}\r".encode(), (), None, "line 2 of the input has a carriage return in its value"),
        (f"TOKEN='x' {SENTINEL}".encode(), (), None, "line 1 of the input has unbalanced quotes"),
        (f'{{"TOKEN": "{SENTINEL}"'.encode(), (), None, "not a JSON object"),
        (f'{{"TOKEN": "a", "TOKEN": "{SENTINEL}"}}'.encode(), (), None, "not a JSON object with unique"),
        (b'{"TOKEN": 47110815}', (), None, "value 1 of the input is a JSON number"),
        (f"{SENTINEL}==".encode(), (), None, r"has a key that the secret does not have \(the input has 1 key\)"),
        (b"# nothing", (), None, "is empty"),
        (b"TOKEN=x", ("TOKEN", "URL"), None, 'has no "URL"'),
        (b"x", (), InputForm.VALUE, "a bare value is for one key only"),
        (b"x", ("TOKEN", "URL"), InputForm.VALUE, "a bare value is for one key only"),
    ],
)
def test_what_is_wrong_is_told_without_the_text(
    text: bytes, keys: tuple[str, ...], form: InputForm | None, reason: str
) -> None:
    with pytest.raises(ValueInputError, match=reason) as caught:
        read_values(text, keys, KNOWN, form)
    shown = f"{caught.value} {caught.value.help}"
    assert SENTINEL not in shown
    assert "47110815" not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_an_unknown_key_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueInputError) as caught:
        values("TOKEM=x")
    assert caught.value.help == 'did you mean "TOKEN"?'


def test_a_long_run_of_blanks_takes_no_time() -> None:
    text = "A=x" + " " * 500_000 + "y"
    begun = time.process_time()
    assert read_values(text.encode(), (), ("A",), None)["A"].reveal() == text[2:]
    assert time.process_time() - begun < allowed(1)


@pytest.mark.heavy
def test_many_short_lines_take_no_time() -> None:
    text = "".join(f"A{number}=\n" for number in range(70_000))
    begun = time.process_time()
    with pytest.raises(ValueInputError, match="line 70001 of the input is not KEY=value"):
        read_values(f"{text}no line".encode(), ("A0", "A1"), (), None)
    assert time.process_time() - begun < allowed(2)
