"""Texts in, what one stage makes of them out."""

from collections.abc import Callable

import pytest

from compiler.model.document import Document
from compiler.stages.load import load_text


def load(text: str, path: str = "environments/prod.yaml") -> Document:
    document, refused = load_text(path, text)
    assert document is not None, refused
    return document


@pytest.fixture
def document() -> Callable[..., Document]:
    """The document of a sound text."""
    return load
