from typing import Any

import pytest

from compiler.cluster.client import keep_used_fields
from compiler.cluster.pods import (
    Pod,
    SecretRead,
    Way,
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
    assert pods_with_old_value([by_env, by_volume], "s", {"1"}) == (by_env,)
    assert pods_with_old_value([by_env], "s", {"2"}) == ()
    assert pods_with_old_value([by_env], "other", {"1"}) == ()


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
