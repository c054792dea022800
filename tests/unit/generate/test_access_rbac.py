from pathlib import Path
from typing import Any

import pytest
import yaml

from compiler.change.journal import Run, RunEntry
from compiler.change.plan import Kind
from compiler.cluster.view import ClusterView
from compiler.consumers.readers import gather
from compiler.generate.access import rbac
from compiler.live.readers import KINDS, ReadIndex, in_cluster
from compiler.operations.rotate_live import force_others, old_pods, readings_of
from compiler.operations.status_wait import StatusOptions, read_status
from compiler.text.wording import name_project
from tests.unit.operations.status_world import JIRA, SPACE, World, world

__all__ = ["world"]


@pytest.fixture
def roles(world: World) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(rbac(world.bench.environment())))


def rules(roles: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {
        (role["metadata"]["name"], resource, verb)
        for role in roles
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_a_role_a_namespace_and_a_cluster_role_for_what_lies_in_none(roles: list[dict[str, Any]]) -> None:
    assert [(role["kind"], role["metadata"].get("namespace"), role["metadata"]["name"]) for role in roles] == [
        ("Role", "agents", "platform-secrets-status"),
        ("Role", "agents", "platform-secrets-watch"),
        ("Role", "agents", "platform-secrets-force-sync"),
        ("Role", "agents", "platform-secrets-consumers"),
        ("ClusterRole", None, "platform-secrets-cluster"),
        ("ClusterRole", None, "platform-secrets-status"),
        ("Role", "default", "platform-secrets-status-stores"),
        ("Role", "external-secrets", "platform-secrets-status-operator"),
        ("ClusterRole", None, "platform-secrets-retire"),
    ]


def test_the_folder_of_the_project_is_not_in_it(world: World) -> None:
    name_project("/home/me/x\nkind: Evil")
    try:
        text = rbac(world.bench.environment())
    finally:
        name_project(None)
    assert text.startswith("# What `platform-secrets status prod --cluster` and `--wait` ask for.\n")
    assert "Evil" not in text


def test_it_allows_what_is_asked_and_changes_only_by_a_role_of_its_own(
    world: World, roles: list[dict[str, Any]]
) -> None:
    allowed = {(resource, verb) for name, resource, verb in rules(roles) if name == "platform-secrets-status"}
    assert {verb for _, verb in allowed} == {"list", "get"}
    assert ("platform-secrets-force-sync", "externalsecrets", "patch") in rules(roles)
    retiring = {each[1:] for each in rules(roles) if each[0] == "platform-secrets-retire"}
    assert retiring == {(kind, "list") for kind in KINDS}
    world.double.asked.clear()
    made = world.snapshot()
    for manifest in made.manifests.values():
        made.view.live(manifest)
    asked = {(each.path.split("/")[-2 if "stores/" in each.path else -1]) for each in world.double.asked}
    assert asked <= {resource for resource, _ in allowed}


def test_each_command_has_the_rules_for_what_it_asks(world: World, roles: list[dict[str, Any]]) -> None:
    store = world.bench.environment().stores["vault"]
    for name, ask in (
        ("platform-secrets-consumers", lambda: gather(ClusterView(world.cluster), ["agents"])),
        (
            "platform-secrets-retire",
            lambda: in_cluster(ClusterView(world.cluster), store, ReadIndex((store.identity,))),
        ),
    ):
        world.double.asked.clear()
        ask()
        # The group, which the core has none of, and the collection.
        asked = {
            (parts[2] if parts[1] == "apis" else "", parts[-1])
            for parts in (each.path.split("/") for each in world.double.asked)
        }
        assert asked == {
            (group, resource)
            for role in roles
            if role["metadata"]["name"] == name
            for rule in role["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            if rule["verbs"] == ["list"]
        }


def test_rotate_asks_for_nothing_beyond_its_roles(world: World, roles: list[dict[str, Any]]) -> None:
    environment, stores = world.bench.environment(), world.bench.live()
    run = Run("20250131-120000-4fa1c2", Path(), "rotate", "prod", {"vault": "https://vault"}, {})
    run.entries["vault", "agents/jira"] = RunEntry(Kind.UPDATE, None, recover=False, after="v1")
    other = world.double.get("externalsecrets", SPACE, JIRA)
    world.double.put("externalsecrets", {**other, "metadata": {"name": "copy", "namespace": "other"}})
    world.double.asked.clear()
    wait = StatusOptions(("jira",), seconds=0.1, is_forced=True, compares=False)
    read_status(environment, wait, stores, world.view, lambda _states, _left: None)
    readings, unknown = readings_of(run, environment, ("jira",), stores, lambda: ClusterView(world.cluster))
    force_others(world.view(), readings)
    old_pods(world.view(), readings, None)
    assert (len(readings), unknown) == (2, "")

    own = {"platform-secrets-status", "platform-secrets-force-sync", "platform-secrets-retire"}
    allowed = {
        (role["metadata"].get("namespace"), group, resource, verb)
        for role in roles
        if role["metadata"]["name"] in own
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    asked = {_request(each.method, each.path) for each in world.double.asked}
    beyond = {each for each in asked if not {each, (None, *each[1:])} & allowed}
    # As the comment says: the two Roles in each further namespace.
    assert beyond == {
        ("other", "external-secrets.io", "externalsecrets", "patch"),
        ("other", "", "secrets", "list"),
        ("other", "", "pods", "list"),
    }
    assert {each for each in beyond if (SPACE, *each[1:]) not in allowed} == set()
    # The lists that go through all namespaces.
    assert {(resource, verb) for space, _, resource, verb in asked if space is None and verb == "list"} == {
        (kind, "list") for kind in (*KINDS, "deployments")
    }


def _request(method: str, path: str) -> tuple[str | None, str, str, str]:
    """The namespace, the group, the collection and the verb of a request."""
    parts = path.strip("/").split("/")
    group, rest = (parts[1], parts[3:]) if parts[0] == "apis" else ("", parts[2:])
    space = None
    if rest[0] == "namespaces" and len(rest) > 2:
        space, rest = rest[1], rest[2:]
    verb = {"GET": "get" if len(rest) > 1 else "list", "PATCH": "patch"}[method]
    return space, group, rest[0], verb


def test_it_says_that_listing_secrets_reads_their_values(world: World) -> None:
    text = rbac(world.bench.environment())
    assert "`list secrets` lets its holder read the values of every Secret of the namespace" in text


def test_stores_of_a_namespace_are_asked_for_where_there_are_some(world: World) -> None:
    def found() -> set[tuple[str, str, str]]:
        return rules(list(yaml.safe_load_all(rbac(world.bench.environment()))))

    wanted = ("platform-secrets-status", "secretstores", "get")
    assert wanted not in found()
    world.bench.change("base", "name: vault-store,", "name: vault-store, kind: SecretStore,")
    assert wanted in found()
