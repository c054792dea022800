import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import NoReturn

import pytest

from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.cluster.view import ClusterError, ClusterView, success_mark
from compiler.live.observation import Likeness
from compiler.live.stores import LiveStores
from compiler.operations import status_wait
from compiler.operations import status_wait as wait_module
from compiler.operations.status import LiveState, Status, WaitEnd, WaitResult
from compiler.operations.status_live import Snapshot
from compiler.operations.status_wait import StatusOptions, StatusReading, Tell, Wait, force_sync, read_status
from compiler.refusal import Refusal
from compiler.stores.pacing import begin
from tests.memory_store import secrets
from tests.unit.operations.status_world import GITHUB, JIRA, SPACE, World

PATIENCE = 60.0


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_module, "_PAUSE", 0.01)
    monkeypatch.setattr(wait_module, "_SHARE", 0)


def followed(
    world: World, *steps: Callable[[], object], up_at: str = "", is_forced: bool = False
) -> tuple[WaitResult, list[dict[str, str]]]:
    """A wait in which each of `steps` happens after one state was told; all that was told, without repetitions.

    Time is up once jira's state is `up_at`, and all steps have happened: no machine is too slow for that.
    """
    waiting, told = list(steps), list[dict[str, str]]()

    def clock() -> float:
        is_up = bool(told) and not waiting and told[-1]["jira"] == up_at
        return time.monotonic() + (PATIENCE if is_up else 0)

    judge, snapshot = world.judge(), world.snapshot()
    judge.asked = {
        name: success_mark(world.double.get("externalsecrets", SPACE, each))
        for name, each in (("github", GITHUB), ("jira", JIRA))
        if is_forced
    }
    wait = Wait(judge, snapshot, clock=clock)

    def tell(found: Mapping[str, LiveState], left: float) -> None:
        assert left <= PATIENCE
        states = {name: str(each.state) for name, each in found.items()}
        if not told or told[-1] != states:
            told.append(states)
        if waiting and getattr(waiting[0], "state", states["jira"]) == states["jira"]:
            waiting.pop(0)()

    ended = wait.until(PATIENCE, tell)
    # Else the wait has lasted until its own time was up.
    assert not up_at or told[-1]["jira"] == up_at
    return ended, told


class At:
    """A step that waits for a state of jira."""

    def __init__(self, state: str, step: Callable[[], object]) -> None:
        self.state = state
        self._step = step

    def __call__(self) -> None:
        self._step()


def switched(world: World) -> list[Callable[[], object]]:
    """jira's new spec comes, and then the operator's success with the same data."""
    world.switch()
    environment = world.bench.environment()
    return [lambda: world.platform.deploy(environment), lambda: world.platform.sync(SPACE, JIRA)]


def states(waited: WaitResult) -> dict[str, list[ClusterState]]:
    return {name: [each.state for each in seen.problems] for name, seen in waited.states.items()}


def test_a_switch_between_equal_stores_is_followed_to_its_end(world: World) -> None:
    world.platform.pod(SPACE, "jira", JIRA)
    waited, told = followed(world, *switched(world))
    assert (waited.end, states(waited)) == (WaitEnd.IN_EFFECT, {"github": [], "jira": []})
    assert told[0]["jira"] == "other-spec"
    assert told[-1]["jira"] == "in-effect"


@pytest.mark.parametrize("accepted", [(), ("azure",), ("vault",)])
def test_a_store_of_the_cluster_that_may_be_another_proves_nothing(world: World, accepted: tuple[str, ...]) -> None:
    world.platform.store("vault-store", {"vault": {"server": "http://10.0.0.7:8200", "path": "secret"}})
    judge = world.judge(accepted)
    waited = Wait(judge, world.snapshot()).until(PATIENCE, lambda _states, _left: None)
    is_proven = accepted == ("vault",)
    assert waited.end is (WaitEnd.IN_EFFECT if is_proven else WaitEnd.UNPROVEN)
    assert [each.unproven for each in waited.states.values()] == ["" if is_proven else "vault"] * 2


