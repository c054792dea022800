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
from compiler.operations.edit.text_lines import rest_of_line
from compiler.refusal import Refusal
from compiler.stages.load import load_text
from compiler.text.command_line import command_line
from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from compiler.model.document import Document


# Of a `store:` that stood before a switch: the store, and where it shares its line with others, the secrets.
MARK = regex(r"  # before: (\S+)(?: for ([^#\n]*))?$")


@dataclass(frozen=True, slots=True)
class Edit:
    """One member, by its keys from the top of the file: `value` is its new text, None takes the member out.

    `mark` is a comment to put at the end of its line, in place of the mark there; an empty one takes that out. None: as
    it is.
    """

    path: tuple[str, ...]
    value: str | None
    mark: str | None = None


def edited(document: Document, edits: Iterable[Edit]) -> str:
    """The text of `document` after all `edits`, in their order.

    Maps on the way to a new member are made; a map that loses its only member stays as `{}`. Comments stay, but for
    one on the line of a member that is taken out. Raises Refusal for a text in which a member cannot be changed alone.
    """
    before, path, every = document.source.text, document.source.path, tuple(edits)
    # The other reader takes a thousand times as long as the edit: it proves all of them at once.
    text = _spliced(path, before, every)
    if text is not None and _proved(path, before, text, every):
        return text
    text = before
    for edit in every:
        new = _spliced(path, text, [edit])
        if new is None or not _proved(path, text, new, [edit]):
            name = ".".join(edit.path)
            message = f"{path} cannot be edited in the form that it has: `{name}`"
            way_out = f"set it to {edit.value} by hand" if edit.value is not None else "take it out by hand"
            raise Refusal("found", message, f"{way_out}, then run `{command_line('compile')}`")
        text = new
    return text


def _spliced(path: str, text: str, edits: Iterable[Edit]) -> str | None:
    """`text` after all edits, unproved; None where one cannot be made, or leaves what cannot be read."""
    for edit in edits:
        document, _ = load_text(path, text)
        if document is None:
            return None
        root = document.root
        new = dropped(root, edit.path) if edit.value is None else member_set(root, edit.path, edit.value)
        if new is None:
            return None
        text = new if edit.mark is None else _marked(path, new, edit)
    return text


def _marked(path: str, text: str, edit: Edit) -> str:
    document, _ = load_text(path, text)
    member = document.root.get(*edit.path) if document is not None else None
    if member is None:
        return text
    start, end = rest_of_line(member)
    rest = MARK.sub("", text[start:end])
    return f"{text[:start]}{rest}{f'  # {edit.mark}' if edit.mark else ''}{text[end:]}"


def _loaded(path: str, text: str) -> Document:
    document, _ = load_text(path, text)
    if document is None:
        raise ValueError("only what was loaded and proved is edited")
    return document


def _proved(path: str, before: str, after: str, edits: Sequence[Edit]) -> bool:
    """Whether either reader sees those changes and no other."""
    document, _ = load_text(path, after)
    if document is None or document.root.plain_data() != _all_changed(_loaded(path, before).root.plain_data(), edits):
        return False
    # A file of comments alone is None to the other reader.
    return (second_reading(after) or {}) == _all_changed(second_reading(before) or {}, edits)


def _all_changed(data: object, edits: Iterable[Edit]) -> object:
    for edit in edits:
        data = _changed(data, edit)
    return data


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
