from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compiler.cluster.fields import keep_used_fields
from compiler.cluster.pods import (
    Pod,
    SecretRead,
    Way,
    judge_starts,
    pod_of,
    pod_problems,
    pods_with_old_value,
    restart_commands,
    secret_reads,
)
from compiler.cluster.problem import ClusterState
from compiler.model.document import Source, Span

SPEC = {
    "initContainers": [{"name": "init", "envFrom": [{"secretRef": {"name": "a", "optional": True}}]}],
    "containers": [
        {
            "name": "main",
            "envFrom": [{"configMapRef": {"name": "c"}}, {"prefix": "P_", "secretRef": {"name": "b"}}],
            "env": [
                {"name": "PLAIN", "value": "x"},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "c", "key": "TOKEN"}}},
                {"name": "ID", "valueFrom": {"secretKeyRef": {"name": "c", "key": "ID", "optional": True}}},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            ],
            "volumeMounts": [
                {"name": "file", "mountPath": "/etc/file", "subPath": "K"},
                {"name": "folder", "mountPath": "/etc/folder"},
            ],
        }
    ],
    "ephemeralContainers": [{"name": "debug", "envFrom": [{"secretRef": {"name": "d"}}]}],
    "volumes": [
        {"name": "folder", "secret": {"secretName": "e"}},
        {"name": "file", "secret": {"secretName": "f", "items": [{"key": "K", "path": "k"}], "optional": True}},
        {
            "name": "mixed",
            "projected": {"sources": [{"secret": {"name": "g", "items": [{"key": "L"}]}}, {"configMap": {}}]},
        },
        {"name": "vault", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "i"}}},
        {"name": "share", "azureFile": {"shareName": "s", "secretName": "j"}},
        {"name": "none", "emptyDir": {}},
    ],
    "imagePullSecrets": [{"name": "h"}, {}],
}


def test_every_way_in_which_a_pod_reads_a_secret_is_found() -> None:
    assert secret_reads(SPEC) == (
        SecretRead("a", None, Way.ENV_FROM, optional=True, container="init"),
        SecretRead("b", None, Way.ENV_FROM, container="main"),
        SecretRead("c", "TOKEN", Way.ENV, container="main"),
        SecretRead("c", "ID", Way.ENV, optional=True, container="main"),
        SecretRead("d", None, Way.ENV_FROM, container="debug"),
        SecretRead("e", None, Way.VOLUME),
        SecretRead("f", "K", Way.SUB_PATH, optional=True),
        SecretRead("g", "L", Way.VOLUME),
        SecretRead("i", None, Way.VOLUME),
        SecretRead("j", None, Way.VOLUME),
        SecretRead("h", None, Way.IMAGE_PULL, optional=True),
    )


def test_what_is_kept_of_a_live_pod_reads_the_same() -> None:
    assert secret_reads(keep_used_fields("pods", {"spec": SPEC})["spec"]) == secret_reads(SPEC)


def test_a_pod_without_secrets_reads_none() -> None:
    assert secret_reads({"containers": [{"name": "main"}]}) == ()
    assert secret_reads({}) == ()


@pytest.mark.parametrize(
    ("way", "keeps"),
    [(Way.ENV, True), (Way.ENV_FROM, True), (Way.SUB_PATH, True), (Way.VOLUME, False), (Way.IMAGE_PULL, False)],
)
def test_a_volume_alone_follows_a_change(way: Way, keeps: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert SecretRead("a", None, way).keeps is keeps


def test_each_reading_knows_where_the_name_and_the_key_are_written() -> None:
    def locate(path: tuple[str | int, ...]) -> Span:
        written = str(_at(path))
        return Span(Source(written), 0, 0)

    for read in secret_reads(SPEC, locate):
        assert read.at is not None
        assert read.at.path == read.secret
        assert (read.key_at.path if read.key_at is not None else None) == read.key


def _at(path: tuple[str | int, ...]) -> object:
    found: Any = SPEC
    for part in path:
        found = found[part]
    return found


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": "none", "volumes": {"a": 1}, "imagePullSecrets": 7},
        {"containers": [None, {"env": ["A"], "envFrom": [[]], "volumeMounts": [{"name": [], "subPath": "a"}]}]},
        {"containers": [{"envFrom": [{"secretRef": "a"}], "env": [{"valueFrom": {"secretKeyRef": {"name": {}}}}]}]},
        {"volumes": [{"name": {}, "secret": {"secretName": ""}}, {"projected": {"sources": [{"secret": []}]}}]},
        {"imagePullSecrets": [{"name": None}, "a"]},
    ],
)
def test_what_has_not_the_form_of_a_spec_reads_nothing(spec: dict[str, object]) -> None:
    assert secret_reads(spec) == ()


