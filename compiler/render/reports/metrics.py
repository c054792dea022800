"""Shows the status of environments as gauges; their labels are names and texts of the input files alone.

The format is OpenMetrics: https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from compiler.cluster.problem import ClusterState
from compiler.live.ages import AgeState
from compiler.operations.causes import find_causes
from compiler.operations.due import values_of
from compiler.operations.status import Status

# The beginning of every output.
FIRST_LINE = "# TYPE platform_secret_changed_timestamp_seconds gauge\n"
# Names and owners are texts of people, and a database keeps each one for years.
LONGEST_LABEL = 128
# The labels, and the value.
Sample = tuple[dict[str, str], float]
# What each gauge means.
_HELP = {
    "platform_secret_changed_timestamp_seconds": "When the value of a key last changed, or earlier",
    "platform_secret_due_timestamp_seconds": "When a key needs a new value; 0 where that is not known",
    "platform_secrets_store_up": "1 where a store in use answered, else 0",
    "platform_secrets_run_timestamp_seconds": "When the stores of the environment were last asked",
    "platform_secret_in_effect": "1 where the cluster runs on what the files and stores say, else 0",
    "platform_secret_cause": "1 for what keeps a secret from being in effect, by the code that status gives as cause",
    "platform_secrets_operator_up": "1 where the operator that serves the stores runs, else 0",
    "platform_secrets_store_object_ready": "1 where a store object is ready and leads to its store, else 0",
    "platform_secret_restart_needed": "1 where pods run on an old value until they are restarted, else 0",
    "platform_secrets_cluster_look_timestamp_seconds": "When the cluster was last asked",
}


def metrics(found: Sequence[Status], now: datetime) -> Iterator[str]:
    """The lines of all gauges; what was not asked has no sample."""
    samples: dict[str, list[Sample]] = {name: [] for name in _HELP}
    for status in found:
        environment = {"environment": status.environment.name}
        for name, labels, value in (*_of_stores(status), *_of_cluster(status)):
            samples[name].append(({**environment, **labels}, value))
        looked = {"platform_secrets_run": status.is_asked, "platform_secrets_cluster_look": status.is_live}
        for name, is_done in looked.items():
            if is_done:
                samples[f"{name}_timestamp_seconds"].append((environment, int(now.timestamp())))
    return exposition({name: (help_text, samples[name]) for name, help_text in _HELP.items()})


def _of_stores(status: Status) -> Iterator[tuple[str, dict[str, str], float]]:
    """What the stores say, by the names of gauges; nothing where they were not asked."""
    if not status.is_asked:
        return
    for each in values_of(status.environment, status.keys):
        if not each.has_due:
            continue
        labels = {"secret": each.secret, "key": each.key, "owner": each.owner or "", "store": each.store}
        if each.age.changed is not None:
            yield "platform_secret_changed_timestamp_seconds", labels, int(each.age.changed.timestamp())
        # A date before 1970, as of a tag that somebody wrote, is overdue too and no unknown one.
        is_known = each.age.state is not AgeState.NOT_KNOWN
        until = max(1, int(each.age.due.timestamp())) if each.age.due is not None and is_known else 0
        yield "platform_secret_due_timestamp_seconds", labels, until
    for store in dict.fromkeys(row.store.id for row in status.rows):
        yield "platform_secrets_store_up", {"store": store}, store not in status.silent


def _of_cluster(status: Status) -> Iterator[tuple[str, dict[str, str], float]]:
    """What the cluster says, by the names of gauges; nothing where it was not asked."""
    if not status.is_live:
        return
    stores = {row.secret.id: row.store.id for row in status.rows}
    for cause in find_causes(status):
        for secret in cause.secrets:
            labels = {"secret": secret, "store": stores[secret], "cause": cause.code}
            yield "platform_secret_cause", labels, 1
    looked = [(row.store.id, row.live) for row in status.rows if row.live is not None]
    if runs := [live.operator_runs for _, live in looked if live.operator_runs is not None]:
        yield "platform_secrets_operator_up", {}, all(runs)
    for store in dict.fromkeys(store for store, _ in looked):
        if ready := [live.store_ready for name, live in looked if name == store and live.store_ready is not None]:
            yield "platform_secrets_store_object_ready", {"store": store}, all(ready)
    for row in status.rows:
        if row.live is None:
            continue
        labels = {"secret": row.secret.id, "store": row.store.id}
        yield "platform_secret_in_effect", labels, not row.has_problem
        if row.live.pods is not None:
            yield "platform_secret_restart_needed", {"secret": row.secret.id}, row.has(ClusterState.RESTART)


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
