from typing import Any

import pytest

import compiler.stages.load
from compiler.model.document import MOST_OF_A_KIND, Diagnostic, Node, Severity
from compiler.model.facts import MAX_DEPTH, MAX_MANIFEST_DEPTH, MAX_NODES
from compiler.render.content import show
from compiler.stages import load as module
from compiler.stages.load import load_manifests, load_text, plain_scalar
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


def loaded(text: str) -> list[Node]:
    kept: list[Node] = []
    count, diagnostics = load_manifests("m.yaml", text, kept.append)
    assert diagnostics == ()
    assert count == len(kept)
    return kept


def data(text: str) -> Any:  # noqa: ANN401 - any YAML
    return [each.plain_data() for each in loaded(text)]


def refused_manifests(text: str) -> Diagnostic:
    count, diagnostics = load_manifests("m.yaml", text, lambda _: None)
    assert count is None
    assert diagnostics[-1].severity is Severity.ERROR
    return diagnostics[-1]


def repeated(text: str) -> tuple[Diagnostic, ...]:
    count, diagnostics = load_manifests("m.yaml", text, lambda _: None)
    assert count is not None
    return diagnostics


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("# nothing\n", []),
        ("a: 1\n", [{"a": "1"}]),
        ("---\na: b\n---\n# empty\n---\nc: [d]\n...\n", [{"a": "b"}, None, {"c": ["d"]}]),
        ("%YAML 1.1\n---\na: b\n", [{"a": "b"}]),
        ('{"a": {"b": ["c", 7, true, null]}}', [{"a": {"b": ["c", "7", True, None]}}]),
        ("a: &x {b: c}\nd: *x\n", [{"a": {"b": "c"}, "d": {"b": "c"}}]),
        ("a: &x b\n---\na: &x c\nd: *x\n", [{"a": "b"}, {"a": "c", "d": "c"}]),
        ("a: &x {b: c, d: e}\nf: {<<: *x, d: g}\n", [{"a": {"b": "c", "d": "e"}, "f": {"b": "c", "d": "g"}}]),
        (
            "a: &x {b: c}\nd: &y {b: e, f: g}\nh: {<<: [*x, *y]}\n",
            [{"a": {"b": "c"}, "d": {"b": "e", "f": "g"}, "h": {"b": "c", "f": "g"}}],
        ),
        ('"<<": a\n', [{"<<": "a"}]),
        (
            "a: !!str true\nb: ! x\nc: !!binary eA==\nd: !!map {}\ne: !!seq []\n",
            [{"a": "true", "b": "x", "c": "eA==", "d": {}, "e": []}],
        ),
        (
            "a: yes\nb: 'yes'\nc: off\nd: ~\ne:\nf: 1e3\n8080: g\ntrue: h\n",
            [{"a": True, "b": "yes", "c": False, "d": None, "e": None, "f": "1e3", "8080": "g", "true": "h"}],
        ),
        ("a: |\n  x\n  \ty\n", [{"a": "x\n\ty\n"}]),
    ],
)
def test_what_other_programs_write_is_read(text: str, expected: object) -> None:
    assert data(text) == expected


def test_every_value_and_key_knows_its_place() -> None:
    text = "---\na: &x b\n---\nc: {d: 'e', f: [g]}\nh: &y {i: j}\nk: *y\n"
    first, second = loaded(text)
    assert first.nearest("a").span.where == "m.yaml:2:4"
    assert second.nearest("c", "d").span.where == "m.yaml:4:8"
    assert second.nearest("c", "d").key_span.where == "m.yaml:4:5"
    assert second.nearest("c", "f").items[0].span.where == "m.yaml:4:17"
    assert second.nearest("k").span.where == "m.yaml:6:4"
    assert second.nearest("k", "i").span.where == "m.yaml:5:11"


def test_documents_are_given_one_after_the_other() -> None:
    seen: list[object] = []
    count, diagnostics = load_manifests("m.yaml", "a: b\n---\nc: d\n---\ne: [\n", lambda each: seen.append(each.value))
    assert (count, len(seen), diagnostics[0].rule) == (None, 2, "invalid-yaml")


def test_a_key_that_is_written_twice_is_a_finding_and_the_last_one_counts() -> None:
    kept: list[Node] = []
    count, (found,) = load_manifests("m.yaml", "a: {b: 1, b: 2}\n", kept.append)
    assert (count, kept[0].plain_data()) == (1, {"a": {"b": "2"}})
    assert (found.rule, found.severity) == ("repeated-key", Severity.WARNING)
    assert found.message == 'the key "b" is written twice; the last one counts'
    assert (found.span.where, found.related[0].span.where) == ("m.yaml:1:11", "m.yaml:1:5")


