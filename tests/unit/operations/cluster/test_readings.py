from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from compiler.operations.cluster.client import KubernetesCluster
from compiler.operations.cluster.objects import ClusterError, WatchEndedError
from compiler.operations.cluster.readings import Readings
from tests.api_double import ApiDouble
from tests.recorded_cluster import NAMESPACE, recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SENTINEL = "c2VudGluZWwtNDcxMQ=="


@pytest.fixture
def double() -> Iterator[ApiDouble]:
    with ApiDouble() as api:
        yield api


@pytest.fixture
def cluster(double: ApiDouble, tmp_path: Path) -> KubernetesCluster:
    return KubernetesCluster({"KUBECONFIG": str(double.kubeconfig(tmp_path))})


def secret(name: str, **data: str) -> dict[str, object]:
    fields: dict[str, object] = {"f:data": {".": {}, **{f"f:{key}": {} for key in data}}}
    return {"metadata": {"name": name, "namespace": "team", "managedFields": [{"fieldsV1": fields}]}, "data": data}


def test_collections_are_read_in_pages_with_the_version_to_watch_from(
    double: ApiDouble, cluster: KubernetesCluster
) -> None:
    double.page = 2
    for number in range(5):
        double.put("externalsecrets", {"metadata": {"name": f"e{number}", "namespace": "team"}, "spec": {}})
    found, version = cluster.collection("externalsecrets", "team")
    assert [each["metadata"]["name"] for each in found] == ["e0", "e1", "e2", "e3", "e4"]
    assert version == "105"
    assert [each.query.get("continue") for each in double.asked] == [None, "2", "4"]


