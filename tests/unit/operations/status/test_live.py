from typing import Any

import pytest

from compiler.cluster.judge import reasons_against
from compiler.cluster.view import ClusterError
from compiler.operations.status_live import LiveState
from compiler.operations.status_wait import compiled_objects
from tests.unit.operations.status.conftest import GITHUB, JIRA, SPACE, World


def state(world: World) -> LiveState:
    made = LiveState(world.cluster, compiled_objects(world.status()))
    made.read()
    return made


def lacks(world: World, made: LiveState) -> dict[str, list[str]]:
    stores = {row.secret.id: row.store for row in world.status().rows}
    return {
        name: [str(each.lack) for each in reasons_against(manifest, made.live(manifest), stores[name])]
        for name, manifest in made.manifests.items()
    }


def test_each_collection_is_listed_once_and_each_store_asked_once(world: World) -> None:
    world.double.asked.clear()
    assert lacks(world, state(world)) == {"github": [], "jira": []}
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
    made = state(world)
    assert lacks(world, made) == {"github": [], "jira": []}
    assert made.pods(SPACE, JIRA) is None
    assert made.secrets(SPACE) is None
    assert made.warning({"metadata": {"namespace": SPACE, "uid": "uid-1"}}) is None
    assert made.not_asked(SPACE) == (
        "keys and UID of the Secret: you are not allowed to list secrets in agents",
        "pods: you are not allowed to list pods in agents",
        "the store: you are not allowed to get clustersecretstores",
        "the operator's warnings: you are not allowed to list events in agents",
    )
    assert made.not_asked("elsewhere") == ()


def test_without_secrets_none_is_asked_for_and_that_is_no_lack(world: World) -> None:
    made = LiveState(world.cluster, compiled_objects(world.status()), with_secrets=False)
    made.read()
    assert (made.secrets(SPACE), made.is_whole) == (None, True)
    assert made.not_asked(SPACE) == ("keys and UID of the Secret: --without-secrets",)
    assert not [each for each in world.double.asked if each.path.endswith("/secrets")]


def test_another_one_that_fails_on_the_same_store_is_known_until_it_does_not(world: World) -> None:
    made = state(world)
    manifest = made.manifests["jira"]
    found = world.double.get("externalsecrets", SPACE, GITHUB)
    failed = {"conditions": [{"type": "Ready", "status": "False"}]}

    def change(name: str, version: int, status: dict[str, Any], kind: str = "MODIFIED") -> None:
        metadata = {**found["metadata"], "name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
        made.change("externalsecrets", SPACE, kind, {**found, "metadata": metadata, "status": status})

    # Its own row says so.
    change(GITHUB, 900, failed)
    assert made.failing_on(manifest) is None
    change("az", 901, failed)
    assert made.failing_on(manifest) == f"{SPACE}/az"
    change("az", 902, found["status"])
    assert made.failing_on(manifest) is None
    change("az", 903, failed)
    change("az", 904, failed, "DELETED")
    assert made.failing_on(manifest) is None


def test_every_missing_permission_is_told_at_once(world: World) -> None:
    world.double.refused.update({"list externalsecrets": 403, "list pods": 403})
    with pytest.raises(ClusterError) as caught:
        state(world)
    assert str(caught.value) == "you are not allowed to list externalsecrets in agents; list pods in agents"
    assert "--rbac" in caught.value.remedy


def test_without_the_external_secrets_there_is_nothing_to_say(world: World) -> None:
    world.double.refused["list externalsecrets"] = 403
    with pytest.raises(ClusterError, match="list externalsecrets"):
        state(world)


def test_a_server_that_fails_is_no_missing_permission(world: World) -> None:
    world.double.refused["list pods"] = 500
    with pytest.raises(ClusterError, match="status 500"):
        state(world)
    world.double.refused = {"get clustersecretstores": 500}
    with pytest.raises(ClusterError, match="status 500"):
        lacks(world, state(world))


def test_the_labels_of_a_namespace_are_asked_for_where_a_store_selects_by_them(world: World) -> None:
    world.platform.store("vault-store", conditions=[{"namespaceSelector": {"matchLabels": {"a": "b"}}}])
    world.double.put("namespaces", {"metadata": {"name": SPACE, "labels": {"a": "c"}}})
    made = state(world)
    assert lacks(world, made) == {"github": ["store"], "jira": ["store"]}
    world.double.put("namespaces", {"metadata": {"name": SPACE, "labels": {"a": "b"}}})
    made.again()
    assert lacks(world, made) == {"github": [], "jira": []}


def test_a_change_that_is_older_than_what_is_known_is_left_out(world: World) -> None:
    """A list may be newer than the watch that goes on beside it."""
    old = world.double.get("externalsecrets", SPACE, JIRA)
    world.platform.sync(SPACE, JIRA, without=["JIRA_TOKEN"])
    made = state(world)
    new = world.double.get("externalsecrets", SPACE, JIRA)
    assert int(old["metadata"]["resourceVersion"]) < int(new["metadata"]["resourceVersion"])
    assert lacks(world, made)["jira"] == ["missing-key"]
    # Of before the Secret lost its key, when the operator had synchronised another generation.
    old["metadata"]["generation"] = 99
    for kind in ("MODIFIED", "DELETED"):
        made.change("externalsecrets", SPACE, kind, old)
        assert lacks(world, made)["jira"] == ["missing-key"]
    # The same version again, a newer one, and an older one of another object of that name.
    new["metadata"]["generation"] = 99
    made.change("externalsecrets", SPACE, "MODIFIED", new)
    assert lacks(world, made)["jira"] == ["not-synced", "missing-key"]
    old["metadata"] |= {"uid": "another", "generation": old["metadata"]["generation"]}
    made.change("externalsecrets", SPACE, "DELETED", old)
    assert lacks(world, made)["jira"] == ["absent"]


def test_changes_are_taken_one_by_one(world: World) -> None:
    made = state(world)
    world.platform.pod(SPACE, "jira", JIRA)
    pods, _ = world.cluster.collection("pods", SPACE)
    made.change("pods", SPACE, "ADDED", pods[0])
    assert [pod.name for pod in made.pods(SPACE, JIRA) or ()] == ["jira"]
    assert made.pods(SPACE, GITHUB) == ()
    made.change("pods", SPACE, "DELETED", pods[0])
    assert made.pods(SPACE, JIRA) == ()
    secret = (made.secrets(SPACE) or {})[JIRA]
    made.change("secrets", SPACE, "DELETED", secret)
    assert lacks(world, made)["jira"] == ["no-target"]
    made.replace("pods", SPACE, pods)
    made.replace("pods", SPACE, ())
    assert made.pods(SPACE, JIRA) == ()
    stranger = {"metadata": {"name": "stranger"}}
    made.change("externalsecrets", SPACE, "ADDED", stranger)
    made.replace("externalsecrets", SPACE, (stranger,))
    assert lacks(world, made)["github"] == ["absent"]
