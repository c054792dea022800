"""Describes the changes between two outlines as text, as Markdown and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.render.content import Code, Words
from compiler.text.wording import pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from compiler.model.outline import SecretChange
    from compiler.render.content import Piece

    Pieces = tuple[Piece, ...]


def change_lines(change: SecretChange, *, consequence: str = "") -> Iterator[Pieces]:
    """The change in words: a line, and one for each detail below it. `consequence` tells what a removal does."""
    if change.kind == "added":
        yield "added ", change.title, *(_names(" with ", change.keys_added) if change.keys_added else ())
    elif change.kind == "removed":
        keys = _names(" with ", change.keys_removed) if change.keys_removed else ()
        yield "removed ", change.title, *keys, f"{consequence and ': '}{consequence}"
    else:
        yield "changed ", change.title
        yield from (("  ", *detail) for detail in _details(change))


def change_row(change: SecretChange) -> Pieces:
    """The change as a row of a Markdown table of three columns."""
    names = change.keys_added if change.kind == "added" else change.keys_removed
    details = [*_details(change)] if change.kind == "changed" else [_names("", names)]
    cells: list[Piece] = []
    for detail in details:
        cells += ["<br>", *map(Words, detail)]
    return f"| {change.kind} | ", Code(change.title), " | ", *cells[1:], " |"


def as_data(change: SecretChange) -> dict[str, Any]:
    """The change as JSON has it."""
    return {
        "kind": change.kind,
        "title": change.title,
        "keysAdded": list(change.keys_added),
        "keysRemoved": list(change.keys_removed),
        "keysMoved": [{"key": key, "before": before, "after": after} for key, before, after in change.keys_moved],
        "fields": [{"name": name, "before": before, "after": after} for name, before, after in change.fields],
    }


def _details(change: SecretChange) -> Iterator[tuple[str, ...]]:
    for name, before, after in change.fields:
        yield name, ": ", before or "(none)", " -> ", after or "(none)"
    yield from _moves(change.keys_moved)
    if change.keys_added:
        yield _names("added ", change.keys_added)
    if change.keys_removed:
        yield _names("removed ", change.keys_removed)


def _moves(moves: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, ...]]:
    # A secret that goes to another store moves every key alike: one line says so.
    alike: dict[tuple[str, str], list[str]] = {}
    for key, before, after in moves:
        suffix = f"[{key}]"
        if before.endswith(suffix) and after.endswith(suffix):
            alike.setdefault((before.removesuffix(suffix), after.removesuffix(suffix)), []).append(key)
        else:
            yield "moved ", key, ": ", before, " -> ", after
    for (source, destination), keys in alike.items():
        yield *_names("moved ", keys), ": ", source, " -> ", destination


def _names(before: str, names: Sequence[str]) -> tuple[str, ...]:
    return before, *pieces_of(names)
