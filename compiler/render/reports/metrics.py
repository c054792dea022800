"""Shows the status of environments as gauges; their labels are texts of the catalogue and names of the files alone.

The text form is that of OpenMetrics, for a node exporter's textfile collector or a scrape:
https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from compiler.live.ages import AgeState
from compiler.operations.due import values_of
from compiler.operations.status import Status

# With what the output begins, whatever was found.
FIRST_LINE = "# TYPE platform_secret_changed_timestamp_seconds gauge\n"
# What a label's value has at most: names and owners are texts of people, and each one is kept for years.
LONGEST_LABEL = 128
# The labels, and the value.
Sample = tuple[dict[str, str], float]


def metrics(found: Sequence[Status], now: datetime) -> Iterator[str]:
    """The lines of the text form."""
    changed, due, in_effect, store_up, run = (list[Sample]() for _ in range(5))
    for status in found:
        environment = {"environment": status.environment.name}
        for each in values_of(status.environment, status.keys):
            if not each.has_due:
                continue
            key = {"secret": each.secret, "key": each.key, "owner": each.owner or "", "store": each.store}
            labels, is_known = {**environment, **key}, each.age.state is not AgeState.NOT_KNOWN
            if each.age.changed is not None:
                changed.append((labels, int(each.age.changed.timestamp())))
            # A date before 1970, as of a tag that somebody wrote, is overdue too and no unknown one.
            until = max(1, int(each.age.due.timestamp())) if each.age.due is not None and is_known else 0
            due.append((labels, until))
        for row in status.rows:
            if row.live is not None:
                labels = {**environment, "secret": row.secret.id, "store": row.store.id}
                in_effect.append((labels, not row.has_problem))
        for store in dict.fromkeys(row.store.id for row in status.rows):
            store_up.append(({**environment, "store": store}, store not in status.silent))
        run.append((environment, int(now.timestamp())))
    return exposition(
        {
            "platform_secret_changed_timestamp_seconds": ("When the value of a key last changed, or earlier", changed),
            "platform_secret_due_timestamp_seconds": ("When a key needs a new value; 0 where that is not known", due),
            "platform_secret_in_effect": (
                "1 where the cluster runs on what the files and stores say, else 0",
                in_effect,
            ),
            "platform_secrets_store_up": ("1 where a store in use answered, else 0", store_up),
            "platform_secrets_run_timestamp_seconds": ("When the environment was looked at", run),
        }
    )


def exposition(gauges: Mapping[str, tuple[str, Sequence[Sample]]]) -> Iterator[str]:
    """The lines of the text form, of gauges by name with their help; the last one says that nothing was cut off.

    A name has the unit at its end, `_seconds`, where it has one.
    """
    for name, (help_text, samples) in gauges.items():
        yield f"# TYPE {name} gauge"
        if name.endswith("_seconds"):
            yield f"# UNIT {name} seconds"
        yield f"# HELP {name} {_escape(help_text)}"
        for labels, value in samples:
            named = ",".join(f'{label}="{label_value(text)}"' for label, text in labels.items())
            yield f"{name}{{{named}}} {value:.15g}"
    yield "# EOF"


def label_value(text: str) -> str:
    """`text` as it may stand between a label's quotes: one line, cut to `LONGEST_LABEL` characters."""
    return _escape("".join(each if each.isprintable() else " " for each in text[:LONGEST_LABEL]))


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
