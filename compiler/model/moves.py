"""Defines the steps in which an environment moves its secrets to another store, as `moves:` lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.record import dataclass

if TYPE_CHECKING:
    from compiler.model.document import Node

KEY = "moves"
# In a step: every secret that no other step names.
REST = "all"


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """The store that all go `to`, and the secrets of each step in order; empty where the input leaves them out."""

    to: str
    steps: tuple[tuple[str, ...], ...]
    node: Node


def moves_of(root: Node) -> Moves | None:
    """The `moves:` of the merged tree `root`; None where it has none."""
    node = root.get(KEY)
    if node is None or not isinstance(node.value, dict):
        return None
    steps = node.get("steps")
    return Moves(
        node.text("to") or "",
        tuple(
            tuple(item.value for item in step.items if isinstance(item.value, str))
            for step in (steps.items if steps is not None else ())
        ),
        node,
    )
