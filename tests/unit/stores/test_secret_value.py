import copy
import dataclasses
import hashlib
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.stores.secret_value import (
    Comparer,
    JsonKind,
    Mark,
    NotAnObjectError,
    SecretValue,
    Trait,
    change_object,
    object_members,
    operator_hash,
    read_object,
    stringify,
    token,
    traits,
    write_object,
)

SENTINEL = "s3ntinel-4711"

# Who may take a value out of its Secret, each with the reason. A new name here is a decision, not a formality.
MAY_REVEAL = {
    "stores/secret_value.py": "comparison, facts that may be told, JSON texts and their members again",
    "stores/vault/client.py": "the wire to Vault, and the token on its way into hvac",
    "stores/vault/log_in.py": "credentials on their way to the log-in",
    "stores/azure_key_vault/client.py": "sends a value by the SDK",
    "stores/azure_key_vault/store.py": "the wire to Key Vault, a document put together, and its size",
    "stores/azure_key_vault/replies.py": "taking a Key Vault document apart",
    "operations/age_file.py": "a passphrase or private key on its way into age",
}


@pytest.mark.parametrize(
    "leak",
    [
        str,
        lambda secret: f"{secret}",
        lambda secret: "%s" % secret,  # noqa: UP031 - the form under test
        lambda secret: "{}".format(secret),  # noqa: UP032, PLW0108 - the form under test
        bytes,
        hash,
        bool,
        copy.copy,
        copy.deepcopy,
        pickle.dumps,
        lambda secret: secret.__getstate__(),
        json.dumps,
        list,
        len,
        lambda secret: secret == SecretValue(SENTINEL),
        lambda secret: secret != SecretValue(SENTINEL),
        lambda secret: secret in [SecretValue(SENTINEL)],  # noqa: FURB171 - the form under test
        lambda secret: secret + "x",
        lambda secret: {secret: 1},
    ],
)
def test_a_secret_refuses_every_way_out_and_shows_nothing_in_refusing(leak: Callable[[SecretValue], object]) -> None:
    with pytest.raises((TypeError, AttributeError)) as caught:
        leak(SecretValue(SENTINEL))
    assert SENTINEL not in str(caught.value)


def test_a_secret_shows_itself_as_an_ellipsis_wherever_it_is_nested() -> None:
    @dataclasses.dataclass
    class Holder:
        inner: dict[str, SecretValue]

    holder = Holder({"A": SecretValue(SENTINEL)})
    assert repr(holder).endswith("Holder(inner={'A': Secret(…)})")
    assert not hasattr(holder.inner["A"], "__dict__")
    with pytest.raises(TypeError):
        dataclasses.asdict(holder)


def test_a_secret_holds_text_only() -> None:
    with pytest.raises(TypeError) as caught:
        SecretValue(b"s3ntinel-4711")  # type: ignore[arg-type]
    assert SENTINEL not in str(caught.value)


@given(st.text(), st.text())
def test_a_comparer_tells_equal_from_different(one: str, other: str) -> None:
    comparer = Comparer()
    assert comparer.same(SecretValue(one), SecretValue(one))
    assert comparer.same(SecretValue(one), SecretValue(other)) == (one == other)


def test_a_comparer_tells_kinds_apart_and_takes_lone_surrogates() -> None:
    comparer = Comparer()
    assert not comparer.same(SecretValue("1"), SecretValue("1", JsonKind.NUMBER))
    assert comparer.same(SecretValue("\ud800"), SecretValue("\ud800"))


def test_marks_mean_nothing_outside_their_run() -> None:
    secret = SecretValue(SENTINEL)
    comparer = Comparer()
    assert comparer.mark(secret) == comparer.mark(secret)
    assert comparer.mark(secret) != Comparer().mark(secret)
    assert len({comparer.mark(secret), comparer.mark(secret)}) == 1
    assert comparer.mark(secret) != SENTINEL


@pytest.mark.parametrize("made", [Comparer(), Comparer().mark(SecretValue("x"))])
def test_a_comparers_key_and_marks_are_neither_shown_nor_pickled(made: Comparer | Mark) -> None:
    assert "…" in repr(made)
    with pytest.raises(TypeError):
        pickle.dumps(made)
    if isinstance(made, Comparer):
        assert copy.copy(made) is made


def test_a_length_is_that_of_the_text() -> None:
    assert SecretValue("a\u00e9\U0001f600").length == 3


