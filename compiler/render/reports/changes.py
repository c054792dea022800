"""What changed between two outlines in; words, Markdown and plain data that may be shown to anyone out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.text.credential import conceal
from compiler.text.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from compiler.model.outline import SecretChange


def safe(text: str) -> str:
    """One line of `text` without what looks like a credential: what is compared may come from a foreign file."""
    return printable(conceal(text))


def change_lines(change: SecretChange, *, consequence: str = "") -> Iterator[str]:
    """The change in words: a line, and one for each detail below it. `consequence` tells what a removal does."""
    if change.kind == "added":
        keys = f" with {_names(change.keys_added)}" if change.keys_added else ""
        yield f"added {safe(change.title)}{keys}"
    elif change.kind == "removed":
        keys = f" with {_names(change.keys_removed)}" if change.keys_removed else ""
        yield f"removed {safe(change.title)}{keys}{consequence and ': '}{consequence}"
    else:
        yield f"changed {safe(change.title)}"
        yield from (f"  {detail}" for detail in _details(change))


def markdown(before: str, after: str, changes: Sequence[SecretChange]) -> str:
    """A section for a pull request: a table with a row for each Secret."""
    lines = [f"### {_code(before)} → {_code(after)}", ""]
    if not changes:
        return "\n".join([*lines, "No difference.", ""])
    lines += ["| | what | details |", "|---|---|---|"]
    for change in changes:
        names = change.keys_added if change.kind == "added" else change.keys_removed
        details = list(_details(change)) if change.kind == "changed" else [_names(names)]
        cell = "<br>".join(_cell(detail) for detail in details)
        lines.append(f"| {change.kind} | {_code(change.title)} | {cell} |")
    return "\n".join([*lines, ""])


def as_data(change: SecretChange) -> dict[str, Any]:
    """The change as JSON has it."""
    return {
        "kind": change.kind,
        "title": safe(change.title),
        "keysAdded": [safe(key) for key in change.keys_added],
        "keysRemoved": [safe(key) for key in change.keys_removed],
        "keysMoved": [
            {"key": safe(key), "before": safe(before), "after": safe(after)} for key, before, after in change.keys_moved
        ],
        "fields": [
            {"name": safe(name), "before": safe(before), "after": safe(after)} for name, before, after in change.fields
        ],
    }


def _details(change: SecretChange) -> Iterator[str]:
    for name, before, after in change.fields:
        yield f"{safe(name)}: {safe(before) or '(none)'} -> {safe(after) or '(none)'}"
    yield from _moves(change.keys_moved)
    if change.keys_added:
        yield f"added {_names(change.keys_added)}"
    if change.keys_removed:
        yield f"removed {_names(change.keys_removed)}"


def _moves(moves: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    # A secret that goes to another store moves every key alike: one line says so.
    alike: dict[tuple[str, str], list[str]] = {}
    for key, before, after in moves:
        suffix = f"[{key}]"
        if before.endswith(suffix) and after.endswith(suffix):
            alike.setdefault((before.removesuffix(suffix), after.removesuffix(suffix)), []).append(key)
        else:
            yield f"moved {safe(key)}: {safe(before)} -> {safe(after)}"
    for (source, destination), keys in alike.items():
        yield f"moved {_names(keys)}: {safe(source)} -> {safe(destination)}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(safe(name) for name in names)


def _cell(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`")
    return escaped.replace("<", "&lt;").replace("_", "\\_").replace("*", "\\*").replace("[", "\\[")


def _code(text: str) -> str:
    return "`" + safe(text).replace("`", "'").replace("|", "\\|") + "`"
