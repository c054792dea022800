from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compiler.cluster.judge import problems
from compiler.cluster.problem import ClusterState
from compiler.cluster.times import next_try
from compiler.cluster.view import ClusterError
from compiler.live.observation import Likeness
from compiler.model.environment import other_store, progress_of
from compiler.operations.causes import find_causes
from compiler.operations.status import LiveState, Status, StoreFindings, from_files, manifests_for, with_live_state
from compiler.operations.status_live import (
    Snapshot,
    StatusJudge,
    with_values,
)
from compiler.stores.errors import Action, Code, FailureSide, ForbiddenError, NotFoundError, StoreError, StoreLocation
from compiler.stores.secret_value import operator_hash
from tests.memory_store import secrets
from tests.unit.operations.status_world import GITHUB, JIRA, SPACE, World

VALUE = "s3ntinel-value"


def test_what_is_there_as_compiled_is_in_effect(world: World) -> None:
    world.platform.pod(SPACE, "jira", JIRA)
    seen = world.judge().every(world.snapshot())
    assert {name: each.state for name, each in seen.items()} == {
        "github": ClusterState.IN_EFFECT,
        "jira": ClusterState.IN_EFFECT,
    }
    assert (seen["jira"].pods, seen["github"].pods, seen["jira"].not_asked) == (1, 0, ())


def test_a_ready_of_the_spec_before_is_not_in_effect(world: World) -> None:
    world.switch()
    assert world.live_state().state is ClusterState.OTHER_SPEC
    world.platform.deploy(world.bench.environment())
    assert world.live_state().state is ClusterState.NOT_SYNCED
    world.platform.sync(SPACE, JIRA)
    assert world.live_state().state is ClusterState.IN_EFFECT


def test_a_failure_is_told_by_the_newest_warning_and_when_it_is_tried_again(world: World) -> None:
    world.bench.vault.hold("agents/jira", secrets(JIRA_TOKEN=VALUE, JIRA_URL="https://jira"))
    world.platform.fail(SPACE, JIRA, f"cannot use {VALUE} of key agents/jira", count=3)
    judge = world.judge()
    judge.now = lambda: datetime(2026, 11, 26, 0, 54, 26, tzinfo=UTC)
    seen = judge.live_state(world.snapshot(), "jira")
    assert seen.state is ClusterState.NOT_READY
    assert VALUE not in repr(seen)
    assert seen.evidence == ("just now: cannot use … of key agents/jira",)
    # After the third failure it waits for 4 s, and one of them is over.
    assert (seen.next_try, seen.helps) == (3, ())


@pytest.mark.parametrize(
    ("count", "now", "seconds"),
    [
        (1, "00:54:25", 1),
        (9, "00:54:35", 246),
        # Never within no time at all.
        (1, "00:54:25.700000", 1),
        (3, "00:54:28.900000", 1),
        (60, "00:54:25", 420),
        # Clocks differ, or the event is long gone: the longest pause is all that is known.
        (3, "00:50:00", 420),
        (3, "01:50:00", 420),
    ],
)
def test_the_next_try_follows_from_the_number_of_failures(world: World, count: int, now: str, seconds: int) -> None:
    world.platform.fail(SPACE, JIRA, "no", count=count)
    judge = world.judge()
    judge.now = lambda: datetime.fromisoformat(f"2026-11-26T{now}+00:00")
    assert judge.live_state(world.snapshot(), "jira").next_try == seconds


def test_where_another_controller_has_the_secret_nothing_is_tried_again(world: World) -> None:
    said = "unable to mutate secret agent-jira-secrets: secret is owned by another ExternalSecret: theirs"
    world.platform.fail(SPACE, JIRA, said, moment="")
    assert world.live_state().next_try is not None
    secret = world.platform.double.get("secrets", SPACE, JIRA)
    secret["metadata"]["ownerReferences"][0]["name"] = "theirs"
    world.platform.double.put("secrets", secret)
    seen = world.live_state()
    assert (seen.state, seen.next_try, seen.helps) == (ClusterState.NOT_READY, None, ())
    assert seen.evidence == (said,)


@pytest.mark.parametrize(("reason", "is_tried"), [("SecretSyncedError", True), ("SecretImmutable", False)])
def test_by_its_reason_the_operator_has_given_up(world: World, reason: str, *, is_tried: bool) -> None:
    world.platform.fail(SPACE, JIRA, "no")
    found = world.platform.double.get("externalsecrets", SPACE, JIRA)
    found["status"]["conditions"][0]["reason"] = reason
    world.platform.double.put("externalsecrets", found)
    assert (world.live_state().next_try is not None) is is_tried


def fail_for_type(world: World, said: str = 'type: Invalid value: "Opaque": field is immutable') -> None:
    """jira gets a type, and the API server lets the operator write none."""
    world.bench.change("catalogue", "  jira:\n", "  jira:\n    type: Opaque\n")
    world.platform.run(world.bench.environment())
    world.platform.fail(SPACE, JIRA, f'Secret "{JIRA}" is invalid: {said}')


def test_a_secret_of_another_type_is_deleted_once_its_type_is_deployed(world: World) -> None:
    fail_for_type(world)
    seen = world.live_state()
    assert (seen.state, seen.is_final) == (ClusterState.OTHER_TYPE, True)
    assert seen.helps == (f"kubectl -n {SPACE} delete secret {JIRA}",)
    assert "running pods keep what they have read, and pods that start" in seen.problems[0].message
    found = world.platform.double.get("externalsecrets", SPACE, JIRA)
    found["spec"]["refreshInterval"] = "5m0s"
    world.platform.double.put("externalsecrets", found)
    seen = world.live_state()
    assert ClusterState.OTHER_TYPE in {each.state for each in seen.problems}
    assert seen.helps == ()


