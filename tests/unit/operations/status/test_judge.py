from datetime import UTC, datetime, timedelta

import pytest

from compiler.cluster.judge import ClusterState
from compiler.operations.status_live import StatusJudge, with_values
from compiler.stores.errors import Action, ForbiddenError, StoreLocation
from tests.unit.operations.status.conftest import JIRA, SPACE, World

VALUE = "s3ntinel-value"
FORCE = "platform-secrets status prod --only jira --wait --force-sync"


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


def test_a_failure_is_told_by_the_newest_warning_without_values_and_the_line_that_ends_it(world: World) -> None:
    world.bench.vault.seed("agents/jira", JIRA_TOKEN=VALUE, JIRA_URL="https://jira")
    world.platform.fail(SPACE, JIRA, f"property {VALUE} does not exist", count=3)
    judge = world.judge()
    judge._now = lambda: datetime(2026, 11, 26, 0, 54, 26, tzinfo=UTC)
    seen = judge.live_state(world.snapshot(), "jira")
    assert seen.state is ClusterState.NOT_READY
    assert seen.causes == ("just now: property … does not exist",)
    # After the third failure it waits for 4 s, and one of them is over.
    assert (seen.next_try, seen.helps) == (3, (FORCE,))
    # Whoever has asked the operator already is not told to.
    assert judge.live_state(world.snapshot(), "jira", is_forced=True).helps == ()


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
    judge._now = lambda: datetime.fromisoformat(f"2026-11-26T{now}+00:00")
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
    assert seen.causes == (said,)


@pytest.mark.parametrize(("reason", "is_tried"), [("SecretSyncedError", True), ("SecretImmutable", False)])
def test_by_its_reason_the_operator_has_given_up(world: World, reason: str, *, is_tried: bool) -> None:
    world.platform.fail(SPACE, JIRA, "no")
    found = world.platform.double.get("externalsecrets", SPACE, JIRA)
    found["status"]["conditions"][0]["reason"] = reason
    world.platform.double.put("externalsecrets", found)
    assert (world.live_state().next_try is not None) is is_tried


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
    judge._now = lambda: asked + timedelta(minutes=10)
    assert [each.state for each in judge.live_state(world.snapshot(), "jira").problems] == [ClusterState.NOT_READY]
    world.double.refused["list events"] = 403
    judge = world.judge()
    judge._now = lambda: asked + timedelta(minutes=10)
    # Whether it failed since is not known.
    assert [each.state for each in judge.live_state(world.snapshot(), "jira").problems] == [ClusterState.NOT_READY]


def test_a_pod_that_reads_what_the_environment_does_not_have_is_told_by_its_key(world: World) -> None:
    world.platform.pod(SPACE, "jira", JIRA, ready=False, waiting="CreateContainerConfigError", key="JIRA_USER")
    seen = world.live_state()
    assert seen.unlisted == ("JIRA_USER",)
    assert seen.looks == ("kubectl -n agents describe pod jira",)
    world.platform.pod(SPACE, "jira", JIRA, ready=False, waiting="CreateContainerConfigError", key="JIRA_URL")
    assert world.live_state().unlisted == ()


def test_a_warning_without_a_moment_leaves_the_longest_pause(world: World) -> None:
    world.platform.fail(SPACE, JIRA, "no")
    judge = world.judge()
    assert judge._next_try("", 1) == judge._next_try("no date", 1) == 420


def test_where_the_operator_hides_the_cause_verifys_finding_says_it(world: World) -> None:
    world.bench.vault.seed("agents/jira", JIRA_URL="https://jira")
    world.platform.fail(SPACE, JIRA, "")
    assert world.live_state().causes == (
        "could not get secret data from provider",
        '"JIRA_TOKEN" of "jira" is not in "agents/jira" of the store "vault"',
    )


def test_an_event_of_an_earlier_object_of_that_name_is_no_cause(world: World) -> None:
    world.platform.fail(SPACE, JIRA, "rotate your good credential")
    found = world.platform.double.get("externalsecrets", SPACE, JIRA)
    found["metadata"]["uid"] = "uid-of-another"
    world.platform.double.put("externalsecrets", found)
    seen = world.live_state()
    assert (seen.causes, seen.next_try) == (("could not get secret data from provider",), None)


