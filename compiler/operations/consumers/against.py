"""Renders a platform's chart with generated values and looks at what its pods read: offline, and nothing is written."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from compiler.operations.chart.helm import template
from compiler.operations.consumers.look import look_at_rendered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.model.environment import Environment
    from compiler.operations.chart.helm import Helm
    from compiler.operations.consumers.look import Look


def look_at_chart(
    environment: Environment, helm: Helm, chart: Path, values: str, others: Sequence[Path], release: str
) -> Look:
    """What the pods of `chart` need of the environment, with the files `others` and, over them, the text `values`.

    The chart is one that `chart_at` gave. Places are those in what Helm printed. Raises HelmError and Refusal.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder) / "values.yaml"
        file.write_text(values, "utf-8")
        namespace = environment.root.text("namespace")
        text = template(helm, chart, [*others, file], release=release, namespace=namespace)
    return look_at_rendered(environment, f"<{chart.name}>", text)
