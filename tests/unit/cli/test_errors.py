from __future__ import annotations

import pytest

from compiler.cli.errors import CannotRunError, UsageError


@pytest.mark.parametrize(("kind", "name"), [(UsageError, "usage"), (CannotRunError, "cannot run")])
def test_each_class_is_a_refusal_of_its_kind(kind: type[UsageError | CannotRunError], name: str) -> None:
    error = kind("no", "do this", "a\nb")
    assert (error.kind, error.message, error.help, error.details) == (name, "no", "do this", "a\nb")