@pytest.mark.parametrize("is_typed", [False, True])
def test_what_a_deployed_type_waits_for_is_a_deletion(world: World, *, is_typed: bool) -> None:
    """The operator notes no success with the new spec, which alone would say: wait."""
    if is_typed:
        fail_for_type(world)
    found = world.platform.double.get("externalsecrets", SPACE, JIRA)
    found["status"]["syncedResourceVersion"] = "0-a"
    world.platform.double.put("externalsecrets", found)
    status = world.judge().rows["jira"]
    live = world.live_state()
    (cause,) = find_causes(replace(world.status(), rows=(replace(status, live=live),)))
    assert cause.code == ("other-type" if is_typed else "not-synced")
    assert [each for each in cause.next if each.startswith("kubectl")] == (
        [f"kubectl -n {SPACE} delete secret {JIRA}"] if is_typed else []
    )


def test_another_failure_of_a_typed_secret_is_no_other_type(world: World) -> None:
    fail_for_type(world, "data: Required value")
    assert world.live_state().state is ClusterState.NOT_READY


@pytest.mark.parametrize("frozen", ["reason", "message", "field"])
def test_an_immutable_secret_is_named_and_made_anew_by_deleting_it(world: World, frozen: str) -> None:
    world.platform.fail(SPACE, JIRA, "secret is immutable")
    found = world.platform.double.get("externalsecrets", SPACE, JIRA)
    condition = found["status"]["conditions"][0]
    if frozen == "reason":
        condition["reason"] = "SecretImmutable"
    elif frozen == "message":
        condition["message"] = "could not update secret, target is immutable"
    else:
        secret = world.platform.double.get("secrets", SPACE, JIRA)
        by_hand = {"manager": "kubectl-edit", "fieldsV1": {"f:immutable": {}}}
        secret["metadata"]["managedFields"].append(by_hand)
        world.platform.double.put("secrets", secret)
    world.platform.double.put("externalsecrets", found)
    seen = world.live_state()
    assert (seen.state, seen.next_try, seen.is_final) == (ClusterState.IMMUTABLE, None, True)
    assert seen.helps == ("kubectl -n agents delete secret agent-jira-secrets",)
    # Whose values the store does not give, that Secret is the only one to have them.
    world.bench.vault.seed("agents/jira", JIRA_URL="https://jira")
    assert world.live_state().helps == ()


def test_a_failure_answers_a_request_and_shows_that_the_operator_runs(world: World) -> None:
    asked = datetime(2026, 11, 26, 0, 50, tzinfo=UTC)
    world.platform.fail(SPACE, JIRA, "no")
    found = world.double.get("externalsecrets", SPACE, JIRA)
    found["status"]["conditions"][0]["lastTransitionTime"] = "2026-11-26T00:00:00Z"
    world.double.put("externalsecrets", found)
    world.refreshed(asked - timedelta(minutes=10), **{"force-sync": str(int(asked.timestamp()))})
    judge = world.judge()
    judge.now = lambda: asked + timedelta(minutes=10)
    assert [each.state for each in judge.live_state(world.snapshot(), "jira").problems] == [ClusterState.NOT_READY]
    world.double.refused["list events"] = 403
    judge = world.judge()
    judge.now = lambda: asked + timedelta(minutes=10)
    # Whether it failed since is not known.
    assert [each.state for each in judge.live_state(world.snapshot(), "jira").problems] == [ClusterState.NOT_READY]


def test_a_pod_that_reads_what_the_environment_does_not_have_is_told_by_its_key(world: World) -> None:
    world.platform.pod(SPACE, "jira", JIRA, ready=False, waiting="CreateContainerConfigError", key="JIRA_USER")
    seen = world.live_state()
    assert seen.unlisted == ("JIRA_USER",)
    assert seen.looks == ("kubectl -n agents describe pod jira",)
    world.platform.pod(SPACE, "jira", JIRA, ready=False, waiting="CreateContainerConfigError", key="JIRA_URL")
    assert world.live_state().unlisted == ()


def test_a_warning_without_a_moment_leaves_the_longest_pause() -> None:
    assert next_try("", 1, datetime.now(UTC)) == next_try("no date", 1, datetime.now(UTC)) == 420


def test_where_the_operator_hides_the_cause_verifys_finding_says_it(world: World) -> None:
    world.bench.vault.seed("agents/jira", JIRA_URL="https://jira")
    world.platform.fail(SPACE, JIRA, "")
    assert world.live_state().evidence == (
        "could not get secret data from provider",
        '"JIRA_TOKEN" of "jira" is not in "agents/jira" of the store "vault"',
    )


def test_an_event_of_an_earlier_object_of_that_name_is_no_cause(world: World) -> None:
    world.platform.fail(SPACE, JIRA, "rotate your good credential")
    found = world.platform.double.get("externalsecrets", SPACE, JIRA)
    found["metadata"]["uid"] = "uid-of-another"
    world.platform.double.put("externalsecrets", found)
    seen = world.live_state()
    assert (seen.evidence, seen.next_try) == (("could not get secret data from provider",), None)


def test_an_event_says_how_old_it_is(world: World) -> None:
    world.platform.fail(SPACE, JIRA, "no such host", moment="2026-11-26T00:54:25Z")
    judge = world.judge()
    judge.now = lambda: datetime(2026, 11, 26, 1, 57, 26, tzinfo=UTC)
    assert judge.live_state(world.snapshot(), "jira").evidence == ("1h ago: no such host",)


