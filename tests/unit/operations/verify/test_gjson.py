from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.operations.verify.gjson import UnprovenPathError, find
from compiler.stores.values.secret import JsonKind, SecretValue
from tests.pace import allowed

# The document of gjson's own syntax page, and names that only escapes reach.
DOCUMENT = SecretValue(
    """{
  "name": {"first": "Tom", "last": "Anderson"},
  "age": 37,
  "children": ["Sara", "Alex", "Jack"],
  "fav.movie": "Deer Hunter",
  "friends": [
    {"first": "Dale", "last": "Murphy", "nets": ["ig", "fb", "tw"]},
    {"first": "Roger", "last": "Craig", "nets": ["fb", "tw"]}
  ],
  "none": null, "a*b": "star", "a|b": "pipe", "@here": "at", "@this": "named", "": {"": "empty"}, "7": "seven"
}""",
    JsonKind.OBJECT,
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("name.last", "Anderson"),
        ("name|last", "Anderson"),
        ("age", "37"),
        ("children.1", "Alex"),
        ("children|0", "Sara"),
        ("child*.2", "Jack"),
        ("c?ildren.0", "Sara"),
        ("fav\\.movie", "Deer Hunter"),
        ("friends.1.first", "Roger"),
        ("friends.0.nets.2", "tw"),
        ("n*.first", "Tom"),
        # A wildcard goes on to the next name where the first leads nowhere.
        ("*.last", "Anderson"),
        ("*.0", "Sara"),
        ("n*|last", "Anderson"),
        ("f*\\.movie", "Deer Hunter"),
        ("a\\*b", "star"),
        ("a\\|b", "pipe"),
        ("@here", "at"),
        ("\\@this", "named"),
        (".", "empty"),
        ("7", "seven"),
        ("name.@this.first", "Tom"),
        ("@this|age", "37"),
        ("none", "null"),
        ("age\\", "37"),
    ],
)
def test_a_path_finds_what_gjson_finds(path: str, text: str) -> None:
    found = find(DOCUMENT, path)
    assert found is not None
    assert found.reveal() == text


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "name.middle",
        "age.x",
        "children.3",
        "children.x",
        "children.-1",
        "children.*",
        "fav.movie",
        "name.first.@this.x",
        "friends.first",
        # A pipe takes what the wildcard finds first, and so does a dot before @this.
        "*|0",
        "*.@this.0",
        "n*.middle|x",
    ],
)
def test_what_is_not_there_is_nothing(path: str) -> None:
    assert find(DOCUMENT, path) is None


def test_this_is_the_document() -> None:
    assert find(DOCUMENT, "@this") is DOCUMENT


@pytest.mark.parametrize(
    "path",
    [
        "friends.#",
        "friends.#.first",
        'friends.#(last=="Craig").first',
        "children.@reverse",
        "@pretty",
        "@this:1",
        "name.{first,last}",
        "[age]",
        '!"x"',
        "..0.name",
        "a\\?*",
        "a\\\\*",
        # These have a result of their own, or may have one, where nothing stands before them.
        "nothing.@reverse",
        "nothing.{a}",
        "nothing|[a]",
        "age|..x",
        "@this...x",
        # In an array's part of a path a backslash escapes nothing.
        "children.\\1",
    ],
)
def test_syntax_that_is_not_evaluated_is_said_to_be_so(path: str) -> None:
    with pytest.raises(UnprovenPathError):
        find(DOCUMENT, path)


@given(st.dictionaries(st.text(max_size=6), st.text(max_size=6), min_size=1), st.data())
def test_every_name_is_found_by_its_escaped_path(document: dict[str, str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(document)))
    escaped = "".join("\\" + character for character in name)
    found = find(SecretValue(json.dumps(document), JsonKind.OBJECT), escaped)
    if name:
        assert found is not None
        assert found.reveal() == document[name]


@given(st.text(max_size=20))
def test_no_path_breaks_it(path: str) -> None:
    try:
        found = find(DOCUMENT, path)
    except UnprovenPathError:
        return
    assert found is None or isinstance(found, SecretValue)


@pytest.mark.parametrize(
    ("path", "text"),
    [("a*c*e", "abcde"), ("a*c*e", "ace"), ("*c", "abc"), ("a**c", "abc"), ("?*?", "ab"), ("*b*b", "abab")],
)
def test_several_wildcards_match_as_one_does(path: str, text: str) -> None:
    document = SecretValue(json.dumps({text: "found"}), JsonKind.OBJECT)
    found = find(document, path)
    assert found is not None
    assert found.reveal() == "found"


@pytest.mark.parametrize(("path", "text"), [("a*c*e", "abcdex"), ("a*c*e", "aec"), ("*b*b", "ab"), ("?*?", "a")])
def test_several_wildcards_match_nothing_else(path: str, text: str) -> None:
    assert find(SecretValue(json.dumps({text: "found"}), JsonKind.OBJECT), path) is None


def test_many_wildcards_take_no_time() -> None:
    document = SecretValue(json.dumps({"a" * 2_000: "x"}), JsonKind.OBJECT)
    begun = time.process_time()
    assert find(document, f"{'*a' * 200}*b") is None
    assert time.process_time() - begun < allowed(1)
