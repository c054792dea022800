"""Writes the data of a values file as text that Helm and this compiler read alike, and reads such text back."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast

import yaml

from compiler.model.facts import MAX_DEPTH, MAX_MANIFEST_NODES, most_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from compiler.model.facts import ValuesData

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TEXTS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "value"))
_PARSERS_OWN_LIMIT = "exceeded maximum nesting depth"
_TOO_DEEP = f"more than {MAX_DEPTH} levels"
# Longer than any number, date or word that YAML does not read as a string; parsing a number takes quadratic time.
_LONGEST_WORD = 64

HEADER = "# Compiled from "
_WIDTH = 110
# Environments share most of their names and keys: so many are printed once a run.
_KNOWN_TEXTS = 4096
# The maps that are always printed one member a line: the file's own, the secrets or stores, and one of them.
_BLOCK_DEPTH = 3
# YAML 1.1 gives these words and everything like a number another type, map keys included: they are quoted.
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_OTHER_KEYS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
# Begins with a letter, and no reader takes any of it for another type or the end of the text, but for some words.
_PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./=-]*", re.ASCII)


def values_text(
    data: dict[str, ValuesData], environment: str, layers: Sequence[str], subchart: str | None = None
) -> str:
    """The text of `values-<environment>.yaml`, compiled from `layers`, lowest first.

    The same data gives the same bytes: every string is double-quoted ASCII, there is no null, no anchor and one
    document, and the order is that of `data`. With `subchart` the same lines stand indented under that name.
    """
    named = layers[0] if len(layers) == 1 else f"{', '.join(layers[:-1])} and {layers[-1]}"
    header = f"{HEADER}{named}. Do not edit; run `make values ENV={environment}`."
    lines: list[str] = []
    for key, value in data.items():
        _print(lines, key, value, 0)
    if subchart is not None:
        # No value takes more than one line.
        lines = [f"{_key(subchart)}:", *(f"  {line}" for line in lines)]
    return "\n".join((header, *lines)) + "\n"


# Why a text is not a file of this compiler, worded to follow "it has", and the character where that shows.
Excess: TypeAlias = tuple[str, int]


def read_values(text: str) -> ValuesData | None:
    """The data that `text` holds, as a YAML parser reads it; None where `read_back` finds none."""
    return read_back(text)[0]


def read_back(text: str) -> tuple[ValuesData | None, Excess | None]:
    """The data of a values file, or None and, where it breaks a limit of such files, what and where."""
    documents, excess = _documents(text, most_values)
    return (cast("ValuesData", documents[0]) if documents and len(documents) == 1 else None), excess


def read_manifests(text: str) -> tuple[list[Any] | None, Excess | None]:
    """The manifests that `text`, what Helm prints, holds; None where it is no YAML, or breaks a limit."""
    documents, excess = _documents(text, lambda _: MAX_MANIFEST_NODES)
    return (None if documents is None else [each for each in documents if each is not None]), excess


class _ExcessError(Exception):
    """Ends the reading with an Excess as its arguments; never leaves this module."""


def _documents(text: str, most: Callable[[int], int]) -> tuple[list[object] | None, Excess | None]:
    try:
        loader = _Loader(text)
        try:
            return list(_Reader(loader, most).documents()), None
        finally:
            loader.dispose()
    except _ExcessError as error:
        what, offset = error.args
        return None, (what, offset)
    except (yaml.YAMLError, ValueError, OverflowError, TypeError) as error:
        # libyaml reads ahead of what it reports, and so may meet its own limit before this program meets MAX_DEPTH.
        mark = getattr(error, "problem_mark", None)
        is_too_deep = getattr(error, "problem", None) == _PARSERS_OWN_LIMIT
        return None, (_TOO_DEEP, mark.index) if mark is not None and is_too_deep else None


class _Reader:
    """Makes data of a parser's events, one by one: what is too large is noticed before it is in memory."""

    def __init__(self, loader: Any, most: Callable[[int], int]) -> None:  # noqa: ANN401 - PyYAML types none
        self._loader = loader
        self._most_at = most
        self._most = most(0)
        self._count = 0

    def documents(self) -> Iterator[object]:
        next_event = self._loader.get_event
        next_event()
        while isinstance(next_event(), yaml.DocumentStartEvent):
            yield self._node(next_event(), 0)
            next_event()

    def _node(self, event: Any, depth: int) -> object:  # noqa: ANN401
        self._count += 1
        if self._count > self._most:
            self._most = self._most_at(event.start_mark.index)
            if self._count > self._most:
                self._refuse(f"more than {self._most} values", event)
        if isinstance(event, yaml.AliasEvent):
            self._refuse("an alias", event)
        if event.anchor is not None or event.tag is not None:
            self._refuse("an anchor" if event.anchor is not None else "a tag", event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if depth >= MAX_DEPTH:
            self._refuse(_TOO_DEEP, event)
        next_event = self._loader.get_event
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[object] = []
            while not isinstance(item := next_event(), yaml.SequenceEndEvent):
                items.append(self._node(item, depth + 1))
            return items
        members: dict[object, object] = {}
        while not isinstance(key := next_event(), yaml.MappingEndEvent):
            # A list or a map for a key is a TypeError.
            name = self._node(key, depth + 1)
            # As in input files, a key is no value.
            self._count -= 1
            members[name] = self._node(next_event(), depth + 1)
        return members

    def _scalar(self, event: Any) -> object:  # noqa: ANN401
        text: str = event.value
        if event.style or len(text) > _LONGEST_WORD or (_PLAIN_KEY.fullmatch(text) and text.lower() not in _OTHER_KEYS):
            return text
        if text == "<<":
            self._refuse("a merge key", event)
        tag = self._loader.resolve(yaml.ScalarNode, text, (True, False))
        if tag in _TEXTS:
            return text
        return self._loader.construct_object(yaml.ScalarNode(tag, text, event.start_mark, event.end_mark))

    def _refuse(self, what: str, event: Any) -> NoReturn:  # noqa: ANN401
        raise _ExcessError(what, event.start_mark.index)


def values_tree(text: str) -> Any | None:  # noqa: ANN401 - PyYAML types no node
    """The nodes of `text`, each with its place in it; None where `read_back` finds no data in it."""
    if read_back(text)[0] is None:
        return None
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _print(lines: list[str], key: str, value: ValuesData, depth: int) -> None:
    indent = "  " * depth
    if isinstance(value, str | bool):
        lines.append(f"{indent}{_key(key)}: {_flow(value)}")
        return
    if not value or depth >= _BLOCK_DEPTH - 1:
        flow = f"{indent}{_key(key)}: {_flow(value)}"
        if not value or len(flow) <= _WIDTH:
            lines.append(flow)
            return
    lines.append(f"{indent}{_key(key)}:")
    if isinstance(value, dict):
        for name, member in value.items():
            _print(lines, name, member, depth + 1)
    else:
        lines.extend(f"{indent}  - {_flow(item)}" for item in value)


def _flow(value: ValuesData) -> str:
    if isinstance(value, str):
        return quote_yaml(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {_flow(member)}" for key, member in value.items()) + "}"
    return "[" + ", ".join([_flow(item) for item in value]) + "]"


@lru_cache(_KNOWN_TEXTS)
def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) and key.lower() not in _OTHER_KEYS else quote_yaml(key)


@lru_cache(_KNOWN_TEXTS)
def quote_yaml(text: str) -> str:
    """`text` as a double-quoted YAML scalar of printable ASCII, the only form that no YAML 1.1 reader misreads."""
    # Python escapes as YAML does, but for the quote; JSON's surrogate pairs would be no YAML.
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'


def scalar(text: str) -> str:
    """The text without quotes where YAML 1.1 and 1.2 both read it as it is, else in double quotes."""
    # PyYAML takes `y` and `n` for text, other readers of YAML 1.1 do not.
    is_text = text.lower() not in ("y", "n") and read_values(text) == text
    return text if _PLAIN_WORD.fullmatch(text) and is_text else quote_yaml(text)
