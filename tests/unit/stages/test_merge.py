from compiler.model.document import Node
from compiler.stages.resolve import merge, merge_onto
from tests.unit.stages.conftest import load


def merged(*texts: str) -> Node:
    root, diagnostics = merge([load(text, f"{index}.yaml") for index, text in enumerate(texts)])
    assert not diagnostics
    return root


def test_maps_merge_and_everything_else_replaces() -> None:
    root = merged("a: {b: 1, c: [1, 2]}\nd: e\n", "a: {c: [3], f: g}\n")
    assert root.plain_data() == {"a": {"b": 1, "c": [3], "f": "g"}, "d": "e"}


def test_a_winner_remembers_whom_it_overrode_latest_first() -> None:
    node = merged("a: 1\n", "a: 2\n", "a: 3\n").nearest("a")
    assert node.source.path == "2.yaml"
    assert [(each.value, each.source.path) for each in node.overrode] == [(2, "1.yaml"), (1, "0.yaml")]


def test_a_written_null_removes_and_is_remembered() -> None:
    root = merged("a: {b: 1}\nc: d\n", "a: null\n")
    assert root.plain_data() == {"c": "d"}
    assert root.removed["a"].source.path == "1.yaml"
    assert root.removed["a"].overrode[0].plain_data() == {"b": 1}


def test_what_was_removed_can_come_back_and_knows_the_removal() -> None:
    node = merged("a: 1\n", "a: null\n", "a: 3\n").nearest("a")
    assert [each.value for each in node.overrode] == [None, 1]


def test_nulls_of_the_first_layer_and_of_new_maps_remove_nothing_and_are_gone() -> None:
    assert merged("a: null\nb: {c: null, d: {e: null}}\n").plain_data() == {"b": {"d": {}}}
    assert merged("a: b\n", "c: {d: null, e: f}\n").plain_data() == {"a": "b", "c": {"e": "f"}}


def test_a_map_after_a_removal_begins_anew() -> None:
    assert merged("a: {b: 1}\n", "a: null\n", "a: {c: 2}\n").plain_data() == {"a": {"c": 2}}


def test_extends_is_no_value_of_the_environment() -> None:
    assert merged("extends: [base]\na: b\n", "extends: [a]\n").plain_data() == {"a": "b"}


def test_one_layer_without_nulls_is_shared_as_it_is() -> None:
    document = load("a: {b: c}\n")
    assert merge_onto(None, document, []) is document.root
    assert merge([document])[0] is document.root


def test_no_layer_is_changed_by_merging() -> None:
    layers = [load("a: {b: 1}\n"), load("a: {b: null, c: 2}\n")]
    before = [layer.root.plain_data() for layer in layers]
    merge(layers)
    assert [layer.root.plain_data() for layer in layers] == before


def test_a_map_and_something_else_are_a_conflict_and_the_lower_stays() -> None:
    for lower, upper in (("a: {b: c}\n", "a: hunter2\n"), ("a: hunter2\n", "a: {b: c}\n"), ("a: {b: c}\n", "a: [d]\n")):
        root, (diagnostic,) = merge([load(lower, "0.yaml"), load(upper, "1.yaml")])
        assert root.plain_data() == load(lower).root.plain_data()
        assert diagnostic.rule == "layer-conflict"
        assert diagnostic.message == '"a" is a map in one layer and not in another'
        assert diagnostic.span.path == "1.yaml"
        assert diagnostic.related[0].span.path == "0.yaml"
        hidden = [span.source.text[span.start : span.end] for span in diagnostic.conceals]
        assert hidden == (["hunter2"] if "hunter2" in lower + upper else [])
