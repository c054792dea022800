"""The list of what is due and the metrics follow the values of both stores, and not the dates of their versions."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.proofs.conftest import World, on_stores
from tests.proofs.test_a_copy_is_as_old_as_what_was_copied import OLD, fill, limited, put, reads

__all__ = ["limited"]


def due(world: World) -> tuple[int, dict[str, str]]:
    done = world.run("status", "prod", "--due", "30d", "--format", "json")
    (found,) = json.loads(done.out)["environments"]
    return done.code, {each["key"]: each["state"] for each in found["due"]["keys"]}


def dates(world: World, file: Path) -> dict[str, float]:
    done = world.run("status", "prod", "--format", "openmetrics", "--out", str(file))
    assert (done.code, done.out) == (0, "")
    families = text_string_to_metric_families(file.read_text("utf-8"))  # type: ignore[no-untyped-call]  # no types
    (found,) = (each for each in families if each.name == "platform_secret_due_timestamp_seconds")
    return {each.labels["key"]: each.value for each in found.samples}


@pytest.mark.parametrize("store", on_stores(["vault"], ["azure"]))
def test_an_overdue_key_is_listed_until_it_has_a_new_value(world: World, store: str, tmp_path: Path) -> None:
    fill(world, store)
    reads(world, store)
    assert due(world) == (1, {"JIRA_TOKEN": "overdue", "JIRA_URL": "overdue"})
    ninety_days = 90 * 86_400
    late = OLD.timestamp() + ninety_days
    assert dates(world, tmp_path / "due.prom") == {"JIRA_TOKEN": late, "JIRA_URL": late}
    done = world.run("status", "prod")
    assert done.out.splitlines()[-1].endswith(" rotate prod jira JIRA_TOKEN JIRA_URL")
    # The new version has a date of now; the other key's value is as old as before.
    assert put(world, "JIRA_TOKEN", store).code == 0
    assert due(world) == (1, {"JIRA_URL": "overdue"})
    assert put(world, "JIRA_URL", store).code == 0
    assert due(world) == (0, {})
    soonest = datetime.now(UTC).timestamp() + ninety_days - 600
    assert all(each > soonest for each in dates(world, tmp_path / "due.prom").values())
