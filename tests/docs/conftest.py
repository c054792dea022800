"""The shell that runs the commands of pages."""

from collections.abc import Iterator

import pytest

from scripts.page_shell import PageShell, page_shell


@pytest.fixture(scope="session")
def shell() -> Iterator[PageShell]:
    with page_shell() as found:
        yield found
