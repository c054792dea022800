from typing import Any

import pytest

from compiler.cluster.verify import Look
from compiler.cluster.view import ClusterError

SPACE = "team"
MANIFEST = {
    "metadata": {"namespace": SPACE, "name": "a"},
    "spec": {"secretStoreRef": {"kind": "SecretStore", "name": "s"}},
}
DENIED = ClusterError("you are not allowed to", "get a role", "list secrets")


class Counted:
    """One ExternalSecret `a` with its Secret and store; counts what is asked, and raises what `errors` has for it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.errors: dict[str, ClusterError] = {}
        self.selector: dict[str, Any] = {}

    def store_object(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        self._ask(f"{kind} {namespace}/{name}")
        return {"spec": {"conditions": [self.selector]}}

    def external_secret_objects(self, namespace: str) -> tuple[dict[str, Any], ...]:
        self._ask(f"externalsecrets {namespace}")
        return ({"metadata": {"name": "a", "namespace": namespace, "uid": "1"}},)

    def secret_metadata(self, namespace: str) -> tuple[dict[str, Any], ...]:
        self._ask(f"secrets {namespace}")
        return ({"metadata": {"name": "a"}},)

    def namespace_object(self, namespace: str) -> dict[str, Any]:
        self._ask(f"namespace {namespace}")
        return {"metadata": {"name": namespace}}

    def warnings(self, namespace: str) -> dict[str, Any]:
        self._ask(f"events {namespace}")
        return {"1": {"message": "of this one"}, "0": {"message": "of an earlier one"}}

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if (error := self.errors.get(what.partition(" ")[0])) is not None:
            raise error


@pytest.fixture
def cluster() -> Counted:
    return Counted()


@pytest.fixture
def look(cluster: Counted) -> Look:
    given: Any = cluster
    return Look(given)


def test_each_object_is_read_once(cluster: Counted, look: Look) -> None:
    for _ in range(2):
        live = look.live(MANIFEST)
        assert look.warning({"metadata": {"namespace": SPACE, "uid": "1"}}) == {"message": "of this one"}
    assert live.external_secret is not None
    assert (live.secret, live.has_secrets) == ({"metadata": {"name": "a"}}, True)
    assert cluster.asked == ["externalsecrets team", "secrets team", "SecretStore team/s", "events team"]


def test_a_store_of_the_cluster_is_one_and_one_of_a_namespace_another_in_each(cluster: Counted, look: Look) -> None:
    for kind in ("ClusterSecretStore", "SecretStore"):
        for space in ("x", "y"):
            look.store(kind, "s", space)
    assert cluster.asked == ["ClusterSecretStore x/s", "SecretStore x/s", "SecretStore y/s"]


def test_labels_are_asked_for_where_a_store_selects_by_them(cluster: Counted, look: Look) -> None:
    assert look.live(MANIFEST).namespace is None
    assert look.labels_for(None, SPACE) is None
    assert "namespace team" not in cluster.asked
    selecting: dict[str, Any] = {"spec": {"conditions": [{"namespaceSelector": {}}]}}
    for _ in range(2):
        assert look.labels_for(selecting, SPACE) == {"metadata": {"name": SPACE}}
    assert cluster.asked.count("namespace team") == 1


def test_what_may_not_be_asked_is_kept_and_the_rest_goes_on(cluster: Counted, look: Look) -> None:
    cluster.errors = {"secrets": DENIED, "namespace": DENIED}
    cluster.selector = {"namespaceSelector": {}}
    live = look.live(MANIFEST)
    assert (live.secret, live.has_secrets, live.namespace) == (None, False, None)
    # Whether a store selects the namespace is then a doubt of its own.
    assert look.refused == [DENIED]
    assert look.secret(SPACE, "a") == (None, False)
    assert cluster.asked.count("secrets team") == 1


@pytest.mark.parametrize("what", ["secrets", "externalsecrets", "SecretStore"])
def test_a_cluster_that_does_not_answer_ends_it(cluster: Counted, look: Look, what: str) -> None:
    cluster.errors = {what: ClusterError("it answered with status 500", "check it")}
    with pytest.raises(ClusterError, match="500"):
        look.live(MANIFEST)


@pytest.mark.parametrize("what", ["externalsecrets", "SecretStore"])
def test_without_the_right_to_read_what_matters_it_ends(cluster: Counted, look: Look, what: str) -> None:
    cluster.errors = {what: DENIED}
    with pytest.raises(ClusterError):
        look.live(MANIFEST)
