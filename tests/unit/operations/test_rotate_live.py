from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.change.journal import Run, RunEntry
from compiler.change.plan import Kind, Location, Options, RotationPhase
from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.cluster.view import ClusterError, ClusterView, refresh_time
from compiler.operations import rotate_live, status_wait
from compiler.operations.rotate_live import (
    ClusterAccess,
    OldPods,
    Rotation,
    force_others,
    is_synced,
    old_pods,
    readings_of,
    require_healthy,
    secrets_reading,
    wait_for_pods,
)
from compiler.operations.status import LiveState, Status, WaitEnd, WaitResult
from compiler.operations.status_wait import StatusOptions, read_status
from compiler.refusal import Refusal
from compiler.render.reports.status import wait_lines
from tests.unit.conftest import taking
from tests.unit.operations.status_world import JIRA, SPACE, World

NOW = datetime.now(UTC).replace(microsecond=0)
OWN = {(SPACE, JIRA): True}
ASKED = StatusOptions(("jira",))
OTHER = {"name": "copy", "namespace": "other"}


def a_run() -> Run:
    run = Run("20250131-120000-4fa1c2", Path(), "rotate", "prod", {"vault": "https://vault"}, {})
    keys = (("jira", "JIRA_TOKEN", "JIRA_TOKEN"),)
    run.entries["vault", "agents/jira"] = RunEntry(Kind.UPDATE, None, recover=False, keys=keys, after="v1")
    return run


def changed(world: World, when: datetime, name: str = JIRA, space: str = SPACE) -> None:
    found = world.double.get("secrets", space, name)
    found["metadata"]["managedFields"][0]["time"] = f"{when:%Y-%m-%dT%H:%M:%SZ}"
    world.double.put("secrets", found)


def pod(world: World, name: str, started: datetime, *, volume: bool = False, space: str = SPACE) -> None:
    world.platform.pod(space, name, JIRA, volume=volume, started=started)


def test_only_pods_that_keep_what_they_read_before_the_secret_changed_are_old(world: World) -> None:
    changed(world, NOW)
    pod(world, "before", NOW - timedelta(minutes=1))
    pod(world, "same-second", NOW)
    pod(world, "after", NOW + timedelta(seconds=1))
    pod(world, "volume", NOW - timedelta(minutes=1), volume=True)
    found = old_pods(world.view(), OWN, NOW)
    assert [each.name for _, each in found.pods] == ["before", "same-second"]
    assert found.commands == (
        "kubectl -n agents rollout restart deployment/before",
        "kubectl -n agents rollout restart deployment/same-second",
    )
    assert (found.unread, found.not_seen, found.is_over) == ((), (), False)


def test_what_may_not_be_listed_and_a_change_of_unknown_time_are_not_taken_for_new(world: World) -> None:
    pod(world, "before", NOW)
    assert old_pods(world.view(), OWN, NOW).not_seen == (f"when the Secret {SPACE}/{JIRA} changed is not known",)
    changed(world, NOW)
    world.double.refused["list pods"] = 403
    found = old_pods(world.view(), OWN, NOW)
    assert (found.pods, len(found.not_seen)) == ((), 1)
    assert "pods" in found.not_seen[0]


def test_why_readers_of_the_store_are_not_known_is_not_seen(world: World) -> None:
    changed(world, NOW)
    found = old_pods(world.view(), OWN, NOW, "only the secrets of prod are looked at")
    assert found.not_seen == ("only the secrets of prod are looked at",)


