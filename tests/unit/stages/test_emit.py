import pytest

from compiler.model.facts import ValuesData
from compiler.stages.emit import HEADER, quote, read_values, scalar, values_text, values_tree
from compiler.stages.load import load_text


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
    assert text == f'{quote(key)}: "x"\n'
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
    assert quote(text) == quoted


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
