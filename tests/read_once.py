"""Input files that many tests have alike, loaded and checked against their schema once a process: documents are frozen.

For tests of what comes after: reading the shipped catalogue is half of the time of a command. What is concealed of a
text is looked for once a process too: the rules that SARIF lists, for one, are the same hundred each time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from compiler.operations.edit.second_reading import second_reading
from compiler.stages import load, validate
from compiler.text import credential

if TYPE_CHECKING:
    import pytest

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.document import Document
    from compiler.rules.forms.surroundings import Surroundings

_FILES = 64
# Larger ones are made by one test, which may measure what they take.
_CHARACTERS = 50_000
_TEXTS, _LONG = 4096, 2_000
_credential_parts = credential.credential_parts


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


@lru_cache(_TEXTS)
def _parts(text: str) -> list[tuple[int, int]]:
    return _credential_parts(text)


def _parts_once(text: str) -> list[tuple[int, int]]:
    return list(_parts(text)) if len(text) < _LONG else _credential_parts(text)


@lru_cache(_FILES)
def _read_as_other_tools_do(text: str) -> object:
    """Data that the edit's proof compares and never changes."""
    return second_reading(text)


# What stands in the modules that look for them by name.
ONCE = {
    "compiler.project_files.load_text": _loaded_once,
    "compiler.project_files.validate": _validated_once,
    "compiler.operations.edit.proof.second_reading": _read_as_other_tools_do,
    "compiler.text.credential.credential_parts": _parts_once,
}


def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, stage in ONCE.items():
        monkeypatch.setattr(name, stage)
