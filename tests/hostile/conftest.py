"""A small sound project to put hostile files into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.github_project import BASE, CATALOGUE
from tests.own_process import COMPILE, OwnProcesses, processes_with

FILES = {"base": BASE, "catalogue": CATALOGUE, "prod": "extends: [base, eu]\nlabels: {team: platform}\n"}


@pytest.fixture(scope="package")
def own_processes() -> Iterator[OwnProcesses]:
    with processes_with(COMPILE) as processes:
        yield processes


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without a diagnostic, in a folder of its own below the test's."""
    root = tmp_path / "project"
    (root / "environments/layers").mkdir(parents=True)
    (root / "environments/layers/eu.yaml").write_text("labels: {region: eu}\n", "utf-8")
    for name, text in FILES.items():
        (root / f"environments/{name}.yaml").write_text(text, "utf-8")
    return root