def test_an_emptied_secret_is_not_in_effect(world: World) -> None:
    deploy, _ = switched(world)
    waited, _ = followed(
        world, deploy, lambda: world.platform.sync(SPACE, JIRA, without=["JIRA_TOKEN", "JIRA_URL"]), up_at="missing-key"
    )
    assert (waited.end, states(waited)["jira"]) == (WaitEnd.TIME_UP, [ClusterState.MISSING_KEY])


def test_a_ready_that_is_old_is_not_in_effect(world: World) -> None:
    deploy, _ = switched(world)
    waited, _ = followed(world, deploy, up_at="not-synced")
    assert (waited.end, states(waited)["jira"][0]) == (WaitEnd.TIME_UP, ClusterState.NOT_SYNCED)


def test_an_older_value_is_not_in_effect_until_it_is_read_again(world: World) -> None:
    world.refreshed(datetime.now(UTC) - timedelta(minutes=20))
    world.written(datetime.now(UTC) - timedelta(minutes=10))
    waited, told = followed(world, lambda: world.platform.sync(SPACE, JIRA, "hash-2"))
    assert (waited.end, told[0]["jira"]) == (WaitEnd.IN_EFFECT, "older-value")


def test_what_was_asked_for_and_answered_is_no_older_value_whatever_the_clocks_say(world: World) -> None:
    world.written(datetime.now(UTC) + timedelta(minutes=3))
    mark = str(int(datetime.now(UTC).timestamp()) - 1)
    world.refreshed(datetime.now(UTC) - timedelta(minutes=20), **{"force-sync": mark})
    both = [lambda: world.platform.sync(SPACE, GITHUB), lambda: world.platform.sync(SPACE, JIRA)]
    waited, told = followed(world, *both, is_forced=True)
    assert (waited.end, told[0]["jira"]) == (WaitEnd.IN_EFFECT, "older-value")
    assert followed(world, up_at="older-value")[0].end is WaitEnd.TIME_UP


@pytest.mark.parametrize("plural", ["externalsecrets", "secrets"])
def test_what_is_being_deleted_is_not_in_effect(world: World, plural: str) -> None:
    found = world.double.get(plural, SPACE, JIRA)
    found["metadata"]["deletionTimestamp"] = "2026-11-26T01:00:00Z"
    world.double.put(plural, found)
    waited, _ = followed(world, up_at="being-deleted")
    assert (waited.end, states(waited)["jira"]) == (WaitEnd.TIME_UP, [ClusterState.DELETED])


@pytest.mark.parametrize(
    "rights", [("list secrets",), ("get clustersecretstores",), ("list secrets", "get clustersecretstores")]
)
def test_without_the_right_to_ask_for_secrets_or_stores_nothing_is_proven(
    world: World, rights: tuple[str, ...]
) -> None:
    world.double.refused.update(dict.fromkeys(rights, 403))
    waited, _ = followed(world)
    assert (waited.end, states(waited)) == (WaitEnd.UNPROVEN, {"github": [], "jira": []})
    assert waited.lacks_secrets_alone is (rights == ("list secrets",))


def test_pods_and_events_that_may_not_be_asked_prove_nothing_less(world: World) -> None:
    world.double.refused.update({"list pods": 403, "list events": 403})
    assert followed(world)[0].end is WaitEnd.IN_EFFECT


def test_a_foreign_object_is_nothing_to_wait_for(world: World) -> None:
    found = world.double.get("externalsecrets", SPACE, GITHUB)
    found["metadata"]["labels"] = {}
    world.double.put("externalsecrets", found)
    waited, _ = followed(world)
    assert waited.end is WaitEnd.FAILED


def made_by_hand(world: World) -> None:
    """jira is deployed over a Secret that nothing owns, and the operator has not come to it."""
    found = world.double.get("externalsecrets", SPACE, JIRA)
    world.double.put("externalsecrets", {**found, "status": {}})
    secret = world.double.get("secrets", SPACE, JIRA)
    secret["metadata"]["ownerReferences"] = []
    world.double.put("secrets", secret)


