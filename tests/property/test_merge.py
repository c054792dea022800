"""Merging agrees with an oracle of a few lines, and remembers where every value came from."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from compiler.model.document import Document, Node
from compiler.stages.load import load_text
from compiler.stages.resolve import merge
from tests.property.conftest import layers

Data = dict[str, Any]


def oracle(lower: Data, upper: Data) -> Data:
    """Maps merge, everything else replaces, null removes."""
    merged = dict(lower)
    for key, value in upper.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = oracle(merged.get(key, {}), value)
        else:
            merged[key] = value
    return merged


def documents(data: list[Data]) -> list[Document]:
    loaded = []
    for index, layer in enumerate(data):
        document, refused = load_text(f"layer-{index}.yaml", json.dumps(layer, indent=1))
        assert document is not None, refused
        loaded.append(document)
    return loaded


def merged(data: list[Data]) -> Node:
    root, diagnostics = merge(documents(data))
    assert not diagnostics
    return root


@given(layers())
def test_it_agrees_with_the_oracle_and_every_value_lies_in_the_last_layer_that_writes_it(data: list[Data]) -> None:
    expected: Data = {}
    for layer in data:
        expected = oracle(expected, layer)
    root = merged(data)
    assert json.dumps(root.plain_data()) == json.dumps(expected)
    check(root, (), data)


@given(layers(), st.data())
def test_neither_an_empty_layer_nor_the_last_one_again_changes_anything(data: list[Data], draw: st.DataObject) -> None:
    place = draw.draw(st.integers(0, len(data)))
    once = merged(data).plain_data()
    assert json.dumps(merged([*data[:place], {}, *data[place:]]).plain_data()) == json.dumps(once)
    assert merged([*data, data[-1]]).plain_data() == once


def check(node: Node, path: tuple[str, ...], data: list[Data]) -> None:
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            check(child, (*path, key), data)
        for key, null in node.removed.items():
            assert key not in node.value
            assert null.value is None
            assert written(null) is None
        return
    writers = [index for index, layer in enumerate(data) if found(layer, path) is not None]
    assert node.source.path == f"layer-{writers[-1]}.yaml"
    assert written(node) == node.plain_data()
    for earlier in node.overrode:
        if not isinstance(earlier.value, dict):
            assert written(earlier) == earlier.plain_data()


def written(node: Node) -> object:
    return json.loads(node.source.text[node.start : node.end])


def found(data: object, path: tuple[str, ...]) -> object:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data
