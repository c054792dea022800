"""Changes single members of an environment's file and leaves every other byte of it as it is.

The text is spliced where the loader found the member, because a dump by any YAML library re-spaces lines that nobody
touched. The proof comes afterwards: both readers see exactly the intended change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.operations.edit.drop_member import dropped
from compiler.operations.edit.second_reading import second_reading
from compiler.operations.edit.set_member import member_set
from compiler.refusal import Refusal
from compiler.stages.load import load_text
from compiler.text.command_line import command_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compiler.model.document import Document


@dataclass(frozen=True, slots=True)
class Edit:
    """One member, by its keys from the top of the file: `value` is its new text, None takes the member out."""

    path: tuple[str, ...]
    value: str | None


def edited(document: Document, edits: Iterable[Edit]) -> str:
    """The text of `document` after all `edits`, in their order.

    Maps on the way to a new member are made; a map that loses its only member stays as `{}`. Comments stay, but for
    one on the line of a member that is taken out. Raises Refusal for a text in which a member cannot be changed alone.
    """
    text, path = document.source.text, document.source.path
    for edit in edits:
        root = _loaded(path, text).root
        new = dropped(root, edit.path) if edit.value is None else member_set(root, edit.path, edit.value)
        if new is None or not _proved(path, text, new, edit):
            name = ".".join(edit.path)
            message = f"{path} cannot be edited in the form that it has: `{name}`"
            way_out = f"set it to {edit.value} by hand" if edit.value is not None else "take it out by hand"
            raise Refusal("found", message, f"{way_out}, then run `{command_line('compile')}`")
        text = new
    return text


def _loaded(path: str, text: str) -> Document:
    document, _ = load_text(path, text)
    if document is None:
        raise ValueError("only what was loaded and proved is edited")
    return document


def _proved(path: str, before: str, after: str, edit: Edit) -> bool:
    """Whether either reader sees the one change and no other."""
    document, _ = load_text(path, after)
    if document is None or document.root.plain_data() != _changed(_loaded(path, before).root.plain_data(), edit):
        return False
    # A file of comments alone is None to the other reader.
    return second_reading(after) == _changed(second_reading(before) or {}, edit)


def _changed(data: object, edit: Edit) -> object:
    """What `data` is to be after the edit."""
    key, *rest = edit.path
    members = dict(data) if isinstance(data, dict) else {}
    if rest:
        members[key] = _changed(members.get(key), Edit(tuple(rest), edit.value))
    elif edit.value is None:
        members.pop(key, None)
    else:
        members[key] = edit.value
    return members
