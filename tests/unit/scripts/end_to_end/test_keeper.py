from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler.cluster.view import ClusterError
from scripts.end_to_end import keeper as keeper_module
from scripts.end_to_end.keeper import Keeper
from scripts.end_to_end.run_cluster import RunCluster
from scripts.end_to_end.watching import Failed, Listed
from tests.api_double import ApiDouble
from tests.secret_maker import DATA_HASH


@pytest.fixture
def double() -> Iterator[ApiDouble]:
    with ApiDouble() as found:
        yield found


@pytest.fixture
def cluster(double: ApiDouble, tmp_path: Path) -> RunCluster:
    return RunCluster({"KUBECONFIG": str(double.kubeconfig(tmp_path))})


@pytest.fixture
def keeper(double: ApiDouble, cluster: RunCluster) -> Iterator[Keeper]:
    """A Secret and a pod are kept."""
    with Keeper(cluster, "team", ["jira"]) as found:
        double.put("secrets", secret())
        double.put("secrets", secret(name="another"))
        double.put("pods", pod(0))
        found.keep()
        assert found.faults() == ()
        yield found


def owned(manager: str, *keys: str, time: str = "2026-11-26T00:50:00Z") -> dict[str, Any]:
    """That this manager has written keys of a Secret."""
    return {"manager": manager, "time": time, "fieldsV1": {"f:data": {f"f:{key}": {} for key in keys}}}


def secret(name: str = "jira", digest: str = "1", keys: tuple[str, ...] = ("A", "B"), **more: object) -> dict[str, Any]:
    fields: list[dict[str, Any]] = [owned("externalsecrets.external-secrets.io/jira", *keys)]
    metadata = {"name": name, "namespace": "team", "annotations": {DATA_HASH: digest}, "managedFields": fields}
    return {"metadata": {**metadata, **more}}


def pod(restarts: int) -> dict[str, Any]:
    status = {"phase": "Running", "containerStatuses": [{"name": "a", "restartCount": restarts}]}
    spec = {"containers": [{"name": "a", "image": "pause"}]}
    return {"metadata": {"name": "reader", "namespace": "team"}, "spec": spec, "status": status}


def test_what_comes_and_goes_beside_it_is_no_fault(double: ApiDouble, keeper: Keeper) -> None:
    double.delete("secrets", "team", "another")
    double.put("secrets", secret(labels={"a": "b"}))
    double.put("pods", {"metadata": {"name": "job", "namespace": "team"}, "spec": {}, "status": {}})
    double.delete("pods", "team", "job")
    assert keeper.faults() == ()


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        (secret(keys=("A",)), 'the secret "jira" was without B'),
        (secret(keys=(), digest="0"), 'the secret "jira" was without A, B'),
        (secret(digest="2"), 'the data of the secret "jira" changed'),
        (secret(uid="another"), 'the secret "jira" was replaced: it has another UID'),
    ],
)
def test_what_lasted_for_a_moment_alone_is_a_fault(
    double: ApiDouble, keeper: Keeper, changed: dict[str, Any], fault: str
) -> None:
    uid = double.get("secrets", "team", "jira")["metadata"]["uid"]
    double.put("secrets", changed)
    double.put("secrets", secret(uid=uid))
    assert keeper.faults() == (fault,)
    # It is not forgotten, until one begins anew.
    assert keeper.faults() == (fault,)
    keeper.keep()
    assert keeper.faults() == ()


def test_a_write_of_somebody_else_is_a_fault_though_the_operator_has_repaired_it(
    double: ApiDouble, keeper: Keeper
) -> None:
    uid = double.get("secrets", "team", "jira")["metadata"]["uid"]
    operator = "externalsecrets.external-secrets.io/jira"
    double.put("secrets", secret(uid=uid, managedFields=[owned(operator, "A"), owned("kubectl-edit", "B")]))
    # Data and hash are as they were before anybody can read them again.
    double.put("secrets", secret(uid=uid, managedFields=[owned(operator, "A", "B", time="2026-11-26T00:50:01Z")]))
    assert keeper.faults() == ('"kubectl-edit" has written B of the secret "jira"',)


