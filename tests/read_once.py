"""Input files that many tests have alike, loaded and checked against their schema once a process: documents are frozen.

For tests of what comes after: reading the shipped catalogue is half of the time of a command.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from compiler.operations.edit.second_reading import second_reading
from compiler.stages import load, validate

if TYPE_CHECKING:
    import pytest

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.document import Document
    from compiler.rules.forms.surroundings import Surroundings

_FILES = 64
# Larger ones are made by one test, which may measure what they take.
_CHARACTERS = 50_000


@lru_cache(_FILES)
def _loaded(path: str, text: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    return load.load_text(path, text)


def _loaded_once(path: str, text: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    return _loaded(path, text) if len(text) < _CHARACTERS else load.load_text(path, text)


@lru_cache(_FILES)
def _is_valid(document: Document, schema: str) -> bool:
    return not validate.validate(document, schema)[1]


def _validated_once(
    document: Document, schema: str, surroundings: Surroundings | None = None
) -> tuple[Document, tuple[Diagnostic, ...]]:
    if len(document.source.text) < _CHARACTERS and _is_valid(document, schema):
        return document, ()
    # Errors are told in words of the project at hand.
    return validate.validate(document, schema, surroundings)


@lru_cache(_FILES)
def _read_as_other_tools_do(text: str) -> object:
    """Data that the edit's proof compares and never changes."""
    return second_reading(text)


# What stands in compiler/project_files.py for the two stages, and beside the edit of a file for its second reader.
READING_ONCE = {"load_text": _loaded_once, "validate": _validated_once}
EDITING = "compiler.operations.edit.proof.second_reading"


def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, stage in READING_ONCE.items():
        monkeypatch.setattr(f"compiler.project_files.{name}", stage)
    monkeypatch.setattr(EDITING, _read_as_other_tools_do)