def test_where_no_value_was_read_no_text_in_quotes_is_shown(world: World) -> None:
    world.platform.fail(SPACE, JIRA, f'strconv.Atoi: parsing "{VALUE}": invalid syntax')
    seen = StatusJudge(from_files(world.bench.environment())).live_state(world.snapshot(), "jira")
    assert VALUE not in repr(seen)
    assert seen.evidence[0].endswith('d ago: strconv.Atoi: parsing "…": invalid syntax')


def test_a_write_that_a_webhook_denies_is_allowed_first_and_no_sync_is_forced(world: World) -> None:
    world.platform.fail(SPACE, JIRA, 'admission webhook "validate.kyverno.svc" denied the request: no label')
    (cause,) = find_causes(with_live_state(world.status(), {"jira": world.live_state()}))
    assert 'the admission webhook "validate.kyverno.svc" denied the operator\'s write' in cause.evidence[1]
    assert cause.first == "have the owner of the admission webhook allow what the operator writes"
    assert not [line for line in cause.next if "--force-sync" in line]


def test_what_this_machine_may_not_read_says_nothing_of_the_operator(world: World) -> None:
    world.bench.vault.failures["read", "agents/jira"] = ForbiddenError(
        StoreLocation("https://vault", "agents/jira"),
        Action.READ,
        "you are not allowed to",
        "get a role",
        permission="get",
    )
    world.platform.fail(SPACE, JIRA, "Code: 403. Errors: * permission denied")
    (cause,) = world.live_state().evidence
    assert cause.endswith("d ago: Code: 403. Errors: * permission denied")
    (why,) = with_values(world.status(), world.bench.live())[0].closed
    assert "you are not allowed to" in why


def test_a_store_that_leads_elsewhere_is_a_lack_and_one_that_may_a_note(world: World) -> None:
    world.platform.store("vault-store", {"fake": {}})
    seen = world.live_state()
    assert (seen.state, "leads to another store" in seen.problems[0].message) == (ClusterState.STORE_ELSEWHERE, True)
    world.platform.store("vault-store", {"vault": {"server": "http://10.0.0.7:8200", "path": "secret"}})
    seen = world.live_state()
    (note,) = seen.notes
    assert (seen.state, 'is not proven: its `server` is "http://10.0.0.7:8200", not "' in note) == (
        ClusterState.IN_EFFECT,
        True,
    )


def test_a_store_that_is_being_deleted_is_a_lack(world: World) -> None:
    found = world.platform.double.get("clustersecretstores", "", "vault-store")
    found["metadata"]["deletionTimestamp"] = "2026-11-28T07:00:00Z"
    world.platform.double.put("clustersecretstores", found)
    seen = world.live_state()
    assert seen.state is ClusterState.STORE_NOT_READY
    assert seen.problems[0].message == 'the ClusterSecretStore "vault-store" is being deleted'
    assert seen.store_ready is False
    world.double.refused["get clustersecretstores"] = 403
    assert world.live_state().store_ready is None


def test_a_failure_of_the_old_spec_is_not_the_new_ones_cause(world: World) -> None:
    world.platform.fail(SPACE, JIRA, "old trouble")
    world.switch()
    seen = world.live_state()
    assert (seen.state, seen.evidence, seen.helps) == (ClusterState.OTHER_SPEC, (), ())


def test_a_pod_that_is_not_ready_keeps_its_secret_from_being_in_effect(world: World) -> None:
    world.platform.sync(SPACE, JIRA, without=["JIRA_TOKEN"])
    world.platform.pod(SPACE, "jira", JIRA, ready=False, waiting="CreateContainerConfigError", key="JIRA_TOKEN")
    seen = world.live_state()
    assert [each.state for each in seen.problems] == [ClusterState.MISSING_KEY, ClusterState.PODS]
    assert seen.problems[1].message.endswith(
        '(CreateContainerConfigError): the Secret "agents/agent-jira-secrets" lacks "JIRA_TOKEN"'
    )


def states(made: Snapshot) -> dict[str, list[str]]:
    return {
        name: [str(each.state) for each in problems(manifest, made.view.live(manifest))]
        for name, manifest in made.manifests.items()
    }


def test_each_collection_is_listed_once_and_each_store_asked_once(world: World) -> None:
    world.double.asked.clear()
    assert states(world.snapshot()) == {"github": [], "jira": []}
    assert [each.path.rpartition("/")[2] for each in world.double.asked] == [
        "externalsecrets",
        "secrets",
        "pods",
        "deployments",
        "vault-store",
    ]
    assert world.double.asked[3].path == "/apis/apps/v1/deployments"
    assert world.double.asked[3].query["labelSelector"].startswith("app.kubernetes.io/name in (external-secrets,")
    assert all(each.method == "GET" for each in world.double.asked)


def test_what_may_not_be_listed_is_not_asked_and_the_rest_is(world: World) -> None:
    world.double.refused.update({"list secrets": 403, "list pods": 403, "get clustersecretstores": 403})
    world.double.refused["list events"] = 403
    made = world.snapshot()
    assert states(made) == {"github": [], "jira": []}
    assert made.pods(made.manifests["jira"]) is None
    assert made.view.by_name("secrets", SPACE) is None
    assert made.view.warning({"metadata": {"namespace": SPACE, "uid": "uid-1"}}) is None
    assert made.not_asked(SPACE) == (
        "keys of the Secret: you are not allowed to list secrets in agents",
        "pods: you are not allowed to list pods in agents",
        "the store: you are not allowed to get clustersecretstores",
        "the operator's warnings: you are not allowed to list events in agents",
    )
    # A store of the cluster is none of a namespace.
    assert made.not_asked("elsewhere") == ("the store: you are not allowed to get clustersecretstores",)


