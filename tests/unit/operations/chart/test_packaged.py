from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

from compiler.operations.chart.packaged import FILES, chart_files

ROOT = Path(__file__).resolve().parents[4]


def test_the_whole_chart_and_nobodys_environment() -> None:
    found = {path.relative_to(ROOT / "chart").as_posix() for path in (ROOT / "chart").rglob("*") if path.is_file()}
    assert {name for name in found if not fnmatch(name, "values-*.yaml")} == set(FILES)
    assert chart_files() == {f"chart/{name}": (ROOT / "chart" / name).read_text("utf-8") for name in FILES}


def test_the_wheel_carries_each_of_its_files() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]
    carried = build["wheel"]["force-include"]
    assert {name for name in FILES if carried.get(f"chart/{name}") == f"compiler/chart/{name}"} == set(FILES)
    assert {name for name in carried if name.startswith("chart")} == {f"chart/{name}" for name in FILES}
    assert "/chart" in build["sdist"]["include"]
