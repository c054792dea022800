from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from compiler.cluster.judge import ClusterState, clock, is_answered, last_read_before, older_value, silence
from compiler.cluster.view import asked_at, moment_of, refreshed_at, sign_of
from tests.recorded_cluster import by_name

NOW = datetime(2026, 11, 28, 7, 30, tzinfo=UTC)
TITLE = "agents/agent-jira-secrets"


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


def text(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def made(
    refreshed: datetime | None = None,
    *,
    asked: datetime | None = None,
    noted: datetime | None = None,
    flipped: datetime | None = None,
    interval: str = "1h0m0s",
) -> dict[str, Any]:
    """An ExternalSecret that was made ten days ago."""
    fields: Any = {"f:metadata": {"f:annotations": {"f:force-sync": {}}}}
    metadata: dict[str, Any] = {"creationTimestamp": text(ago(days=10))}
    if asked is not None:
        metadata["annotations"] = {"force-sync": str(int(asked.timestamp()))}
    if noted is not None:
        metadata["managedFields"] = [{"manager": "me", "time": text(noted), "fieldsV1": fields}]
    status: dict[str, Any] = {"refreshTime": text(refreshed)} if refreshed is not None else {}
    if flipped is not None:
        status["conditions"] = [{"type": "Ready", "lastTransitionTime": text(flipped)}]
    return {"metadata": metadata, "spec": {"refreshInterval": interval}, "status": status}


def stale(
    found: Mapping[str, Any], failed: datetime | None = None, newest: datetime | None = None
) -> list[ClusterState]:
    return [each.state for each in silence(found, TITLE, NOW, failed, newest)]


def test_the_times_of_a_recorded_object_are_read() -> None:
    found = by_name("externalsecrets-list")["agent-argocd-secrets"]
    assert refreshed_at(found) == datetime(2026, 11, 26, 0, 50, 5, tzinfo=UTC)
    assert sign_of(found) == refreshed_at(found)
    assert asked_at(found) is None


@pytest.mark.parametrize(
    "odd",
    [None, "", "soon", "2026-11-28", "2026-11-28T07:30:00", 7, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"],
)
def test_what_is_no_time_of_the_api_is_none(odd: object) -> None:
    assert moment_of(odd) is None


def test_a_time_of_today_is_shown_without_its_date() -> None:
    assert clock(ago(minutes=1), NOW) == "07:29:00 UTC"
    assert clock(ago(days=1), NOW) == "2026-11-27 07:30:00 UTC"
    # A store may say anything.
    last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))
    assert clock(last, NOW) == last.isoformat()


def test_a_value_that_was_written_after_the_refresh_is_older_in_the_secret() -> None:
    (found,) = older_value(made(ago(minutes=10)), ago(minutes=9), TITLE, NOW)
    assert found.state is ClusterState.OLDER_VALUE
    assert found.message == (
        f'the Secret "{TITLE}" may hold an earlier value: written 07:21:00 UTC, the operator last read it 07:20:00 UTC'
    )
    assert not list(older_value(made(ago(minutes=9)), ago(minutes=10), TITLE, NOW))
    assert not list(older_value(made(ago(minutes=9)), None, TITLE, NOW))
    assert not list(older_value(made(), ago(minutes=10), TITLE, NOW))


def test_a_value_of_the_same_second_counts_as_read() -> None:
    assert last_read_before(made(ago(seconds=5)), ago(seconds=4.5)) is None
    assert last_read_before(made(ago(seconds=5)), ago(seconds=4.5), in_same_second=False) is not None
    assert last_read_before(made(ago(seconds=5)), ago(seconds=5.5), in_same_second=False) is None
    assert last_read_before(made(ago(seconds=5)), ago(seconds=4)) == ago(seconds=5)


def test_the_api_servers_time_of_a_request_counts_and_not_the_one_in_its_mark() -> None:
    assert asked_at(made(asked=ago(hours=3), noted=ago(minutes=2))) == ago(minutes=2)
    assert asked_at(made(asked=ago(hours=3))) == ago(hours=3)
    assert asked_at({"metadata": {"annotations": {"force-sync": "now"}}}) is None
    for odd in ("9" * 30, "9" * 5000, "-62135596800", "253402300799"):
        assert asked_at({"metadata": {"annotations": {"force-sync": odd}}}) is None


def test_a_request_is_answered_by_a_success_that_began_later() -> None:
    assert is_answered(made(ago(minutes=1), asked=ago(minutes=1)))
    assert not is_answered(made(ago(minutes=2), asked=ago(minutes=1)))
    assert not is_answered(made(ago(minutes=2)))
    assert not is_answered(made(asked=ago(minutes=2)))


def test_a_request_without_an_answer_is_remembered() -> None:
    assert stale(made(ago(minutes=20), asked=ago(seconds=30))) == [ClusterState.NOT_REFRESHED]
    (found,) = silence(made(ago(minutes=20), asked=ago(minutes=2)), TITLE, NOW)
    assert found.state is ClusterState.SILENT
    assert found.message == (
        f'the operator seems not to run: it was asked at 07:28:00 UTC to synchronise "{TITLE}", and did not'
    )


def test_a_success_a_failure_or_another_condition_answers_a_request() -> None:
    asked = ago(minutes=2)
    assert stale(made(ago(minutes=1), asked=asked)) == []
    assert stale(made(ago(minutes=20), asked=asked), failed=ago(minutes=1)) == []
    assert stale(made(ago(minutes=20), asked=asked, flipped=ago(minutes=1))) == []
    # Its times are whole seconds.
    assert stale(made(ago(minutes=2, seconds=1), asked=asked)) == []


def test_an_operator_that_deals_with_others_runs() -> None:
    found = made(ago(minutes=20), asked=ago(minutes=2))
    assert stale(found, newest=ago(minutes=1)) == [ClusterState.NOT_REFRESHED]
    assert stale(made(ago(hours=3)), newest=ago(minutes=1)) == [ClusterState.NOT_REFRESHED]


def test_a_refresh_that_is_overdue_by_its_own_interval_is_said() -> None:
    assert stale(made(ago(minutes=119))) == []
    (found,) = silence(made(ago(hours=3)), TITLE, NOW)
    assert found.state is ClusterState.SILENT
    assert found.message == (
        f'the operator seems not to run: it has not handled "{TITLE}" since 04:30:00 UTC, although its interval is 1h'
    )
    # A failure is dealt with, too.
    assert stale(made(ago(hours=3)), failed=ago(minutes=7)) == []
    assert stale(made(ago(hours=3), flipped=ago(minutes=7))) == []


def test_one_that_was_never_dealt_with_is_overdue_since_it_was_made() -> None:
    assert stale(made()) == [ClusterState.SILENT]
    assert stale({"metadata": {}, "spec": {"refreshInterval": "1h0m0s"}}) == []


def test_clocks_that_differ_by_minutes_make_nothing_overdue() -> None:
    assert stale(made(ago(minutes=5), interval="1m0s")) == []
    assert stale(made(ago(minutes=7), interval="1m0s")) == [ClusterState.SILENT]


@pytest.mark.parametrize(
    "spec",
    [
        {"refreshInterval": "0"},
        {"refreshInterval": "0s"},
        {"refreshInterval": ""},
        {"refreshPolicy": "CreatedOnce"},
        {"refreshPolicy": "OnChange"},
        {"refreshInterval": "2562047h0m0s"},
    ],
)
def test_what_never_refreshes_by_itself_is_never_overdue(spec: dict[str, str]) -> None:
    assert stale({**made(ago(days=9)), "spec": {"refreshInterval": "1h0m0s", **spec}}) == []
