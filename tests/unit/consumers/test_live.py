from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler.cluster.client import KubernetesCluster
from compiler.cluster.view import ClusterView
from compiler.consumers.findings import judge
from compiler.consumers.readers import OPTIONAL, gather, readers_in
from compiler.refusal import Refusal
from tests.fake_cluster import ESO, FakeCluster
from tests.unit.consumers.conftest import Bench

APPS, BATCH = "/apis/apps/v1/namespaces/agents", "/apis/batch/v1/namespaces/agents"
SENTINEL = "sentinel-4711"


@pytest.fixture
def fake() -> Iterator[FakeCluster]:
    with FakeCluster() as cluster:
        cluster.objects[f"{ESO}/namespaces/agents/externalsecrets"] = {"items": []}
        yield cluster


@pytest.fixture
def view(fake: FakeCluster, tmp_path: Path) -> ClusterView:
    return ClusterView(KubernetesCluster({"KUBECONFIG": str(fake.kubeconfig(tmp_path))}), OPTIONAL)


def pods(*names: str, env: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    sources = [{"secretRef": {"name": name}} for name in names]
    return {"containers": [{"name": "main", "envFrom": sources, "env": env or []}]}


def put(fake: FakeCluster, path: str, name: str, spec: dict[str, Any], **metadata: Any) -> None:  # noqa: ANN401
    listed = fake.objects.setdefault(path, {"items": []})
    listed["items"].append({"metadata": {"name": name, "namespace": "agents", **metadata}, "spec": spec})


def of_template(spec: dict[str, Any]) -> dict[str, Any]:
    return {"template": {"spec": spec}}


def owned_by(api_version: str, kind: str) -> dict[str, Any]:
    return {"ownerReferences": [{"apiVersion": api_version, "kind": kind, "name": "x", "controller": True}]}


OWNED = owned_by("apps/v1", "ReplicaSet")


def test_every_kind_of_workload_is_read_and_what_it_owns_is_not(fake: FakeCluster, view: ClusterView) -> None:
    for plural in ("deployments", "statefulsets", "daemonsets"):
        put(fake, f"{APPS}/{plural}", plural, of_template(pods("a")))
    put(
        fake, f"{BATCH}/jobs", "job", of_template(pods("a")), annotations={"helm.sh/hook": "pre-install", "x": SENTINEL}
    )
    put(fake, f"{BATCH}/cronjobs", "cron", {"jobTemplate": {"spec": of_template(pods("a"))}})
    put(fake, "/apis/argoproj.io/v1alpha1/namespaces/agents/rollouts", "rollout", of_template(pods("a")))
    put(fake, f"{BATCH}/jobs", "owned", of_template(pods("b")), **OWNED)
    put(fake, f"{APPS}/deployments", "going", of_template(pods("b")), deletionTimestamp="2026-01-01T00:00:00Z")
    found, notes = gather(view, ["agents", "agents"])
    assert notes == ()
    assert [(each.kind, each.name) for each in found.workloads] == [
        ("Deployment", "deployments"),
        ("StatefulSet", "statefulsets"),
        ("DaemonSet", "daemonsets"),
        ("Job", "job"),
        ("CronJob", "cron"),
        ("Rollout", "rollout"),
    ]
    assert all([each.secret for each in workload.readings] == ["a"] for workload in found.workloads)
    assert [each.hook for each in found.workloads if each.hook] == ["pre-install"]
    assert SENTINEL not in repr(found)


def test_a_workload_without_a_template_reads_nothing(fake: FakeCluster, view: ClusterView) -> None:
    # Such a Rollout runs the pods of a Deployment, which is listed as well.
    reference = {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}}
    put(fake, "/apis/argoproj.io/v1alpha1/namespaces/agents/rollouts", "rollout", reference)
    put(fake, f"{BATCH}/cronjobs", "cron", {})
    found = gather(view, ["agents"])[0]
    assert [(each.name, each.readings) for each in found.workloads] == [("cron", ()), ("rollout", ())]


