import inspect

from compiler.cluster.client import KubernetesCluster
from compiler.cluster.view import ClusterError


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


def test_the_client_is_asked_by_few_questions_of_which_one_changes_something() -> None:
    # That one sets an annotation, and no other name of a member says it writes.
    assert set(questions(KubernetesCluster)) == {
        "collection",
        "every_object",
        "force_sync",
        "namespace_object",
        "renew",
        "store_object",
        "warnings",
    }
