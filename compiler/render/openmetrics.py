"""Writes gauges in the text form of OpenMetrics, for a node exporter's textfile collector or a scrape.

https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# What a label's value has at most: names and owners are texts of people, and each one is kept for years.
LONGEST_LABEL = 128


@dataclass(slots=True)
class Gauge:
    """A gauge with its samples; the name has the unit at its end, `_seconds`, where it has one."""

    name: str
    help: str
    samples: list[tuple[Mapping[str, str], float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> None:
        self.samples.append((labels, value))


def exposition(gauges: Iterable[Gauge]) -> Iterator[str]:
    """The lines of the text form; its last one tells a reader that nothing was cut off."""
    for gauge in gauges:
        yield f"# TYPE {gauge.name} gauge"
        if gauge.name.endswith("_seconds"):
            yield f"# UNIT {gauge.name} seconds"
        yield f"# HELP {gauge.name} {_escaped(gauge.help)}"
        for labels, value in gauge.samples:
            named = ",".join(f'{name}="{label_value(text)}"' for name, text in labels.items())
            yield f"{gauge.name}{{{named}}} {value:.15g}"
    yield "# EOF"


def label_value(text: str) -> str:
    """`text` as it may stand between a label's quotes: one line, cut to `LONGEST_LABEL` characters."""
    return _escaped("".join(each if each.isprintable() else " " for each in text[:LONGEST_LABEL]))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
