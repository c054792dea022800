import json
import time

import pytest
import yaml

from compiler.model import facts
from compiler.stages.emit import read_back, read_manifests, read_values
from tests.pace import allowed

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
