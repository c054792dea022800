"""Finds where a diagnostic points in a document, and which path a waiver must cover."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.source import Span
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from compiler.model.document import Document, Node


def top_of(document: Document) -> Span:
    """Where a file begins to say something: the place of what is missing from it as a whole."""
    return Span(document.source, document.root.start, document.root.start)


def paths_below(root: Node) -> dict[int, tuple[str, ...]]:
    """The keys from `root` down to each node of its tree, by the node's `id`, which the tree keeps alive.

    One walk for all findings of a file, and only where there are any: a hostile file has as many as it has values.
    """
    paths: dict[int, tuple[str, ...]] = {}
    stack: list[tuple[Node, tuple[str, ...]]] = [(root, ())]
    while stack:
        node, path = stack.pop()
        paths[id(node)] = path
        stack.extend((item, path) for item in node.items)
        stack.extend((child, (*path, key)) for key, child in node.children.items())
    return paths


def waiver_scope(path: tuple[str, ...] | None) -> tuple[str, ...]:
    """The part of a path that a waiver can stand on: a secret, an entry, a store, or the file as a whole."""
    return path[:2] if path is not None and len(path) > 1 and path[0] in {"secrets", "stores"} else ()


def waiver(rule: str, of: str) -> str:
    """How a finding of `rule` is accepted: the line to add to the store or secret `of`."""
    return f"to accept it, add to {quoted(of)}: `waive: {{{rule}: the reason}}`"
