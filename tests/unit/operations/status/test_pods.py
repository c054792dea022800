from typing import Any

import pytest

from compiler.cluster.client import checked
from compiler.cluster.judge import ClusterState
from compiler.operations.status_live import Pod, keepers, pod_of, restart_commands, unready

KEYS: dict[str, Any] = {"metadata": {"managedFields": [{"fieldsV1": {"f:data": {"f:TOKEN": {}}}}]}}


def found(name: str = "s", **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of a pod
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": []}
    env = [{"name": "K", "valueFrom": {"secretKeyRef": {"name": name, "key": "TOKEN"}}}]
    pod = {
        "metadata": {"name": "p", "uid": "1", **changed.pop("metadata", {})},
        "spec": {"containers": [{"name": "main", "env": env}], **changed.pop("spec", {})},
        "status": {**status, **changed},
    }
    return dict(checked("pods", pod))


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
    problems = list(unready([pod], "team", secrets))
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
    assert keepers([by_env, by_volume], "s", {"1"}) == (by_env,)
    assert keepers([by_env], "s", {"2"}) == ()
    assert keepers([by_env], "other", {"1"}) == ()


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
