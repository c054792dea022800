from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler.cluster.client import KubernetesCluster
from compiler.cluster.pods import SecretRead, Way
from compiler.cluster.view import ClusterView
from compiler.consumers.findings import judge
from compiler.consumers.readers import (
    OPTIONAL,
    POD_SPECS,
    POST_SYNC,
    PRE_SYNC,
    SYNC,
    Made,
    Moment,
    ObjectIndex,
    VariableSource,
    Workload,
    gather,
    hook_of,
    is_workload,
    readers_in,
    workload_of,
)
from compiler.refusal import Refusal
from tests.fake_cluster import ESO, FakeCluster
from tests.unit.consumers.conftest import Bench, deployment, gathered

APPS, BATCH = "/apis/apps/v1/namespaces/agents", "/apis/batch/v1/namespaces/agents"
SENTINEL = "sentinel-4711"
HELMS = "Helm release's Secret"


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


@pytest.mark.parametrize(
    ("manager", "kinds"),
    [("externalsecrets.external-secrets.io/es", ["ExternalSecret"]), ("helm", ["ExternalSecret", HELMS])],
)
def test_an_orphan_with_labels_of_helm_is_made_once(
    fake: FakeCluster, view: ClusterView, manager: str, kinds: list[str]
) -> None:
    """Helm labels an ExternalSecret, and with creationPolicy Orphan its Secret has these labels and no owner."""
    fake.external_secret("agents", "es")
    fake.secret("agents", "es", {"A": "x"})
    (listed,) = fake.objects["/api/v1/namespaces/agents/secrets"]["items"]
    listed["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    listed["metadata"]["managedFields"][0]["manager"] = manager
    made = gather(view, ["agents"])[0].made["agents", "es"]
    assert [each.kind for each in made] == kinds
    assert made[-1].keys == frozenset({"A"})


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


EXTERNAL_SECRET = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: es}\n"


def keys_of(text: str) -> frozenset[str] | None:
    ((made,),) = gathered(text).made.values()
    return made.keys


def test_a_workload_knows_its_place_and_namespace() -> None:
    text = deployment("envFrom: [{secretRef: {name: a}}]") + deployment("image: a", head=", namespace: other", name="b")
    first, second = gathered(text).workloads
    assert (first.namespace, first.name, first.at.where if first.at else "") == (
        "agents",
        "platform-agent",
        "m0.yaml:4:18",
    )
    assert (second.namespace, second.name) == ("other", "b")
    assert [(each.at.where if each.at else "", each.key_at) for each in first.readings] == [("m0.yaml:10:40", None)]


def test_a_kind_that_is_not_known_runs_pods_where_most_kinds_have_their_spec() -> None:
    text = deployment("envFrom: [{secretRef: {name: a}}]").replace("apps/v1", "serving.knative.dev/v1")
    (workload,) = gathered(text.replace("Deployment", "Service")).workloads
    assert workload.title == 'Service "platform-agent"'
    assert [(each.secret, each.at.where if each.at else "") for each in workload.readings] == [("a", "m0.yaml:10:40")]
    assert not gathered("apiVersion: v1\nkind: X\nspec: {template: {spec: {secretName: a}}}\n").workloads


def test_a_list_is_all_of_its_items() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- 7\n- {kind: ''}\n"
    found = gathered(text)
    assert ([each.name for each in found.workloads], found.objects) == (["a"], 1)


def test_of_a_secret_only_the_names_of_keys_are_kept() -> None:
    text = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, annotations: {x: sentinel-4711}}\n"
        "data: {A: c2VudGluZWwtNDcxMQ==}\nstringData: {B: sentinel-4711}\n"
    )
    found = gathered(text)
    ((made,),) = found.made.values()
    assert made.keys == frozenset({"A", "B"})
    assert not any(word in repr((found, made, made.at)) for word in ("sentinel", "c2VudG"))
    assert made.at is not None
    assert not made.at.source.text.strip()


def test_of_a_config_map_only_the_names_of_keys_are_kept() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {A: sentinel}\nbinaryData: {B: eA==}\n"
    found = gathered(text)
    assert found.config_maps == {("agents", "a"): {"A", "B"}}
    assert "sentinel" not in repr(found)


@pytest.mark.parametrize(
    ("spec", "keys"),
    [
        ("", frozenset()),
        ("spec: {data: [{secretKey: A}, {secretKey: B}]}", {"A", "B"}),
        ("spec: {data: [{secretKey: A}], dataFrom: [{extract: {key: x}}]}", None),
        ("spec: {target: {template: {data: {T: x}}}, dataFrom: [{extract: {key: x}}]}", {"T"}),
        ("spec: {target: {template: {mergePolicy: Merge, data: {T: x}}}, data: [{secretKey: A}]}", {"T", "A"}),
        ("spec: {target: {template: {mergePolicy: Merge, data: {T: x}}}, dataFrom: [{extract: {key: x}}]}", None),
        ("spec: {target: {template: {templateFrom: [{configMap: {name: x}}]}}, data: [{secretKey: A}]}", None),
        ("spec: {target: {template: {type: Opaque}}, data: [{secretKey: A}]}", {"A"}),
        # What is empty counts as not written.
        ("spec: {target: {template: {data: {}, templateFrom: []}}, data: [{secretKey: A}], dataFrom: []}", {"A"}),
    ],
)
def test_the_keys_of_an_external_secret_are_those_of_its_data_or_template(
    spec: str, keys: frozenset[str] | None
) -> None:
    assert keys_of(EXTERNAL_SECRET + spec) == keys


