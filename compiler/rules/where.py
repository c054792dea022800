"""Documents and nodes in, the place a finding points at and the path a waiver must cover out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.source import Span

if TYPE_CHECKING:
    from compiler.model.document import Document, Node


def top_of(document: Document) -> Span:
    """Where a file begins to say something: the place of what is missing from it as a whole."""
    return Span(document.source, document.root.start, document.root.start)


def path_to(root: Node, sought: Node) -> tuple[str, ...] | None:
    """The keys from `root` down to `sought`, by identity; nothing where it is not in the tree.

    Slow, so for findings only, which are rare.
    """
    stack: list[tuple[Node, tuple[str, ...]]] = [(root, ())]
    while stack:
        node, path = stack.pop()
        if node is sought:
            return path
        stack.extend((item, path) for item in node.items)
        stack.extend((child, (*path, key)) for key, child in node.children.items())
    return None


def waiver_scope(path: tuple[str, ...] | None) -> tuple[str, ...]:
    """The part of a path that a waiver can stand on: a secret, an entry, a store, or the file as a whole."""
    return path[:2] if path is not None and len(path) > 1 and path[0] in {"secrets", "stores"} else ()