def test_a_name_that_yaml_reads_as_a_number_is_a_name() -> None:
    assert secret_reads({"imagePullSecrets": [{"name": 7}]}) == (SecretRead("7", None, Way.IMAGE_PULL, optional=True),)


AT = datetime(2026, 11, 26, 0, 50, 5, tzinfo=UTC)
KEYS: dict[str, Any] = {"metadata": {"managedFields": [{"fieldsV1": {"f:data": {"f:TOKEN": {}}}}]}}


def found(name: str = "s", **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of a pod
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": []}
    env = [{"name": "K", "valueFrom": {"secretKeyRef": {"name": name, "key": "TOKEN"}}}]
    pod = {
        "metadata": {"name": "p", "uid": "1", **changed.pop("metadata", {})},
        "spec": {"containers": [{"name": "main", "env": env}], **changed.pop("spec", {})},
        "status": {**status, **changed},
    }
    return dict(keep_used_fields("pods", pod))


def made(**changed: Any) -> Pod:  # noqa: ANN401 - parts of a pod
    pod = pod_of(found(**changed), {"s"})
    assert pod is not None
    return pod


def test_a_pod_that_reads_none_of_the_secrets_does_not_count() -> None:
    assert pod_of(found("other"), {"s"}) is None


@pytest.mark.parametrize(
    "changed",
    [{"phase": "Succeeded"}, {"phase": "Failed"}, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}],
)
def test_completed_pods_and_those_that_go_do_not_count(changed: dict[str, Any]) -> None:
    assert pod_of(found(**changed), {"s"}) is None


def test_restarts_of_all_containers_count() -> None:
    pod = made(containerStatuses=[{"restartCount": 2}], initContainerStatuses=[{"restartCount": 1}])
    assert (pod.restarts, pod.is_ready, pod.waiting) == (3, True, ())


def waiting(reason: str) -> dict[str, Any]:
    not_ready = [{"type": "Ready", "status": "False"}]
    return {"conditions": not_ready, "containerStatuses": [{"state": {"waiting": {"reason": reason}}}]}


def messages(pod: Pod, secrets: dict[str, Any] | None) -> list[str]:
    problems = list(pod_problems([pod], "team", secrets))
    assert all(each.state is ClusterState.PODS for each in problems)
    return [each.message for each in problems]


def test_a_container_without_its_secret_or_key_says_which() -> None:
    pod = made(**waiting("CreateContainerConfigError"))
    start = 'the pod "team/p" is not ready (CreateContainerConfigError)'
    assert messages(pod, {}) == [f'{start}: there is no Secret "team/s"']
    assert messages(pod, {"s": {"metadata": {}}}) == [f'{start}: the Secret "team/s" lacks "TOKEN"']
    assert messages(pod, {"s": KEYS}) == [start]
    assert messages(pod, None) == [start]


def test_another_cause_is_not_said_to_be_the_secrets() -> None:
    assert messages(made(**waiting("CrashLoopBackOff")), {}) == ['the pod "team/p" is not ready (CrashLoopBackOff)']
    assert messages(made(), {}) == []


def test_what_is_optional_keeps_no_pod() -> None:
    env = [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "TOKEN", "optional": True}}}]
    pod = made(spec={"containers": [{"name": "m", "env": env}]}, **waiting("ContainerCreating"))
    assert messages(pod, {}) == ['the pod "team/p" is not ready (ContainerCreating)']


def test_only_what_keeps_its_values_needs_a_restart() -> None:
    by_env = made()
    volume = {"volumes": [{"name": "v", "secret": {"secretName": "s"}}], "containers": []}
    by_volume = made(spec=volume)
    assert pods_with_old_value([by_env, by_volume], "s", AT) == (by_env,)
    assert pods_with_old_value([by_env], "other", AT) == ()


