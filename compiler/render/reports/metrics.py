"""Shows the status of environments as gauges; their labels are texts of the catalogue and names of the files alone.

The text form is that of OpenMetrics, for a node exporter's textfile collector or a scrape:
https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from compiler.live.ages import AgeState
from compiler.operations.due import values_of
from compiler.operations.status import Status

# With what the output begins, whatever was found.
FIRST_LINE = "# TYPE platform_secret_changed_timestamp_seconds gauge\n"


def metrics(found: Sequence[Status], now: datetime) -> Iterator[str]:
    """The lines of the text form."""
    changed = Gauge("platform_secret_changed_timestamp_seconds", "When the value of a key last changed, or earlier")
    due = Gauge("platform_secret_due_timestamp_seconds", "When a key needs a new value; 0 where that is not known")
    in_effect = Gauge("platform_secret_in_effect", "1 where the cluster runs on what the files and stores say, else 0")
    store_up = Gauge("platform_secrets_store_up", "1 where a store in use answered, else 0")
    run = Gauge("platform_secrets_run_timestamp_seconds", "When the environment was looked at")
    for status in found:
        environment = status.environment.name
        for each in values_of(status.environment, status.keys):
            if not each.has_due:
                continue
            labels = {
                "environment": environment,
                "secret": each.secret,
                "key": each.key,
                "owner": each.owner or "",
                "store": each.store,
            }
            changed_at, due_at = each.age.changed, each.age.due
            if changed_at is not None:
                changed.add(int(changed_at.timestamp()), **labels)
            if each.age.state is AgeState.NOT_KNOWN:
                due_at = None
            # A date before 1970, as of a tag that somebody wrote, is overdue too and no unknown one.
            due.add(max(1, int(due_at.timestamp())) if due_at is not None else 0, **labels)
        for row in status.rows:
            if row.live is not None:
                in_effect.add(
                    float(not row.has_problem), environment=environment, secret=row.secret.id, store=row.store.id
                )
        for store in dict.fromkeys(row.store.id for row in status.rows):
            store_up.add(float(store not in status.silent), environment=environment, store=store)
        run.add(int(now.timestamp()), environment=environment)
    return exposition((changed, due, in_effect, store_up, run))


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