def test_a_secret_that_nothing_owns_is_waited_for_until_the_operator_takes_it_over(world: World) -> None:
    made_by_hand(world)
    waited, told = followed(world, lambda: world.platform.sync(SPACE, JIRA))
    assert (waited.end, told[0]["jira"]) == (WaitEnd.IN_EFFECT, "not-synced")


def test_a_secret_that_nothing_owns_after_a_success_is_nothing_to_wait_for(world: World) -> None:
    made_by_hand(world)
    synced = world.double.get("externalsecrets", SPACE, JIRA)
    synced["status"] = {"syncedResourceVersion": f"{synced['metadata']['generation']}-1"}
    world.double.put("externalsecrets", synced)
    waited, _ = followed(world)
    assert waited.end is WaitEnd.FAILED


def test_forced_it_waits_for_the_operators_next_success(world: World) -> None:
    both = [lambda: world.platform.sync(SPACE, GITHUB), lambda: world.platform.sync(SPACE, JIRA)]
    waited, told = followed(world, *both, is_forced=True)
    assert waited.end is WaitEnd.IN_EFFECT
    assert told[0] == {"github": "not-refreshed", "jira": "not-refreshed"}


def test_a_store_that_gets_ready_is_noticed(world: World) -> None:
    world.platform.store("vault-store", ready=False)
    waited, told = followed(world, lambda: world.platform.store("vault-store"))
    assert (waited.end, told[0]["jira"]) == (WaitEnd.IN_EFFECT, "store-not-ready")


def lists(world: World, plural: str) -> int:
    return sum(each.path.endswith(f"/{plural}") for each in world.double.asked)


def test_it_lists_and_watches_nothing(world: World) -> None:
    world.double.asked.clear()
    waited, _ = followed(world, *switched(world))
    assert waited.end is WaitEnd.IN_EFFECT
    assert not [each for each in world.double.asked if "watch" in each.query]
    # The state before, each of two steps, and a whole round after the last change.
    assert lists(world, "externalsecrets") == lists(world, "secrets") == 4
    # No Secret changed in the steps: pods are listed before and at the end.
    assert lists(world, "pods") == 2


def test_all_are_in_effect_only_after_a_whole_round_that_shows_no_change(world: World) -> None:
    world.double.asked.clear()
    waited, _ = followed(world)
    assert (waited.end, lists(world, "externalsecrets"), lists(world, "pods")) == (WaitEnd.IN_EFFECT, 2, 2)
    world.double.asked.clear()
    # Differing stores: the data may change, and it does between two rounds in which all was in effect.
    world.bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    waited, _ = followed(world, lambda: world.platform.sync(SPACE, JIRA, "hash-2"))
    assert (waited.end, lists(world, "externalsecrets")) == (WaitEnd.IN_EFFECT, 3)


def test_pods_are_listed_where_a_secret_changed_and_while_they_are_waited_for(world: World) -> None:
    world.bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    deploy, _ = switched(world)
    # Something else keeps the wait.
    world.platform.fail(SPACE, GITHUB, "not yet")
    world.double.asked.clear()
    counts: list[int] = []

    def noted(step: Callable[[], object] = lambda: None) -> Callable[[], object]:
        def do() -> None:
            counts.append(lists(world, "pods"))
            step()

        return do

    def start() -> None:
        world.platform.pod(SPACE, "jira", JIRA, ready=False)

    rotated = [noted(partial(world.platform.sync, SPACE, JIRA, data)) for data in ("hash-2", "hash-3")]
    steps = [noted(), noted(deploy), rotated[0], noted(start), rotated[1], noted(), noted()]
    followed(world, *steps, up_at="pods-not-ready")
    # Once before, not for the new spec; with each new data; and then in each round, as the pod is not ready.
    assert counts == [1, 1, 1, 2, 2, 3, 4]


