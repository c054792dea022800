"""Writes a Kubernetes manifest as YAML that people read in a review and every reader of YAML takes alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from compiler.stages.emit import quote, read_values
from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Manifest = str | bool | int | Mapping[str, "Manifest"] | Sequence["Manifest"]

# Begins with a letter, and no reader takes any of it for another type or the end of the text, but for the words below.
_PLAIN = regex(r"[A-Za-z][A-Za-z0-9_./=-]*", re.ASCII)
# One that begins with a space or an empty line would be taken for deeper indented than it is; no line ends in a space.
_BLOCK = regex(r"(?=[!-~])(?:(?:[ -~]*[!-~])?\n)*[ -~]*[!-~]\n", re.ASCII)


def manifest_text(manifest: Mapping[str, Manifest]) -> str:
    """The manifest in block style, in the order of its members; a text of several lines stands as a block.

    The same data gives the same bytes. Empty maps and lists are written as `{}` and `[]`.
    """
    return "".join(f"{line}\n" if line.strip() else "\n" for line in _members(manifest))


def _members(members: Mapping[str, Manifest]) -> Iterator[str]:
    for name, value in members.items():
        key = _scalar(name)
        if isinstance(value, str) and "\n" in value and _BLOCK.fullmatch(value):
            yield f"{key}: |"
            yield from (f"  {line}" if line else "" for line in value.removesuffix("\n").split("\n"))
        elif isinstance(value, str | bool | int):
            yield f"{key}: {_scalar(value)}"
        elif not value:
            yield f"{key}: {_empty(value)}"
        else:
            yield f"{key}:"
            yield from (f"  {line}" for line in _lines(value))


def _lines(value: Mapping[str, Manifest] | Sequence[Manifest]) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _members(value)
        return
    for item in value:
        if isinstance(item, str | bool | int):
            yield f"- {_scalar(item)}"
        elif not item:
            yield f"- {_empty(item)}"
        else:
            yield from (f"{'  ' if index else '- '}{line}" for index, line in enumerate(_lines(item)))


def _empty(value: Mapping[str, Manifest] | Sequence[Manifest]) -> str:
    return "{}" if isinstance(value, Mapping) else "[]"


def _scalar(value: str | bool | int) -> str:  # noqa: FBT001 - a value, no option
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    # PyYAML takes `y` and `n` for text, other readers of YAML 1.1 do not.
    is_text = value.lower() not in ("y", "n") and read_values(value) == value
    return value if _PLAIN.fullmatch(value) and is_text else quote(value)
