"""The shell that runs the commands of pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.page_shell import page_shell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.page_shell import PageShell


@pytest.fixture(scope="session")
def shell() -> Iterator[PageShell]:
    with page_shell() as found:
        yield found
