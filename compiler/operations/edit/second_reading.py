"""A YAML text in, the data that a reader of YAML 1.2 finds in it out; the only module that imports ruamel."""

from __future__ import annotations

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


def second_reading(text: str) -> object:
    """The plain data of a text that the compiler's own parser, of YAML 1.1, has read already; nothing where it cannot.

    Editors and other tools read YAML 1.2: an edit is sound where both see the same change.
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError):
        return None
