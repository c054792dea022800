import json
import time

import pytest
import yaml

from compiler.model import facts
from compiler.model.facts import ValuesData
from compiler.stages.emit import (
    HEADER,
    quote_yaml,
    read_back,
    read_manifests,
    read_values,
    scalar,
    values_text,
    values_tree,
)
from compiler.stages.load import load_text
from tests.pace import allowed


def body(data: dict[str, ValuesData]) -> str:
    return values_text(data, "prod", ["environments/prod.yaml"]).split("\n", 1)[1]


@pytest.mark.parametrize(
    ("layers", "named"),
    [
        (["a.yaml"], "a.yaml"),
        (["a.yaml", "b.yaml"], "a.yaml and b.yaml"),
        (["a.yaml", "b.yaml", "c.yaml"], "a.yaml, b.yaml and c.yaml"),
    ],
)
def test_the_header_says_what_it_was_made_of_and_how(layers: list[str], named: str) -> None:
    text = values_text({}, "prod", layers)
    assert text == f"# Compiled from {named}. Do not edit; run `make values ENV=prod`.\n"
    assert text.startswith(HEADER)


def test_three_levels_are_printed_as_blocks_and_the_rest_in_a_line() -> None:
    secret: ValuesData = {"name": "n", "storeRef": {"kind": "K", "name": "s"}, "keys": ["A", "B"]}
    assert body({"externalSecrets": {"github": secret}, "clusterSecretStores": {}}) == (
        "externalSecrets:\n"
        "  github:\n"
        '    name: "n"\n'
        '    storeRef: {kind: "K", name: "s"}\n'
        '    keys: ["A", "B"]\n'
        "clusterSecretStores: {}\n"
    )


def test_a_line_that_would_be_too_long_is_broken() -> None:
    keys: list[ValuesData] = [f"KEY_{index:02}" for index in range(20)]
    text = body({"a": {"b": {"keys": keys, "data": {f"KEY_{index}": {"key": "x" * 20} for index in range(5)}}}})
    assert '    keys:\n      - "KEY_00"\n      - "KEY_01"\n' in text
    assert '    data:\n      KEY_0: {key: "xxxxxxxxxxxxxxxxxxxx"}\n' in text
    assert max(map(len, text.splitlines())) <= 110
    assert read_values(text) == {
        "a": {"b": {"keys": keys, "data": {f"KEY_{index}": {"key": "x" * 20} for index in range(5)}}}
    }


def test_nothing_is_written_as_an_empty_map_or_list() -> None:
    assert body({"a": {}, "b": [], "c": {"d": {"e": {}, "f": []}}}) == (
        "a: {}\nb: []\nc:\n  d:\n    e: {}\n    f: []\n"
    )


def test_booleans_are_booleans() -> None:
    assert body({"a": {"b": {"c": True, "d": [False]}}}) == "a:\n  b:\n    c: true\n    d: [false]\n"


@pytest.mark.parametrize("key", ["yes", "No", "y", "null", "true", "1", "a.b/c", "", "a b", "-", "caf\u00e9", "ON"])
def test_a_key_that_is_no_plain_word_is_quoted(key: str) -> None:
    text = body({key: "x"})
    assert text == f'{quote_yaml(key)}: "x"\n'
    assert read_values(text) == {key: "x"}


def test_a_plain_key_is_not_quoted() -> None:
    assert body({"GITHUB_APP_ID": "x", "team-1": "y"}) == 'GITHUB_APP_ID: "x"\nteam-1: "y"\n'


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a b", '"a b"'),
        ("", '""'),
        ('"\\', '"\\"\\\\"'),
        ("\n\t\r", '"\\n\\t\\r"'),
        ("\0\x7f\x85\xe9", '"\\x00\\x7f\\x85\\xe9"'),
        ("\u2028\ufeff", '"\\u2028\\ufeff"'),
        ("\U0001f511", '"\\U0001f511"'),
        ("{{ x }}", '"{{ x }}"'),
    ],
)
def test_a_text_is_quoted_in_ascii(text: str, quoted: str) -> None:
    assert quote_yaml(text) == quoted


def test_the_tree_of_a_text_has_its_places() -> None:
    tree = values_tree("a: {b: c}\n")
    assert tree is not None
    (_, inner) = tree.value[0]
    assert (inner.start_mark.index, inner.end_mark.index) == (3, 9)


@pytest.mark.parametrize(
    "text",
    ["a: [", "a: 1\n---\nb: 2\n", "[" * 100_000, "", "a: &x b\n", "a: &x b\nc: *x\n", "a: !!str b\n", "[a]: b\n"],
    ids=lambda text: text[:12],
)
def test_what_breaks_the_limits_of_values_files_has_no_tree(text: str) -> None:
    assert values_tree(text) is None


@pytest.mark.parametrize(("subchart", "key"), [("secrets", "secrets"), ("Shop_1-a", "Shop_1-a"), ("on", '"on"')])
def test_below_a_subcharts_name_the_same_lines_are_indented(subchart: str, key: str) -> None:
    data: dict[str, ValuesData] = {
        "externalSecrets": {"github": {"name": "two\nlines", "keys": [f"KEY_{index:02}" for index in range(20)]}},
        "partOf": "x",
    }
    plain, nested = (values_text(data, "prod", ["a.yaml"], each).splitlines() for each in (None, subchart))
    assert nested == [plain[0], f"{key}:", *(f"  {line}" for line in plain[1:])]
    assert nested[0].startswith(HEADER)
    assert read_values("\n".join(nested)) == {subchart: data}


