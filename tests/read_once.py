"""Input files that many tests have alike, loaded and judged by themselves once a process: documents are frozen.

For tests of what comes after: reading the shipped catalogue is half of the time of a command. What is concealed of a
text is looked for once a process too: the rules that SARIF lists, for one, are the same hundred each time. A command's
parser is made once as well, and a Helm says its version once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.cli import invocation
from compiler.cli.parser import Parser
from compiler.edit.yaml_edit import _second_reading
from compiler.helm import Helm, helm_at
from compiler.model.document import Diagnostic, Document
from compiler.model.environment import Catalogue
from compiler.pipeline import Checker
from compiler.rules.forms.schema_error import InputPlace
from compiler.stages import load, validate
from compiler.stages.resolve import catalogue_of
from compiler.text import credential

if TYPE_CHECKING:
    import pytest

_FILES = 64
# Larger ones are made by one test, which may measure what they take.
_CHARACTERS = 50_000
_TEXTS, _LONG = 4096, 2_000
_credential_parts = credential.credential_parts
_parser_of = lru_cache(_FILES)(invocation.parser_of)


@lru_cache(_FILES)
def _loaded(path: str, text: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    return load.load_text(path, text)


def _loaded_once(path: str, text: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    return _loaded(path, text) if len(text) < _CHARACTERS else load.load_text(path, text)


@lru_cache(_FILES)
def _is_valid(document: Document, schema: str) -> bool:
    return not validate.validate(document, schema)[1]


def _validated_once(
    document: Document, schema: str, surroundings: Callable[[], InputPlace] | None = None
) -> tuple[Document, tuple[Diagnostic, ...]]:
    if len(document.source.text) < _CHARACTERS and _is_valid(document, schema):
        return document, ()
    # Errors are told in words of the project at hand.
    return validate.validate(document, schema, surroundings)


@lru_cache(_FILES)
def _catalogue_once(document: Document) -> Catalogue:
    return catalogue_of(document)


class _CheckerOnce(Checker):
    """Judges by itself only what is not known to have no finding, not even one that is waived."""

    def document(self, document: Document) -> tuple[Diagnostic, ...]:
        return () if _is_clean(Checker.document, document) else super().document(document)

    def catalogue(self, catalogue: Catalogue) -> tuple[Diagnostic, ...]:
        return () if _is_clean(Checker.catalogue, catalogue) else super().catalogue(catalogue)


@lru_cache(_FILES)
def _is_clean(judge: Callable[[Checker, Any], tuple[Diagnostic, ...]], subject: Document | Catalogue) -> bool:
    checker = Checker()
    return not judge(checker, subject) and not checker.used


@lru_cache(_TEXTS)
def _parts(text: str) -> list[tuple[int, int]]:
    return _credential_parts(text)


def _parts_once(text: str) -> list[tuple[int, int]]:
    return list(_parts(text)) if len(text) < _LONG else _credential_parts(text)


@lru_cache(_FILES)
def read_as_other_tools_do(text: str) -> object:
    """Data that the edit's proof compares and never changes."""
    return _second_reading(text)


def _parser_once(name: str, module: str, words: Sequence[str] = ()) -> Parser:
    parser = _parser_of(name, module, tuple(word for word in words if word in invocation.kinds_of(module))[:1])
    # Parsing leaves it without one, which a help shows.
    parser.usage = None
    return parser


@lru_cache(_FILES)
def _helm(path: Path, _program: tuple[int, int, int]) -> Helm:
    return helm_at(path)


def _helm_once(path: Path) -> Helm:
    """Asks a program for its version again only where another one lies at its path."""
    if not path.is_file():
        return helm_at(path)
    file = path.stat()
    return _helm(path, (file.st_ino, file.st_size, file.st_mtime_ns))


# What stands in the modules that look for them by name.
ONCE = {
    "compiler.cli.invocation.parser_of": _parser_once,
    "compiler.project_files.load_text": _loaded_once,
    "compiler.project_files.validate": _validated_once,
    "compiler.pipeline.catalogue_of": _catalogue_once,
    "compiler.pipeline.Checker": _CheckerOnce,
    "compiler.helm.helm_at": _helm_once,
    "compiler.edit.yaml_edit._second_reading": read_as_other_tools_do,
    "compiler.text.credential.credential_parts": _parts_once,
}


def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, stage in ONCE.items():
        monkeypatch.setattr(name, stage)
    # What is to be on the disk before what, tests of their own watch; here each command would wait for it.
    monkeypatch.setattr("os.fsync", lambda _: None)
