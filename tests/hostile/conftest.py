"""A small sound project to put hostile files into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.own_process import COMPILE, OwnProcesses, processes_with
from tests.platforms import BASE, CATALOGUE, write_project

FILES = {"base": BASE, "catalogue": CATALOGUE, "prod": "extends: [base, eu]\nlabels: {team: platform}\n"}


@pytest.fixture(scope="package")
def own_processes() -> Iterator[OwnProcesses]:
    with processes_with(COMPILE) as processes:
        yield processes


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without a diagnostic, in a folder of its own below the test's."""
    return write_project(tmp_path / "project", **FILES, **{"layers/eu": "labels: {region: eu}\n"})