def test_a_sealed_secret_and_a_certificate_make_a_secret() -> None:
    sealed = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: a}\n"
    sealed += "spec: {encryptedData: {A: AgB}, template: {metadata: {name: b}, data: {C: x}}}\n"
    found = gathered(sealed).made
    assert {name: made[0].keys for name, made in found.items()} == {("agents", "b"): frozenset({"A", "C"})}
    certificate = "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a}\n"
    certificate += "spec: {secretName: tls, keystores: {jks: {}, pkcs12: {}, other: {}}}\n"
    keys = keys_of(certificate)
    assert keys is not None
    assert keys > {"tls.crt", "tls.key", "ca.crt", "keystore.jks", "truststore.p12"}
    assert len(keys) == 7


def test_a_secret_provider_class_makes_its_secret_objects_and_refers_to_none() -> None:
    text = "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {name: c}\n"
    text += "spec: {secretObjects: [{secretName: a, data: [{key: A}, {key: B}]}, {secretName: b}]}\n"
    found = gathered(text)
    assert {name: made[0].keys for name, made in found.made.items()} == {
        ("agents", "a"): frozenset({"A", "B"}),
        ("agents", "b"): frozenset(),
    }
    assert not found.mentioned


@pytest.mark.parametrize("target", ["creationPolicy: None", "manifest: {apiVersion: v1, kind: ConfigMap}"])
def test_an_external_secret_may_make_no_secret(target: str) -> None:
    assert gathered(f"{EXTERNAL_SECRET}spec: {{target: {{{target}}}, data: [{{secretKey: A}}]}}").made == {}
    made = "spec: {target: {manifest: {apiVersion: v1, kind: Secret}}, data: [{secretKey: A}]}"
    assert keys_of(EXTERNAL_SECRET + made) == frozenset({"A"})


def test_another_group_makes_no_secret() -> None:
    assert gathered("apiVersion: example.com/v1\nkind: Secret\nmetadata: {name: a}\n").made == {}


def test_what_makes_a_secret_knows_when() -> None:
    text = EXTERNAL_SECRET.replace("{name: es}", "{name: es, annotations: {argocd.argoproj.io/sync-wave: '-9'}}")
    ((made,),) = gathered(text).made.values()
    assert (made.moment, made.by, made.name) == (Moment(SYNC, -9), "es", "es")


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("kind: Ingress\nspec: {tls: [{secretName: a}]}\n", {"a"}),
        ("kind: ServiceAccount\nimagePullSecrets: [{name: a}]\nsecrets: [{name: b}, c]\n", {"a", "b"}),
        ("kind: Gateway\nspec: {listeners: [{tls: {credentialName: a}}]}\n", {"a"}),
        ("kind: ClusterSecretStore\nspec: {auth: {tokenSecretRef: {name: a, key: t}}}\n", {"a"}),
        ("kind: X\nspec: {clientSecretKeyRef: {name: a}, existingSecret: b, secretRef: text}\n", {"a", "b"}),
        ("kind: ConfigMap\ndata: {existingSecret: a}\n", set()),
        ("kind: Secret\nstringData: {existingSecret: a}\n", set()),
    ],
)
def test_whatever_looks_like_a_reference_mentions_a_secret(text: str, mentioned: set[str]) -> None:
    head = "apiVersion: v1\nmetadata: {name: x}\n"
    assert gathered(head + text).mentioned == {("agents", name) for name in mentioned}


def test_a_reference_may_name_its_namespace() -> None:
    text = "apiVersion: v1\nkind: X\nspec: {secretRef: {name: a, namespace: b}}\n"
    assert gathered(text).mentioned == {("b", "a")}


@pytest.mark.parametrize(
    "text",
    [
        "7\n",
        "kind: Deployment\napiVersion: apps/v1\n",
        "kind: Deployment\napiVersion: apps/v1\nmetadata: []\nspec: {template: {spec: []}}\n",
        "kind: Deployment\napiVersion: apps/v1\nmetadata: a\nspec: a\n",
        "kind: [Secret]\n",
        "kind: Secret\napiVersion: v1\nmetadata: {name: [a]}\ndata: [a]\n",
        "kind: ExternalSecret\napiVersion: external-secrets.io/v1\nspec: []\n",
        "kind: ExternalSecret\napiVersion: external-secrets.io/v1\nspec: {data: {a: b}, target: {template: 7}}\n",
        "kind: Certificate\napiVersion: cert-manager.io/v1\nspec: {keystores: []}\n",
        "kind: List\nitems: {a: b}\n",
        "items: []\n",
    ],
)
def test_what_has_not_the_form_of_a_manifest_is_no_failure(text: str) -> None:
    found = gathered(text)
    assert not any(workload.readings for workload in found.workloads)


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [
        *(("apps/v1", kind, True) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")),
        ("batch/v1", "Job", True),
        ("batch/v1beta1", "CronJob", True),
        ("v1", "Pod", True),
        ("argoproj.io/v1alpha1", "Rollout", True),
        ("apps/v1", "Rollout", False),
        ("example.com/v1", "Deployment", False),
        ("v1", "Service", False),
    ],
)
def test_a_kind_counts_with_its_group(api_version: str, kind: str, *, expected: bool) -> None:
    assert is_workload(api_version, kind) is expected


