"""The option that rewrites expectations, and what compares with them."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest


@dataclass(frozen=True)
class Expectation:
    """Compares texts with files of a case; with `--update-golden` it writes them instead."""

    update: bool

    def holds(self, path: Path, text: str) -> None:
        """Fails where `path` does not hold `text`; an empty text has no file."""
        if self.update:
            if text:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, "utf-8")
            else:
                path.unlink(missing_ok=True)
            return
        assert text == (path.read_text("utf-8") if path.exists() else "")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite what golden cases expect")


@pytest.fixture
def expectation(request: pytest.FixtureRequest) -> Expectation:
    return Expectation(cast("bool", request.config.getoption("--update-golden", default=False)))
