import pytest

import compiler.stages.load
from compiler.model.diagnostic import Diagnostic
from compiler.model.facts import MAX_DEPTH, MAX_NODES
from compiler.stages.load import load_text
from tests.unit.stages.conftest import load


def refused(text: str) -> Diagnostic:
    document, diagnostics = load_text("environments/prod.yaml", text)
    assert document is None
    (diagnostic,) = diagnostics
    return diagnostic


def test_every_node_and_key_knows_its_place() -> None:
    text = 'a: {b: "c d", "e": [f, 7]}\n'
    root = load(text).root
    b, e = root.nearest("a", "b"), root.nearest("a", "e")
    assert text[b.start : b.end] == '"c d"'
    assert text[b.key_start : b.key_end] == "b"
    assert text[e.key_start : e.key_end] == '"e"'
    assert [text[item.start : item.end] for item in e.items] == ["f", "7"]
    assert e.items[0].key_start == -1
    assert [item.value for item in e.items] == ["f", 7]
    assert (b.plain, e.items[0].plain) == (False, True)
    assert b.span.where == "environments/prod.yaml:1:8"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", "a"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-17", -17),
        ("1.50", 1.5),
        ("'7'", "7"),
        ('"null"', "null"),
        ("tRue", "tRue"),
        ("1" * 18, int("1" * 18)),
        ("|\n  b\n  c\n", "b\nc\n"),
        (">-\n  b\n  c\n", "b c"),
    ],
)
def test_a_scalar_is_what_yaml_1_2_says(text: str, value: object) -> None:
    document = load(f"a: {text}\n")
    node = document.root.nearest("a")
    assert node.value == value
    assert type(node.value) is type(value)
    assert not document.ambiguous
    assert document.nulls == (value is None)


@pytest.mark.parametrize(
    "text",
    [
        *("y", "N", "yes", "No", "ON", "off", "=", "08", "017", "0o17", "0x1F", "0b1", "1_000", "1e3", "1.e3", ".5"),
        *("+.5", ".inf", "-.INF", ".nan", "12:30", "1:2:3.5", "2024-01-01", "2024-1-1 10:00:00", "9" * 19, "1."),
    ],
)
def test_what_yaml_1_1_reads_otherwise_is_a_text_and_remembered(text: str) -> None:
    document = load(f"a: {text}\n")
    assert document.root.text("a") == text
    assert document.ambiguous == (document.root.nearest("a"),)
    assert not load(f"a: '{text}'\n").ambiguous


@pytest.mark.parametrize("text", ["no way", "1h", "v1", "2024", "a=b", "-", "1.2.3", "10.0.0.1", "0.16.0", "+a", "."])
def test_other_texts_are_not_ambiguous(text: str) -> None:
    assert not load(f"a: [{text}]\n").ambiguous if text != "-" else True


def test_long_texts_that_look_like_credentials_are_remembered() -> None:
    token = "ghp_" + "0123456789abcdefghijABCDEFGHIJKLMNOP"
    document = load(f"a: {token}\nb: a-name-of-the-field\nc: ['{token}']\n")
    assert [node.value for node in document.suspects] == [token, token]


@pytest.mark.parametrize("text", ["", "\n", "# a\n", "null\n", "~"])
def test_a_file_without_content_is_an_empty_map_or_says_null(text: str) -> None:
    root = load(text).root
    assert root.value == ({} if text not in {"null\n", "~"} else None)


def test_an_empty_value_stands_behind_its_key() -> None:
    root = load("a:\nb: c\n").root
    assert root.nearest("a").is_empty
    assert root.nearest("a").span.line == 1
    assert not load("a: null\n").root.nearest("a").is_empty


@pytest.mark.parametrize(
    ("text", "rule", "place"),
    [
        ("a: b\na: c\n", "duplicate-key", "2:1"),
        ("a: &x b\n", "forbidden-yaml", "1:4"),
        ("a: !x b\n", "forbidden-yaml", "1:4"),
        ("a: {<<: {b: c}}\n", "forbidden-yaml", "1:5"),
        ("---\na: b\n", "forbidden-yaml", "1:1"),
        ("a: b\n---\nc: d\n", "forbidden-yaml", "2:1"),
        ("true: a\n", "non-string-key", "1:1"),
        ("on: a\n", "non-string-key", "1:1"),
        ("7: a\n", "non-string-key", "1:1"),
        ("[a]: b\n", "non-string-key", "1:1"),
        ("a:\n\tb: c\n", "tab-indentation", "2:1"),
        ("a: b\x07\n", "control-character", "1:5"),
        ('a: "\\x07"\n', "control-character", "1:4"),
        ('"\\x07": a\n', "control-character", "1:1"),
        ("a: [b\n", "invalid-yaml", "1:4"),
        ("a: b: c\n", "invalid-yaml", "1:5"),
    ],
)
def test_what_is_refused_and_where(text: str, rule: str, place: str) -> None:
    diagnostic = refused(text)
    assert diagnostic.rule == rule
    assert diagnostic.span.where == f"environments/prod.yaml:{place}"
    assert diagnostic.help is not None or rule != "non-string-key"


