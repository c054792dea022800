"""Shows the status of environments as gauges; their labels are texts of the catalogue and names of the files alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from compiler.live.ages import AgeState
from compiler.operations.due import values_of
from compiler.operations.status import Status
from compiler.render.openmetrics import Gauge, exposition

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
