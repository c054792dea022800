from __future__ import annotations

import pytest

from compiler.cli.errors import CannotRunError, CommandError, UsageError


@pytest.mark.parametrize("kind", [UsageError, CannotRunError])
def test_an_error_holds_what_is_shown(kind: type[CommandError]) -> None:
    error = kind("no", "do this", "a\nb")
    assert (str(error), error.help, error.details) == ("no", "do this", "a\nb")