def test_a_duplicate_names_the_first_and_hides_both_values() -> None:
    text = "token: first-value\nb: c\ntoken: second-value\n"
    diagnostic = refused(text)
    assert diagnostic.message == 'the key "token" is written twice'
    assert diagnostic.related[0].span.line == 1
    assert {text[span.start : span.end] for span in diagnostic.conceals} == {"first-value", "second-value"}


def test_an_alias_is_refused_even_without_its_anchor() -> None:
    # The parser reports the alias as an event; that nothing has its name is found only by composing.
    assert refused("a: *x\n").message == "aliases are not allowed"
    assert refused("*x : a\n").message == "aliases are not allowed"


def test_a_key_has_no_anchor_and_no_tag() -> None:
    assert refused("&x a: b\n").message == "anchors are not allowed"
    assert refused("!x a: b\n").message == "tags are not allowed"


def test_the_limits_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_NODES == 100_000
    monkeypatch.setattr(compiler.stages.load, "MAX_NODES", 50)
    # The root is level 0.
    deep = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    assert load(f"{deep}\n")
    assert refused(f"[{deep}]\n").rule == "too-large"
    # libyaml has a limit of its own, which it may meet before it reports what it has read.
    assert refused("[" * 2000).rule == "too-large"
    # The root counts too.
    assert load("".join(f"- {index}\n" for index in range(49)))
    assert refused("- a\n" * 50).rule == "too-large"


def test_a_values_file_may_have_more_values_than_an_input_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.model.facts.MAX_NODES", 5)
    monkeypatch.setattr(compiler.stages.load, "MAX_NODES", 5)
    sparse, dense = "- a longer text than that\n" * 50, "- 1\n" * 50
    assert load_text("a.yaml", sparse, is_output=True)[1] == ()
    for text, is_output, most in ((sparse, False, 5), (dense, False, 5), (dense, True, 5)):
        document, (diagnostic,) = load_text("a.yaml", text, is_output=is_output)
        assert (document, diagnostic.message) == (None, f"the file has more than {most} values")


@pytest.mark.parametrize("text", ["a: |\n  b\n\tc: d\n", "a:\n  \tb: c\n"])
def test_a_tab_in_an_indentation_is_found_before_the_parser_wonders(text: str) -> None:
    assert refused(text).rule == "tab-indentation"


def test_a_tab_elsewhere_is_fine() -> None:
    assert load("a:\tb\t# c\n").root.text("a") == "b"
    assert load('a: "b\\tc"\n').root.text("a") == "b\tc"


def test_windows_line_breaks_are_fine() -> None:
    assert load("a: b\r\nc: d\r\n").root.plain_data() == {"a": "b", "c": "d"}


@pytest.mark.parametrize(
    ("text", "rule", "place", "way_out"),
    [
        ("a: b\n<<<<<<< HEAD\n", "invalid-yaml", "2:1", "keep one of the two sides"),
        ("a:\n\u00a0 b: c\n", "control-character", "2:1", "type a plain space"),
        ("a: {{ b }}\n", "forbidden-yaml", "1:4", "write the value itself"),
        ("---\na: b\n", "forbidden-yaml", "1:1", "remove it"),
        ("a: b\n---\nc: d\n", "forbidden-yaml", "2:1", "put this into a file of its own"),
        ("a: *b\n", "forbidden-yaml", "1:4", 'quote a text that begins with "*"'),
        ('a: "b\nc: "d"\n', "invalid-yaml", "1:4", "close it where its value ends"),
        ("a: 'b\n", "invalid-yaml", "1:4", "close it where its value ends"),
    ],
)
def test_the_way_out_fits_the_mistake(text: str, rule: str, place: str, way_out: str) -> None:
    diagnostic = refused(text)
    assert (diagnostic.rule, diagnostic.span.where) == (rule, f"environments/prod.yaml:{place}")
    assert way_out in (diagnostic.help or "")


def test_a_quote_on_one_line_is_not_blamed_for_what_follows() -> None:
    assert refused('a: "b" c\n').message == "the value ends before this, and more text follows"


def test_an_absent_value_is_inside_the_file() -> None:
    for text in ("a:", "? a", "{a}"):
        assert load(text).root.nearest("a").end <= len(text)
