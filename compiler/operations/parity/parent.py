"""Makes a parent chart that has the project's chart as a dependency with an alias, as users write one."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from compiler.stages.emit import read_values

if TYPE_CHECKING:
    from pathlib import Path

_CHART = "Chart.yaml"


def parent_chart(folder: Path, chart: Path, alias: str) -> Path:
    """A new chart in `folder` with a copy of `chart`, one that `find_chart` gave, as its dependency `alias`."""
    described = read_values((chart / _CHART).read_text(encoding="utf-8"))
    name = described.get("name") if isinstance(described, dict) else None
    # Whatever its version is, a pre-release among them.
    dependency = {"name": name, "alias": alias, "version": ">=0.0.0-0", "repository": ""}
    shutil.copytree(chart, folder / "charts" / alias, ignore=shutil.ignore_patterns("values-*.yaml"))
    parent = {"apiVersion": "v2", "name": "parent", "version": "0.1.0", "dependencies": [dependency]}
    (folder / _CHART).write_text(json.dumps(parent), encoding="utf-8")
    return folder