def test_readers_beside_the_environment_are_found_and_have_to_read_the_new_value(world: World) -> None:
    environment = world.bench.environment()
    own = world.double.get("externalsecrets", SPACE, JIRA)
    other = {**own, "metadata": OTHER}
    world.double.put("externalsecrets", other)
    stores, strict = world.bench.live(), lambda: ClusterView(world.cluster)
    found, unknown = readings_of(a_run(), environment, ("jira",), stores, strict)
    assert (found, unknown) == ({**OWN, ("other", "copy"): False}, "")
    assert readings_of(a_run(), environment, (), stores, strict)[0] == dict.fromkeys(found, False)
    changed(world, NOW)
    later = datetime.now(UTC) + timedelta(hours=1)
    assert old_pods(world.view(), found, later).unread == ("other/copy",)
    refreshed = refresh_time(own) or later
    assert old_pods(world.view(), found, refreshed).unread == ("other/copy",)
    assert old_pods(world.view(), found, refreshed - timedelta(seconds=1)).unread == ()
    world.double.refused["list externalsecrets"] = 403
    found, unknown = readings_of(a_run(), environment, ("jira",), stores, strict)
    assert (found, unknown.startswith("only the secrets of prod are looked at: ")) == (OWN, True)


def test_the_secrets_that_take_the_value_read_it_too(tmp_path: Path) -> None:
    environment = taking(tmp_path)
    assert secrets_reading(environment, [Location("vault", "agents/jira", "JIRA_TOKEN")]) == ("jira", "board", "report")
    assert secrets_reading(environment, [Location("vault", "agents/jira", "JIRA_URL")]) == ("jira",)
    assert secrets_reading(environment, [Location("azure", "agents-jira", None)]) == ()


def test_a_cluster_that_does_not_run_on_the_present_value_is_told(world: World) -> None:
    environment, stores = world.bench.environment(), world.bench.live()
    require_healthy(environment, ASKED, stores, world.view, pytest.fail)
    world.platform.fail(SPACE, JIRA, "no")
    with pytest.raises(Refusal, match="does not run on the present value of jira"):
        require_healthy(environment, ASKED, stores, world.view, pytest.fail)


def test_a_value_does_not_die_on_the_word_of_a_store_that_may_be_another(world: World) -> None:
    environment, stores, told = world.bench.environment(), world.bench.live(), list[str]()
    world.platform.store("vault-store", {"vault": {"server": "http://10.0.0.7:8200", "path": "secret"}})
    with pytest.raises(Refusal, match='it is not proven that the cluster reads "vault"') as refused:
        require_healthy(environment, ASKED, stores, world.view, told.append)
    assert "or accept that it is the same: --accept-store vault; nothing was written" in str(refused.value.help)
    require_healthy(environment, replace(ASKED, accepted=("vault",)), stores, world.view, told.append)
    doubt = 'jira: whether the ClusterSecretStore "vault-store" leads to the store "vault" is not proven: '
    assert [each.startswith(doubt) for each in told] == [True, True]
    with pytest.raises(Refusal, match='no store "vualt"'):
        require_healthy(environment, replace(ASKED, accepted=("vualt",)), stores, world.view, told.append)


def test_who_may_not_have_other_readers_synchronised_is_told(world: World) -> None:
    world.double.put("externalsecrets", {**world.double.get("externalsecrets", SPACE, JIRA), "metadata": OTHER})
    readings = {**OWN, ("other", "copy"): False}
    world.platform.store("vault-store", ready=False)
    (said,) = force_others(world.view(), readings)
    assert said.startswith(
        'other/copy is not asked to synchronise, as the ClusterSecretStore "vault-store" is not ready'
    )
    assert "force-sync" not in world.double.get("externalsecrets", "other", "copy")["metadata"].get("annotations", {})
    world.platform.store("vault-store")
    assert force_others(world.view(), readings) == ()
    world.double.refused["patch externalsecrets"] = 403
    (said,) = force_others(world.view(), readings)
    assert said == (
        "you are not allowed to patch externalsecrets in other: "
        "what reads the value there gets it at its own refreshInterval"
    )