def test_without_secrets_none_is_asked_for_and_that_is_no_lack(world: World) -> None:
    made = world.snapshot(left_out=("secrets",))
    assert (made.view.by_name("secrets", SPACE), made.is_whole) == (None, True)
    assert made.not_asked(SPACE) == ("keys of the Secret: --without-secrets",)
    assert not [each for each in world.double.asked if each.path.endswith("/secrets")]


def test_another_one_that_fails_on_the_same_store_is_known(world: World) -> None:
    found = world.double.get("externalsecrets", SPACE, GITHUB)

    def failing_on_jiras_store(name: str, status: dict[str, Any]) -> str | None:
        world.double.put("externalsecrets", {**found, "metadata": {"name": name, "namespace": SPACE}, "status": status})
        made = world.snapshot()
        return made.failing_on(made.manifests["jira"])

    failed = {"conditions": [{"type": "Ready", "status": "False"}]}
    # Its own row says so.
    assert failing_on_jiras_store(GITHUB, failed) is None
    assert failing_on_jiras_store("az", failed) == f"{SPACE}/az"
    assert failing_on_jiras_store("az", found["status"]) is None


def test_pods_are_listed_again_where_they_are_needed(world: World) -> None:
    world.platform.pod(SPACE, "jira", JIRA)
    first = world.snapshot()
    world.platform.pod(SPACE, "another", JIRA)

    def names(made: Snapshot) -> list[str]:
        return [pod.name for pod in made.pods(made.manifests["jira"]) or ()]

    for is_needed, known in ((False, ["jira"]), (True, ["jira", "another"])):
        asked = len(world.double.asked)
        made = Snapshot(first.view.fresh(), first.manifests, first, [SPACE] if is_needed else [])
        assert names(made) == known
        assert sum(each.path.endswith("/pods") for each in world.double.asked[asked:]) == is_needed
    assert made.pods(made.manifests["github"]) == ()
    # A Secret that has changed may restart them.
    world.platform.sync(SPACE, JIRA, "hash-2")
    assert names(Snapshot(first.view.fresh(), first.manifests, first)) == ["jira", "another"]


def test_every_missing_permission_is_told_at_once(world: World) -> None:
    world.double.refused.update({"list externalsecrets": 403, "list pods": 403})
    with pytest.raises(ClusterError) as caught:
        world.snapshot()
    assert str(caught.value) == "you are not allowed to list externalsecrets in agents; list pods in agents"
    assert caught.value.remedy == "get roles that allow it"


def test_without_the_external_secrets_there_is_nothing_to_say(world: World) -> None:
    world.double.refused["list externalsecrets"] = 403
    with pytest.raises(ClusterError, match="list externalsecrets"):
        world.snapshot()


def test_a_server_that_fails_is_no_missing_permission(world: World) -> None:
    world.double.refused["list pods"] = 500
    with pytest.raises(ClusterError, match="status 500"):
        world.snapshot()
    world.double.refused = {"get clustersecretstores": 500}
    with pytest.raises(ClusterError, match="status 500"):
        states(world.snapshot())


def wrote(world: World, when: datetime) -> None:
    """The operator wrote jira's Secret then."""
    found = world.double.get("secrets", SPACE, JIRA)
    found["metadata"]["managedFields"][0]["time"] = f"{when:%Y-%m-%dT%H:%M:%SZ}"
    world.double.put("secrets", found)


def test_a_secret_with_the_data_of_the_store_is_in_effect_whatever_dates_say(world: World) -> None:
    now = datetime.now(UTC)
    world.written(now - timedelta(minutes=5))
    world.refreshed(now - timedelta(minutes=20))
    assert [each.state for each in world.live_state().problems] == [ClusterState.OLDER_VALUE]
    (held,) = [row.values.data_hash for row in with_values(world.status(), world.bench.live())[0].rows[1:]]
    assert held is not None
    world.platform.sync(SPACE, JIRA, held)
    world.refreshed(now - timedelta(minutes=20))
    assert world.live_state().problems == ()
    world.platform.sync(SPACE, JIRA, "0" * len(held))
    world.refreshed(now - timedelta(minutes=20))
    assert [each.state for each in world.live_state().problems] == [ClusterState.OLDER_VALUE]


def test_pods_from_before_a_value_need_a_restart_without_an_earlier_look(world: World) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    world.platform.pod(SPACE, "mcp-jira", JIRA, started=start)
    world.platform.pod(SPACE, "files", JIRA, volume=True, started=start)
    wrote(world, start + timedelta(seconds=36))
    world.written(start + timedelta(seconds=30))
    seen = world.live_state()
    assert [each.state for each in seen.problems] == [ClusterState.RESTART]
    assert seen.problems[0].message.startswith('restart needed: Deployment "mcp-jira" started ')
    assert seen.helps == ("kubectl -n agents rollout restart deployment/mcp-jira",)
    # A pod of another secret is not touched by it.
    assert not world.judge().live_state(world.snapshot(), "github").problems
    world.written(start - timedelta(hours=1))
    seen = world.live_state()
    assert (seen.state, seen.helps, len(seen.notes)) == (ClusterState.IN_EFFECT, (), 1)
    world.platform.pod(SPACE, "mcp-jira", JIRA, started=start + timedelta(minutes=1))
    assert world.live_state().notes == ()


def test_what_the_operator_took_over_may_have_been_the_same_value(world: World) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    world.platform.pod(SPACE, "mcp-jira", JIRA, started=start)
    wrote(world, start + timedelta(seconds=36))
    world.written(start + timedelta(seconds=30))
    found = world.double.get("externalsecrets", SPACE, JIRA)
    for later, state in ((1, ClusterState.IN_EFFECT), (0, ClusterState.RESTART)):
        found["metadata"]["creationTimestamp"] = f"{start + timedelta(seconds=later):%Y-%m-%dT%H:%M:%SZ}"
        world.double.put("externalsecrets", found)
        seen = world.live_state()
        assert (seen.state, "its ExternalSecret was created" in " ".join(seen.notes)) == (
            state,
            state is ClusterState.IN_EFFECT,
        )