def test_the_next_round_begins_after_three_times_what_the_last_one_took(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_module, "_PAUSE", 2.0)
    monkeypatch.setattr(wait_module, "_SHARE", 3)
    now, slept = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    def read(plural: str, namespace: str) -> object:
        now[0] += 5.0 if slept else 0.25
        return usual(plural, namespace)

    monkeypatch.setattr(wait_module, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    world.switch()
    wait = Wait(world.judge(), world.snapshot(), clock=lambda: now[0])
    usual = world.cluster.collection
    monkeypatch.setattr(world.cluster, "collection", read)
    waited = wait.until(60, lambda _states, _left: None)
    # Two lists a round: a first one of half a second, then such of ten; and none that could not end in time.
    assert (slept[0], slept[1]) == (2.0, 30.0)
    assert (waited.end, now[0]) == (WaitEnd.TIME_UP, 60)


def test_a_cluster_that_stops_answering_is_told_when_time_is_up(world: World) -> None:
    world.switch()
    told: list[float] = []

    def clock() -> float:
        # Time is up after two rounds without an answer.
        return time.monotonic() + (PATIENCE if len(told) > 2 else 0)

    def break_down(_states: Mapping[str, LiveState], left: float) -> None:
        told.append(left)
        world.double.refused.update({f"list {each}": 500 for each in ("secrets", "pods")})

    waited = Wait(world.judge(), world.snapshot(), clock=clock).until(PATIENCE, break_down)
    assert waited.end is WaitEnd.TIME_UP
    assert str(waited.error) == "it answered with status 500"


def test_an_api_server_that_goes_away_for_a_while_ends_no_wait(world: World) -> None:
    deploy, sync = switched(world)

    def go() -> None:
        world.double.refused["get clustersecretstores"] = 500

    def come() -> None:
        world.double.refused.clear()

    waited, _ = followed(world, deploy, go, sync, lambda: None, come)
    assert (waited.end, waited.error) == (WaitEnd.IN_EFFECT, None)


def test_an_api_server_that_was_never_there_is_an_error(world: World) -> None:
    world.double.refused["get clustersecretstores"] = 500
    wait = Wait(world.judge(), world.snapshot())
    with pytest.raises(ClusterError, match="status 500"):
        wait.until(PATIENCE, lambda _states, _left: None)


def looked(world: World, options: StatusOptions, *, live: bool = True) -> Status:
    def tell(seen: Mapping[str, LiveState], left: float) -> None:
        assert seen
        assert left <= 20
        for name in (GITHUB, JIRA):
            if "force-sync" in world.double.get("externalsecrets", SPACE, name)["metadata"]["annotations"]:
                world.platform.sync(SPACE, name)

    connect = world.view if live else None
    return read_status(world.bench.environment(), options, world.bench.live(), connect, tell)


def test_offline_no_store_is_asked(world: World) -> None:
    found = looked(world, StatusOptions(is_offline=True), live=False)
    assert {row.values.likeness for row in found.rows} == {Likeness.NOT_ASKED}
    assert world.bench.vault.calls == world.bench.azure.calls == []


def test_stores_and_cluster_are_looked_at(world: World) -> None:
    found = looked(world, StatusOptions(("jira",)))
    (row,) = found.rows
    assert (row.values.likeness, row.state, found.waited) == (Likeness.EQUAL, ClusterState.IN_EFFECT, None)


def test_forced_and_waited_for(world: World) -> None:
    assert looked(world, StatusOptions(is_forced=True)).forced == ("github", "jira")
    found = looked(world, StatusOptions(seconds=20, is_forced=True))
    assert found.waited is not None
    assert (found.waited.end, found.waited.seconds, found.forced) == (WaitEnd.IN_EFFECT, 20, ("github", "jira"))
    assert all(row.state is ClusterState.IN_EFFECT for row in found.rows)


def test_the_operator_is_asked_once_the_store_object_is_ready(world: World) -> None:
    world.refreshed(datetime.now(UTC) - timedelta(minutes=5))
    world.platform.store("vault-store", ready=False)
    told: list[tuple[str | None, tuple[str, ...]]] = []

    def tell(seen: Mapping[str, LiveState], _left: float) -> None:
        told.append((mark(world, JIRA), seen["jira"].notes))
        if len(told) == 2:
            world.platform.store("vault-store")
        if mark(world, JIRA) is not None:
            world.platform.sync(SPACE, JIRA)

    options = StatusOptions(("jira",), seconds=PATIENCE, is_forced=True)
    found = read_status(world.bench.environment(), options, world.bench.live(), world.view, tell)
    assert found.waited is not None
    assert (found.waited.end, found.forced, found.rows[0].live and found.rows[0].live.notes) == (
        WaitEnd.IN_EFFECT,
        ("jira",),
        (),
    )
    waits = 'the operator is not asked to synchronise before the ClusterSecretStore "vault-store" is ready'
    assert [each for each in told if each[0] is None][:2] == [(None, (waits,))] * 2
    assert told[-1][0] is not None


def test_a_store_object_that_stays_unready_has_nothing_asked_for(world: World) -> None:
    world.double.delete("clustersecretstores", "", "vault-store")
    options = StatusOptions(("jira",), seconds=1, is_forced=True)
    found = read_status(world.bench.environment(), options, world.bench.live(), world.view, lambda _states, _left: None)
    assert (found.waited and found.waited.end, found.forced, mark(world, JIRA)) == (WaitEnd.TIME_UP, (), None)
    # Without a wait it is looked at once, and what mends it is said.
    found = looked(world, StatusOptions(("jira",), is_forced=True))
    assert (found.forced, found.rows[0].state, mark(world, JIRA)) == ((), ClusterState.STORE_MISSING, None)
    waits = 'the operator is not asked to synchronise before the ClusterSecretStore "vault-store" is ready'
    assert found.rows[0].live is not None
    assert waits in found.rows[0].live.notes
    # Who may not read it asks at once.
    world.double.refused["get clustersecretstores"] = 403
    found = looked(world, StatusOptions(("jira",), seconds=20, is_forced=True))
    assert found.forced == ("jira",)


@pytest.mark.parametrize(
    ("entry", "is_asked"),
    [
        ("deletionPolicy: Retain", True),
        ("deletionPolicy: Delete", False),
        ("deletionPolicy: Merge", False),
        ("extract: true", False),
    ],
)
def test_the_operator_is_not_asked_to_take_keys_out_of_a_secret(world: World, entry: str, *, is_asked: bool) -> None:
    """With Delete or Merge it leaves out what its store does not have, and the Secret goes when nothing is left."""
    world.bench.change("catalogue", "  jira:\n", f"  jira:\n    {entry}\n")
    world.platform.run(world.bench.environment())
    world.bench.vault.versions.pop("agents/jira")
    if "extract" in entry:
        world.bench.vault.seed("agents/jira", JIRA_TOKEN="t-2")
    found = looked(world, StatusOptions(("jira",), is_forced=True))
    assert (found.forced, mark(world, JIRA) is not None) == (("jira",) if is_asked else (), is_asked)
    lacking = 'the keys from the Secret that "vault" does not have'
    words = f"the operator is not asked to synchronise, as that would remove {lacking}"
    assert found.rows[0].live is not None
    assert (words in found.rows[0].live.notes) is not is_asked


def test_what_the_operator_did_by_itself_meanwhile_is_not_asked_for(world: World) -> None:
    world.refreshed(datetime.now(UTC) - timedelta(minutes=5))
    world.platform.store("vault-store", ready=False)

    def tell(_seen: Mapping[str, LiveState], _left: float) -> None:
        world.platform.sync(SPACE, JIRA)
        world.platform.store("vault-store")

    options = StatusOptions(("jira",), seconds=PATIENCE, is_forced=True)
    found = read_status(world.bench.environment(), options, world.bench.live(), world.view, tell)
    assert (found.waited and found.waited.end, found.forced, mark(world, JIRA)) == (WaitEnd.IN_EFFECT, (), None)


class Hung:
    """A look at a world in which somebody does not answer, of `SECONDS` that are over once nobody else is asked."""

    SECONDS = 300.0

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.told: list[float] = []
        # Set once somebody answers nothing more, and once they all may.
        self.begun, self.free = threading.Event(), threading.Event()
        self._monkeypatch = monkeypatch

    def look(
        self, unanswered: str, connect: Callable[[], ClusterView] | None = None, *, is_forced: bool = False
    ) -> Status:
        """The status that is read until it is known that this one gives no answer."""

        def tell(_seen: Mapping[str, LiveState], left: float) -> None:
            self.told.append(left)

        def call_within(seconds: float, read: Callable[[], Status]) -> Status:
            # One for the report of how it ended.
            assert seconds == self.SECONDS + 1
            reading: StatusReading = getattr(read, "__self__")  # noqa: B009 - of a method, as the types do not say
            end, wait = time.monotonic() + PATIENCE, begin(read)
            while not (self.begun.is_set() and asked(reading) == unanswered) and time.monotonic() < end:
                time.sleep(0.01)
            reading.begun -= self.SECONDS
            return wait(0)

        self._monkeypatch.setattr(status_wait, "call_within", call_within)
        wish = StatusOptions(seconds=self.SECONDS, is_forced=is_forced)
        found = read_status(
            self.world.bench.environment(), wish, self.world.bench.live(), connect or self.world.view, tell
        )
        assert found.waited is not None
        assert (found.waited.end, found.waited.seconds) == (WaitEnd.TIME_UP, self.SECONDS)
        assert found.waited.unanswered == unanswered
        return found

    def wait(self) -> None:
        self.begun.set()
        self.free.wait(60)

    def hang(self, *_: object, **_named: object) -> NoReturn:
        self.wait()
        raise AssertionError("nobody waits for this any more")


def asked(reading: StatusReading) -> str:
    """Who is being asked."""
    question = reading.view.unanswered_question if reading.view is not None else None
    return reading.asked or (f"the cluster ({question})" if question else "")


@pytest.fixture
def hung(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hung]:
    made = Hung(world, monkeypatch)
    yield made
    made.free.set()


def test_a_cluster_that_hangs_in_its_first_list_ends_a_wait_in_time(hung: Hung) -> None:
    hung.world.double.hung.add("list secrets")
    hung.begun.set()
    found = hung.look("the cluster (list secrets in agents)")
    assert [row.live for row in found.rows] == [None, None]
    assert {row.values.likeness for row in found.rows} == {Likeness.EQUAL}
    assert hung.told == []


def test_a_cluster_that_hangs_later_ends_it_with_what_was_told_last(
    hung: Hung, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = hung.world
    world.switch()
    judged = Wait._judge_round

    def hang_next(wait: Wait, snapshot: Snapshot) -> None:
        judged(wait, snapshot)
        world.double.hung.add("get clustersecretstores")
        hung.begun.set()

    monkeypatch.setattr(Wait, "_judge_round", hang_next)
    found = hung.look("the cluster (read clustersecretstores in agents)")
    assert found.waited is not None
    assert [row.state for row in found.rows] == [ClusterState.IN_EFFECT, ClusterState.OTHER_SPEC]


def test_who_hangs_before_the_cluster_is_asked_ends_it_too(hung: Hung, monkeypatch: pytest.MonkeyPatch) -> None:
    hung.look("the log-in program of the kubeconfig", hung.hang)
    monkeypatch.setattr(status_wait, "with_values", hung.hang)
    assert not hung.look("the stores").is_asked


def ended(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once nothing more is asked for by a reading, of which nobody waits for the end."""
    over, read = threading.Event(), StatusReading.read

    def noticed(reading: StatusReading) -> Status:
        try:
            return read(reading)
        finally:
            over.set()

    monkeypatch.setattr(StatusReading, "read", noticed)
    return over


def test_after_the_end_nothing_is_told_and_nothing_more_asked_for(hung: Hung, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, over = list[str](), ended(monkeypatch)

    def force_sync(_namespace: str, name: str, _mark: str) -> bool:
        asked.append(name)
        hung.wait()
        return True

    monkeypatch.setattr(hung.world.cluster, "force_sync", force_sync)
    assert hung.look("the cluster (patch externalsecrets in agents)", is_forced=True).forced == ()
    hung.free.set()
    assert over.wait(20)
    assert (asked, hung.told) == ([GITHUB], [])


def test_what_is_answered_after_the_end_has_nothing_asked_for(hung: Hung, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a command that has said that it asked for nothing, none is asked for while its report is still printed."""
    over, usual = ended(monkeypatch), hung.world.cluster.collection

    def late(plural: str, namespace: str) -> object:
        hung.wait()
        return usual(plural, namespace)

    monkeypatch.setattr(hung.world.cluster, "collection", late)
    assert hung.look("the cluster (list externalsecrets in agents)", is_forced=True).forced == ()
    hung.free.set()
    assert over.wait(20)
    assert [each.path for each in hung.world.double.asked if each.method == "PATCH"] == []


def test_a_refusal_in_a_wait_is_the_commands(world: World) -> None:
    world.double.refused["list externalsecrets"] = 401
    with pytest.raises(Refusal, match="rejected your credentials"):
        looked(world, StatusOptions(seconds=20))


def test_a_cluster_that_does_not_answer_ends_the_command(world: World) -> None:
    world.double.refused["list externalsecrets"] = 403
    with pytest.raises(Refusal, match="the cluster cannot be asked: you are not allowed to list") as refused:
        looked(world, StatusOptions())
    assert refused.value.kind == "cannot run"
    # `rotate` comes here too, and has no such option.
    assert refused.value.help == "get roles that allow it, which `platform-secrets status prod --rbac` prints"
    assert refused.value.__context__ is None


def reading_of(world: World, tell: Tell = lambda _states, _left: None) -> StatusReading:
    return StatusReading(world.status(), StatusOptions(), LiveStores({}), None, tell)


def test_an_early_end_tells_who_was_asked_and_what_was_known(world: World) -> None:
    partial = reading_of(world)
    partial.asked = "the stores"
    found = partial.end(5)
    assert found.waited is not None
    assert (found.waited.end, found.waited.seconds, found.waited.unanswered) == (WaitEnd.TIME_UP, 5, "the stores")
    assert (found.forced, found.is_live) == ((), True)
    snapshot = world.snapshot()
    partial.view, partial.wait = snapshot.view, Wait(world.judge(), snapshot)
    partial.forced.append("jira")
    partial.asked = ""
    found = partial.end(5)
    assert found.waited is not None
    # All that was asked has been answered.
    assert (found.waited.unanswered, found.forced) == ("", ("jira",))
    with snapshot.view.asks("list pods in agents"):
        found = partial.end(5)
    assert found.waited is not None
    assert found.waited.unanswered == "the cluster (list pods in agents)"


def test_what_was_told_last_is_what_an_early_end_has_seen(world: World) -> None:
    told: list[float] = []

    def tell(_seen: Mapping[str, LiveState], left: float) -> None:
        told.append(left)

    partial, snapshot = reading_of(world, tell), world.snapshot()
    partial.wait = Wait(world.judge(), snapshot)
    partial.wait.states = {"jira": LiveState((ClusterProblem(ClusterState.PODS, "a"),))}
    partial._tell_round(partial.wait.states, 4)
    found = partial.end(5)
    assert [row.state for row in found.rows] == [ClusterState.NOT_ASKED, ClusterState.PODS]
    partial._tell_round({"jira": LiveState()}, 0)
    assert told == [4]


def mark(world: World, name: str) -> str | None:
    annotations = world.double.get("externalsecrets", SPACE, name)["metadata"]["annotations"]
    found: str | None = annotations.get("force-sync")
    return found


def test_our_own_objects_get_the_annotation(world: World) -> None:
    asked, snapshot = dict[str, str](), world.snapshot()
    assert list(force_sync(snapshot, asked)) == ["github", "jira"]
    assert mark(world, GITHUB) == mark(world, JIRA)
    assert asked == {
        name: success_mark(world.double.get("externalsecrets", SPACE, each))
        for name, each in (("github", GITHUB), ("jira", JIRA))
    }


def test_two_requests_within_a_second_differ(world: World) -> None:
    for _ in range(3):
        before = mark(world, JIRA)
        list(force_sync(world.snapshot(), {}))
        assert mark(world, JIRA) != before


def test_what_is_not_ours_or_gone_is_left_alone(world: World) -> None:
    state = world.snapshot()
    found = world.double.get("externalsecrets", SPACE, GITHUB)
    found["metadata"]["labels"] = {}
    world.double.put("externalsecrets", found)
    assert list(force_sync(world.snapshot(), {})) == ["jira"]
    assert mark(world, GITHUB) is None
    world.double.delete("externalsecrets", SPACE, JIRA)
    assert list(force_sync(state, {})) == ["github"]


def test_who_may_not_is_told(world: World) -> None:
    world.double.refused["patch externalsecrets"] = 403
    with pytest.raises(ClusterError, match="patch externalsecrets in agents"):
        list(force_sync(world.snapshot(), {}))


def test_none_is_asked_for_once_it_is_over(world: World) -> None:
    state = world.snapshot()
    asked: list[str] = []

    def is_over() -> bool:
        # Whoever ends it now is told of this one.
        asked.append(state.view.unanswered_question)
        return len(asked) > 1

    assert list(force_sync(state, {}, is_over)) == ["github"]
    assert (mark(world, GITHUB) is not None, mark(world, JIRA)) == (True, None)
    assert asked == ["patch externalsecrets in agents"] * 2


WEBHOOK = (
    'Internal error occurred: failed calling webhook "validate.externalsecret.external-secrets.io": failed to call '
    'webhook: Post "https://s3ntinel.svc:443/": tls: x509: certificate signed by unknown authority'
)


def test_a_write_that_a_webhook_refuses_is_a_problem_with_its_mend(world: World) -> None:
    world.double.refused["patch externalsecrets"], world.double.said["patch externalsecrets"] = 500, WEBHOOK
    options = StatusOptions(("jira",), is_forced=True)
    status = read_status(world.bench.environment(), options, world.bench.live(), world.view, lambda _s, _l: None)
    (row,) = status.rows
    assert row.live is not None
    (problem,) = row.live.problems
    assert (row.state, status.forced) == (ClusterState.WEBHOOK_REFUSED, ())
    name = '"validate.externalsecret.external-secrets.io"'
    assert problem.message == (
        f"the API server refused the write: the operator's webhook {name} cannot be called: "
        'failed to call webhook: Post "…": tls: x509: certificate signed by unknown authority'
    )
    restart = "kubectl -n external-secrets rollout restart deployment/external-secrets-cert-controller"
    assert problem.mend == restart
    # Where its Deployment has no pods, these come first.
    world.platform.run_operator("-webhook", 0)
    status = read_status(world.bench.environment(), options, world.bench.live(), world.view, lambda _s, _l: None)
    assert "scale deployment/external-secrets-webhook" in repr(status.rows[0].live)
    waiting = StatusOptions(("jira",), seconds=5, is_forced=True)
    status = read_status(world.bench.environment(), waiting, world.bench.live(), world.view, lambda _s, _l: None)
    assert status.waited is not None
    assert status.waited.end is WaitEnd.FAILED


def test_after_a_write_of_this_machine_a_refused_request_is_a_note(world: World) -> None:
    world.double.refused["patch externalsecrets"], world.double.said["patch externalsecrets"] = 500, WEBHOOK
    told: list[ClusterError] = []
    options = StatusOptions(("jira",), seconds=5, is_forced=True, on_denied=told.append)
    status = read_status(world.bench.environment(), options, world.bench.live(), world.view, lambda _s, _l: None)
    assert status.rows[0].state is not ClusterState.WEBHOOK_REFUSED
    assert "x509" in str(told[0])
