from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from compiler.operations.cluster.client import KubernetesCluster
from compiler.operations.cluster.objects import (
    Cluster,
    ClusterError,
    LiveCollections,
    LiveExternalSecret,
    LiveObjects,
    LiveSecret,
    LiveStore,
    Ready,
)

OBJECTS = (
    Ready(is_true=False, message="no"),
    LiveStore("SecretStore", "vault", None),
    LiveExternalSecret("github", "agent-github", {}, None),
    LiveSecret("agent-github", frozenset({"TOKEN"}), None),
)


def test_an_error_is_its_reason_and_names_the_way_out_and_the_permission_only_where_one_is_missing() -> None:
    lost = ClusterError("it gave no answer", "check the network")
    assert (str(lost), lost.remedy, lost.permission) == ("it gave no answer", "check the network", None)
    refused = ClusterError("you are not allowed to get secrets", "get a role", "get secrets in team")
    assert (str(refused), refused.permission) == ("you are not allowed to get secrets", "get secrets in team")


def test_nothing_of_a_secret_but_names_has_a_place_to_lie_in() -> None:
    assert {field.name for field in fields(LiveSecret)} == {"name", "keys", "controller"}
    assert LiveSecret("a", frozenset({"B", "A"}), None) == LiveSecret("a", frozenset({"A", "B"}), None)


@pytest.mark.parametrize("found", OBJECTS, ids=lambda found: type(found).__name__)
def test_what_was_seen_of_the_cluster_cannot_be_changed_or_added_to(found: object) -> None:
    assert is_dataclass(found)
    for name in (fields(found)[0].name, "value"):
        with pytest.raises((FrozenInstanceError, TypeError, AttributeError)):
            setattr(found, name, "other")


def questions(kind: type) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(member).parameters)
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def test_the_real_client_answers_exactly_what_may_be_asked_and_every_question_looks() -> None:
    assert questions(KubernetesCluster) == questions(Cluster) | questions(LiveCollections)
    assert set(questions(Cluster)) == {"store", "external_secrets", "secrets", "complaints"}
    # The only one that changes something sets an annotation, and no other name of a member says it writes.
    beyond = set(questions(LiveCollections)) - set(questions(LiveObjects))
    assert beyond == {"collection", "watch", "warnings", "force_sync"}
    assert set(questions(LiveObjects)) == {
        "store_object",
        "external_secret_objects",
        "secret_metadata",
        "namespace_object",
        "every_object",
    }