def test_the_pods_of_a_cron_job_are_two_templates_down() -> None:
    assert POD_SPECS["CronJob"] == ("spec", "jobTemplate", "spec", "template", "spec")
    assert POD_SPECS["Pod"] == ("spec",)


@pytest.mark.parametrize(
    ("annotations", "hook", "moment"),
    [
        ({}, None, Moment(SYNC, 0)),
        ({"argocd.argoproj.io/sync-wave": "-3"}, None, Moment(SYNC, -3)),
        ({"helm.sh/hook-weight": "7"}, None, Moment(SYNC, 0)),
        ({"helm.sh/hook": "post-install, pre-install"}, "pre-install", Moment(PRE_SYNC, 0)),
        ({"helm.sh/hook": "pre-upgrade", "helm.sh/hook-weight": "7"}, "pre-upgrade", Moment(PRE_SYNC, 7)),
        (
            {"helm.sh/hook": "pre-upgrade", "helm.sh/hook-weight": "7", "argocd.argoproj.io/sync-wave": "2"},
            "pre-upgrade",
            Moment(PRE_SYNC, 2),
        ),
        ({"helm.sh/hook": "test"}, "test", Moment(POST_SYNC, 0)),
        (
            {"argocd.argoproj.io/hook": "PostSync", "helm.sh/hook": "pre-install"},
            "PostSync",
            Moment(POST_SYNC, 0),
        ),
        (
            {"argocd.argoproj.io/hook": "PreSync", "argocd.argoproj.io/sync-wave": "x"},
            "PreSync",
            Moment(PRE_SYNC),
        ),
        ({"argocd.argoproj.io/hook": "  "}, None, Moment()),
        ({"argocd.argoproj.io/sync-wave": "9" * 400}, None, Moment()),
    ],
)
def test_annotations_say_which_hook_it_is_and_when_it_runs(
    annotations: dict[str, str], hook: str | None, moment: Moment
) -> None:
    assert hook_of({"annotations": annotations}) == (hook, moment)


def test_what_sets_variables_is_in_the_order_of_its_weight() -> None:
    spec = {
        "containers": [
            {
                "name": "main",
                "env": [
                    {"name": "A", "value": "sentinel-4711"},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "K"}}},
                    {"value": "nameless"},
                ],
                "envFrom": [
                    {"prefix": "P_", "secretRef": {"name": "s"}},
                    {"configMapRef": {"name": "c"}},
                    {"prefix": 7},
                ],
            }
        ]
    }
    labels = {"app.kubernetes.io/name": "mcp", "app.kubernetes.io/instance": "release", "team": "a"}
    found = workload_of("Pod", "n", {"generateName": "x-", "labels": labels}, spec, lambda _: None)
    assert (found.name, found.components) == ("x-", frozenset({"mcp", "release"}))
    (container,) = found.containers
    assert container == (
        VariableSource(secret="s", prefix="P_"),
        VariableSource(config_map="c"),
        VariableSource(variable="A"),
        VariableSource(secret="s", key="K", variable="B"),
    )
    assert "sentinel" not in repr(found)
    assert [(each.secret, each.at, each.key_at) for each in found.readings] == [("s", None, None)] * 2


def test_readings_are_found_by_the_secret_in_the_order_of_the_input() -> None:
    reads = [SecretRead("a", "K", Way.ENV), SecretRead("b", None, Way.ENV_FROM)]
    first = Workload("Pod", "n", "x", frozenset(), tuple(reads), ())
    second = Workload("Pod", "n", "y", frozenset(), (reads[0],), ())
    found = ObjectIndex([first, second]).readers()
    assert found == {("n", "a"): [(first, reads[0]), (second, reads[0])], ("n", "b"): [(first, reads[1])]}
    assert first.title == 'Pod "x"'


def test_several_makers_of_one_secret_are_kept() -> None:
    gathered = ObjectIndex()
    first, second = Made("Secret", "n", "a", None, "a"), Made("ExternalSecret", "n", "a", None, "b")
    gathered.make(first)
    gathered.make(second)
    assert gathered.made == {("n", "a"): [first, second]}


def test_phases_come_before_waves() -> None:
    assert Moment(PRE_SYNC, 5) < Moment() < Moment(SYNC, 1) < Moment(POST_SYNC, -9)