def test_an_event_says_how_old_it_is(world: World) -> None:
    world.platform.fail(SPACE, JIRA, "no", moment="2026-11-26T00:54:25Z")
    judge = world.judge()
    judge._now = lambda: datetime(2026, 11, 26, 1, 57, 26, tzinfo=UTC)
    assert judge.live_state(world.snapshot(), "jira").causes == ("1h ago: no",)


def test_a_value_that_is_put_while_a_judge_goes_on_is_hidden_too(world: World) -> None:
    status, found = with_values(world.status(), world.bench.live())
    judge = StatusJudge(status, found.read, again=lambda: with_values(status, world.bench.live()))
    world.bench.vault.seed("agents/jira", JIRA_TOKEN=VALUE, JIRA_URL="https://jira")
    world.platform.fail(SPACE, JIRA, f"property {VALUE} does not exist")
    seen = judge.live_state(world.snapshot(), "jira")
    assert VALUE not in repr(seen)
    assert seen.causes[0].endswith("d ago: property … does not exist")
    reads = len(world.bench.vault.reads)
    judge.live_state(world.snapshot(), "jira")
    # The same message takes no second reading.
    assert len(world.bench.vault.reads) == reads


def test_of_values_that_could_not_be_read_no_warning_is_shown(world: World) -> None:
    world.bench.vault.failures["read", "agents/jira"] = ForbiddenError(
        StoreLocation("https://vault", "agents/jira"),
        Action.READ,
        "you are not allowed to",
        "get a role",
        permission="get",
    )
    world.platform.fail(SPACE, JIRA, f"property {VALUE} does not exist")
    seen = world.live_state()
    assert VALUE not in repr(seen)
    assert seen.causes[0].endswith(
        "d ago: its message is not shown, as the values to hide could not be read: "
        f"kubectl -n {SPACE} describe externalsecret {JIRA}"
    )
    # What this machine may not read says nothing of the operator.
    assert len(seen.causes) == 1
    (why,) = with_values(world.status(), world.bench.live())[0].closed
    assert "you are not allowed to" in why


def test_a_store_that_leads_elsewhere_is_a_lack_and_one_that_may_a_note(world: World) -> None:
    world.platform.store("vault-store", {"fake": {}})
    seen = world.live_state()
    assert (seen.state, "leads to another store" in seen.problems[0].message) == (ClusterState.STORE, True)
    world.platform.store("vault-store", {"vault": {"server": "http://10.0.0.7:8200", "path": "secret"}})
    seen = world.live_state()
    (note,) = seen.notes
    assert (seen.state, "is not proven: its `server` is spelt differently" in note) == (ClusterState.IN_EFFECT, True)


def test_a_store_that_is_being_deleted_is_a_lack(world: World) -> None:
    found = world.platform.double.get("clustersecretstores", "", "vault-store")
    found["metadata"]["deletionTimestamp"] = "2026-11-28T07:00:00Z"
    world.platform.double.put("clustersecretstores", found)
    seen = world.live_state()
    assert seen.state is ClusterState.STORE
    assert seen.problems[0].message == 'the ClusterSecretStore "vault-store" is being deleted'


def test_a_failure_of_the_old_spec_is_not_the_new_ones_cause(world: World) -> None:
    world.platform.fail(SPACE, JIRA, "old trouble")
    world.switch()
    seen = world.live_state()
    assert (seen.state, seen.causes, seen.helps) == (ClusterState.OTHER_SPEC, (), ())


def test_a_pod_that_is_not_ready_keeps_its_secret_from_being_in_effect(world: World) -> None:
    world.platform.sync(SPACE, JIRA, without=["JIRA_TOKEN"])
    world.platform.pod(SPACE, "jira", JIRA, ready=False, waiting="CreateContainerConfigError", key="JIRA_TOKEN")
    seen = world.live_state()
    assert [each.state for each in seen.problems] == [ClusterState.MISSING_KEY, ClusterState.PODS]
    assert seen.problems[1].message.endswith(
        '(CreateContainerConfigError): the Secret "agents/agent-jira-secrets" lacks "JIRA_TOKEN"'
    )