@pytest.mark.parametrize(
    ("kind", "name", "line"),
    [
        ("ReplicaSet", "jira-agent-5d8f", "kubectl -n team rollout restart deployment/jira-agent"),
        ("StatefulSet", "db", "kubectl -n team rollout restart statefulset/db"),
        ("DaemonSet", "log", "kubectl -n team rollout restart daemonset/log"),
        ("StatefulSet", "a b;c", "kubectl -n team rollout restart 'statefulset/a b;c'"),
        ("Job", "once", "kubectl -n team delete pod p"),
    ],
)
def test_the_line_restarts_the_workload(kind: str, name: str, line: str) -> None:
    pod = made(metadata={"ownerReferences": [{"kind": kind, "name": name, "controller": True}]})
    assert restart_commands([pod], "team") == (line,)


def test_a_pod_without_an_owner_is_deleted_by_hand() -> None:
    assert restart_commands([made()], "team") == ("kubectl -n team delete pod p",)
    assert restart_commands([], "team") == ()


START, LATER = AT, AT + timedelta(seconds=36)
OLD = 'restart needed: Deployment "mcp" started 00:50:05, the Secret changed 00:50:41 UTC'
SECRET_ALONE, VALUE_ALONE = "the Secret was last written, but the store", "the store got its value, but the Secret"
ENV = {"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "TOKEN"}}}


def running(name: str = "main", started: datetime = START) -> dict[str, Any]:
    return {"name": name, "state": {"running": {"startedAt": f"{started:%Y-%m-%dT%H:%M:%SZ}"}}}


def by_mcp(**changed: Any) -> Pod:  # noqa: ANN401 - parts of a pod
    owner = {"kind": "ReplicaSet", "name": "mcp-5d8f", "controller": True}
    return made(**{"metadata": {"ownerReferences": [owner]}, "containerStatuses": [running()], **changed})


def secret_of(wrote: datetime | None, manager: str = "externalsecrets.external-secrets.io/s") -> dict[str, Any]:
    time = {"time": f"{wrote:%Y-%m-%dT%H:%M:%SZ}"} if wrote is not None else {}
    fields = [{"manager": manager, **time, "fieldsV1": {"f:data": {"f:TOKEN": {}}}}]
    return {"metadata": {"name": "s", "namespace": "team", "managedFields": fields}}


def judged(pod: Pod, wrote: datetime | None = LATER, written: datetime | None = LATER) -> tuple[list[str], list[str]]:
    """The problems, and what each note says of the two times."""
    dates = {"TOKEN": written} if written is not None else {}
    found = judge_starts([pod], secret_of(wrote), dates, LATER)
    assert all(each.state is ClusterState.RESTART for each in found.problems)
    start = "pods may hold an earlier value of a Secret that they read: they started before "
    assert all(each.startswith(start) for each in found.notes)
    return [each.message for each in found.problems], [each.removeprefix(start) for each in found.notes]


def test_a_container_from_before_the_secret_and_the_value_changed_keeps_the_old_one() -> None:
    (problem,) = judge_starts([by_mcp()], secret_of(LATER), {"TOKEN": LATER}, LATER).problems
    assert (problem.message, problem.mend) == (OLD, "kubectl -n team rollout restart deployment/mcp")
    yesterday = by_mcp(containerStatuses=[running(started=START - timedelta(days=1))])
    (message,), _ = judged(yesterday)
    assert "started 2026-11-25 00:50:05, the Secret changed 00:50:41 UTC" in message


@pytest.mark.parametrize(
    ("wrote", "written", "is_old", "note"),
    [
        (START, START, True, None),  # of the same second
        (LATER, START - timedelta(seconds=1), False, SECRET_ALONE),  # a label, or a newer operator
        (START - timedelta(seconds=1), LATER, False, VALUE_ALONE),  # a switch to a store with a copy
        (LATER, None, False, SECRET_ALONE),
        (None, LATER, False, VALUE_ALONE),
        (START - timedelta(seconds=1), START - timedelta(seconds=1), False, None),
        (None, None, False, None),
        # It did not come with that write; within what clocks may differ, it may have.
        (LATER, LATER + timedelta(minutes=5), True, None),
        (LATER, LATER + timedelta(minutes=5, seconds=1), False, SECRET_ALONE),
    ],
)
def test_both_times_have_to_say_that_a_value_is_old(
    wrote: datetime | None, written: datetime | None, *, is_old: bool, note: str | None
) -> None:
    found, notes = judged(by_mcp(), wrote, written)
    assert (len(found), len(notes)) == (int(is_old), int(note is not None))
    assert note is None or notes[0].startswith(note)


@pytest.mark.parametrize(
    ("wrote", "refreshed", "synced", "is_noted"),
    [
        (START - timedelta(seconds=1), LATER + timedelta(seconds=1), "1-a", False),
        (START - timedelta(seconds=1), LATER, "1-a", True),  # of the same second: it may have read the value before
        (START - timedelta(seconds=1), LATER + timedelta(seconds=1), "0-a", True),  # of the spec before
        (None, LATER + timedelta(seconds=1), "1-a", True),  # nobody knows since when the Secret has what it has
        (LATER, LATER + timedelta(seconds=1), "1-a", True),  # the Secret was written since
    ],
)
def test_a_value_that_the_operator_has_read_without_writing_the_secret_is_what_the_pod_has(
    wrote: datetime | None, refreshed: datetime, synced: str, *, is_noted: bool
) -> None:
    """After a switch to a store with a copy, which is younger than the pods."""
    status = {"refreshTime": f"{refreshed:%Y-%m-%dT%H:%M:%SZ}", "syncedResourceVersion": synced}
    found = {"metadata": {"generation": 1}, "status": status}
    judged_starts = judge_starts([by_mcp()], secret_of(wrote), {"TOKEN": LATER}, LATER, external_secret=found)
    assert (judged_starts.notes != () or judged_starts.problems != ()) is is_noted


def test_what_another_wrote_to_the_secret_is_no_new_value_of_the_store() -> None:
    found = judge_starts([by_mcp()], secret_of(LATER, "kubectl-edit"), {"TOKEN": LATER}, LATER)
    assert (found.problems, len(found.notes)) == ((), 1)


def adopted(adopter: dict[str, Any], **before: Any) -> dict[str, Any]:  # noqa: ANN401 - any fields
    """A Secret that people made before the container started, once the operator has written to it."""
    made = {"manager": "kubectl-create", "time": f"{START - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}
    secret = secret_of(LATER)
    secret["metadata"]["managedFields"][0]["fieldsV1"] = {"f:metadata": {}, **adopter}
    secret["metadata"]["managedFields"].append({**made, "fieldsV1": {"f:data": {".": {}, **before}}})
    return secret


@pytest.mark.parametrize(
    ("secret", "is_old"),
    [
        # An update takes what it changes alone; one that applies has what it left as it was, too.
        (adopted({}, **{"f:TOKEN": {}}), False),
        (adopted({"f:data": {"f:TOKEN": {}}}, **{"f:TOKEN": {}}), False),
        (adopted({"f:data": {"f:TOKEN": {}}}, **{"f:OTHER": {}}), True),
        (adopted({"f:data": {"f:OTHER": {}}}, **{"f:TOKEN": {}}), False),
    ],
    ids=["left as it was", "applied as it was", "changed", "beside one that changed"],
)
def test_a_secret_that_was_adopted_keeps_the_age_of_each_value(secret: dict[str, Any], *, is_old: bool) -> None:
    """The store got the value after the container started, as it does when an application is adopted."""
    found = judge_starts([by_mcp()], secret, {"TOKEN": LATER}, LATER)
    assert [each.message for each in found.problems] == ([OLD] if is_old else [])
    assert len(found.notes) == int(not is_old)


def test_all_that_a_container_reads_is_as_new_as_its_newest_key() -> None:
    spec = {"containers": [{"name": "main", "envFrom": [{"secretRef": {"name": "s"}}]}]}
    dates = {"TOKEN": LATER, "OTHER": LATER}
    one = adopted({"f:data": {"f:OTHER": {}}}, **{"f:TOKEN": {}})
    assert len(judge_starts([by_mcp(spec=spec)], one, dates, LATER).problems) == 1
    assert judge_starts([by_mcp(spec=spec)], adopted({}, **{"f:TOKEN": {}, "f:OTHER": {}}), dates, LATER).problems == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"spec": {"volumes": [{"name": "v", "secret": {"secretName": "s"}}], "containers": [{"name": "main"}]}},
        {"containerStatuses": [running(started=LATER + timedelta(seconds=1))]},  # restarted since, the pod as it was
        {"containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
        {"containerStatuses": [running("other")]},
        # What ran before the pod began has ended.
        {"spec": {"initContainers": [{"name": "init", "env": [ENV]}], "containers": [{"name": "main"}]}},
    ],
)
def test_what_does_not_keep_the_earlier_value_needs_no_restart(changed: dict[str, Any]) -> None:
    assert judged(by_mcp(**changed)) == ([], [])


