"""What `cutover`, `status` and `report` are tested with: a project, its stores, its cluster and its reports."""

import pytest

from tests.unit.operations.cutover_bench import bench
from tests.unit.operations.status_reports import reports, sample
from tests.unit.operations.status_world import world

__all__ = ["bench", "reports", "sample", "world"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-samples", action="store_true", help="rewrite the sample reports")
