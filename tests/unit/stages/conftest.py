"""Texts in, what one stage makes of them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.stages.load import load_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from compiler.model.document import Document


def load(text: str, path: str = "environments/prod.yaml") -> Document:
    document, refused = load_text(path, text)
    assert document is not None, refused
    return document


@pytest.fixture
def document() -> Callable[..., Document]:
    """The document of a sound text."""
    return load
