"""The doubles of a cluster and its operator against what was recorded of real ones.

Each recording is replayed to the client of end-to-end runs; the operator's double works over a real OpenBao and a local
Key Vault.
"""

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler.cluster.view import ClusterError, is_synced, keys_of, ready_of, ready_reason
from scripts.end_to_end.run_cluster import RunCluster, WatchEndedError
from tests.api_double import RECORDINGS, TOKEN
from tests.cluster_double import ClusterDouble
from tests.platform_double import KEY_VAULT_STORE, VAULT_STORE, Platform, platform
from tests.recorded_cluster import NAMESPACE, by_name, recorded, watched
from tests.secret_maker import DATA_HASH

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


NAME = "agent-slack-secrets"
VALUES = {"SLACK_BOT_TOKEN": "value-1", "SLACK_APP_TOKEN": "value-2"}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform(tmp_path_factory.mktemp("platform")) as found:
        yield found


@pytest.fixture
def here(servers: Platform) -> Iterator[Platform]:
    """Both stores hold the same, and the ExternalSecret is in effect on the Key Vault."""
    servers.bao.call("POST", "secret/data/slack", {"data": VALUES})
    servers.azure.seed("slack", json.dumps(VALUES))
    apply(servers, KEY_VAULT_STORE, "slack")
    until(lambda: synced(servers))
    yield servers
    servers.cluster.delete("externalsecrets", NAMESPACE, NAME)
    until(lambda: not servers.cluster.everything("secrets"))


def apply(here: Platform, store: str, key: str) -> None:
    keys = [{"secretKey": each, "remoteRef": {"key": key, "property": each}} for each in VALUES]
    target = {"name": NAME, "creationPolicy": "Owner", "deletionPolicy": "Retain"}
    spec = {"data": keys, "target": target, "secretStoreRef": {"kind": "ClusterSecretStore", "name": store}}
    metadata = {"name": NAME, "namespace": NAMESPACE}
    old = here.cluster.everything("externalsecrets").get((NAMESPACE, NAME), {})
    here.cluster.put("externalsecrets", {**old, "metadata": metadata, "spec": spec})


def live(here: Platform) -> dict[str, Any]:
    return here.cluster.get("externalsecrets", NAMESPACE, NAME)


def secret(here: Platform) -> dict[str, Any]:
    return here.cluster.get("secrets", NAMESPACE, NAME)


def synced(here: Platform) -> bool:
    found = live(here)
    noted = str(found.get("status", {}).get("syncedResourceVersion", ""))
    return noted.startswith(f"{found['metadata']['generation']}-")


def until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not met():
        assert time.monotonic() < end
        time.sleep(0.01)


def shape(objects: list[dict[str, Any]]) -> list[tuple[int, str, str, str, int]]:
    """Of each state: generations since the first, Ready in its words, and the generation that was synchronised last."""
    first = objects[0]["metadata"]["generation"]
    return [
        (
            each["metadata"]["generation"] - first,
            *(each["status"]["conditions"][0][name] for name in ("status", "reason", "message")),
            int(each["status"]["syncedResourceVersion"].partition("-")[0]) - first,
        )
        for each in objects
    ]


def test_a_switch_with_wrong_keys_and_then_right_ones_goes_as_it_was_recorded(here: Platform) -> None:
    before = secret(here)
    version = here.cluster._version
    apply(here, VAULT_STORE, "not-there")
    until(lambda: live(here)["status"]["conditions"][0]["status"] == "False")
    apply(here, VAULT_STORE, "slack")
    until(lambda: synced(here))
    changes = here.cluster.changes_after(version, 0)
    mine = [each.object for each in changes if each.plural == "externalsecrets"]
    assert shape(mine) == shape(watched("watch-externalsecrets-switch"))
    # And of the Secret nothing was heard, as was recorded in watch-secrets-metadata-switch.jsonl.
    assert [each for each in changes if each.plural == "secrets"] == []
    assert secret(here) == before
    said = [each["message"] for each in here.cluster.everything("events").values() if each["type"] == "Warning"]
    assert said == ["error processing spec.data[0] (key: not-there), err: Secret does not exist"]
    of_record = [each for each in recorded("events-externalsecrets")["items"] if each["type"] == "Warning"]
    theirs = [each["message"] for each in of_record if each["involvedObject"]["name"] == NAME]
    assert theirs == [said[0].replace("not-there", "ai-platform-engineering-slack")]


def test_objects_have_the_fields_of_recorded_ones(here: Platform) -> None:
    theirs = by_name("externalsecrets-list")[NAME]["status"]
    assert live(here)["status"].keys() == theirs.keys()
    assert live(here)["status"]["conditions"][0].keys() == theirs["conditions"][0].keys()
    found, known = secret(here)["metadata"], by_name("secrets-metadata-list")[NAME]["metadata"]
    own = {name for name in known["labels"] if name.startswith("reconcile.external-secrets.io/")}
    assert own <= found["labels"].keys()
    assert len(found["annotations"][DATA_HASH]) == len(known["annotations"][DATA_HASH])
    assert found["managedFields"][0]["manager"] == known["managedFields"][0]["manager"]
    assert keys_of({"metadata": found}) == set(VALUES)
    assert found["ownerReferences"][0].items() >= {"kind": "ExternalSecret", "controller": True}.items()
