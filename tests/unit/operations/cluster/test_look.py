from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from compiler.model.document import Node, extent
from compiler.model.environment import Store
from compiler.model.source import Source, Span
from compiler.operations.cluster.look import look_into
from compiler.operations.cluster.verify import Expected
from compiler.refusal import Refusal
from compiler.text.extra import install_line
from tests.fake_cluster import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


SOURCE = Source("environments/prod.yaml", "stores\nsecrets\n")
NODE = Node({}, SOURCE, extent(6, 6, 0, 6))
STORE = Store("v", "vault", "vault-store", "ClusterSecretStore", "", None, "secret", None, rendered=False, node=NODE)
EXPECTED = Expected("github", "team", "agent-github", STORE, ("TOKEN",), Span(SOURCE, 7, 14))


@pytest.fixture
def fake() -> Iterator[FakeCluster]:
    with FakeCluster() as cluster:
        yield cluster


@pytest.fixture
def environ(fake: FakeCluster, tmp_path: Path) -> dict[str, str]:
    return {"KUBECONFIG": str(fake.kubeconfig(tmp_path))}


def test_the_cluster_is_asked_only_when_it_is_looked_into(fake: FakeCluster, environ: dict[str, str]) -> None:
    look = look_into([EXPECTED], environ, None)
    assert fake.asked == []
    assert "store-not-ready" in {each.rule for each in look(())}
    assert fake.asked


def test_a_kubeconfig_that_cannot_be_used_is_a_finding(environ: dict[str, str]) -> None:
    (found,) = look_into([EXPECTED], environ, "nowhere")(())
    assert (found.rule, found.span.line) == ("cluster-no-answer", 2)
    assert "no usable kubeconfig" in found.message


def test_where_nothing_is_expected_no_cluster_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compiler.operations.cluster.client", None)
    assert look_into((), {}, None)(()) == ()


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "compiler.operations.cluster.client", raising=False)
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(Refusal) as caught:
        look_into([EXPECTED], {}, None)
    assert (caught.value.kind, caught.value.help) == ("cannot run", f"run: {install_line('cluster')}")