def test_who_closes_a_rotation_only_looks(world: World) -> None:
    world.double.put("externalsecrets", {**world.double.get("externalsecrets", SPACE, JIRA), "metadata": OTHER})
    listener: Any = SimpleNamespace(note=lambda *_: None, restarts=lambda _: None)
    access = ClusterAccess(lambda optional=(): ClusterView(world.cluster, optional), ASKED)
    options = Options(stores=world.bench.live())
    rotation = Rotation(world.bench.environment(), options, access, listener)
    run = replace(a_run(), phase=RotationPhase.CLOSED)
    rotation.set_run(run)
    world.double.asked.clear()
    rotation.watch_pods(access, NOW + timedelta(hours=1))
    assert rotation.old is not None
    assert rotation.old.unread == ("other/copy",)
    assert {each.method for each in world.double.asked} == {"GET"}


def test_a_cluster_without_the_environments_secrets_is_not_one_where_all_pods_are_new(world: World) -> None:
    found = old_pods(world.view(), {(SPACE, "nowhere"): True, ("other", "copy"): False}, NOW)
    assert (found.pods, found.not_seen) == ((), (f"there is no ExternalSecret {SPACE}/nowhere in the cluster",))


def test_a_read_in_the_second_of_the_write_may_be_of_before_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may ask the operator to synchronise, and its times are whole seconds."""
    monkeypatch.setattr(status_wait, "_PAUSE", 0.01)
    world.double.refused["patch externalsecrets"] = 403
    world.refreshed(NOW)
    world.written(NOW + timedelta(milliseconds=500))
    told = list[ClusterState]()

    def tell(found: Mapping[str, LiveState], _left: float) -> None:
        told.append(found["jira"].state)
        if len(told) == 3:
            world.refreshed(NOW + timedelta(seconds=1))

    denied = list[tuple[str, int]]()
    asked = replace(ASKED, seconds=60.0, is_forced=True, compares=False)
    asked = replace(asked, on_denied=lambda error: denied.append((str(error), len(told))))
    found = read_status(world.bench.environment(), asked, world.bench.live(), world.view, tell)
    assert told[:3] == [ClusterState.OLDER_VALUE] * 3
    assert is_synced(found)
    assert denied == [(f"you are not allowed to patch externalsecrets in {SPACE}", 0)]


def test_a_wait_ends_once_no_pod_is_left_or_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotate_live, "_PAUSE", 0.01)
    left, over = OldPods(("a/b",), (), ()), OldPods((), (), ())
    looks, told = iter([left, left, over]), list[OldPods]()
    assert wait_for_pods(lambda: next(looks), 5, told.append) is over
    assert told == [left, left, over]
    assert wait_for_pods(lambda: left, 0.03, told.append) is left


def test_a_cluster_that_no_longer_answers_ends_the_wait() -> None:
    def see() -> OldPods:
        raise ClusterError("it does not answer", "run again")

    with pytest.raises(Refusal, match="the cluster cannot be asked: it does not answer") as refused:
        wait_for_pods(see, 5, lambda _: None)
    assert (refused.value.kind, refused.value.help) == ("cannot run", "run again")
    # That of the client has frames with what it sends.
    assert refused.value.__context__ is None


@pytest.mark.parametrize(
    ("state", "end"),
    [(ClusterState.RESTART, WaitEnd.FAILED), (ClusterState.PODS, WaitEnd.TIME_UP), (None, WaitEnd.UNPROVEN)],
)
def test_pods_that_are_to_start_prove_nothing_of_a_doubtful_store(
    world: World, state: ClusterState | None, end: WaitEnd
) -> None:
    problems = (ClusterProblem(state, "a pod"),) if state is not None else ()
    for unproven, synced in (("", end is not WaitEnd.UNPROVEN), ("vault", False)):
        states = {"jira": LiveState(problems=problems, unproven=unproven)}
        waited = WaitResult(end, 60, states)
        assert is_synced(Status(world.bench.environment(), (), None, waited=waited)) is synced
        said = " ".join(str(line) for line in wait_lines(waited, "dev"))
        assert ("--accept-store vault" in said) is bool(unproven)
