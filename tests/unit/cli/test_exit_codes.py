from __future__ import annotations

from compiler.cli import exit_codes


def test_every_code_has_its_meaning() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    assert codes == exit_codes.MEANINGS.keys() == {0, 1, 2, 3, 4, 130}