def test_each_container_is_judged_by_itself() -> None:
    spec = {"containers": [{"name": "main"}, {"name": "side", "env": [ENV]}]}
    for main, side, is_old in (
        (START, LATER + timedelta(minutes=1), False),
        (LATER + timedelta(minutes=1), START, True),
    ):
        pod = by_mcp(spec=spec, containerStatuses=[running("main", main), running("side", side)])
        assert judged(pod) == ([OLD] if is_old else [], [])


def test_a_sub_path_keeps_its_file_in_the_container_that_mounts_it() -> None:
    mount = [{"name": "v", "mountPath": "/etc/a", "subPath": "TOKEN"}]
    spec = {
        "volumes": [{"name": "v", "secret": {"secretName": "s"}}],
        "containers": [{"name": "main"}, {"name": "side", "volumeMounts": mount}],
    }
    new, old = running("main", LATER + timedelta(minutes=1)), running("side")
    assert judged(by_mcp(spec=spec, containerStatuses=[new, old])) == ([OLD], [])
    assert judged(by_mcp(spec=spec, containerStatuses=[running("main")])) == ([], [])


def test_a_container_that_starts_first_and_runs_on_keeps_its_value_too() -> None:
    spec = {"initContainers": [{"name": "proxy", "env": [ENV]}], "containers": [{"name": "main"}]}
    begun = [{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}]
    states: dict[str, Any] = {"initContainerStatuses": [running("proxy")], "containerStatuses": [running("main")]}
    assert judged(by_mcp(spec=spec, conditions=begun, **states)) == ([OLD], [])
    # It is being run, and the pod with it.
    assert judged(by_mcp(spec=spec, **states)) == ([], [])


