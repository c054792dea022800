import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler import __version__
from compiler.cluster.client import KubernetesCluster, memory_of
from compiler.cluster.lists import ListError
from compiler.cluster.view import ClusterError, ready_of
from tests.api_double import ApiDouble
from tests.recorded_cluster import NAMESPACE, recorded

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


def test_collections_are_read_in_pages(double: ApiDouble, cluster: KubernetesCluster) -> None:
    double.page = 2
    for number in range(5):
        double.put("externalsecrets", {"metadata": {"name": f"e{number}", "namespace": "team"}, "spec": {}})
    found = cluster.collection("externalsecrets", "team")
    assert [each["metadata"]["name"] for each in found] == ["e0", "e1", "e2", "e3", "e4"]
    assert [each.query.get("continue") for each in double.asked] == [None, "2", "4"]


def test_a_mark_that_expires_in_the_middle_has_the_whole_list_read_again_once(
    double: ApiDouble, cluster: KubernetesCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.page = 1
    for name in ("a", "b", "c"):
        double.put("secrets", secret(name))
    usual, expired = cluster._get, list[str]()

    def expiring(permission: str, path: str, accepted: str = "", query: tuple[tuple[str, str], ...] = ()) -> object:
        mark = dict(query).get("continue", "")
        if mark == "2" and mark not in expired:
            expired.append(mark)
            raise ListError("its lists expire", "run again", is_too_large=False)
        return usual(permission, path, accepted, query)

    monkeypatch.setattr(cluster, "_get", expiring)
    assert [each["metadata"]["name"] for each in cluster.collection("secrets", "team")] == ["a", "b", "c"]
    assert all(each.query["limit"] == "500" for each in double.asked)
    assert [each.query.get("continue") for each in double.asked] == [None, "1", None, "1", "2"]


def pages(cluster: KubernetesCluster, monkeypatch: pytest.MonkeyPatch, answer: Callable[[dict[str, str]], Any]) -> None:
    """Have `answer` give each page, from the query."""
    monkeypatch.setattr(cluster, "_get", lambda _permission, _path, _accepted, query: answer(dict(query)))


def named(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


def listed(kind: str, *items: dict[str, Any], mark: str = "") -> dict[str, Any]:
    return {"apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": {"continue": mark}, "items": list(items)}


def test_a_server_that_gives_a_mark_twice_is_not_followed(
    cluster: KubernetesCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = {"": "one", "one": "two", "two": "one"}
    asked = list[str]()

    def answer(query: dict[str, str]) -> dict[str, Any]:
        asked.append(query.get("continue", ""))
        return listed("ExternalSecretList", named(f"e{len(asked)}"), mark=following[asked[-1]])

    pages(cluster, monkeypatch, answer)
    with pytest.raises(ClusterError, match="its list of externalsecrets begins again in the middle"):
        cluster.every_object("externalsecrets")
    assert asked == ["", "one", "two"]


@pytest.mark.parametrize(
    "kept", [{}, {"labels": {"a": "b"}}, {"generation": 1, "deletionTimestamp": "x" * 99}], ids=str
)
def test_lists_without_an_end_are_given_up_once_all_of_them_take_too_much_memory(
    cluster: KubernetesCluster, monkeypatch: pytest.MonkeyPatch, kept: dict[str, Any]
) -> None:
    monkeypatch.setattr("compiler.cluster.client._MOST_MEMORY", 1024**2)
    asked = list[str]()

    def answer(query: dict[str, str]) -> dict[str, Any]:
        asked.append(query.get("continue", ""))
        items = [{"metadata": {"name": f"e{len(asked)}-{each}", **kept}} for each in range(99)]
        return listed("ExternalSecretList", *items, mark="" if len(asked) % 5 == 0 else f"{len(asked)}")

    pages(cluster, monkeypatch, answer)
    refused = "its answers to this command have more than 128 MiB, or take more than 1 MiB of memory"
    with pytest.raises(ClusterError, match=refused) as caught:
        [cluster.collection("externalsecrets", "team") for _ in range(99)]
    assert caught.value.remedy.startswith("ask about fewer namespaces at a time, or run without the cluster")
    # A whole list fits, and in the next round another one.
    assert 10 < len(asked) < 60
    cluster.renew()
    assert cluster.collection("externalsecrets", "team")


def test_single_objects_count_as_memory_of_the_command_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.cluster.client._MOST_MEMORY", 100_000)
    cluster = Answering({"spec": {"provider": {"fake": {"data": [[]] * 500}}}})
    assert cluster.store_object("ClusterSecretStore", "a", "") is not None
    with pytest.raises(ClusterError, match="take more than 0 MiB of memory"):
        [cluster.store_object("ClusterSecretStore", "a", "") for _ in range(9)]


LONG_KEY = f'{{"{"k" * 90}%d":0}}'


@pytest.mark.parametrize(
    "many",
    [
        "[]",
        "{}",
        '{"a":{}}',
        '{"%d":0}',
        LONG_KEY,
        "1.5",
        '"%d"',
        '"%d\U0001f600"',
        "[[[[]]]]",
        '{"a":1,"b":[2],"c":"%d"}',
    ],
    ids=lambda many: many[:12],
)
def test_the_memory_that_is_counted_is_not_less_than_what_objects_take(many: str) -> None:
    text = f"[{','.join(many.replace('%d', f'{each:09}') for each in range(20_000))}]"
    tracemalloc.start()
    try:
        found = json.loads(text)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # An allocation has up to 15 bytes more than was asked for.
    assert memory_of(found) > 0.8 * taken


def test_a_page_that_is_too_large_is_asked_for_again_with_a_tenth_of_the_objects(
    cluster: KubernetesCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[tuple[str, str]]()

    def answer(query: dict[str, str]) -> dict[str, Any]:
        asked.append((query.get("continue", ""), query["limit"]))
        if int(query["limit"]) > 5:
            raise ListError("too large", "", is_too_large=True)
        return listed("ExternalSecretList", named(f"e{len(asked)}"), mark="" if "continue" in query else "next")

    pages(cluster, monkeypatch, answer)
    assert len(cluster.every_object("externalsecrets") or ()) == 2
    assert asked == [("", "500"), ("", "50"), ("", "5"), ("next", "5")]
    asked.clear()

    def never(query: dict[str, str]) -> dict[str, Any]:
        asked.append(("", query["limit"]))
        raise ListError("too large", "", is_too_large=True)

    pages(cluster, monkeypatch, never)
    with pytest.raises(ListError):
        cluster.every_object("externalsecrets")
    assert [limit for _, limit in asked] == ["500", "50", "5", "1"]


def test_lists_that_always_expire_are_an_error(double: ApiDouble, cluster: KubernetesCluster) -> None:
    double.refused.update({"list secrets": 410, "get clustersecretstores": 410})
    with pytest.raises(ClusterError, match="its lists expire while they are read"):
        cluster.collection("secrets", "team")
    with pytest.raises(ClusterError):
        cluster.store_object("ClusterSecretStore", "a", "team")


def test_the_newest_warning_has_its_count_and_moment(double: ApiDouble, cluster: KubernetesCluster) -> None:
    uid = double.put("externalsecrets", {"metadata": {"name": "github", "namespace": "team"}})["metadata"]["uid"]
    double.warn("team", "github", "newer", "2026-01-02T00:00:00Z", 3)
    double.warn("team", "github", "older", "2026-01-01T00:00:00Z")
    newer = {"uid": uid, "message": "newer", "moment": "2026-01-02T00:00:00Z", "count": 3}
    assert cluster.warnings("team") == {uid: newer}
    # Another object of the same name has its own warnings.
    double.delete("externalsecrets", "team", "github")
    new = double.put("externalsecrets", {"metadata": {"name": "github", "namespace": "team"}})["metadata"]["uid"]
    assert new not in cluster.warnings("team")


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
    found = cluster.collection("externalsecrets", NAMESPACE)
    assert len(found) == len(cluster.collection("secrets", NAMESPACE)) == 7
    assert all(ready_of(each)["reason"] == "SecretSynced" for each in found)
    names = {each["metadata"]["uid"]: each["metadata"]["name"] for each in found}
    assert {names[uid] for uid in cluster.warnings(NAMESPACE)} == {"agent-github-secrets", "agent-slack-secrets"}
    assert len(json.dumps(cluster.collection("externalsecrets", NAMESPACE))) < 20_000


def test_refusals_of_a_real_server_are_understood(double: ApiDouble, tmp_path: Path) -> None:
    stranger = KubernetesCluster({"KUBECONFIG": str(double.kubeconfig(tmp_path, "other"))})
    with pytest.raises(ClusterError, match="it rejected your credentials"):
        stranger.collection("secrets", "team")
    known = KubernetesCluster({"KUBECONFIG": str(double.kubeconfig(tmp_path))})
    double.unserved.add("external-secrets.io")
    with pytest.raises(ClusterError, match=r"does not serve external-secrets\.io/v1"):
        known.collection("externalsecrets", "team")
    double.refused["list secrets"] = 403
    with pytest.raises(ClusterError, match="you are not allowed to list secrets in team"):
        known.collection("secrets", "team")


def test_each_request_carries_the_product_s_name(double: ApiDouble, cluster: KubernetesCluster) -> None:
    cluster.collection("secrets", "team")
    cluster.store_object("ClusterSecretStore", "a", "")
    cluster.force_sync("team", "e", "1")
    assert [each.agent for each in double.asked] == [f"platform-secrets/{__version__}"] * 3


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
    assert cluster.collection(plural, "team") == ()
    assert double.asked[-1].path == f"/apis/{root}/namespaces/team/{plural}"


class Answering(KubernetesCluster):
    """Gives one answer to whatever is asked."""

    def __init__(self, answer: object) -> None:
        self.answer: Any = answer
        self.renew()

    def _get(self, *_: object) -> Any:  # noqa: ANN401 - whatever the test gives
        return self.answer


ESO, METADATA = "external-secrets.io/v1", "meta.k8s.io/v1"
TYPES = {
    "externalsecrets": (ESO, "ExternalSecretList"),
    "secrets": (METADATA, "PartialObjectMetadataList"),
    "configmaps": (METADATA, "PartialObjectMetadataList"),
    "pods": ("v1", "PodList"),
    "events": ("v1", "EventList"),
    "deployments": ("apps/v1", "DeploymentList"),
    "statefulsets": ("apps/v1", "StatefulSetList"),
    "daemonsets": ("apps/v1", "DaemonSetList"),
    "jobs": ("batch/v1", "JobList"),
    "cronjobs": ("batch/v1", "CronJobList"),
    "rollouts": ("argoproj.io/v1alpha1", "RolloutList"),
}
OF_ALL = {
    "externalsecrets": (ESO, "ExternalSecretList"),
    "clusterexternalsecrets": (ESO, "ClusterExternalSecretList"),
    "secretstores": (ESO, "SecretStoreList"),
    "clustersecretstores": (ESO, "ClusterSecretStoreList"),
    "pushsecrets": (f"{ESO}alpha1", "PushSecretList"),
    "clusterpushsecrets": (f"{ESO}alpha1", "ClusterPushSecretList"),
    "vaultdynamicsecrets": (f"generators.{ESO}alpha1", "VaultDynamicSecretList"),
    "clustergenerators": (f"generators.{ESO}alpha1", "ClusterGeneratorList"),
    "secretproviderclasses": ("secrets-store.csi.x-k8s.io/v1", "SecretProviderClassList"),
}
LISTED: list[tuple[tuple[str, str], Callable[[KubernetesCluster], object]]] = [
    *((kind, lambda cluster, plural=plural: cluster.collection(plural, "team")) for plural, kind in TYPES.items()),
    *((kind, lambda cluster, plural=plural: cluster.every_object(plural)) for plural, kind in OF_ALL.items()),
]
ONE: dict[str, Callable[[KubernetesCluster], object]] = {
    "store": lambda cluster: cluster.store_object("ClusterSecretStore", "a", ""),
    "namespace": lambda cluster: cluster.namespace_object("team"),
}
IN_METADATA, IN_LABELS, IN_SPEC, IN_STATUS = (
    {"metadata": [SENTINEL]},
    {"metadata": {"labels": 1}},
    {"spec": "a"},
    {"status": {"conditions": [1]}},
)
ODD = [5, "a", [1], IN_METADATA, IN_LABELS, IN_SPEC, IN_STATUS]
# What is dropped of an object of a kind, whatever it is.
UNREAD: dict[str, list[object]] = {
    "EventList": [IN_METADATA, IN_LABELS, IN_SPEC, IN_STATUS],
    "PodList": [IN_LABELS],
    "PartialObjectMetadataList": [IN_SPEC, IN_STATUS],
    **{f"{kind}List": [IN_STATUS] for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Rollout")},
    "namespace": [IN_SPEC, IN_STATUS],
}


def said(ask: Callable[[KubernetesCluster], object], answer: object) -> str:
    with pytest.raises(ClusterError) as caught:
        ask(Answering(answer))
    assert caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_an_answer_in_another_form_is_none(odd: object) -> None:
    asking = [(kind, ask, {"apiVersion": version, "kind": kind, "items": [odd]}) for (version, kind), ask in LISTED]
    for kind, ask, answer in (*asking, *((name, ask, odd) for name, ask in ONE.items())):
        if odd in UNREAD.get(kind, []):
            assert SENTINEL not in repr(ask(Answering(answer)))
        else:
            assert said(ask, answer) == "its answer is not in the form of the API"


@pytest.mark.parametrize(
    "rest", [{}, {"items": 7}, {"items": "ab"}, {"items": {"a": 1}}, {"items": [], "metadata": [1]}]
)
def test_a_list_in_another_form_is_none(rest: dict[str, object]) -> None:
    for (version, kind), ask in LISTED:
        page = {"apiVersion": version, "kind": kind, **rest}
        assert said(ask, page) == "its answer is not in the form of the API"
        assert said(ask, 5) == said(ask, [1]) == "its answer is not in the form of the API"


STATUS = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "items": []}
OTHERS = [
    {},
    {"items": None},
    {"items": []},
    STATUS,
    {"kind": "List", "apiVersion": "v1", "items": []},
    {"kind": "ConfigMapList", "apiVersion": "v1", "items": []},
    {"kind": "SecretList", "apiVersion": "v1", "items": []},
    {"kind": "ExternalSecretList", "apiVersion": "external-secrets.io/v1beta1", "items": []},
    {"kind": "PartialObjectMetadata", "apiVersion": METADATA, "metadata": {}},
]


@pytest.mark.parametrize("page", OTHERS, ids=str)
def test_what_is_no_list_of_the_kind_asked_for_does_not_say_that_there_are_none(page: object) -> None:
    for (_, kind), ask in LISTED:
        assert said(ask, page) == f'its answer is not the "{kind}" that was asked for'


def test_an_empty_list_of_metadata_alone_may_be_null_as_a_real_server_writes_it() -> None:
    for (version, kind), ask in LISTED:
        page = {"apiVersion": version, "kind": kind, "metadata": {"resourceVersion": "7"}, "items": None}
        if version == METADATA:
            assert ask(Answering(page)) == ()
        else:
            assert said(ask, page) == "its answer is not in the form of the API"


MALFORMED: list[tuple[Callable[[KubernetesCluster], object], dict[str, object]]] = [
    (
        lambda cluster: cluster.every_object("clustersecretstores"),
        listed("ClusterSecretStoreList", {"spec": {"provider": "x"}}),
    ),
    (
        lambda cluster: cluster.every_object("externalsecrets"),
        listed("ExternalSecretList", {"spec": {"data": ["x"]}}),
    ),
    (
        lambda cluster: cluster.collection("externalsecrets", "team"),
        listed("ExternalSecretList", {"spec": {"data": [{"remoteRef": "x"}]}}),
    ),
    (
        lambda cluster: cluster.store_object("SecretStore", "a", "team"),
        {"spec": {"conditions": [{"namespaces": "x"}]}},
    ),
    (
        lambda cluster: cluster.collection("pods", "team"),
        {"apiVersion": "v1", "kind": "PodList", "items": [{"status": {"containerStatuses": [{"restartCount": "x"}]}}]},
    ),
]


@pytest.mark.parametrize(("ask", "answer"), MALFORMED)
def test_a_field_of_another_type_is_no_answer(
    ask: Callable[[KubernetesCluster], object], answer: dict[str, object]
) -> None:
    assert said(ask, answer) == "its answer is not in the form of the API"
