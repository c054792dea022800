import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler import __version__
from compiler.cluster.view import ClusterError
from scripts.end_to_end.run_cluster import RunCluster, WatchEndedError, encoded
from tests.api_double import ApiDouble
from tests.cluster_double import ClusterDouble

SENTINEL = "s3ntinel-4711"


def test_the_data_of_a_secret_is_read_as_the_api_has_it(tmp_path: Path) -> None:
    with ClusterDouble() as double:
        data = RunCluster({"KUBECONFIG": str(double.kubeconfig(tmp_path)), "HOME": str(tmp_path)})
        double.data["team", "jira"] = {"A": "one"}
        assert data.data_of("team", "jira") == encoded({"A": "one"}) == {"A": "b25l"}
        double.refused["get secrets"] = 404
        assert data.data_of("team", "none") is None
        double.refused["get secrets"] = 403
        with pytest.raises(ClusterError, match="you are not allowed to get secrets"):
            data.data_of("team", "jira")


@pytest.fixture
def double() -> Iterator[ApiDouble]:
    with ApiDouble() as found:
        yield found


@pytest.fixture
def cluster(double: ApiDouble, tmp_path: Path) -> RunCluster:
    return RunCluster({"KUBECONFIG": str(double.kubeconfig(tmp_path))})


def test_a_watch_brings_each_change_and_no_value(double: ApiDouble, cluster: RunCluster) -> None:
    def put(name: str, space: str, **data: str) -> None:
        double.put("secrets", {"metadata": {"name": name, "namespace": space}, "data": data})

    put("a", "team", TOKEN=SENTINEL)
    found, version = cluster.listed("secrets", "team")
    assert [each["metadata"]["name"] for each in found] == ["a"]
    put("a", "team", TOKEN=SENTINEL, ID=SENTINEL)
    put("b", "elsewhere")
    double.delete("secrets", "team", "a")
    threading.Timer(0.2, double.end_watches).start()
    events = list(cluster.watch("secrets", "team", version, 5))
    assert [(kind, each["metadata"]["name"]) for kind, each in events] == [("MODIFIED", "a"), ("DELETED", "a")]
    assert SENTINEL not in repr((found, events))
    assert all("as=PartialObjectMetadata" in each.accepted for each in double.asked)
    assert {each.agent for each in double.asked} == {f"platform-secrets/{__version__}"}


def test_a_watch_from_a_version_that_is_gone_ends(double: ApiDouble, cluster: RunCluster) -> None:
    double.forget()
    with pytest.raises(WatchEndedError):
        list(cluster.watch("externalsecrets", "team", "1", 5))
    double.refused["watch pods"] = 410
    with pytest.raises(WatchEndedError):
        list(cluster.watch("pods", "team", "1000", 5))
    double.refused["watch pods"] = 403
    with pytest.raises(ClusterError, match="you are not allowed to watch pods in team"):
        list(cluster.watch("pods", "team", "1000", 5))
