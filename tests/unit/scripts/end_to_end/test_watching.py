from collections.abc import Callable, Iterator
from typing import Any

import pytest

from compiler.cluster.view import ClusterError
from scripts.end_to_end import watching
from scripts.end_to_end.run_cluster import WatchEndedError
from scripts.end_to_end.watching import Changed, Event, Failed, Follower, Listed

SECRETS = ("secrets", "team")


class Script:
    """A cluster whose watches are generators, one after the other; the last one has nothing more to say."""

    def __init__(self, *watches: Callable[[], Iterator[tuple[str, Any]]]) -> None:
        self.watches = list(watches)
        self.asked: list[str] = []

    def listed(self, plural: str, namespace: str) -> tuple[tuple[Any, ...], str]:
        assert (plural, namespace) == SECRETS
        self.asked.append("list")
        return ({"metadata": {"name": "listed"}},), "50"

    def watch(self, plural: str, namespace: str, version: str, seconds: int) -> Iterator[tuple[str, Any]]:
        assert (plural, namespace, seconds) == (*SECRETS, 240)
        self.asked.append(f"watch from {version}")
        if self.watches:
            yield from self.watches.pop(0)()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what the protocol has beside
        raise AssertionError(name)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_PAUSE", 0.01)
    monkeypatch.setattr(watching, "_POLL", 0.01)


def changed(name: str, version: str, kind: str = "MODIFIED") -> tuple[str, Any]:
    return kind, {"metadata": {"name": name, "resourceVersion": version}}


def first(script: Script, count: int) -> list[Event]:
    found: list[Event] = []
    with Follower(script, {SECRETS: "10"}) as follower:
        while len(found) < count:
            found += follower.events(5)
    return found[:count]


def test_a_watch_that_is_closed_goes_on_from_the_last_version_that_it_told() -> None:
    script = Script(
        lambda: iter([changed("a", "11"), changed("", "12", "BOOKMARK")]),
        lambda: iter([changed("b", "13")]),
    )
    assert first(script, 2) == [
        Changed(*SECRETS, *changed("a", "11")),
        Changed(*SECRETS, *changed("b", "13")),
    ]
    assert script.asked[:2] == ["watch from 10", "watch from 12"]
    assert "list" not in script.asked


def test_a_watch_that_expired_lists_again() -> None:
    def expired() -> Iterator[tuple[str, Any]]:
        yield changed("a", "11")
        raise WatchEndedError

    script = Script(expired)
    found = first(script, 2)
    assert found[1] == Listed(*SECRETS, ({"metadata": {"name": "listed"}},))
    assert script.asked[:3] == ["watch from 10", "list", "watch from 50"]


def test_a_failure_is_told_and_the_cluster_asked_again() -> None:
    error = ClusterError("it is gone", "wait")

    def failing() -> Iterator[tuple[str, Any]]:
        raise error
        yield

    assert [type(each) for each in first(Script(failing), 2)] == [Failed, Listed]


def test_who_may_not_watch_lists_without_a_word_of_it() -> None:
    def forbidden() -> Iterator[tuple[str, Any]]:
        raise ClusterError("you may not", "get a role", "watch secrets")
        yield

    assert [type(each) for each in first(Script(forbidden, forbidden), 2)] == [Listed, Listed]


def test_a_defect_of_a_thread_is_raised_to_who_waits_for_events_and_not_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken() -> Iterator[tuple[str, Any]]:
        yield changed("a", "11")
        raise LookupError("s3ntinel")

    with Follower(Script(broken), {SECRETS: "10"}) as follower, pytest.raises(LookupError):  # noqa: PT012
        for _ in range(3):
            follower.events(5)
    assert capsys.readouterr().err == ""


def test_nothing_that_happens_is_nothing() -> None:
    with Follower(Script(), {}) as follower:
        assert follower.events(0.01) == ()
        assert follower.events(-1) == ()