@pytest.mark.parametrize("text", ["azure", "agents-2/x.y_z", "Azure"])
def test_a_plain_word_stays_plain(text: str) -> None:
    assert scalar(text) == text


@pytest.mark.parametrize(
    "text", ["on", "No", "y", "N", "null", "true", "1", "08", "1e3", "", "a b", "-a", "é", "a: b", "~"]
)
def test_whatever_a_reader_could_take_for_something_else_is_quoted(text: str) -> None:
    written = scalar(text)
    assert (written[0], written[-1]) == ('"', '"')
    document, _ = load_text("x.yaml", f"a: {written}\n")
    assert document is not None
    assert document.root.text("a") == text


READABLE = (
    "",
    "x",
    'a: "1"\nb: {c: ["d", "e"], f: true}\n',
    "a: 2020-01-01\nb: yes\nc: ~\nd: 1e3\nno: 1\n",
    "a: b\na: c\n",
    "a: 0:99999999999999999999z",
    "a: [[], {}, [0x1f, 1_000, 0o7, .inf, 1:30]]\nyes: off\n2: [null, 'null', \"1\"]\n",
)
# What no file of this compiler has: the text, what it is called, and where it begins.
EXCESSIVE = {
    "alias": ("a: &x [1]\nb: *x\n", "an anchor", 3),
    "circle": ("a: &a [*a]\n", "an anchor", 3),
    "only-an-alias": ("a: *x\n", "an alias", 3),
    "merge": ("a: b\n<<: {c: d}\n", "a merge key", 5),
    "tag": ("a: !!set {x}\n", "a tag", 3),
    "object": ("!!python/object:x {}", "a tag", 0),
    "deep": ("a: " + "[" * 32 + "]" * 32, "more than 32 levels", 34),
    "many": ("a: [" + "x," * 100_000 + "]", "more than 100000 values", 4 + 2 * 99_998),
}


@pytest.mark.parametrize("text", READABLE)
def test_values_are_read_as_pyyaml_reads_them(text: str) -> None:
    assert read_values(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "a: b: c",
        "? [",
        "\0",
        "[a]: 1\n",
        "a: 1\n---\nb: 2\n",
        "a: 2020-99-99\n",
        "a: \x00",
        "a: [}\n",
        f"a: {'[' * 33}&x"[:-2],
    ],
)
def test_what_is_no_plain_yaml_is_nothing(text: str) -> None:
    assert read_values(text) is None


@pytest.mark.parametrize("name", EXCESSIVE)
def test_what_no_file_of_ours_has_is_said_with_its_place(name: str) -> None:
    text, what, offset = EXCESSIVE[name]
    assert read_back(text) == (None, (what, offset))


def test_a_file_of_ours_may_have_more_values_the_longer_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every file may have as many; the tests around hold how many these are.
    monkeypatch.setattr(facts, "MAX_NODES", 1_000)
    sparse = "[" + "12345678," * 1_200 + "]"
    assert read_back(sparse) == ([12345678] * 1_200, None)
    dense = "[" + "1," * 1_200 + "]"
    assert read_back(dense) == (None, ("more than 1000 values", 2_001 - 2))
    # Long enough at its beginning, and too dense at its end.
    mixed = "[" + "12345678," * 1_200 + "1," * 3_000 + "]"
    _, excess = read_back(mixed)
    assert excess is not None
    what, offset = excess
    assert what == f"more than {offset // 8} values"


def test_what_is_just_within_the_limits_is_read() -> None:
    deep = "[" * 32 + "]" * 32
    assert read_back(deep) == (json.loads(deep), None)
    assert read_back("[" + "x," * 99_999 + "]") == (["x"] * 99_999, None)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "text",
    [
        "a: " + "1" * 4_000_000,
        "a: " + "1:" * 2_000_000 + "1",
        "[" * 4_000_000,
        "{" * 2_000_000 + "a" * 2_000_000,
        "? " * 2_000_000,
        "- " * 2_000_000,
        "[" + "a," * 2_000_000,
        "a: &a " * 500_000,
        "#" * 4_000_000,
        "a: '" + "''" * 2_000_000,
    ],
    ids=lambda text: text[:6],
)
def test_whatever_four_megabytes_hold_is_read_in_seconds(text: str) -> None:
    start = time.process_time()
    read_values(text)
    assert time.process_time() - start < allowed(3)


def test_manifests_are_read_without_empty_documents() -> None:
    text = "---\n# Source: a\nkind: A\n---\n---\n# nothing\n---\nkind: B\n"
    assert read_manifests(text) == ([{"kind": "A"}, {"kind": "B"}], None)
    assert read_manifests("") == ([], None)
    assert read_manifests("{") == (None, None)
    assert read_manifests("kind: A\n---\nkind: &x B\n") == (None, ("an anchor", 18))
