"""The double of a cluster against answers of a real one: each recording replayed, and the operator's ways compared."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.cluster.view import ClusterError, is_synced, keys_of, ready_of, ready_reason
from scripts.end_to_end.run_cluster import RunCluster, WatchEndedError
from tests.api_double import RECORDINGS, TOKEN
from tests.cluster_double import ClusterDouble
from tests.operator_double import DATA_HASH
from tests.recorded_cluster import NAMESPACE, recorded

Ask = Callable[[RunCluster, ClusterDouble], object]


def listed(cluster: RunCluster, _double: ClusterDouble) -> None:
    found, version = cluster.listed("externalsecrets", NAMESPACE)
    assert (len(found), version) == (7, "586")
    assert all(is_synced(each) and ready_reason(each) is None for each in found)


def stores(_cluster: RunCluster, double: ClusterDouble) -> None:
    assert [ready_of(each)["status"] for each in recorded("clustersecretstores-list")["items"]] == ["True", "True"]
    assert json.loads(got(double, "/apis/external-secrets.io/v1/clustersecretstores")) == recorded(
        "clustersecretstores-list"
    )


def metadata(cluster: RunCluster, _double: ClusterDouble) -> None:
    found, version = cluster.listed("secrets", NAMESPACE)
    assert (len(found), version) == (7, "586")
    assert all(keys_of(each) for each in found)


# The UID of its ExternalSecret.
SLACK = next(
    each["metadata"]["uid"]
    for each in recorded("externalsecrets-list")["items"]
    if each["metadata"]["name"] == "agent-slack-secrets"
)


def warned(cluster: RunCluster, _double: ClusterDouble) -> None:
    # The double gives all that was recorded; what a field selector leaves out is the server's part.
    assert "does not exist" in cluster.warnings(NAMESPACE)[SLACK]["message"]


def switched(cluster: RunCluster, _double: ClusterDouble) -> None:
    events = list(cluster.watch("externalsecrets", NAMESPACE, "586", 5))
    assert [kind for kind, _ in events] == ["MODIFIED"] * 4
    assert [ready_reason(each) for _, each in events] == [None, "SecretSyncedError", "SecretSyncedError", None]
    assert [is_synced(each) for _, each in events] == [False, False, False, True]


def silent(cluster: RunCluster, _double: ClusterDouble) -> None:
    assert list(cluster.watch("secrets", NAMESPACE, "586", 5)) == []


def changed(cluster: RunCluster, _double: ClusterDouble) -> None:
    [*_, (kind, found)] = cluster.watch("secrets", NAMESPACE, "586", 5)
    assert kind in ("ADDED", "MODIFIED")
    assert found["metadata"]["annotations"] == {DATA_HASH: "c5caefa150759c679042ea81218cc1392b0623420e679f9dd39b62be"}


def unauthorised(_cluster: RunCluster, double: ClusterDouble) -> None:
    assert got(double, "/api/v1/namespaces/x/pods", token="another", status=401) == body("unauthorized-401.json")


def forbidden(cluster: RunCluster, double: ClusterDouble) -> None:
    double.refused["list secrets"] = 403
    with pytest.raises(ClusterError, match="you are not allowed to list secrets"):
        cluster.collection("secrets", NAMESPACE)
    assert got(double, "/api/v1/namespaces/x/secrets", status=403) == body("secrets-forbidden-403.json")


def unserved(cluster: RunCluster, double: ClusterDouble) -> None:
    double.unserved.add("external-secrets.io")
    with pytest.raises(ClusterError, match=r"it does not serve external-secrets\.io/v1"):
        cluster.collection("externalsecrets", NAMESPACE)
    path = "/apis/external-secrets.io/v1/namespaces/x/externalsecrets"
    assert got(double, path, status=404) == body("group-missing-404.txt")


def unknown_field(_cluster: RunCluster, double: ClusterDouble) -> None:
    path = "/apis/external-secrets.io/v1/namespaces/x/externalsecrets?fieldSelector=spec.nothing%3Da"
    assert got(double, path, status=400) == body("field-selector-unknown-400.json")


def expired(cluster: RunCluster, double: ClusterDouble) -> None:
    double.forget()
    with pytest.raises(WatchEndedError):
        list(cluster.watch("pods", NAMESPACE, "1", 5))
    told = got(double, "/api/v1/namespaces/x/pods?watch=true&resourceVersion=1")
    assert told.strip() == body("watch-expired-410.jsonl").strip()


# By the name of each recording: what is replaced by it, and what the client makes of it.
REPLAYED: dict[str, tuple[str, Ask]] = {
    "externalsecrets-list.json": ("list externalsecrets", listed),
    "clustersecretstores-list.json": ("list clustersecretstores", stores),
    "secrets-metadata-list.json": ("list secrets", metadata),
    "events-externalsecrets.json": ("list events", warned),
    "watch-externalsecrets-switch.jsonl": ("watch externalsecrets", switched),
    "watch-secrets-metadata-switch.jsonl": ("watch secrets", silent),
    "watch-secret-metadata-value-changed.jsonl": ("watch secrets", changed),
    "unauthorized-401.json": ("", unauthorised),
    "secrets-forbidden-403.json": ("", forbidden),
    "group-missing-404.txt": ("", unserved),
    "field-selector-unknown-400.json": ("", unknown_field),
    "watch-expired-410.jsonl": ("", expired),
}


def body(name: str) -> bytes:
    return (RECORDINGS / name).read_bytes()


def got(double: ClusterDouble, path: str, token: str = TOKEN, status: int = 200) -> bytes:
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{double.url}{path}", headers=headers)  # noqa: S310 - our own URL
    if path.endswith("/secrets"):
        request.add_header("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
    context = ssl.create_default_context(cafile=str(double.ca_file))
    try:
        reply = urllib.request.urlopen(request, context=context, timeout=10)  # noqa: S310
    except urllib.error.HTTPError as error:
        reply = error
    with reply:
        assert reply.status == status
        return bytes(reply.read())


def test_every_recording_is_replayed() -> None:
    assert set(REPLAYED) == {path.name for path in RECORDINGS.iterdir()}


@pytest.mark.parametrize("name", list(REPLAYED))
def test_a_recording_is_replayed_as_it_is(name: str, tmp_path: Path) -> None:
    replaced, ask = REPLAYED[name]
    with ClusterDouble() as double:
        if replaced:
            double.replayed[replaced] = body(name)
        ask(RunCluster({"KUBECONFIG": str(double.kubeconfig(tmp_path))}), double)


def test_lists_come_in_pages(tmp_path: Path) -> None:
    with ClusterDouble(page=3) as double:
        double.load("externalsecrets", recorded("externalsecrets-list")["items"])
        found = RunCluster({"KUBECONFIG": str(double.kubeconfig(tmp_path))}).collection("externalsecrets", NAMESPACE)
        assert len({each["metadata"]["name"] for each in found}) == 7
        assert [each.query.get("continue") for each in double.asked] == [None, "3", "6"]


def test_fields_select_and_no_whole_secret_is_given_or_taken() -> None:
    with ClusterDouble() as double:
        double.load("externalsecrets", recorded("externalsecrets-list")["items"])
        path = f"/apis/external-secrets.io/v1/namespaces/{NAMESPACE}/externalsecrets?fieldSelector="
        for store, count in (("azure-keyvault-store", 7), ("vault-secret-store", 0)):
            assert len(json.loads(got(double, f"{path}spec.secretStoreRef.name%3D{store}"))["items"]) == count
        double.load("events", recorded("events-externalsecrets")["items"])
        warnings = json.loads(got(double, f"/api/v1/namespaces/{NAMESPACE}/events?fieldSelector=type%3DWarning"))
        assert {each["type"] for each in warnings["items"]} == {"Warning"}
        double.put("secrets", recorded("secrets-metadata-list")["items"][0])
        whole = f"/api/v1/namespaces/{NAMESPACE}/secrets?limit=1"
        assert b"whole Secrets are not given" in got(double, whole, status=500)