def test_only_the_listed_modules_reveal() -> None:
    root = Path(__file__).resolve().parents[3] / "compiler"
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"\.reveal\b|_Secret__text", path.read_text(encoding="utf-8"))
    }
    assert found <= MAY_REVEAL.keys(), f"reveal values without being listed: {sorted(found - MAY_REVEAL.keys())}"
    idle = {name for name in MAY_REVEAL.keys() - found if (root / name).exists()}
    assert not idle, f"listed, and reveal nothing: {sorted(idle)}"


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


@pytest.mark.parametrize(
    ("text", "names", "changed"),
    [
        ('{ "a" : 1 , "b":2,\n "c": 3 }', "a", '{ "b":2,\n "c": 3 }'),
        ('{ "a" : 1 , "b":2,\n "c": 3 }', "b", '{ "a" : 1,\n "c": 3 }'),
        ('{ "a" : 1 , "b":2,\n "c": 3 }', "c", '{ "a" : 1 , "b":2 }'),
        ('{ "a" : 1 , "b":2,\n "c": 3 }', "ab", '{ "c": 3 }'),
        ('{ "a" : 1 , "b":2,\n "c": 3 }', "bc", '{ "a" : 1 }'),
        ('{ "a" : 1 , "b":2,\n "c": 3 }', "abc", "{  }"),
        ('{"a":1}', "x", '{"a":1}'),
    ],
)
def test_a_property_goes_with_its_comma(text: str, names: str, changed: str) -> None:
    assert change_object(text, dict.fromkeys(names)) == changed


def test_what_goes_and_what_comes_are_one_change() -> None:
    text = '{"a": 1.50, "b": "old", "c": 3}'
    assert change_object(text, {"a": None, "b": SecretValue("new"), "d": SecretValue("x")}) == (
        '{"b": "new", "c": 3, "d": "x"}'
    )
    assert change_object('{"a": 1}', {"a": None, "d": SecretValue("x")}) == '{"d": "x"}'


@given(OBJECTS, STRINGS, st.sampled_from([None, 2]), st.booleans())
def test_changing_means_what_updating_a_dictionary_means(
    document: dict[str, object],
    changes: dict[str, str],
    indent: int | None,
    ascii_only: bool,  # noqa: FBT001 - Hypothesis gives it
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    gone = {*[*document][:: len(changes) + 1]}
    written: dict[str, SecretValue | None] = {name: SecretValue(value) for name, value in changes.items()}
    changed = change_object(text, {**dict.fromkeys(gone), **written})
    assert json.loads(changed) == {name: each for name, each in document.items() if name not in gone} | changes
    for name in document.keys() - changes.keys() - gone:
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


def shown(secret: SecretValue) -> tuple[str, JsonKind]:
    return secret.reveal(), secret.kind


def test_an_objects_members_keep_their_order_and_kinds() -> None:
    members = object_members(SecretValue('{"b": "x", "a": 1.0, "n": null}', JsonKind.OBJECT))
    assert [(name, *shown(value)) for name, value in members.items()] == [
        ("b", "x", JsonKind.STRING),
        ("a", "1.0", JsonKind.NUMBER),
        ("n", "null", JsonKind.NULL),
    ]


@pytest.mark.parametrize("kind", [JsonKind.STRING, JsonKind.NUMBER])
def test_what_has_no_members_has_none(kind: JsonKind) -> None:
    assert not object_members(SecretValue('{"a": "x"}', kind))


def test_an_object_with_a_name_twice_has_no_members() -> None:
    assert not object_members(SecretValue('{"a": "x", "a": "y"}', JsonKind.OBJECT))


@pytest.mark.parametrize("kind", [JsonKind.NUMBER, JsonKind.BOOLEAN, JsonKind.OBJECT, JsonKind.ARRAY])
def test_another_kind_becomes_its_text(kind: JsonKind) -> None:
    found = stringify(SecretValue("1.50", kind))
    assert found is not None
    assert (found.kind, found.reveal()) == (JsonKind.STRING, "1.50")


def test_a_string_stays_itself_and_null_has_no_text() -> None:
    value = SecretValue("text")
    assert stringify(value) is value
    assert stringify(SecretValue("null", JsonKind.NULL)) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {Trait.EMPTY}),
        (" \n\t", {Trait.EMPTY}),
        ("good", set()),
        ("two words", set()),
        ("good\n", {Trait.SPACE_AT_END}),
        (" good", {Trait.SPACE_AT_END}),
        ("a\0b", {Trait.NUL}),
        ('"good"', {Trait.QUOTED}),
        ("'good'\n", {Trait.QUOTED, Trait.SPACE_AT_END}),
        ("`good`", {Trait.QUOTED}),
        ('"good', set()),
        ('"', set()),
        ("'a' or 'b'", set()),
        ("a\ud800", {Trait.LONE_SURROGATE}),
        ("😀", set()),
        ("todo-list-service", set()),
        ("xx", set()),
        ("a<b>c", set()),
        *(
            (text, {Trait.PLACEHOLDER})
            for text in (
                "changeme",
                "CHANGE_ME",
                "change-me",
                "<token>",
                "TODO",
                "xxxx",
                "${TOKEN}",
                "{{ x }}",
                "your-api-key",
                "...",
                "null",
                "Undefined",
                "REPLACE_ME",
                "********",
                "••••••••",
                "sk_test_...",
                "ghp_xxxxxxxxxxxx",
                "xoxb-****",
                "sk-proj-…",
                "<your-token>",
                "…",
            )
        ),
        ("changeme\n", {Trait.PLACEHOLDER, Trait.SPACE_AT_END}),
        *(
            (text, set[Trait]())
            for text in (
                # Each is legal, and only looks alike.
                "nullable",
                "a null in it",
                "undefined behaviour",
                "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",
                "eyJhbGciOiJkaXIifQ..iv.text.tag",
                "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
                "sk_test_...4eC39HqLyjWDarjtT1zdp7dc",
                "correct horse ...",
                "hunter2...",
                "pass****word",
                "**",
                "team-xxx",
                "replace me with care",
            )
        ),
    ],
)
def test_traits_name_what_is_wrong_and_nothing_else(text: str, found: set[Trait]) -> None:
    assert traits(SecretValue(text)) == found


