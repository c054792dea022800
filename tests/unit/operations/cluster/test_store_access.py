from __future__ import annotations

from typing import Any

import pytest

from compiler.operations.cluster.store_access import Access, access_of, controller_of, is_ready
from tests.recorded_cluster import by_name

AZURE = by_name("clustersecretstores-list")["azure-keyvault-store"]
LABELLED = {"metadata": {"labels": {"team": "ai"}}}


def store(*conditions: dict[str, Any], kind: str = "ClusterSecretStore") -> dict[str, Any]:
    return {"kind": kind, "spec": {"conditions": list(conditions)}}


def test_a_recorded_store_is_ready_and_open_to_all() -> None:
    assert is_ready(AZURE)
    assert access_of(AZURE, "agents") is Access.ALLOWED
    assert controller_of(AZURE) == "default"
    assert not is_ready({"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    assert not is_ready({})
    assert controller_of({"spec": {"controller": "dev"}}) == "dev"


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([{"namespaces": ["agents"]}], Access.ALLOWED),
        ([{"namespaces": ["other"]}], Access.DENIED),
        ([{"namespaces": ["other"]}, {"namespaces": ["agents"]}], Access.ALLOWED),
        ([{"namespaceRegexes": ["gen"]}], Access.ALLOWED),
        ([{"namespaceRegexes": ["^gen"]}], Access.DENIED),
        ([{"namespaceRegexes": ["^[a-z]+s$"]}], Access.ALLOWED),
        ([{"namespaceRegexes": ["^(agents|team)$"]}], Access.ALLOWED),
        ([{"namespaceRegexes": [r"^age\d"]}], Access.DENIED),
        ([{"namespaceRegexes": ["[[:alpha:]]"]}], Access.UNKNOWN),
        ([{"namespaceRegexes": ["(a+)+$"]}], Access.UNKNOWN),
        ([{"namespaceRegexes": ["*a"]}], Access.UNKNOWN),
        ([{"namespaceRegexes": ["[z-a]"]}], Access.UNKNOWN),
        ([{"namespaceRegexes": ["("]}, {"namespaces": ["agents"]}], Access.ALLOWED),
        ([{}], Access.DENIED),
    ],
)
def test_conditions_are_joined_by_or(conditions: list[dict[str, Any]], expected: Access) -> None:
    assert access_of(store(*conditions), "agents") is expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"matchLabels": {"team": "ai"}}, Access.ALLOWED),
        ({"matchLabels": {"team": "other"}}, Access.DENIED),
        ({}, Access.ALLOWED),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["ai"]}]}, Access.ALLOWED),
        ({"matchExpressions": [{"key": "x", "operator": "In", "values": ["ai"]}]}, Access.DENIED),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["ai"]}]}, Access.DENIED),
        ({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["ai"]}]}, Access.ALLOWED),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, Access.ALLOWED),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, Access.DENIED),
        ({"matchExpressions": [{"key": "team", "operator": "Gt"}]}, Access.DENIED),
    ],
)
def test_a_selector_is_met_by_the_labels_of_the_namespace(selector: dict[str, Any], expected: Access) -> None:
    assert access_of(store({"namespaceSelector": selector}), "agents", LABELLED) is expected
    assert access_of(store({"namespaceSelector": selector}), "agents") is Access.UNKNOWN


def test_a_secret_store_serves_its_own_namespace() -> None:
    assert access_of(store({"namespaces": ["other"]}, kind="SecretStore"), "agents") is Access.ALLOWED
