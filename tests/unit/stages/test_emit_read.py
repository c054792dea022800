from __future__ import annotations

import pytest
import yaml

from compiler.stages.emit import read_manifests, read_values

READABLE = (
    "",
    "x",
    'a: "1"\nb: {c: ["d", "e"], f: true}\n',
    "a: &x [1, 2]\nb: *x\n",
    "a: b\n<<: {c: d}\n",
    "a: 2020-01-01\nb: yes\nc: ~\nd: 1e3\nno: 1\n",
    "a: b\na: c\n",
    "a: !!set {x}\nb: !!omap [{a: b}]\n",
)


@pytest.mark.parametrize("text", READABLE)
def test_values_are_read_as_pyyaml_reads_them(text: str) -> None:
    assert read_values(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    "text", ["{", "[a]: 1\n", "a: 1\n---\nb: 2\n", "!!python/object:x {}", "a: !!int x\n", "a: &a [*a]\n", "a: \x00"]
)
def test_what_is_no_plain_yaml_is_nothing(text: str) -> None:
    assert read_values(text) is None


def test_an_alias_bomb_stays_small_while_it_is_read() -> None:
    levels = "".join(f"b{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 40))
    read = read_values(f"a: &a0 [x]\n{levels}")
    assert isinstance(read, dict)
    assert len(read) == 40


def test_manifests_are_read_without_empty_documents() -> None:
    assert read_manifests("---\n# Source: a\nkind: A\n---\n---\nkind: B\n") == [{"kind": "A"}, {"kind": "B"}]
    assert read_manifests("") == []
    assert read_manifests("{") is None
