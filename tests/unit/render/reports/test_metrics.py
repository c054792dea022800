from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.live.ages import AgeState, KeyAge
from compiler.operations.due import DueKey
from compiler.operations.status import LiveState, Status
from compiler.render.reports.metrics import FIRST_LINE, LONGEST_LABEL, Sample, exposition, metrics
from tests.unit.operations.status_world import World, world

__all__ = ["world"]

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=100)
JIRA = {"environment": "prod", "secret": "jira", "owner": "", "store": "vault"}


def samples(*found: Status) -> dict[str, list[tuple[dict[str, str], float]]]:
    text = "".join(f"{line}\n" for line in metrics(found, NOW))
    assert text.startswith(FIRST_LINE)
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # it has no types
    return {family.name: [(each.labels, each.value) for each in family.samples] for family in families}


def aged(world: World, *ages: KeyAge, owner: str | None = None) -> Status:
    status = world.status()
    keys = tuple(DueKey("jira", f"KEY_{number}", "vault", owner, True, age) for number, age in enumerate(ages))
    github, jira = status.rows
    return replace(status, rows=(github, replace(jira, keys=keys)), is_asked=True)


def test_a_date_that_is_not_known_is_0_though_another_is(world: World) -> None:
    late = KeyAge(AgeState.OVERDUE, OLD, NOW)
    doubt = KeyAge(AgeState.NOT_KNOWN, OLD, NOW + timedelta(days=9), "gone")
    found = samples(aged(world, late, doubt, KeyAge(AgeState.NO_LIMIT), KeyAge(AgeState.NOT_KNOWN, why="gone")))
    assert found["platform_secret_due_timestamp_seconds"] == [
        ({**JIRA, "key": "KEY_0"}, NOW.timestamp()),
        ({**JIRA, "key": "KEY_1"}, 0),
        ({**JIRA, "key": "KEY_3"}, 0),
    ]
    assert found["platform_secret_changed_timestamp_seconds"] == [
        ({**JIRA, "key": "KEY_0"}, OLD.timestamp()),
        ({**JIRA, "key": "KEY_1"}, OLD.timestamp()),
    ]
    assert found["platform_secret_in_effect"] == []


@pytest.mark.parametrize("year", [1, 1969, 1970])
def test_a_date_before_the_epoch_is_overdue_and_not_unknown(world: World, year: int) -> None:
    long_ago = datetime(year, 1, 1, tzinfo=UTC)
    found = samples(aged(world, KeyAge(AgeState.OVERDUE, long_ago, long_ago)))
    assert [value for _, value in found["platform_secret_due_timestamp_seconds"]] == [1]


def test_the_owner_is_that_of_the_catalogue(world: World) -> None:
    ((labels, _),) = samples(aged(world, KeyAge(AgeState.OVERDUE, OLD, NOW), owner='the "best"'))[
        "platform_secret_due_timestamp_seconds"
    ]
    assert labels["owner"] == 'the "best"'


def asked(status: Status) -> Status:
    return replace(status, is_asked=True)


def test_a_problem_in_the_cluster_and_a_silent_store_are_0(world: World) -> None:
    status = asked(world.status())
    broken = LiveState((ClusterProblem(ClusterState.NOT_READY, "no"),))
    rows = (replace(status.rows[0], live=LiveState()), replace(status.rows[1], live=broken))
    found = samples(replace(status, rows=rows, silent=("vault",), is_live=True))
    assert [(labels["secret"], value) for labels, value in found["platform_secret_in_effect"]] == [
        ("github", 1),
        ("jira", 0),
    ]
    cause = {"environment": "prod", "secret": "jira", "store": "vault", "cause": "not-ready"}
    assert found["platform_secret_cause"] == [(cause, 1)]
    assert found["platform_secrets_store_up"] == [({"environment": "prod", "store": "vault"}, 0)]
    assert found["platform_secrets_run_timestamp_seconds"] == [({"environment": "prod"}, NOW.timestamp())]
    assert found["platform_secrets_cluster_look_timestamp_seconds"] == [({"environment": "prod"}, NOW.timestamp())]
    assert samples(status)["platform_secrets_store_up"][0][1] == 1


def test_what_was_not_asked_is_absent_and_not_0(world: World) -> None:
    assert {name for name, found in samples(world.status()).items() if found} == set()
    stores = {name for name, found in samples(asked(world.status())).items() if found}
    assert stores == {"platform_secrets_store_up", "platform_secrets_run_timestamp_seconds"}
    live = replace(world.status(), is_live=True)
    rows = tuple(replace(row, live=LiveState(pods=None, operator_runs=None, store_ready=None)) for row in live.rows)
    cluster = {name for name, found in samples(replace(live, rows=rows)).items() if found}
    assert cluster == {"platform_secret_in_effect", "platform_secrets_cluster_look_timestamp_seconds"}


def test_pods_on_an_old_value_are_counted_where_they_were_asked(world: World) -> None:
    status = asked(aged(world, KeyAge(AgeState.NO_LIMIT)))
    github, jira = status.rows
    old = LiveState((ClusterProblem(ClusterState.RESTART, "restart needed"),), pods=2)
    rows = (replace(github, live=LiveState(pods=1)), replace(jira, live=old))
    found = samples(replace(status, rows=rows, is_live=True))
    assert [(labels["secret"], value) for labels, value in found["platform_secret_restart_needed"]] == [
        ("github", 0),
        ("jira", 1),
    ]


def test_the_operator_and_a_store_object_are_0_where_one_secret_finds_them_down(world: World) -> None:
    status = replace(world.status(), is_live=True)
    github, jira = status.rows
    rows = (
        replace(github, live=LiveState(operator_runs=True, store_ready=True)),
        replace(jira, live=LiveState(operator_runs=False, store_ready=None)),
    )
    found = samples(replace(status, rows=rows))
    assert found["platform_secrets_operator_up"] == [({"environment": "prod"}, 0)]
    assert found["platform_secrets_store_object_ready"] == [({"environment": "prod", "store": "vault"}, 1)]


HOSTILE = ['a"b', "a\\b", "a\nb", '"} 1\n# EOF\nforged{x="', "x" * 500, "é漢\u2028\x00\x1b[31m", "\\n", ""]


def read(name: str, help_text: str, *samples: Sample) -> list[Sample]:
    text = "\n".join(exposition({name: (help_text, samples)})) + "\n"
    (family,) = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # it has no types
    assert (family.name, family.type) == (name, "gauge")
    return [(sample.labels, sample.value) for sample in family.samples]


def test_a_scraper_reads_what_was_added() -> None:
    help_text = 'When a new value is due; "0" where that is not known'
    samples: list[Sample] = [
        ({"environment": "prod", "secret": "jira", "key": "TOKEN", "owner": "team"}, 1795000000.0),
        ({"environment": "prod", "secret": "jira", "key": "OTHER", "owner": ""}, 0.0),
    ]
    assert read("platform_secret_due_timestamp_seconds", help_text, *samples) == samples


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_label_leaves_its_quotes(text: str) -> None:
    ((labels, value),) = read("up", text, ({"owner": text}, 1))
    meant = "".join(each if each.isprintable() else " " for each in text[:LONGEST_LABEL])
    assert (labels, value) == ({"owner": meant}, 1.0)


@given(st.text())
def test_every_text_is_one_sample(text: str) -> None:
    assert len(read("up", "whether it answers", ({"store": text}, 1))) == 1
