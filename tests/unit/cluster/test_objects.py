import inspect

from compiler.cluster.client import KubernetesCluster
from compiler.cluster.view import (
    ClusterError,
    LiveCollections,
    LiveObjects,
)


def test_an_error_is_its_reason_and_names_the_way_out_and_the_permission_only_where_one_is_missing() -> None:
    lost = ClusterError("it gave no answer", "check the network")
    assert (str(lost), lost.remedy, lost.permission) == ("it gave no answer", "check the network", None)
    refused = ClusterError("you are not allowed to get secrets", "get a role", "get secrets in team")
    assert (str(refused), refused.permission) == ("you are not allowed to get secrets", "get secrets in team")


def questions(kind: type) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(member).parameters)
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def test_the_real_client_answers_exactly_what_may_be_asked_and_every_question_looks() -> None:
    assert questions(KubernetesCluster) == questions(LiveCollections)
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
