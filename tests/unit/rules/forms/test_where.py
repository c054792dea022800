import pytest

from compiler.model.document import Span
from compiler.rules.api import paths_below, top_of, waiver, waiver_scope
from compiler.stages.load import load_text


def test_the_top_of_a_file_is_where_it_begins_to_say_something() -> None:
    document, _ = load_text("a.yaml", "# a comment\nstore: vault\n")
    assert document is not None
    assert top_of(document) == Span(document.source, 12, 12)
    assert top_of(document).where == "a.yaml:2:1"


def test_knows_the_path_to_each_node_by_identity() -> None:
    document, _ = load_text("a.yaml", "a: {b: [x, x]}\nc: x\n")
    other, _ = load_text("a.yaml", "a: {b: [x, x]}\nc: x\n")
    assert document is not None
    assert other is not None
    paths = paths_below(document.root)
    assert paths[id(document.root.nearest("a", "b").items[1])] == ("a", "b")
    assert paths[id(document.root.nearest("c"))] == ("c",)
    assert paths[id(document.root)] == ()
    assert id(other.root.nearest("c")) not in paths


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        (("secrets", "github", "store"), ("secrets", "github")),
        (("stores", "vault"), ("stores", "vault")),
        (("secrets",), ()),
        (("labels", "a"), ()),
        ((), ()),
        (None, ()),
    ],
)
def test_a_waiver_stands_on_a_secret_a_store_or_the_file(path: tuple[str, ...] | None, scope: tuple[str, ...]) -> None:
    assert waiver_scope(path) == scope


def test_a_waiver_is_the_line_to_add() -> None:
    assert waiver("shared-place", "github") == 'to accept it, add to "github": `waive: {shared-place: the reason}`'
