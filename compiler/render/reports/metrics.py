"""Shows the status of environments as gauges; their labels are names and texts of the input files alone.

The format is OpenMetrics: https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from compiler.live.ages import AgeState
from compiler.operations.due import values_of
from compiler.operations.status import Status

# The beginning of every output.
FIRST_LINE = "# TYPE platform_secret_changed_timestamp_seconds gauge\n"
# Names and owners are texts of people, and a database keeps each one for years.
LONGEST_LABEL = 128
# The labels, and the value.
Sample = tuple[dict[str, str], float]


def metrics(found: Sequence[Status], now: datetime) -> Iterator[str]:
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
    """The lines of gauges, by name with help; a name that ends with `_seconds` has this unit."""
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
    """`text` for a label: one line of at most `LONGEST_LABEL` characters."""
    return _escape("".join(each if each.isprintable() else " " for each in text[:LONGEST_LABEL]))


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