def test_not_more_of_them_are_told_than_anybody_reads() -> None:
    found = repeated("{" + "a: 1, " * 1000 + "}")
    assert len(found) == MOST_OF_A_KIND + 1
    assert found[-1].message.startswith("there are more")


@pytest.mark.parametrize(
    ("text", "rule", "where"),
    [
        ("a: *x\n", "forbidden-yaml", "m.yaml:1:4"),
        ("a: &x [*x]\n", "forbidden-yaml", "m.yaml:1:8"),
        ("a: &x b\n---\nc: *x\n", "forbidden-yaml", "m.yaml:3:4"),
        ("a: !!python/object:os.system b\n", "forbidden-yaml", "m.yaml:1:4"),
        ("a: !custom {b: c}\n", "forbidden-yaml", "m.yaml:1:4"),
        ("a: !!map b\n", "forbidden-yaml", "m.yaml:1:4"),
        ("? [a]\n: b\n", "non-string-key", "m.yaml:1:3"),
        ("a: &x b\n*x : c\n", "non-string-key", "m.yaml:2:1"),
        ("a: [\n", "invalid-yaml", "m.yaml:1:4"),
        ("a: 'b\n", "invalid-yaml", "m.yaml:1:4"),
        ("a: b\x07\n", "control-character", "m.yaml:1:5"),
        ("[" * 300 + "]" * 300, "too-large", f"m.yaml:1:{MAX_MANIFEST_DEPTH + 2}"),
        # libyaml meets its own limit first.
        ("[" * 5000, "too-large", "m.yaml:1:1001"),
    ],
)
def test_what_is_hostile_or_no_yaml_is_refused_at_its_place(text: str, rule: str, where: str) -> None:
    found = refused_manifests(text)
    assert (found.rule, found.span.where) == (rule, where)


def test_aliases_cannot_repeat_more_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MANIFEST_NODES", 10_000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert refused_manifests("\n".join(lines)).rule == "too-large"


def test_aliases_cannot_nest_deeper_than_there_may_be() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, MAX_MANIFEST_DEPTH + 2))]
    assert refused_manifests("\n".join(lines)).message == "what the aliases repeat is too large"
    assert len(data("\n".join(lines[: MAX_MANIFEST_DEPTH - 1]))) == 1


def test_values_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MANIFEST_NODES", 5)
    assert data("[1, 2, 3, 4]") == [["1", "2", "3", "4"]]
    assert refused_manifests("[1, 2, 3]\n---\n[4]\n").message == "the manifests have more than 5 values"


@pytest.mark.parametrize(
    "text",
    [
        "data: {TOKEN: sentinel-4711, TOKEN: sentinel-4711}\n",
        "data: {TOKEN: sentinel-4711\n",
        "data: {TOKEN: !x sentinel-4711}\n",
        "data: {TOKEN: 'sentinel-4711\x07'}\n",
        "TOKEN: sentinel-4711: sentinel-4711\n",
        "sentinel-4711\n\tsentinel-4711: [\n",
        "TOKEN: 'sentinel-4711\nOTHER: 'b'\n",
        "TOKEN: &sentinel-4711 [*sentinel-4711]\n",
    ],
)
def test_no_diagnostic_shows_any_of_the_text(text: str) -> None:
    _, diagnostics = load_manifests("m.yaml", text, lambda _: None)
    assert diagnostics
    assert "sentinel" not in repr(show(diagnostics))
    assert not any(each.span.source.text.strip() for each in diagnostics)


def test_a_line_break_of_any_kind_keeps_places() -> None:
    assert loaded("a: b\r\nc: 'é€😀'\r\nd: e\r\n")[0].nearest("d").span.where == "m.yaml:3:4"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-17", -17),
        ("1.50", 1.5),
        ("azure", "azure"),
        ("1h", "1h"),
        ("tRue", "tRue"),
    ],
)
def test_both_versions_of_yaml_read_the_same(text: str, value: object) -> None:
    found = plain_scalar(text)
    assert found == (value, False)
    assert type(found[0]) is type(value)


@pytest.mark.parametrize(
    "text", ["no", "Y", "ON", "<<", "=", "08", "0o17", "0x1F", "1e3", "1_000", "1:30", ".5", ".inf", "2026-01-31"]
)
def test_what_either_version_reads_otherwise_stays_text_and_is_told(text: str) -> None:
    assert plain_scalar(text) == (text, True)


def test_a_number_of_more_digits_than_programs_keep_is_told() -> None:
    assert plain_scalar("1" * 18) == (int("1" * 18), False)
    assert plain_scalar("1" * 20) == ("1" * 20, True)