def test_another_kind_than_a_string_is_only_that() -> None:
    assert traits(SecretValue("null", JsonKind.NULL)) == {Trait.NOT_A_STRING}


MANIFEST = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {TOKEN: aHVudGVyMg==}\n"


@pytest.mark.parametrize(
    "text",
    [
        MANIFEST,
        MANIFEST.replace("\n", "\r\n"),
        f"---\n# from kubectl\n{MANIFEST}",
        MANIFEST.replace("Secret", '"Secret"  # one'),
        MANIFEST.replace("Secret", "List"),
        MANIFEST.replace("Secret", "SecretList"),
        '{"apiVersion": "v1", "kind": "Secret", "data": {}}',
        '{"items": [], "kind": "List", "apiVersion": "v1"}',
    ],
)
def test_a_manifest_with_secrets_is_no_value(text: str) -> None:
    assert Trait.MANIFEST in traits(SecretValue(text))


@pytest.mark.parametrize(
    "text",
    [
        MANIFEST.replace("Secret", "Config"),
        MANIFEST.replace("Secret", "SecretStore"),
        MANIFEST.replace("kind", "  kind"),
        "kind: Secret\nof: a novel\n",
        "the line\napiVersion: v1\nis not kind: Secret\n",
        '{"apiVersion": "v1", "kind": "Config", "users": [{"kind": "Secret"}]}',
        '{"apiVersion": "v1", "kind": "Secret", "kind": "Secret"',
        '{"kind": "Secret", "about": "apiVersion"}',
    ],
)
def test_what_only_looks_like_a_manifest_is_a_value(text: str) -> None:
    assert Trait.MANIFEST not in traits(SecretValue(text))


def test_the_hash_of_data_is_that_of_the_operator() -> None:
    values = {"B": SecretValue("\u00e4"), "A": SecretValue("12")}
    assert operator_hash(values) == hashlib.sha3_224(b"map[A:[49 50] B:[195 164]]").hexdigest()
    assert operator_hash({}) is None
    assert operator_hash({**values, "C": SecretValue("7", JsonKind.NUMBER)}) is None
    # The operator's own, recorded: by the same function, of a map of labels and one of annotations.
    recorded = json.loads(
        (Path(__file__).parents[2] / "recordings/cluster/externalsecrets-list.json").read_text("utf-8")
    )
    for each in recorded["items"]:
        maps = [
            " ".join(f"{key}:{text}" for key, text in sorted((each["metadata"].get(name) or {}).items()))
            for name in ("annotations", "labels")
        ]
        text = f"{{annotations:map[{maps[0]}] labels:map[{maps[1]}]}}"
        _, _, noted = each["status"]["syncedResourceVersion"].partition("-")
        assert hashlib.sha3_224(text.encode()).hexdigest() == noted