def test_an_earlier_owner_is_no_fault_before_it_writes_again(double: ApiDouble, keeper: Keeper) -> None:
    operator, edited = owned("external-secrets", "A"), owned("kubectl-edit", "B")
    double.put("secrets", secret(managedFields=[operator, edited]))
    keeper.keep()
    double.put("secrets", secret(managedFields=[operator, edited], labels={"a": "b"}))
    assert keeper.faults() == ()
    double.put("secrets", secret(managedFields=[operator, {**edited, "time": "2026-11-26T00:51:00Z"}]))
    assert keeper.faults() == ('"kubectl-edit" has written B of the secret "jira"',)


def test_what_is_gone_is_deleted_and_absent(double: ApiDouble, keeper: Keeper) -> None:
    double.delete("secrets", "team", "jira")
    double.delete("pods", "team", "reader")
    faults = (
        'secret "jira" was deleted',
        'secret "jira" is absent',
        'pod "reader" was deleted',
        'pod "reader" is absent',
    )
    assert set(keeper.faults()) == {f"the {each}" for each in faults}


def test_a_restart_is_a_fault(double: ApiDouble, keeper: Keeper) -> None:
    double.put("pods", pod(1))
    assert keeper.faults() == ('a container of the pod "reader" was restarted',)


def test_a_secret_that_is_not_there_when_it_begins_is_a_fault(double: ApiDouble, cluster: RunCluster) -> None:
    with Keeper(cluster, "team", ["jira"]) as keeper:
        keeper.keep()
        assert keeper.faults() == ('the secret "jira" is absent',)


def test_watches_that_end_and_go_on_miss_nothing(double: ApiDouble, keeper: Keeper) -> None:
    double.end_watches()
    assert keeper.faults() == ()
    double.put("secrets", secret(digest="2"))
    assert keeper.faults() == ('the data of the secret "jira" changed',)


def test_what_is_written_while_no_watch_can_go_on_is_a_fault(keeper: Keeper) -> None:
    same = keeper._before["jira"]
    keeper._take(Listed("secrets", "team", keeper._cluster.listed("secrets", "team")[0]))
    assert keeper.faults() == ()
    written = {"metadata": {**same["metadata"], "resourceVersion": "999"}}
    keeper._take(Listed("secrets", "team", (written,)))
    assert 'the secret "jira" was written while the watch was lost' in keeper._faults


def test_a_list_without_a_secret_is_a_fault(keeper: Keeper) -> None:
    keeper._take(Listed("secrets", "team", ()))
    assert 'the secret "jira" is absent' in keeper._faults


def test_a_cluster_that_does_not_answer_for_a_while_is_none(keeper: Keeper) -> None:
    keeper._take(Failed(ClusterError("it does not answer", "run again")))
    assert keeper.faults() == ()


def test_a_watch_that_hears_nothing_is_found_out(
    double: ApiDouble, cluster: RunCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "_BEHIND", 0.3)
    monkeypatch.setattr(double, "_watch", lambda *_: None)
    with Keeper(cluster, "team", ["jira"]) as keeper:
        double.put("secrets", secret())
        keeper.keep()
        assert keeper.faults() == ("a watch has fallen behind: nothing can be said",)


def test_a_value_that_the_stores_do_not_have_is_a_fault_though_the_hash_stays(
    double: ApiDouble, cluster: RunCluster
) -> None:
    held = {"A": "MQ==", "B": "Mg=="}
    with Keeper(cluster, "team", ["jira"], lambda _name: dict(held)) as keeper:
        double.put("secrets", secret())
        keeper.keep({"jira": {"A": "MQ==", "B": "Mg=="}})
        assert keeper.faults() == ()
        held["B"] = "MjI="
        assert keeper.faults() == ('the secret "jira" holds another value of B than the stores',)
        keeper.keep()
        assert keeper.faults() == ()
        del held["A"]
        assert keeper.faults() == ('the secret "jira" holds another value of A than the stores',)


def test_what_a_secret_held_wrongly_from_the_beginning_is_a_fault(double: ApiDouble, cluster: RunCluster) -> None:
    with Keeper(cluster, "team", ["jira"], lambda _name: {"A": "MQ=="}) as keeper:
        double.put("secrets", secret(keys=("A",)))
        keeper.keep({"jira": {"A": "Mg=="}})
        assert keeper.faults() == ('the secret "jira" holds another value of A than the stores',)