def test_a_mark_that_expires_in_the_middle_has_the_whole_list_read_again(
    double: ApiDouble, cluster: KubernetesCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.page = 1
    for name in ("a", "b"):
        double.put("secrets", secret(name))
    usual = cluster._got

    def expiring(permission: str, path: str, accepted: str = "", query: tuple[tuple[str, str], ...] = ()) -> object:
        if dict(query).get("continue"):
            raise WatchEndedError
        return usual(permission, path, accepted, query)

    monkeypatch.setattr(cluster, "_got", expiring)
    assert [each.name for each in cluster.secrets("team")] == ["a", "b"]
    assert "limit" not in double.asked[-1].query


def test_lists_that_always_expire_are_an_error(cluster: KubernetesCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def expiring(*_: object) -> None:
        raise WatchEndedError

    monkeypatch.setattr(cluster, "_got", expiring)
    with pytest.raises(ClusterError, match="its lists expire while they are read"):
        cluster.secrets("team")


def test_a_watch_brings_each_change_and_no_value(double: ApiDouble, cluster: KubernetesCluster) -> None:
    double.put("secrets", secret("a", TOKEN=SENTINEL))
    (_, version) = cluster.collection("secrets", "team")
    double.put("secrets", secret("a", TOKEN=SENTINEL, ID=SENTINEL))
    double.put("secrets", {**secret("b"), "metadata": {"name": "b", "namespace": "elsewhere"}})
    double.delete("secrets", "team", "a")
    threading.Timer(0.2, double.end_watches).start()
    events = list(cluster.watch("secrets", "team", version, 5))
    assert [(kind, each["metadata"]["name"]) for kind, each in events] == [("MODIFIED", "a"), ("DELETED", "a")]
    assert SENTINEL not in repr(events)
    assert double.asked[-1].query["timeoutSeconds"] == "5"
    assert all("as=PartialObjectMetadata" in each.accepted for each in double.asked)


def test_a_watch_from_a_version_that_is_gone_ends_with_the_wish_to_list(
    double: ApiDouble, cluster: KubernetesCluster
) -> None:
    double.forget()
    with pytest.raises(WatchEndedError):
        list(cluster.watch("externalsecrets", "team", "1", 5))
    double.refused["watch pods"] = 410
    with pytest.raises(WatchEndedError):
        list(cluster.watch("pods", "team", "1000", 5))


def test_a_watch_that_is_not_allowed_says_so(double: ApiDouble, cluster: KubernetesCluster) -> None:
    double.refused["watch pods"] = 403
    with pytest.raises(ClusterError, match="you are not allowed to watch pods in team"):
        list(cluster.watch("pods", "team", "1", 5))


def test_the_newest_warning_has_its_count_and_moment(double: ApiDouble, cluster: KubernetesCluster) -> None:
    double.warn("team", "github", "newer", "2026-01-02T00:00:00Z", 3)
    double.warn("team", "github", "older", "2026-01-01T00:00:00Z")
    assert cluster.warnings("team") == {
        "github": {"name": "github", "message": "newer", "moment": "2026-01-02T00:00:00Z", "count": 3}
    }
    assert cluster.complaints("team") == {"github": "newer"}


def test_forcing_sets_one_annotation_and_nothing_else(double: ApiDouble, cluster: KubernetesCluster) -> None:
    before = double.put("externalsecrets", {"metadata": {"name": "e", "namespace": "team"}, "spec": {"a": 1}})
    assert cluster.force_sync("team", "e", "1795654499")
    after = double.get("externalsecrets", "team", "e")
    assert after["metadata"].pop("annotations") == {"force-sync": "1795654499"}
    for each in (before, after):
        each["metadata"].pop("resourceVersion")
    assert after == before
    assert not cluster.force_sync("team", "other", "1")
    double.refused["patch externalsecrets"] = 403
    with pytest.raises(ClusterError, match="you are not allowed to patch externalsecrets in team"):
        cluster.force_sync("team", "e", "2")


def test_recorded_lists_are_read_as_they_are(double: ApiDouble, cluster: KubernetesCluster) -> None:
    double.load("externalsecrets", recorded("externalsecrets-list")["items"])
    double.load("secrets", recorded("secrets-metadata-list")["items"])
    double.load("events", recorded("events-externalsecrets")["items"])
    found = cluster.external_secrets(NAMESPACE)
    assert len(found) == len(cluster.secrets(NAMESPACE)) == 7
    assert all(each.ready is not None and each.ready.reason == "SecretSynced" for each in found)
    assert set(cluster.warnings(NAMESPACE)) == {"agent-github-secrets", "agent-slack-secrets"}
    assert len(json.dumps(cluster.external_secret_objects(NAMESPACE))) < 20_000


def test_refusals_of_a_real_server_are_understood(double: ApiDouble, tmp_path: Path) -> None:
    stranger = KubernetesCluster({"KUBECONFIG": str(double.kubeconfig(tmp_path, "other"))})
    with pytest.raises(ClusterError, match="it rejected your credentials"):
        stranger.secrets("team")
    known = KubernetesCluster({"KUBECONFIG": str(double.kubeconfig(tmp_path))})
    double.unserved.add("external-secrets.io")
    with pytest.raises(ClusterError, match=r"does not serve external-secrets\.io/v1"):
        known.external_secrets("team")
    double.refused["list secrets"] = 403
    with pytest.raises(ClusterError, match="you are not allowed to list secrets in team"):
        known.secrets("team")


def test_of_a_config_map_as_of_a_secret_the_metadata_alone_is_asked_for(
    double: ApiDouble, cluster: KubernetesCluster
) -> None:
    cluster.collection("configmaps", "team")
    assert "as=PartialObjectMetadataList" in double.asked[-1].accepted
    assert double.asked[-1].path == "/api/v1/namespaces/team/configmaps"


@pytest.mark.parametrize(
    ("plural", "root"),
    [("deployments", "apps/v1"), ("cronjobs", "batch/v1"), ("rollouts", "argoproj.io/v1alpha1")],
)
def test_each_kind_of_workload_is_asked_for_in_its_group(
    double: ApiDouble, cluster: KubernetesCluster, plural: str, root: str
) -> None:
    assert cluster.collection(plural, "team")[0] == ()
    assert double.asked[-1].path == f"/apis/{root}/namespaces/team/{plural}"


class Answering(Readings):
    """Gives one answer to whatever is asked."""

    def __init__(self, answer: object) -> None:
        self.answer: Any = answer

    def _got(self, *_: object) -> Any:  # noqa: ANN401 - whatever the test gives
        return self.answer

    def _watched(self, *_: object) -> Iterator[Any]:
        yield self.answer

    def _patched(self, *_: object) -> bool:
        return True


LISTED: dict[str, Callable[[Readings], object]] = {
    **{
        plural: lambda cluster, plural=plural: cluster.collection(plural, "team")  # type: ignore[misc]
        for plural in ("externalsecrets", "secrets", "pods", "events", "configmaps", "cronjobs", "rollouts")
    },
    "every": lambda cluster: cluster.every_object("externalsecrets"),
}
ONE: dict[str, Callable[[Readings], object]] = {
    "store": lambda cluster: cluster.store_object("ClusterSecretStore", "a", ""),
    "namespace": lambda cluster: cluster.namespace_object("team"),
}
ODD = [
    5,
    "a",
    [1],
    {"metadata": [SENTINEL]},
    {"metadata": {"labels": 1}},
    {"spec": "a"},
    {"status": {"conditions": [1]}},
]


def said(ask: Callable[[Readings], object], answer: object) -> str:
    with pytest.raises(ClusterError) as caught:
        ask(Answering(answer))
    assert caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_an_answer_in_another_form_is_none(odd: object) -> None:
    for ask in LISTED.values():
        assert said(ask, {"items": [odd]}) == "its answer is not in the form of the API"
    for ask in ONE.values():
        assert said(ask, odd) == "its answer is not in the form of the API"
    event = {"type": "ADDED", "object": odd}
    assert said(lambda cluster: list(cluster.watch("pods", "team", "1", 1)), event).startswith("its answer is not")


@pytest.mark.parametrize("page", [5, [1], {"items": 7}, {"items": "ab"}, {"items": {"a": 1}}, {"metadata": [1]}])
def test_a_list_in_another_form_is_none(page: object) -> None:
    for ask in LISTED.values():
        assert said(ask, page) == "its answer is not in the form of the API"


MALFORMED: list[tuple[Callable[[Readings], object], dict[str, object]]] = [
    (lambda cluster: cluster.every_object("clustersecretstores"), {"items": [{"spec": {"provider": "x"}}]}),
    (lambda cluster: cluster.every_object("externalsecrets"), {"items": [{"spec": {"data": ["x"]}}]}),
    (lambda cluster: cluster.external_secrets("team"), {"items": [{"spec": {"data": [{"remoteRef": "x"}]}}]}),
    (
        lambda cluster: cluster.store_object("SecretStore", "a", "team"),
        {"spec": {"conditions": [{"namespaceSelector": {"matchExpressions": ["x"]}}]}},
    ),
    (
        lambda cluster: cluster.collection("pods", "team"),
        {"items": [{"status": {"containerStatuses": [{"restartCount": "x"}]}}]},
    ),
]


@pytest.mark.parametrize(("ask", "answer"), MALFORMED)
def test_a_field_of_another_type_is_no_answer(ask: Callable[[Readings], object], answer: dict[str, object]) -> None:
    assert said(ask, answer) == "its answer is not in the form of the API"
