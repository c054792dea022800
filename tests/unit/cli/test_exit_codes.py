from __future__ import annotations

import pytest

from compiler.cli import exit_codes
from compiler.cli.exit_codes import code_of
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.source import Source, Span

ERROR, WARNING = (Diagnostic("r", severity, "m", Span(Source("a.yaml"))) for severity in Severity)


def test_every_code_has_its_meaning() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    assert codes == exit_codes.MEANINGS.keys() == {0, 1, 2, 3, 4, 130}


@pytest.mark.parametrize(
    ("found", "is_strict", "code"),
    [
        ((), False, 0),
        ((), True, 0),
        ((WARNING,), False, 0),
        ((WARNING,), True, 1),
        ((WARNING, ERROR), False, 1),
        ((ERROR,), True, 1),
    ],
)
def test_an_error_is_1_and_a_warning_where_that_is_asked(
    found: tuple[Diagnostic, ...],
    is_strict: bool,  # noqa: FBT001
    code: int,
) -> None:
    assert code_of(found, is_strict=is_strict) == code
    assert code_of(found, is_strict=is_strict, is_different=True) == 1
    assert code_of(found, is_strict=is_strict, is_answered=False) == 3
