"""Proves by two YAML parsers that an edited text has one secret more and is otherwise unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.edit.second_reading import second_reading
from compiler.refusal import Refusal
from compiler.stages.load import load_text

if TYPE_CHECKING:
    from compiler.model.document import Document


def refuse_unproven(old: Document, new_text: str, secret: str) -> None:
    """Raises Refusal where `new_text` is more or less than `old` with `secret` at the end of `secrets`."""
    shown = old.source.path
    document, found = load_text(shown, new_text)
    if document is None:
        # The place would be one of a file that does not exist.
        way_out = "use letters, digits, _ and - in names, or add it by hand"
        raise Refusal("usage", f"{shown} would not be readable: {found[0].message}", way_out)
    added = _added(old.root.plain_data(), document.root.plain_data())
    agrees = added is not None and added == _added(second_reading(old.source.text), second_reading(new_text))
    if added is None or not agrees or added[0] != secret:
        raise Refusal("usage", f"{shown} has a form that no secret can be added to", "add it by hand")


def _added(before: object, after: object) -> tuple[str, object] | None:
    """The last secret of `after` with its id, where all else is as `before` has it."""
    secrets = after.get("secrets") if isinstance(after, dict) else None
    if not isinstance(secrets, dict) or not isinstance(after, dict) or not secrets:
        return None
    # A file of comments alone is an empty mapping to one parser and None to the other.
    old = before if isinstance(before, dict) else {}
    kept = dict(secrets)
    last = kept.popitem()
    return last if {**after, "secrets": kept} == {**old, "secrets": old.get("secrets") or {}} else None