def test_a_key_counts_by_its_own_date() -> None:
    dates = {"TOKEN": START - timedelta(days=1), "OTHER": LATER}
    assert judge_starts([by_mcp()], secret_of(LATER), dates, LATER).problems == ()
    every = by_mcp(spec={"containers": [{"name": "main", "envFrom": [{"secretRef": {"name": "s"}}]}]})
    assert [each.message for each in judge_starts([every], secret_of(LATER), dates, LATER).problems] == [OLD]


def test_a_workload_is_named_once_by_its_first_start() -> None:
    pods = [by_mcp(containerStatuses=[running(started=when)]) for when in (LATER, START, LATER)]
    assert [each.message for each in judge_starts(pods, secret_of(LATER), {"TOKEN": LATER}, LATER).problems] == [OLD]


@pytest.mark.parametrize(("seconds", "is_old"), [(0, True), (1, False)])
def test_who_replaces_a_value_counts_what_may_have_read_it(seconds: int, *, is_old: bool) -> None:
    after = AT + timedelta(seconds=seconds)
    pod = by_mcp(containerStatuses=[running(started=after)])
    assert bool(pods_with_old_value([pod], "s", AT)) is is_old
    # One that does not run may have been given its variables when its pod was made.
    created = {"creationTimestamp": f"{after:%Y-%m-%dT%H:%M:%SZ}"}
    pod = made(metadata=created, **waiting("ContainerCreating"))
    assert bool(pods_with_old_value([pod], "s", AT)) is is_old
