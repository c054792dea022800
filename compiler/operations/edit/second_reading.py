"""Parses a text as YAML 1.2; the only module that imports ruamel."""

from __future__ import annotations

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


def second_reading(text: str) -> object:
    """The plain data of a text, or None where it cannot be parsed.

    The compiler's own parser reads YAML 1.1, editors and other tools YAML 1.2: an edit is safe where both parsers
    see the same change.
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError):
        return None
