from __future__ import annotations

import pytest

from compiler.model.source import Span
from compiler.rules.where import path_to, top_of, waiver_scope
from compiler.stages.load import load_text


def test_the_top_of_a_file_is_where_it_begins_to_say_something() -> None:
    document, _ = load_text("a.yaml", "# a comment\nstore: vault\n")
    assert document is not None
    assert top_of(document) == Span(document.source, 12, 12)
    assert top_of(document).where == "a.yaml:2:1"


def test_finds_the_path_to_a_node_by_identity() -> None:
    document, _ = load_text("a.yaml", "a: {b: [x, x]}\nc: x\n")
    other, _ = load_text("a.yaml", "a: {b: [x, x]}\nc: x\n")
    assert document is not None
    assert other is not None
    assert path_to(document.root, document.root.nearest("a", "b").items[1]) == ("a", "b")
    assert path_to(document.root, document.root.nearest("c")) == ("c",)
    assert path_to(document.root, document.root) == ()
    assert path_to(document.root, other.root.nearest("c")) is None


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
