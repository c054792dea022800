from pathlib import Path

import pytest

from compiler.cluster.client import KubernetesCluster
from compiler.cluster.view import ClusterView
from compiler.consumers.look import look_at_cluster, look_at_manifests, look_at_rendered
from compiler.consumers.readers import OPTIONAL
from compiler.refusal import Refusal
from tests.fake_cluster import ESO, FakeCluster
from tests.unit.consumers.conftest import BOTH, Bench, deployment


def written(folder: Path, name: str, text: str) -> list[str]:
    (folder / name).write_text(text, "utf-8")
    return [str(folder / name)]


def test_manifests_are_judged_in_the_environments_namespace(bench: Bench, tmp_path: Path) -> None:
    paths = written(tmp_path, "new.yaml", deployment(BOTH))
    environment = bench.environment()
    look = look_at_manifests(environment, paths, [], None)
    assert (look.diagnostics, look.needs) == ((), None)
    elsewhere = look_at_manifests(environment, paths, [], "elsewhere")
    assert [each.rule for each in elsewhere.diagnostics] == ["unmade-secret"] * 2


def test_what_was_found_while_reading_is_told_too(bench: Bench, tmp_path: Path) -> None:
    paths = written(tmp_path, "new.yaml", deployment(BOTH) + "---\na: 1\na: 2\n")
    look = look_at_manifests(bench.environment(), paths, [], None)
    assert [each.rule for each in look.diagnostics] == ["repeated-key"]


def test_two_sets_are_compared(bench: Bench, tmp_path: Path) -> None:
    old = written(tmp_path, "old.yaml", deployment("envFrom: [{secretRef: {name: agent-github-secrets}}]"))
    look = look_at_manifests(bench.environment(), written(tmp_path, "new.yaml", deployment(BOTH)), old, None)
    assert look.needs is not None
    assert [each.secret for each in look.needs] == ["jira"]


@pytest.mark.parametrize("broken", ["new", "old"])
def test_of_manifests_that_are_refused_nothing_else_is_said(bench: Bench, tmp_path: Path, broken: str) -> None:
    texts = {"new": deployment(BOTH), "old": deployment(BOTH), broken: "a: ["}
    new, old = (written(tmp_path, f"{name}.yaml", texts[name]) for name in ("new", "old"))
    look = look_at_manifests(bench.environment(), new, old, None)
    assert look.gathered is None
    assert [each.rule for each in look.diagnostics] == ["invalid-yaml"]


def test_without_a_workload_nothing_is_called_unread(bench: Bench, tmp_path: Path) -> None:
    paths = written(tmp_path, "new.yaml", "apiVersion: v1\nkind: Service\n")
    with pytest.raises(Refusal, match="there is no workload"):
        look_at_manifests(bench.environment(), paths, [], None)


def test_the_cluster_is_asked_in_the_environments_namespaces(bench: Bench, tmp_path: Path) -> None:
    with FakeCluster() as fake:
        fake.objects[f"{ESO}/namespaces/agents/externalsecrets"] = {"items": []}
        spec = {"template": {"spec": {"containers": [{"name": "a", "envFrom": [{"secretRef": {"name": "x"}}]}]}}}
        item = {"metadata": {"name": "d", "namespace": "agents"}, "spec": spec}
        fake.objects["/apis/apps/v1/namespaces/agents/deployments"] = {"items": [item]}
        fake.refused["/rollouts"] = 403
        view = ClusterView(KubernetesCluster({"KUBECONFIG": str(fake.kubeconfig(tmp_path))}), OPTIONAL)
        look = look_at_cluster(bench.environment(), view, None)
        assert {each.rule for each in look.diagnostics} == {"unmade-secret", "unread-secret"}
        assert look.notes[0].startswith("rollouts are not looked at")
        fake.objects[f"{ESO}/namespaces/other/externalsecrets"] = {"items": []}
        with pytest.raises(Refusal, match="there is no workload"):
            look_at_cluster(bench.environment(), view, "other")


def test_a_rendered_text_is_judged_in_the_environments_namespace(bench: Bench) -> None:
    look = look_at_rendered(bench.environment(), "<shop>", deployment(BOTH))
    assert (look.diagnostics, look.needs) == ((), None)
    assert look.gathered is not None
    broken = look_at_rendered(bench.environment(), "<shop>", "a: [")
    assert (broken.gathered, [each.rule for each in broken.diagnostics]) == (None, ["invalid-yaml"])
    with pytest.raises(Refusal, match="there is no workload"):
        look_at_rendered(bench.environment(), "<shop>", "apiVersion: v1\nkind: Service\n")
