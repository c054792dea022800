from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from compiler.operations.cluster.connect import connected
from compiler.refusal import Refusal
from tests.fake_cluster import FakeCluster

if TYPE_CHECKING:
    from pathlib import Path


def test_a_kubeconfig_is_used_and_nothing_asked_yet(tmp_path: Path) -> None:
    with FakeCluster() as fake:
        cluster = connected({"KUBECONFIG": str(fake.kubeconfig(tmp_path))}, "here")
        assert fake.asked == []
        assert cluster.namespace_object("agents") is None


def test_without_a_usable_kubeconfig_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refused:
        connected({"KUBECONFIG": str(tmp_path / "none")}, None)
    assert refused.value.kind == "cannot run"
    assert "no usable kubeconfig" in refused.value.message
    assert refused.value.__context__ is None


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compiler.operations.cluster.client", None)
    with pytest.raises(Refusal) as refused:
        connected({}, None)
    assert "platform-secrets[cluster]" in str(refused.value.help)
