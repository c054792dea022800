import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.cluster.verify import OPTIONAL
from compiler.cluster.view import ClusterError, ClusterView, connect_cluster, wanted_keys
from compiler.model.files import missing_for_cluster
from compiler.refusal import Refusal
from tests.fake_cluster import FakeCluster

SPACE = "team"
OBJECT = {"spec": {"secretStoreRef": {"kind": "SecretStore", "name": "s"}}}
MANIFEST: Any = SimpleNamespace(namespace=SPACE, name="a", target="a", object=OBJECT)
DENIED = ClusterError("you are not allowed to", "get a role", "list secrets")


class Counted:
    """One ExternalSecret `a` with its Secret and store; counts what is asked, and raises what `errors` has for it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.errors: dict[str, ClusterError] = {}
        self.selector: dict[str, Any] = {}

    def operator_deployments(self) -> tuple[dict[str, Any], ...]:
        return ()

    def store_object(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        self._ask(f"{kind} {namespace}/{name}")
        return {"spec": {"conditions": [self.selector]}}

    def collection(self, plural: str, namespace: str) -> tuple[dict[str, Any], ...]:
        self._ask(f"{plural} {namespace}")
        return ({"metadata": {"name": "a", "namespace": namespace, "uid": "1"}},)

    def renew(self) -> None:
        self.asked.append("renew")

    def namespace_object(self, namespace: str) -> dict[str, Any]:
        self._ask(f"namespace {namespace}")
        return {"metadata": {"name": namespace}}

    def warnings(self, namespace: str) -> dict[str, Any]:
        self._ask(f"events {namespace}")
        return {"0": {"message": "of an earlier one"}, "1": {"message": "of this one"}}

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if (error := self.errors.get(what.partition(" ")[0])) is not None:
            raise error


@pytest.fixture
def cluster() -> Counted:
    return Counted()


@pytest.fixture
def view(cluster: Counted) -> ClusterView:
    given: Any = cluster
    return ClusterView(given, OPTIONAL)


def test_each_object_is_read_once(cluster: Counted, view: ClusterView) -> None:
    for _ in range(2):
        live = view.live(MANIFEST)
        assert view.warning({"metadata": {"namespace": SPACE, "uid": "1"}}) == {"message": "of this one"}
    assert live.external_secret is not None
    assert live.secret is not None
    assert live.has_secrets
    assert cluster.asked == ["externalsecrets team", "secrets team", "SecretStore team/s", "events team"]


def test_a_store_of_the_cluster_is_one_and_one_of_a_namespace_another_in_each(
    cluster: Counted, view: ClusterView
) -> None:
    for kind in ("ClusterSecretStore", "SecretStore"):
        for space in ("x", "y"):
            view.store(kind, "s", space)
    assert cluster.asked == ["ClusterSecretStore x/s", "SecretStore x/s", "SecretStore y/s"]


def test_what_may_not_be_asked_is_kept_and_the_rest_goes_on(cluster: Counted, view: ClusterView) -> None:
    cluster.errors = {"secrets": DENIED}
    live = view.live(MANIFEST)
    assert (live.secret, live.has_secrets) == (None, False)
    assert view.refused == {("secrets", SPACE): DENIED}
    assert view.by_name("secrets", SPACE) is None
    assert cluster.asked.count("secrets team") == 1


@pytest.mark.parametrize("what", ["secrets", "externalsecrets", "SecretStore"])
def test_a_cluster_that_does_not_answer_ends_it(cluster: Counted, view: ClusterView, what: str) -> None:
    cluster.errors = {what: ClusterError("it answered with status 500", "check it")}
    with pytest.raises(ClusterError, match="500"):
        view.live(MANIFEST)


@pytest.mark.parametrize("what", ["externalsecrets", "SecretStore"])
def test_without_the_right_to_read_what_matters_it_ends(cluster: Counted, view: ClusterView, what: str) -> None:
    cluster.errors = {what: DENIED}
    with pytest.raises(ClusterError):
        view.live(MANIFEST)


def test_a_fresh_view_has_read_nothing_and_remembers_no_refusal(cluster: Counted, view: ClusterView) -> None:
    cluster.errors = {"secrets": DENIED}
    view.live(MANIFEST)
    cluster.errors = {}
    asked = len(cluster.asked)
    again = view.fresh()
    assert (again.live(MANIFEST).has_secrets, again.refused) == (True, {})
    assert cluster.asked[asked:] == ["renew", "externalsecrets team", "secrets team", "SecretStore team/s"]


def test_what_is_left_out_is_never_asked_for(cluster: Counted) -> None:
    given: Any = cluster
    view = ClusterView(given, (), ("secrets",))
    live = view.live(MANIFEST)
    assert (live.secret, live.has_secrets, view.refused) == (None, False, {})
    assert "secrets team" not in cluster.asked


def test_a_store_that_may_not_be_read_is_none_where_it_need_not(cluster: Counted) -> None:
    given: Any = cluster
    cluster.errors = {"SecretStore": DENIED}
    live = ClusterView(given, ("secretstores",)).live(MANIFEST)
    assert (live.store, live.has_store) == (None, False)


def test_what_has_not_been_answered_is_known_while_it_is_asked(cluster: Counted, view: ClusterView) -> None:
    with view.asks("list pods in team"):
        assert view.unanswered_question == "list pods in team"
    assert view.unanswered_question == ""
    cluster.errors = {"externalsecrets": DENIED}
    with pytest.raises(ClusterError):
        view.external_secrets(SPACE)
    assert view.unanswered_question == ""


def test_a_kubeconfig_is_used_and_nothing_asked_yet(tmp_path: Path) -> None:
    with FakeCluster() as fake:
        view = connect_cluster({"KUBECONFIG": str(fake.kubeconfig(tmp_path))}, "here", None, ("pods",), ("secrets",))
        assert fake.asked == []
        assert view.store("SecretStore", "vault", "agents") is None
        assert view.by_name("secrets", "agents") is None


def test_without_a_usable_kubeconfig_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refused:
        connect_cluster({"KUBECONFIG": str(tmp_path / "none")}, None, None)
    assert refused.value.kind == "cannot run"
    assert "no usable kubeconfig" in refused.value.message
    assert refused.value.__context__ is None


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compiler.cluster.client", None)
    with pytest.raises(Refusal) as refused:
        connect_cluster({}, None, None)
    assert "platform-secrets[cluster]" in str(refused.value.help)


def test_what_a_cluster_would_need_is_known_without_asking_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".kube").mkdir()
    home = {"HOME": str(tmp_path)}
    assert missing_for_cluster(home) == "a kubeconfig: set KUBECONFIG"
    assert missing_for_cluster({**home, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}) is None
    (tmp_path / ".kube/config").touch()
    assert missing_for_cluster(home) is None
    assert missing_for_cluster({**home, "KUBECONFIG": f"{tmp_path}/none"}) == "a kubeconfig: set KUBECONFIG"
    assert missing_for_cluster({"KUBECONFIG": f"{tmp_path}/none:{tmp_path}/.kube/config"}) is None
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    assert "platform-secrets[cluster]" in str(missing_for_cluster(home))


def test_the_keys_of_a_secret_are_those_of_its_template_if_it_has_any() -> None:
    data = [{"secretKey": "user"}, {"secretKey": "pass"}]
    assert wanted_keys({"spec": {"data": data, "target": {"template": {"metadata": {}}}}}) == ("user", "pass")
    assert wanted_keys({"spec": {"data": data, "target": {"template": {"data": {"URL": "x"}}}}}) == ("URL",)