def test_pods_without_an_owner_are_workloads(fake: FakeCluster, view: ClusterView) -> None:
    put(fake, "/api/v1/namespaces/agents/pods", "alone", pods("a"))
    put(fake, "/api/v1/namespaces/agents/pods", "owned", pods("a"), **OWNED)
    assert [each.name for each in gather(view, ["agents"])[0].workloads] == ["alone"]


def test_what_an_operators_own_kind_controls_is_a_workload(fake: FakeCluster, view: ClusterView) -> None:
    # Its owner is not listed, so nothing else tells what its pods read.
    put(fake, f"{APPS}/statefulsets", "keycloak", of_template(pods("a")), **owned_by("k8s.keycloak.org/v2", "Keycloak"))
    put(fake, f"{BATCH}/jobs", "of-cron", of_template(pods("b")), **owned_by("batch/v1", "CronJob"))
    kruise = owned_by("apps.kruise.io/v1beta1", "StatefulSet")
    put(fake, "/api/v1/namespaces/agents/pods", "database-1", pods("a"), **kruise)
    found = gather(view, ["agents"])[0]
    assert [each.title for each in found.workloads] == ['StatefulSet "keycloak"', 'Pod "database-1"']
    assert list(readers_in(view, "agents") or ()) == ["a"]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_is_over_reads_nothing_any_more(fake: FakeCluster, view: ClusterView, phase: str) -> None:
    put(fake, "/api/v1/namespaces/agents/pods", "step", pods("a"), **owned_by("argoproj.io/v1alpha1", "Workflow"))
    (listed,) = fake.objects["/api/v1/namespaces/agents/pods"]["items"]
    listed["status"] = {"phase": phase}
    assert not gather(view, ["agents"])[0].workloads


def test_no_value_of_a_secret_a_config_map_or_a_variable_is_kept(fake: FakeCluster, view: ClusterView) -> None:
    fake.secret("agents", "made", {"KEY": SENTINEL})
    path = "/api/v1/namespaces/agents/configmaps"
    fields: list[Any] = [{"fieldsV1": {"f:data": {"f:CONF": {}}}}]
    fake.objects[path] = {
        "items": [{"metadata": {"name": "conf", "managedFields": fields}, "data": {"CONF": SENTINEL}}]
    }
    put(fake, f"{APPS}/deployments", "d", of_template(pods("made", env=[{"name": "A", "value": SENTINEL}])))
    found, _ = gather(view, ["agents"])
    assert found.config_maps == {("agents", "conf"): {"CONF"}}
    ((made,),) = found.made.values()
    assert (made.kind, made.keys) == ("Secret", frozenset({"KEY"}))
    assert found.workloads[0].containers[0][-1].variable == "A"
    assert SENTINEL not in repr((found, made))


def test_a_secret_of_an_external_secret_counts_once_with_its_real_keys(fake: FakeCluster, view: ClusterView) -> None:
    fake.external_secret("agents", "es", target="made")
    fake.secret("agents", "made", {"KEY": SENTINEL}, owner=("ExternalSecret", "es"))
    fake.external_secret("agents", "later")
    found, _ = gather(view, ["agents"])
    assert [(each.kind, each.by, each.keys) for made in found.made.values() for each in made] == [
        ("ExternalSecret", "es", frozenset({"KEY"})),
        ("ExternalSecret", "later", None),
    ]


def test_the_keys_of_an_external_secret_are_known_where_it_lists_them_alone(
    fake: FakeCluster, view: ClusterView
) -> None:
    fake.external_secret("agents", "es")
    (item,) = fake.objects[f"{ESO}/namespaces/agents/externalsecrets"]["items"]
    item["spec"] |= {"data": [{"secretKey": "A"}]}
    assert gather(view, ["agents"])[0].made["agents", "es"][0].keys == frozenset({"A"})
    item["spec"] |= {"dataFrom": [{"extract": {"key": "x"}}]}
    assert gather(view.fresh(), ["agents"])[0].made["agents", "es"][0].keys is None


