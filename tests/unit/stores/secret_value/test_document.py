import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.stores.secret_value import (
    JsonKind,
    NotAnObjectError,
    SecretValue,
    change_object,
    read_object,
    token,
    write_object,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=6)
STRINGS = st.dictionaries(st.text(), st.text(st.characters(codec="utf-8")), max_size=4)


def test_every_kind_is_read_with_its_raw_token() -> None:
    text = (
        '{"s": "a\\u00e9\\n", "n": 1.0, "e": 1E400, "b": true, "f": false, "z": null, "o": { "x" : 1 }, "l": [1 , 2]}'
    )
    found = {name: (value.kind, value.reveal()) for name, value in read_object(text).items()}
    assert found == {
        "s": (JsonKind.STRING, "aé\n"),
        "n": (JsonKind.NUMBER, "1.0"),
        "e": (JsonKind.NUMBER, "1E400"),
        "b": (JsonKind.BOOLEAN, "true"),
        "f": (JsonKind.BOOLEAN, "false"),
        "z": (JsonKind.NULL, "null"),
        "o": (JsonKind.OBJECT, '{ "x" : 1 }'),
        "l": (JsonKind.ARRAY, "[1 , 2]"),
    }


def test_a_change_leaves_every_other_byte() -> None:
    text = ' {"a" :\t"old", "n": 9007199254740993 ,\n  "o": {"a": "old"} }\n'
    assert (
        change_object(text, {"a": SecretValue('n"ew'), "added": SecretValue("é")})
        == ' {"a" :\t"n\\"ew", "n": 9007199254740993 ,\n  "o": {"a": "old"}, "added": "é" }\n'
    )


@pytest.mark.parametrize(
    ("text", "changed"),
    [("{}", '{"k": "v"}'), ("{ }", '{"k": "v" }'), ('{"k":1}', '{"k":"v"}'), ('{"a":1}', '{"a":1, "k": "v"}')],
)
def test_a_property_is_added_to_objects_of_every_size(text: str, changed: str) -> None:
    assert change_object(text, {"k": SecretValue("v")}) == changed


@given(OBJECTS, STRINGS, st.sampled_from([None, 2]), st.booleans())
def test_changing_means_what_updating_a_dictionary_means(
    document: dict[str, object],
    changes: dict[str, str],
    indent: int | None,
    ascii_only: bool,  # noqa: FBT001 - Hypothesis gives it
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    changed = change_object(text, {name: SecretValue(value) for name, value in changes.items()})
    assert json.loads(changed) == {**document, **changes}
    for name in document.keys() - changes.keys():
        assert token(read_object(changed)[name]) == token(read_object(text)[name])


@given(STRINGS)
def test_what_is_written_is_read(values: dict[str, str]) -> None:
    read = read_object(write_object({name: SecretValue(value) for name, value in values.items()}))
    assert {name: value.reveal() for name, value in read.items()} == values


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "[]",
        '"x"',
        "1",
        "{",
        "}",
        '{"a"',
        '{"a":',
        '{"a":}',
        '{"a":1',
        '{"a":1,}',
        '{"a":1,"a":2}',
        '{"a":1,"\\u0061":2}',
        '{"a":NaN}',
        '{"a":-Infinity}',
        '{"a":01}',
        '{"a":"\n"}',
        '{"a":1}x',
        "{'a':1}",
        "{a:1}",
        "\ufeff{}",
        '{"a":' + "[" * 100_000,
    ],
)
def test_what_is_no_object_or_ambiguous_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(NotAnObjectError) as caught:
        read_object(text)
    assert str(caught.value) == ""