def test_pods_are_restarted_only_once_the_secret_has_the_value(world: World) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    world.platform.pod(SPACE, "mcp-jira", JIRA, started=start)
    wrote(world, start + timedelta(minutes=30))
    world.written(start + timedelta(minutes=30))
    world.refreshed(start)
    seen = world.live_state()
    assert ([each.state for each in seen.problems], seen.helps) == ([ClusterState.OLDER_VALUE], ())
    # What stores do not say is no reason to restart anything.
    world.refreshed(start + timedelta(minutes=31))
    assert [each.state for each in world.live_state().problems] == [ClusterState.RESTART]
    seen = StatusJudge(world.status()).live_state(world.snapshot(), "jira")
    assert (seen.state, len(seen.notes)) == (ClusterState.IN_EFFECT, 1)


class Read:
    """What the stores hold, by secret, and what they did not say."""

    def __init__(self, status: Status, world: World) -> None:
        asked, found = with_values(status, world.bench.live())
        self.remotes = found.read
        self.values = {row.secret.id: row.values for row in asked.rows}
        self.answered, self.closed, self.helps = not asked.silent, asked.closed, asked.helps


def read(world: World) -> Read:
    return Read(world.status(), world)


def test_what_is_held_alike_is_equal_and_each_remote_secret_is_read_once(world: World) -> None:
    found = read(world)
    assert {name: each.likeness for name, each in found.values.items()} == {
        "github": Likeness.EQUAL,
        "jira": Likeness.EQUAL,
    }
    assert all(each.is_sound for each in found.values.values())
    assert sorted(world.bench.vault.reads) == ["agents/github", "agents/jira"]
    assert sorted(world.bench.azure.reads) == ["agents-github", "agents-jira"]
    assert found.answered
    assert len(found.remotes) == 4


def test_another_value_is_different_by_its_key(world: World) -> None:
    world.bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    jira = read(world).values["jira"]
    assert (jira.likeness, jira.different, jira.missing) == (Likeness.DIFFERENT, ("JIRA_TOKEN",), ())
    assert jira.versions is not None
    assert [(each.store, each.name, each.version) for each in jira.versions] == [
        ("vault", "agents/jira", "v1"),
        ("azure", "agents-jira", "v2"),
    ]
    assert jira.faults == ()


def test_of_what_is_extracted_the_keys_that_are_not_listed_count_too(world: World) -> None:
    bench = world.bench
    bench.write("catalogue", bench.text("catalogue").replace("\n  jira:\n", "\n  jira:\n    extract: true\n"))
    both = {"JIRA_TOKEN": "t-2", "JIRA_URL": "https://jira"}
    bench.vault.hold("agents/jira", secrets(**both, LOST="x", SAME="s", CHANGED="old"))
    bench.azure.hold("agents-jira", secrets(**both, SAME="s", CHANGED="new"))
    jira = read(world).values["jira"]
    assert (jira.different, jira.missing, jira.versions) == (("CHANGED",), ("LOST",), None)
    # The operator's hash is of all that the Secret has.
    assert jira.data_hash == operator_hash(secrets(**both, LOST="x", SAME="s", CHANGED="old"))
    bench.azure.hold("agents-jira", secrets(**both, LOST="x", SAME="s", CHANGED="old"))
    assert read(world).values["jira"].likeness is Likeness.EQUAL
    # Only the store tells whether a pod reads a key that it does not have.
    world.platform.pod(SPACE, "jira", JIRA, ready=False, waiting="CreateContainerConfigError", key="JIRA_USER")
    assert world.live_state().unlisted == ()


@pytest.mark.parametrize("blank", ["", "\t"])
def test_a_blank_value_is_no_other_value(world: World, blank: str) -> None:
    world.bench.azure.hold("agents-jira", secrets(JIRA_TOKEN=blank, JIRA_URL="https://jira"))
    jira = read(world).values["jira"]
    assert (jira.likeness, jira.missing, jira.different) == (Likeness.MISSING, ("JIRA_TOKEN",), ())
    world.bench.equal()
    world.bench.vault.hold("agents/jira", secrets(JIRA_TOKEN=blank, JIRA_URL="https://jira"))
    jira = read(world).values["jira"]
    assert (jira.likeness, jira.only_there, jira.versions) == (Likeness.ONLY_THERE, ("JIRA_TOKEN",), None)


def test_a_key_that_the_other_store_lacks_is_missing(world: World) -> None:
    world.bench.azure.hold("agents-jira", secrets(JIRA_URL="https://jira"))
    world.bench.azure.failures["read", "agents-github"] = NotFoundError(
        StoreLocation("https://azure", "agents-github"), Action.READ, "it is not there", "put it there"
    )
    found = read(world).values
    assert (found["jira"].likeness, found["jira"].missing) == (Likeness.MISSING, ("JIRA_TOKEN",))
    assert found["github"].likeness is Likeness.MISSING


@pytest.mark.parametrize("side", ["vault", "azure"])
def test_a_store_that_may_not_be_read_is_neither_missing_nor_different(world: World, side: str) -> None:
    store, name = (world.bench.vault, "agents/jira") if side == "vault" else (world.bench.azure, "agents-jira")
    store.failures["read", name] = ForbiddenError(
        StoreLocation(f"https://{side}", name),
        Action.READ,
        "you are not allowed to",
        "get a role",
        permission="get",
    )
    jira = read(world).values["jira"]
    assert jira.likeness is Likeness.NO_ACCESS
    assert jira.is_sound is (side == "azure")
    why = f'cannot read "{name}" in https://{side}: you are not allowed to'
    assert jira.faults == ()
    assert [why in each for each in jira.closed] == ([True] if side == "vault" else [])
    assert [why in each for each in read(world).closed] == [True]


