import pytest

from compiler.consumers.readers import SYNC, Moment
from tests.unit.consumers.conftest import deployment, gathered

ESO = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: es}\n"


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
    assert keys_of(ESO + spec) == keys


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
    assert gathered(f"{ESO}spec: {{target: {{{target}}}, data: [{{secretKey: A}}]}}").made == {}
    made = "spec: {target: {manifest: {apiVersion: v1, kind: Secret}}, data: [{secretKey: A}]}"
    assert keys_of(ESO + made) == frozenset({"A"})


def test_another_group_makes_no_secret() -> None:
    assert gathered("apiVersion: example.com/v1\nkind: Secret\nmetadata: {name: a}\n").made == {}


def test_what_makes_a_secret_knows_when() -> None:
    text = ESO.replace("{name: es}", "{name: es, annotations: {argocd.argoproj.io/sync-wave: '-9'}}")
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
