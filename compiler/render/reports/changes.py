"""Describes the changes between two outlines as text, as Markdown and as data."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from compiler.model.values import SecretChange
from compiler.operations.diff import EnvironmentDiff
from compiler.render.content import CodeSpan, Piece, Words, members
from compiler.text.wording import pieces_of

Pieces = tuple[Piece, ...]


def change_lines(change: SecretChange, *, consequence: str = "") -> Iterator[Pieces]:
    """The change in words, with a line for each detail; `consequence` is what a removal does."""
    if change.kind == "added":
        yield "added ", change.title, *(_names(" with ", change.keys_added) if change.keys_added else ())
    elif change.kind == "removed":
        keys = _names(" with ", change.keys_removed) if change.keys_removed else ()
        yield "removed ", change.title, *keys, f"{consequence and ': '}{consequence}"
    else:
        yield "changed ", change.title
        yield from (("  ", *detail) for detail in _details(change))


def change_row(change: SecretChange) -> Pieces:
    names = change.keys_added if change.kind == "added" else change.keys_removed
    details = [*_details(change)] if change.kind == "changed" else [_names("", names)]
    cells: list[Piece] = []
    for detail in details:
        cells += ["<br>", *map(Words, detail)]
    return f"| {change.kind} | ", CodeSpan(change.title), " | ", *cells[1:], " |"


def as_data(change: SecretChange) -> dict[str, Any]:
    return {
        **members(change, "kind", "title", "keys_added", "keys_removed"),
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


# Of an environment all addresses are known, of a file not.
_NOT_COMPARED = "addresses not compared, as {} does not tell them: "


def comparison_lines(before: str, after: str, found: EnvironmentDiff) -> Iterator[Pieces]:
    yield "from ", before, " to ", after, ":" if found.is_different else ": no differences"
    for store, old, new in found.addresses:
        yield "  ", store, ": ", old, " -> ", new
    for change in found.changes:
        yield from (("  ", *line) for line in change_lines(change))
    if found.uncompared:
        yield _NOT_COMPARED.format(before), ", ".join(found.uncompared)


def markdown(before: str, after: str, found: EnvironmentDiff) -> Iterator[Pieces]:
    """A section for a pull request: a table with a row for each moved store and each changed Secret."""
    yield "### ", CodeSpan(before), " → ", CodeSpan(after)
    yield ("",)
    if found.is_different:
        yield ("| | what | details |",)
        yield ("|---|---|---|",)
        for store, old, new in found.addresses:
            yield "| changed | ", CodeSpan(store), " | ", Words(old), " -> ", Words(new), " |"
        yield from map(change_row, found.changes)
    else:
        yield ("No differences.",)
    if found.uncompared:
        yield ("",)
        yield Words(_NOT_COMPARED.format(before)), Words(", ".join(found.uncompared))


def comparison_data(found: EnvironmentDiff) -> dict[str, Any]:
    return {
        "addresses": [{"store": store, "before": old, "after": new} for store, old, new in found.addresses],
        "addressesNotCompared": found.uncompared,
        "changes": [as_data(change) for change in found.changes],
    }