def test_of_another_store_that_is_silent_nothing_in_use_suffers(world: World) -> None:
    world.bench.silent.add("azurekv")
    found = read(world)
    assert found.answered
    assert {each.likeness for each in found.values.values()} == {Likeness.NO_ACCESS}
    assert not any(each.faults for each in found.values.values())


def test_a_store_in_use_that_is_silent_has_not_answered(world: World) -> None:
    world.bench.silent.add("vault")
    found = read(world)
    assert not found.answered
    # Once for both secrets, and with each one's own keys for it.
    assert len(found.closed) == 1
    assert found.closed[0].endswith("; 3 keys not checked")
    assert found.values["jira"].closed == (found.closed[0].replace("3 keys", "2 keys"),)
    assert found.values["github"].closed == (found.closed[0].replace("3 keys", "1 key"),)
    jira = found.values["jira"]
    assert (jira.helps, jira.other_holds, jira.is_sound) == (("check the address",), True, False)
    # A switch to it would be refused.
    world.bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="", JIRA_URL="https://jira"))
    assert not read(world).values["jira"].other_holds
    del world.bench.azure.versions["agents-jira"]
    assert not read(world).values["jira"].other_holds
    assert found.helps == {found.closed[0]: "check the address"}


FORWARDED = {"VAULT_ADDR": "http://127.0.0.1:8200"}


@pytest.mark.parametrize(
    ("code", "environ", "side"),
    [
        (Code.SEALED, {}, FailureSide.SERVER),
        (Code.UNREACHABLE, {}, FailureSide.CALLER),
        (Code.TLS_FAILURE, {}, FailureSide.CALLER),
        (Code.UNAVAILABLE, {}, FailureSide.UNCLEAR),
        (Code.OTHER_CLUSTER, {}, FailureSide.UNCLEAR),
        # It leads to what may be another server, or has ended.
        (Code.SEALED, FORWARDED, FailureSide.UNCLEAR),
        (Code.UNREACHABLE, FORWARDED, FailureSide.UNCLEAR),
        (Code.EXPIRED_TOKEN, FORWARDED, FailureSide.CALLER),
        (Code.SEALED, {"VAULT_ADDR": "https://vault.example.com:8200/"}, FailureSide.SERVER),
    ],
)
def test_whose_failure_it_is_that_the_store_in_use_did_not_say(
    world: World, code: Code, environ: dict[str, str], side: FailureSide
) -> None:
    failure = StoreError(StoreLocation("https://vault"), Action.READ, "it failed", "do this", code)
    world.bench.vault.failures.update({("read", name): failure for name in world.bench.vault.versions})
    asked, _ = with_values(world.status(), world.bench.live(environ))
    assert {(row.values.side, row.values.helps) for row in asked.rows} == {(side, ("do this",))}


def test_one_silent_store_in_use_is_enough_where_another_one_answers(world: World) -> None:
    world.bench.write("prod", "secrets: {github: {store: azure}}\n")
    assert read(world).answered
    world.bench.silent.add("vault")
    assert not read(world).answered


def test_of_values_from_several_places_the_newest_counts(world: World) -> None:
    catalogue = world.bench.text("catalogue").replace(
        "JIRA_TOKEN: {description: Token}", "JIRA_TOKEN: {from: github/GITHUB_TOKEN}"
    )
    world.bench.write("catalogue", catalogue)
    old, new = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    for name, date in (("agents/github", new), ("agents/jira", old)):
        held = world.bench.vault.versions[name]
        held[-1] = replace(held[-1], attributes=replace(held[-1].attributes, created=date))
    jira = read(world).values["jira"]
    assert (jira.written, jira.newest) == (old, new)


def test_a_value_that_the_store_in_use_lacks_is_a_fault(world: World) -> None:
    world.bench.vault.hold("agents/jira", secrets(JIRA_URL="https://jira"))
    jira = read(world).values["jira"]
    assert jira.faults == ('"JIRA_TOKEN" of "jira" is not in "agents/jira" of the store "vault"',)
    # Where one of the two holds none, there is no other value.
    assert (jira.likeness, jira.different, jira.only_there) == (Likeness.ONLY_THERE, (), ("JIRA_TOKEN",))
    assert jira.unset == ("JIRA_TOKEN",)


def test_what_is_deleted_in_the_store_in_use_is_not_compared(world: World) -> None:
    world.bench.vault.deleted.add("agents/jira")
    jira = read(world).values["jira"]
    assert (jira.likeness, jira.different, jira.only_there) == (
        Likeness.ONLY_THERE,
        (),
        ("JIRA_TOKEN", "JIRA_URL"),
    )


def test_keys_are_unset_only_where_nothing_else_is_wrong(world: World) -> None:
    world.bench.vault.hold("agents/jira", secrets(JIRA_URL=" "))
    assert len(read(world).values["jira"].faults) == 2
    assert read(world).values["jira"].unset == ()
    world.bench.vault.versions.clear()
    assert read(world).values["jira"].unset == ("JIRA_TOKEN", "JIRA_URL")


def test_without_another_store_nothing_is_asked(world: World) -> None:
    environment = world.bench.environment()
    status = from_files(environment, ["jira"])
    found = Read(replace(status, rows=(replace(status.rows[0], other=None),)), world)
    assert found.values["jira"].likeness is Likeness.NOT_ASKED
    assert found.values["jira"].is_sound
    assert world.bench.azure.reads == []
    assert StoreFindings().likeness is Likeness.NOT_ASKED


