"""Merges layers, lowest first, into one tree in which every value knows its layer and the values that it overrode."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Diagnostic, Related, Severity
from compiler.model.document import Document, Node, extent
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

# `extends` says which layers are merged; it is no value of the merged environment.
_OUTSIDE_MERGE = "extends"


def merge(layers: Sequence[Document]) -> tuple[Node, tuple[Diagnostic, ...]]:
    """The left fold of `layers`: maps merge, scalars and lists replace, a written null removes.

    A map that meets a scalar or a list is a `layer-conflict`; the lower value is kept so that the run can go on.
    """
    root, diagnostics = None, list[Diagnostic]()
    for layer in layers:
        root = merge_onto(root, layer, diagnostics)
    return root if root is not None else Node({}, layers[0].source, extent(0, 0)), tuple(diagnostics)


def merge_onto(lower: Node | None, layer: Document, diagnostics: list[Diagnostic]) -> Node:
    """One step of the fold: `layer` onto what lies below it. Conflicts are added to `diagnostics`."""
    upper = layer.root
    if _OUTSIDE_MERGE in upper.children:
        members = {key: child for key, child in upper.children.items() if key != _OUTSIDE_MERGE}
        upper = replace(upper, value=members)
    if lower is None:
        # A tree without nulls has nothing to remove, so it may be shared as it is.
        return _merge_maps(replace(upper, value={}), upper, diagnostics) if layer.nulls else upper
    return _merge_maps(lower, upper, diagnostics)


def _merge_maps(lower: Node, upper: Node, diagnostics: list[Diagnostic]) -> Node:
    members = dict(lower.children)
    removed = dict(lower.removed)
    for key, value in upper.children.items():
        below = members.get(key)
        if value.value is None:
            gone = members.pop(key, None)
            removed[key] = _over(value, gone) if gone is not None else value
            continue
        if below is None:
            below = removed.pop(key, None)
            fresh = _over(value, below) if below is not None else value
            members[key] = _merge_maps(replace(fresh, value={}), value, diagnostics) if _has_null(value) else fresh
        elif isinstance(below.value, dict) and isinstance(value.value, dict):
            members[key] = _merge_maps(below, value, diagnostics)
        elif isinstance(below.value, dict) or isinstance(value.value, dict):
            diagnostics.append(_conflict(key, below, value))
        else:
            members[key] = _over(value, below)
    return replace(upper, value=members, removed=removed, overrode=(lower, *lower.overrode))


def _has_null(node: Node) -> bool:
    return isinstance(node.value, dict) and any(
        child.value is None or _has_null(child) for child in node.value.values()
    )


def _over(winner: Node, loser: Node) -> Node:
    return replace(winner, overrode=(loser, *loser.overrode))


def _conflict(key: str, below: Node, value: Node) -> Diagnostic:
    return Diagnostic(
        "layer-conflict",
        Severity.ERROR,
        f"{quoted(key)} is a map in one layer and not in another",
        value.key_span,
        help="write the same type in both layers",
        related=(Related("the other layer", below.key_span),),
        conceals=tuple(node.span for node in (value, below) if isinstance(node.value, str)),
    )
