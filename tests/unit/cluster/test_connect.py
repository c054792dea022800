import sys
from pathlib import Path

import pytest

from compiler.cluster.view import connected
from compiler.model.files import missing_for_cluster
from compiler.refusal import Refusal
from tests.fake_cluster import FakeCluster


def test_a_kubeconfig_is_used_and_nothing_asked_yet(tmp_path: Path) -> None:
    with FakeCluster() as fake:
        view = connected({"KUBECONFIG": str(fake.kubeconfig(tmp_path))}, "here", ("pods",), ("secrets",))
        assert fake.asked == []
        assert view.store("SecretStore", "vault", "agents") is None
        assert view.by_name("secrets", "agents") is None


def test_without_a_usable_kubeconfig_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refused:
        connected({"KUBECONFIG": str(tmp_path / "none")}, None)
    assert refused.value.kind == "cannot run"
    assert "no usable kubeconfig" in refused.value.message
    assert refused.value.__context__ is None


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compiler.cluster.client", None)
    with pytest.raises(Refusal) as refused:
        connected({}, None)
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