def test_the_oldest_value_and_the_nearest_expiry_count(world: World) -> None:
    old, new = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    held = world.bench.vault.versions["agents/jira"]
    held[-1] = replace(held[-1], attributes=replace(held[-1].attributes, created=old, updated=new, expires=new))
    jira = read(world).values["jira"]
    assert (jira.written, jira.expires) == (old, new)
    held[-1] = replace(held[-1], attributes=replace(held[-1].attributes, created=None))
    assert read(world).values["jira"].written == new
    there = world.bench.azure.versions["agents-jira"]
    there[-1] = replace(there[-1], attributes=replace(there[-1].attributes, created=old))
    jira = read(world).values["jira"]
    assert (jira.newest, jira.other_newest, jira.helps) == (new, old, ())
    assert read(world).values["github"].written is None


def test_the_other_store_is_where_a_secret_goes_or_where_it_came_from(world: World) -> None:
    world.bench.write("prod", "moves: {to: azure, steps: [[github], [all]]}\nsecrets: {github: {store: azure}}\n")
    environment = world.bench.environment()
    progress = progress_of(environment)
    others = {name: other_store(secret, environment, progress) for name, secret in environment.secrets.items()}
    assert {name: store.id for name, store in others.items() if store is not None} == {
        "github": "vault",
        "jira": "azure",
    }


def test_of_more_than_two_stores_without_a_move_none_is_the_other_one(world: World) -> None:
    third = "stores: {third: {provider: vault, name: third, server: 'https://third.example.com', mount: secret}}\n"
    world.bench.write("prod", third)
    environment = world.bench.environment()
    assert other_store(environment.secrets["jira"], environment, None) is None


def test_no_access_is_not_said_of_a_store_that_nothing_lies_in(world: World) -> None:
    environment = world.bench.environment()
    vault, azure = environment.stores["vault"], environment.stores["azure"]
    bare = replace(environment, stores={"vault": vault, "azure": replace(azure, address=None)})
    assert other_store(environment.secrets["jira"], bare, None) is None
    assert other_store(environment.secrets["jira"], environment, None) is azure
    # The catalogue gives jira no place there, and the store in use does not answer.
    catalogue = world.bench.root / "environments/catalogue.yaml"
    catalogue.write_text(catalogue.read_text("utf-8").replace(", azurekv: agents-jira", ""), "utf-8")
    world.bench.silent.add("vault")
    found = read(world).values
    assert (found["jira"].likeness, found["github"].likeness) == (Likeness.MISSING, Likeness.NO_ACCESS)


@pytest.mark.parametrize("value", ["token\n", " token", '"token"'])
def test_a_value_of_an_odd_form_is_told_with_the_words_of_verify(world: World, value: str) -> None:
    world.bench.vault.hold("agents/jira", secrets(JIRA_TOKEN=value, JIRA_URL="https://jira"))
    jira = read(world).values["jira"]
    ((message, way_out),) = jira.warnings
    assert message.startswith('"JIRA_TOKEN" of "jira" ')
    assert way_out.startswith("`platform-secrets put prod jira JIRA_TOKEN` stores it again without ")
    assert (jira.faults, jira.is_sound) == ((), True)


@pytest.mark.parametrize("value", ["", "\t", "null", "CHANGE_ME"])
def test_a_blank_value_or_a_placeholder_is_a_fault(world: World, value: str) -> None:
    world.bench.vault.hold("agents/jira", secrets(JIRA_TOKEN=value, JIRA_URL="https://jira"))
    jira = read(world).values["jira"]
    assert (len(jira.faults), jira.warnings, jira.is_sound) == (1, (), False)


def test_a_dead_operator_keeps_every_secret_that_it_serves_from_being_in_effect(world: World) -> None:
    seen = world.live_state()
    assert (seen.operator_runs, seen.store_ready) == (True, True)
    world.platform.run_operator("", 0)
    seen = world.live_state()
    assert seen.operator_runs is False
    assert [each.state for each in seen.problems] == [ClusterState.OPERATOR_DOWN]
    # What it leaves undone while it is down is no second problem, and nothing is tried again.
    asked = datetime.now(UTC) - timedelta(minutes=10)
    world.refreshed(asked - timedelta(days=3), **{"force-sync": str(int(asked.timestamp()))})
    world.platform.fail(SPACE, JIRA, "connection refused")
    seen = world.live_state()
    assert [each.state for each in seen.problems] == [ClusterState.OPERATOR_DOWN, ClusterState.NOT_READY]
    assert seen.next_try is None


def test_whether_the_operator_runs_is_not_asked_without_the_right(world: World) -> None:
    world.platform.run_operator("", 0)
    world.double.refused["list deployments"] = 403
    seen = world.live_state()
    assert (seen.state, seen.notes, seen.operator_runs) == (ClusterState.IN_EFFECT, (), None)
    assert seen.not_asked == ("whether the operator runs: you are not allowed to list deployments",)
    # Nobody needs it for a wait.
    assert world.snapshot().is_whole


def test_a_webhook_that_is_down_is_the_problem_of_what_a_write_mends_and_a_note_for_the_rest(world: World) -> None:
    world.platform.run_operator("-webhook", 0)
    seen = world.live_state()
    assert (seen.state, len(seen.notes)) == (ClusterState.IN_EFFECT, 1)
    world.written(datetime.now(UTC) + timedelta(days=1))
    states = world.judge().every(world.snapshot())
    assert [each.state for each in states["jira"].problems] == [ClusterState.WEBHOOK_DOWN, ClusterState.OLDER_VALUE]
    # Said once.
    assert [each.notes for each in states.values()] == [(), ()]
    world.platform.fail(SPACE, JIRA, "connection refused")
    assert world.live_state().state is ClusterState.NOT_READY


