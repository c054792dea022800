from typing import Any

import pytest

from compiler.cluster.judge import problems
from compiler.cluster.view import ClusterError
from compiler.operations.status_live import Snapshot
from tests.unit.operations.status.conftest import GITHUB, JIRA, SPACE, World


def states(made: Snapshot) -> dict[str, list[str]]:
    return {
        name: [str(each.state) for each in problems(manifest, made.view.live(manifest))]
        for name, manifest in made.manifests.items()
    }


def test_each_collection_is_listed_once_and_each_store_asked_once(world: World) -> None:
    world.double.asked.clear()
    assert states(world.snapshot()) == {"github": [], "jira": []}
    assert [each.path.rpartition("/")[2] for each in world.double.asked] == [
        "externalsecrets",
        "secrets",
        "pods",
        "vault-store",
    ]
    assert all(each.method == "GET" for each in world.double.asked)


def test_what_may_not_be_listed_is_not_asked_and_the_rest_is(world: World) -> None:
    world.double.refused.update({"list secrets": 403, "list pods": 403, "get clustersecretstores": 403})
    world.double.refused["list events"] = 403
    made = world.snapshot()
    assert states(made) == {"github": [], "jira": []}
    assert made.pods(made.manifests["jira"]) is None
    assert made.view.by_name("secrets", SPACE) is None
    assert made.view.warning({"metadata": {"namespace": SPACE, "uid": "uid-1"}}) is None
    assert made.not_asked(SPACE) == (
        "keys and UID of the Secret: you are not allowed to list secrets in agents",
        "pods: you are not allowed to list pods in agents",
        "the store: you are not allowed to get clustersecretstores",
        "the operator's warnings: you are not allowed to list events in agents",
    )
    # A store of the cluster is none of a namespace.
    assert made.not_asked("elsewhere") == ("the store: you are not allowed to get clustersecretstores",)


def test_without_secrets_none_is_asked_for_and_that_is_no_lack(world: World) -> None:
    made = world.snapshot(left_out=("secrets",))
    assert (made.view.by_name("secrets", SPACE), made.is_whole) == (None, True)
    assert made.not_asked(SPACE) == ("keys and UID of the Secret: --without-secrets",)
    assert not [each for each in world.double.asked if each.path.endswith("/secrets")]


def test_another_one_that_fails_on_the_same_store_is_known(world: World) -> None:
    found = world.double.get("externalsecrets", SPACE, GITHUB)

    def failing_on_jiras_store(name: str, status: dict[str, Any]) -> str | None:
        world.double.put("externalsecrets", {**found, "metadata": {"name": name, "namespace": SPACE}, "status": status})
        made = world.snapshot()
        return made.failing_on(made.manifests["jira"])

    failed = {"conditions": [{"type": "Ready", "status": "False"}]}
    # Its own row says so.
    assert failing_on_jiras_store(GITHUB, failed) is None
    assert failing_on_jiras_store("az", failed) == f"{SPACE}/az"
    assert failing_on_jiras_store("az", found["status"]) is None


def test_pods_are_listed_again_where_they_are_needed(world: World) -> None:
    world.platform.pod(SPACE, "jira", JIRA)
    first = world.snapshot()
    world.platform.pod(SPACE, "another", JIRA)

    def names(made: Snapshot) -> list[str]:
        return [pod.name for pod in made.pods(made.manifests["jira"]) or ()]

    def always(_view: object, _namespace: str) -> bool:
        return True

    def never(_view: object, _namespace: str) -> bool:
        return False

    for is_needed, known in ((False, ["jira"]), (True, ["jira", "another"])):
        asked = len(world.double.asked)
        made = Snapshot(first.view.fresh(), first.manifests, first, always if is_needed else never)
        assert names(made) == known
        assert sum(each.path.endswith("/pods") for each in world.double.asked[asked:]) == is_needed
    assert made.pods(made.manifests["github"]) == ()


def test_every_missing_permission_is_told_at_once(world: World) -> None:
    world.double.refused.update({"list externalsecrets": 403, "list pods": 403})
    with pytest.raises(ClusterError) as caught:
        world.snapshot()
    assert str(caught.value) == "you are not allowed to list externalsecrets in agents; list pods in agents"
    assert "--rbac" in caught.value.remedy


def test_without_the_external_secrets_there_is_nothing_to_say(world: World) -> None:
    world.double.refused["list externalsecrets"] = 403
    with pytest.raises(ClusterError, match="list externalsecrets"):
        world.snapshot()


def test_a_server_that_fails_is_no_missing_permission(world: World) -> None:
    world.double.refused["list pods"] = 500
    with pytest.raises(ClusterError, match="status 500"):
        world.snapshot()
    world.double.refused = {"get clustersecretstores": 500}
    with pytest.raises(ClusterError, match="status 500"):
        states(world.snapshot())


def test_the_labels_of_a_namespace_are_asked_for_where_a_store_selects_by_them(world: World) -> None:
    world.platform.store("vault-store", conditions=[{"namespaceSelector": {"matchLabels": {"a": "b"}}}])
    world.double.put("namespaces", {"metadata": {"name": SPACE, "labels": {"a": "c"}}})
    made = world.snapshot()
    assert states(made) == {"github": ["store"], "jira": ["store"]}
    world.double.put("namespaces", {"metadata": {"name": SPACE, "labels": {"a": "b"}}})
    assert states(world.snapshot()) == {"github": [], "jira": []}