def test_an_external_secret_that_makes_another_kind_makes_no_secret(fake: FakeCluster, view: ClusterView) -> None:
    fake.external_secret("agents", "es")
    (item,) = fake.objects[f"{ESO}/namespaces/agents/externalsecrets"]["items"]
    item["spec"]["target"]["manifest"] = {"apiVersion": "v1", "kind": "ConfigMap"}
    assert gather(view, ["agents"])[0].made == {}


def test_findings_of_a_cluster_stand_at_the_environments_lines(
    bench: Bench, fake: FakeCluster, view: ClusterView
) -> None:
    put(fake, f"{APPS}/deployments", "d", of_template(pods("unmade", "agent-jira-secrets")))
    fake.external_secret("agents", "agent-jira-secrets")
    fake.secret("agents", "agent-github-secrets", {"A": "x"})
    (listed,) = fake.objects["/api/v1/namespaces/agents/secrets"]["items"]
    listed["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    found = judge(bench.own(), gather(view, ["agents"])[0])
    assert [(each.rule, each.span.where) for each in found] == [
        ("unmade-secret", "environments/base.yaml:9:1"),
        ("doubly-made-secret", "environments/base.yaml:9:11"),
        ("unread-secret", "environments/base.yaml:9:11"),
    ]
    assert not any(each.related for each in found)
    assert "a Helm release's Secret" in next(each.message for each in found if each.rule == "doubly-made-secret")


def test_who_may_not_list_what_matters_is_told_so(fake: FakeCluster, view: ClusterView) -> None:
    fake.refused["/deployments"] = 403
    with pytest.raises(Refusal) as refused:
        gather(view, ["agents"])
    assert refused.value.message == "the cluster cannot be asked: you are not allowed to list deployments in agents"


def test_every_right_that_is_missing_is_named_at_once(fake: FakeCluster, view: ClusterView) -> None:
    fake.refused |= {"/deployments": 403, "/namespaces/agents/externalsecrets": 403, "/rollouts": 403, "/pods": 403}
    fake.external_secret("tools", "a")
    with pytest.raises(Refusal) as refused:
        gather(view, ["agents", "tools"])
    assert refused.value.message == (
        "the cluster cannot be asked: you are not allowed to list externalsecrets in agents; "
        "list deployments in agents; list pods in agents; list deployments in tools; list pods in tools; "
        "list rollouts in agents; list rollouts in tools"
    )
    assert refused.value.help == "get roles that allow it"


def test_who_may_not_list_the_rest_is_told_what_was_left_out(fake: FakeCluster, view: ClusterView) -> None:
    fake.refused |= {"/rollouts": 403, "/configmaps": 403}
    put(fake, f"{APPS}/deployments", "d", of_template(pods("a")))
    found, notes = gather(view, ["agents"])
    assert len(found.workloads) == 1
    assert notes == (
        "configmaps are not looked at: you are not allowed to list configmaps in agents",
        "rollouts are not looked at: you are not allowed to list rollouts in agents",
    )


@pytest.mark.parametrize("plural", ["rollouts", "configmaps"])
def test_a_cluster_that_fails_at_the_rest_has_not_answered(fake: FakeCluster, view: ClusterView, plural: str) -> None:
    fake.refused[f"/{plural}"] = 500
    with pytest.raises(Refusal, match="status 500"):
        gather(view, ["agents"])
    # Rollouts that were not listed may be readers.
    assert (readers_in(view, "agents") is None) is (plural == "rollouts")


def test_the_readers_of_each_secret_are_named(fake: FakeCluster, view: ClusterView) -> None:
    put(fake, f"{APPS}/deployments", "d", of_template(pods("a", "a", "b")))
    put(fake, f"{BATCH}/jobs", "j", of_template(pods("a")))
    fake.refused["/rollouts"] = 403
    assert readers_in(view, "agents") == {"a": ('Deployment "d"', 'Job "j"'), "b": ('Deployment "d"',)}
    fake.refused["/jobs"] = 403
    assert readers_in(view, "agents") is None