ROLE = {"name": "vault-approle", "key": "secretid", "namespace": "external-secrets"}


def fail_store(world: World, message: str, *, is_ready: bool = False, **log_in: object) -> None:
    """The operator says so of jira's store object, which it calls ready or not."""
    found = world.double.get("clustersecretstores", "", "vault-store")["spec"]["provider"]["vault"]
    world.platform.store("vault-store", {"vault": {**found, "auth": log_in}}, ready=is_ready)
    if not is_ready:
        world.double.warn("default", "vault-store", message, kind="ClusterSecretStore", count=60)


def test_a_refused_log_in_to_a_store_is_said_once_with_its_credential(world: World) -> None:
    said = "URL: PUT http://v/v1/auth/approle/login Code: 400. Errors: * invalid role or secret ID"
    fail_store(world, said, appRole={"roleId": "r", "secretRef": ROLE})
    world.platform.fail(SPACE, JIRA, 'ClusterSecretStore "vault-store" is not ready')
    seen = world.live_state()
    problem = next(each for each in seen.problems if each.state is ClusterState.STORE_LOG_IN)
    credential = 'the key "secretid" of the Secret "external-secrets/vault-approle"'
    words = f'the operator cannot log in to the store "vault": {said}'
    assert problem.message == f"{words}; its credential is {credential}"
    assert problem.mend == f"put a valid credential into {credential}"
    # By the 60 failures of the store object, not by the first one of the secret.
    assert seen.next_try == 420
    assert [
        each.query["fieldSelector"] for each in world.double.asked if each.path == "/api/v1/namespaces/default/events"
    ] == ["involvedObject.kind=ClusterSecretStore,type=Warning"]


def test_a_log_in_that_a_store_object_is_not_checked_for_is_said_of_the_store_too(world: World) -> None:
    fail_store(world, "", is_ready=True, appRole={"roleId": "r", "secretRef": ROLE})
    world.platform.fail(SPACE, JIRA, f'{{"error":"AADSTS7000222: the secret has expired","key":"{VALUE}"}}')
    seen = world.live_state()
    assert [each.state for each in seen.problems] == [ClusterState.STORE_LOG_IN, ClusterState.NOT_READY]
    assert "AADSTS7000222: the secret has expired" in seen.evidence[0]
    assert VALUE not in repr(seen)


def test_why_a_store_is_not_ready_is_not_asked_without_the_right(world: World) -> None:
    fail_store(world, "connection refused")
    assert "InvalidProviderConfig: connection refused" in repr(world.live_state().problems)
    # An event about an earlier object of that name is not about this one.
    event = {**world.double.get("clustersecretstores", "", "vault-store")}
    event["metadata"] = {"name": "vault-store", "uid": "another"}
    world.double.put("clustersecretstores", event)
    assert "connection refused" not in repr(world.live_state().problems)
    world.double.refused["list events"] = 403
    seen = world.live_state()
    assert "the operator's warnings about the store: you are not allowed to list events in default" in seen.not_asked


def test_offline_the_cluster_is_judged_and_what_the_stores_hold_is_not_asked(world: World) -> None:
    world.platform.fail(SPACE, JIRA, "connection refused")
    seen = StatusJudge(world.status()).every(world.snapshot())
    assert (seen["jira"].state, seen["github"].state) == (ClusterState.NOT_READY, ClusterState.IN_EFFECT)
    assert all(each.not_asked == ("what the stores hold: --offline",) for each in seen.values())
    assert world.bench.vault.reads == world.bench.azure.reads == []


def test_other_secrets_of_the_environment_that_fail_are_named_beside_those_that_were_asked_about(world: World) -> None:
    status = from_files(world.bench.environment(), ["jira"])

    def seen(**objects: Any) -> LiveState:  # noqa: ANN401 - fields of the other ExternalSecret
        found = world.double.get("externalsecrets", SPACE, GITHUB)
        world.double.put("externalsecrets", {**found, **objects})
        return StatusJudge(status, ("--context", "there")).every(Snapshot(world.view(), manifests_for(status)))["jira"]

    found = world.double.get("externalsecrets", SPACE, GITHUB)
    assert (seen().fails_beside, seen().notes) == ((), ())
    failed = seen(status={"conditions": [{"type": "Ready", "status": "False"}]})
    line = "platform-secrets status prod --cluster --context there"
    note = f'not asked about here, and not deployed or not ready: "github" of "prod"; `{line}` shows why'
    assert (failed.state, failed.fails_beside, failed.notes) == (ClusterState.IN_EFFECT, ("github",), (note,))
    assert seen(spec={**found["spec"], "refreshInterval": "1m"}, status=found["status"]).fails_beside == ("github",)
    assert seen(spec=found["spec"]).fails_beside == ()
    world.double.delete("externalsecrets", SPACE, GITHUB)
    made = StatusJudge(status).live_state(Snapshot(world.view(), manifests_for(status)), "jira")
    assert made.fails_beside == ("github",)
    # Whose own row says so is not beside the others.
    assert world.live_state().fails_beside == ()


def test_a_failure_of_before_the_store_object_was_changed_is_not_what_it_says_now(world: World) -> None:
    world.platform.fail(SPACE, JIRA, "cannot read secret data from Vault: Code: 403. Errors: * permission denied")
    assert world.live_state().state is ClusterState.FORBIDDEN
    found = world.double.get("clustersecretstores", "", "vault-store")
    writer = {"manager": "kubectl-patch", "time": "2099-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:provider": {}}}}
    found["metadata"]["managedFields"] = [writer]
    world.double.put("clustersecretstores", found)
    assert world.live_state().state is ClusterState.NOT_READY
    assert "permission denied" not in repr(world.live_state())
