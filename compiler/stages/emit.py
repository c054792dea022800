"""The data of a values file in, its text out, and back again: Helm and this compiler read the same from it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.model.values_data import ValuesData

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TEXT, _MAP, _LIST = "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"

HEADER = "# Compiled from "
_WIDTH = 110
# Environments share most of their names and keys: so many are printed once a run.
_KNOWN_TEXTS = 4096
# The maps that are always printed one member a line: the file's own, the secrets or stores, and one of them.
_BLOCK_DEPTH = 3
# YAML 1.1 gives these words and everything like a number another type, map keys included: they are quoted.
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_OTHER_KEYS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_PLAIN_TEXT = re.compile(r"[ !#-\[\]-~]*", re.ASCII)
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def values_text(data: dict[str, ValuesData], environment: str, layers: Sequence[str]) -> str:
    """The text of `values-<environment>.yaml`.

    `layers` are the paths of the files it is compiled from, lowest first. The same data gives the same bytes: every
    string is double-quoted ASCII, there is no null, no anchor and one document, and the order is that of `data`.
    """
    named = layers[0] if len(layers) == 1 else f"{', '.join(layers[:-1])} and {layers[-1]}"
    lines = [f"{HEADER}{named}. Do not edit; run `make values ENV={environment}`."]
    for key, value in data.items():
        _print(lines, key, value, 0)
    return "\n".join(lines) + "\n"


def read_values(text: str) -> ValuesData | None:
    """The data that `text` holds, as a YAML parser reads it, or nothing where it is no YAML."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return cast("ValuesData", _data(loader, node, {})) if node is not None else None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return None
    finally:
        loader.dispose()


def _data(loader: Any, node: yaml.Node, made: dict[int, object]) -> object:  # noqa: ANN401 - PyYAML types none
    # The parser has told each node's type already. PyYAML's constructor asks again, one call after another, and takes
    # as long as the parser; it is left what no values file of ours holds.
    if node.tag == _TEXT:
        return node.value
    known = made.get(id(node))
    if known is None:
        if node.tag == _MAP and all(key.tag == _TEXT for key, _ in node.value):
            known = {key.value: _data(loader, value, made) for key, value in node.value}
        elif node.tag == _LIST:
            known = [_data(loader, item, made) for item in node.value]
        else:
            known = loader.construct_document(node)
        made[id(node)] = known
    return known


def read_manifests(text: str) -> list[Any] | None:
    """The manifests that `text`, what Helm prints, holds; nothing where it is no YAML."""
    try:
        return [each for each in yaml.load_all(text, Loader=_Loader) if each is not None]
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return None


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
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {_flow(member)}" for key, member in value.items()) + "}"
    return "[" + ", ".join([_flow(item) for item in value]) + "]"


@lru_cache(_KNOWN_TEXTS)
def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) and key.lower() not in _OTHER_KEYS else quote(key)


@lru_cache(_KNOWN_TEXTS)
def quote(text: str) -> str:
    """`text` as a double-quoted YAML scalar of printable ASCII, the only form that no YAML 1.1 reader misreads."""
    if _PLAIN_TEXT.fullmatch(text):
        return f'"{text}"'
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if " " <= character <= "~":
        return character
    number = ord(character)
    # JSON's surrogate pairs are no YAML: a character past the Basic Multilingual Plane has its own escape.
    return f"\\x{number:02x}" if number <= 0xFF else f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004
