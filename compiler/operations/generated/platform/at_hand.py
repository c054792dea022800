"""Finds out of an unpacked chart, and of values for it, what decides between forms of the platform's values."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from compiler.generate.platform.values import Chart
from compiler.model.limits import MAX_BYTES
from compiler.stages.emit import read_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from compiler.generate.platform.forms import Forms

_TEMPLATES = (".yaml", ".yml", ".tpl")


def chart_at_hand(forms: Forms, chart: Path, values: Sequence[Path], under: str | None) -> Chart:
    """Which of the names that `forms` ask for the templates of `chart` read, and which of the values are true.

    `chart` is one that `chart_at` found nothing against, and `values` lie over its own; `under` is the chart's name in
    a parent. What cannot be read is left out.
    """
    names = {row.reads for row in forms.rows if row.reads is not None}
    switches = {row.wanted[1] for row in forms.rows if row.wanted is not None}
    read = {name for text in _templates(chart) for name in names if re.search(rf"[.]{re.escape(name)}\b", text)}
    layers = [data for path in (chart / "values.yaml", *values) if (data := read_values(_text(path))) is not None]
    return Chart(frozenset(read), frozenset(path for path in switches if _is_true(layers, path, under)))


def _is_true(layers: Sequence[Any], path: str, under: str | None) -> bool:
    """Whether the last layer that has the value, or has it below `global`, has it as true."""
    found = [
        value
        for data in layers
        for root in (data, _at(data, under) if under is not None else None)
        for place in (path, f"global.{path}")
        if (value := _at(root, *place.split("."))) is not None
    ]
    return bool(found) and found[-1] is True


def _at(node: Any, *path: str) -> Any:  # noqa: ANN401 - values of any shape
    for member in path:
        node = node.get(member) if isinstance(node, dict) else None
    return node


def _templates(chart: Path) -> Iterator[str]:
    for folder, _, names in os.walk(chart):
        if f"{os.sep}templates" in folder.removeprefix(str(chart)):
            yield from (_text(chart / folder / name) for name in sorted(names) if name.endswith(_TEMPLATES))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
