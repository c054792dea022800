import pytest

from compiler.cluster.fields import keep_used_fields
from compiler.cluster.view import container_states, keys_of, target_of, writers
from tests.recorded_cluster import by_name, recorded

PLAIN_SENTINEL = "sentinel-4711"
SLACK_KEYS = {
    "SLACK_APP_TOKEN",
    "SLACK_BOT_TOKEN",
    "SLACK_CLIENT_SECRET",
    "SLACK_SIGNING_SECRET",
    "SLACK_TEAM_ID",
}


@pytest.mark.parametrize("name", ["externalsecrets-list", "secrets-metadata-list"])
def test_every_recorded_object_has_the_form_of_the_api(name: str) -> None:
    for found in recorded(name)["items"]:
        assert keep_used_fields(name.partition("-")[0], found)["metadata"]["uid"] == found["metadata"]["uid"]


def test_what_is_left_out_or_null_is_no_other_form() -> None:
    assert keep_used_fields("externalsecrets", {"metadata": None, "status": {"conditions": None}})
    assert keep_used_fields("externalsecrets", {"spec": {"data": [{"remoteRef": None}], "target": None}}) is not None


@pytest.mark.parametrize(
    ("plural", "odd"),
    [
        *[("clustersecretstores", {"provider": each}) for each in ("x", ["x"], {"vault": "x"}, {"fake": "x"})],
        ("clustersecretstores", {"provider": {"vault": {"server": 5}}}),
        ("secretstores", {"provider": {"azurekv": {"vaultUrl": ["x"]}}}),
        ("secretstores", {"controller": {}}),
        *[("secretstores", {"conditions": [{name: "x"}]}) for name in ("namespaces", "namespaceRegexes")],
        ("secretstores", {"conditions": [{"namespaceRegexes": [5]}]}),
        ("secretstores", {"conditions": [{"namespaceSelector": "x"}]}),
        *[("externalsecrets", {name: ["x"]}) for name in ("data", "dataFrom", "target", "secretStoreRef")],
        *[("externalsecrets", {name: "x"}) for name in ("data", "dataFrom", "target", "secretStoreRef")],
        ("externalsecrets", {"data": [None]}),
        ("externalsecrets", {"data": [{"remoteRef": "x"}]}),
        ("externalsecrets", {"data": [{"remoteRef": {"key": ["x"]}}]}),
        ("externalsecrets", {"data": [{"sourceRef": {"storeRef": "x"}}]}),
        ("externalsecrets", {"dataFrom": [{"find": {"path": 5}}]}),
        ("externalsecrets", {"dataFrom": [{"extract": "x"}]}),
        ("clusterexternalsecrets", {"externalSecretSpec": {"data": ["x"]}}),
        ("clusterexternalsecrets", {"externalSecretSpec": "x"}),
        *[("pushsecrets", {name: ["x"]}) for name in ("secretStoreRefs", "data", "dataTo")],
        ("pushsecrets", {"data": [{"match": {"remoteRef": {"remoteKey": 5}}}]}),
        ("clusterpushsecrets", {"pushSecretSpec": {"data": ["x"]}}),
        *[("vaultdynamicsecrets", odd) for odd in ({"path": ["x"]}, {"provider": "x"}, {"provider": {"server": 5}})],
        ("clustergenerators", {"generator": {"vaultDynamicSecretSpec": {"path": 5}}}),
        *[("secretproviderclasses", odd) for odd in ({"provider": 5}, {"parameters": {"objects": ["x"]}})],
    ],
)
def test_a_spec_in_another_form_is_refused(plural: str, odd: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        keep_used_fields(plural, {"metadata": {"name": "a"}, "spec": odd})


@pytest.mark.parametrize(
    ("plural", "odd"),
    [
        ("pods", {"containerStatuses": [{"restartCount": "x"}]}),
        ("pods", {"initContainerStatuses": [{"restartCount": 1.5}]}),
        ("pods", {"containerStatuses": "x"}),
        ("pods", {"containerStatuses": [{"state": {"waiting": {"reason": ["x"]}}}]}),
        ("pods", {"phase": ["x"]}),
        ("externalsecrets", {"conditions": [{"reason": ["x"]}]}),
        ("externalsecrets", {"syncedResourceVersion": 4}),
    ],
)
def test_a_status_in_another_form_is_refused(plural: str, odd: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        keep_used_fields(plural, {"status": odd})


@pytest.mark.parametrize(
    "odd",
    [
        {"labels": {"app.kubernetes.io/part-of": ["x"]}},
        {"ownerReferences": ["x"]},
        {"managedFields": {"a": 1}},
        {"managedFields": [{"fieldsV1": "x"}]},
        {"generation": "4"},
        {"name": ["x"]},
    ],
    ids=str,
)
def test_metadata_in_another_form_is_refused(odd: dict[str, object]) -> None:
    # Of the others this is not read.
    (name,) = odd
    unread = {"pods": {"labels", "managedFields", "generation"}, "namespaces": {"managedFields"}}
    for plural in ("secrets", "pods", "externalsecrets", "namespaces"):
        if name not in unread.get(plural, ()):
            with pytest.raises(TypeError):
                keep_used_fields(plural, {"metadata": odd})


@pytest.mark.parametrize(
    "odd", [{"count": "x"}, {"series": "x"}, {"involvedObject": [1]}, {"lastTimestamp": 5}], ids=str
)
def test_an_event_in_another_form_is_refused(odd: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        keep_used_fields("events", odd)


def test_of_a_secret_the_operators_marks_and_the_names_of_keys_are_kept() -> None:
    found = by_name("secrets-metadata-list")["agent-slack-secrets"]
    kept = keep_used_fields("secrets", {**found, "data": {"SLACK_BOT_TOKEN": PLAIN_SENTINEL}})
    assert set(kept) == {"metadata"}
    assert kept["metadata"]["uid"] == found["metadata"]["uid"]
    assert set(kept["metadata"]["annotations"]) == {"reconcile.external-secrets.io/data-hash"}
    assert keys_of(kept) == keys_of(found) == SLACK_KEYS
    assert keys_of({}) == frozenset()


def test_what_kubectl_notes_of_a_secret_is_dropped() -> None:
    noted = {"kubectl.kubernetes.io/last-applied-configuration": PLAIN_SENTINEL, "note": PLAIN_SENTINEL}
    assert PLAIN_SENTINEL not in repr(keep_used_fields("secrets", {"metadata": {"name": "a", "annotations": noted}}))


def test_of_an_external_secret_spec_and_status_stay_as_they_are() -> None:
    (found, *_) = recorded("externalsecrets-list")["items"]
    kept = keep_used_fields("externalsecrets", found)
    assert kept["spec"] == found["spec"]
    assert kept["status"] == {name: value for name, value in found["status"].items() if name != "binding"}
    assert kept["metadata"]["generation"] == found["metadata"]["generation"]
    ((time, manager, fields),) = writers(found, "f:spec")
    assert (time, manager) == ("2026-11-26T00:50:05Z", "argocd-controller")
    assert list(fields["f:secretStoreRef"]) == ["f:kind", "f:name"]
    assert list(writers(kept, "f:spec")) == list(writers(found, "f:spec"))
    # Of the managers nothing else is kept.
    assert {name for _, _, fields in writers(kept) for name in fields} == {"f:spec", "f:metadata"}
    assert not list(writers(kept, "f:metadata", "f:annotations"))
    assert "status" not in keep_used_fields("externalsecrets", {"metadata": {"name": "a"}, "spec": {}})


def test_of_a_pod_nothing_stays_that_may_be_a_credential() -> None:
    container = {
        "name": "main",
        "image": "x",
        "args": [PLAIN_SENTINEL],
        "env": [
            {"name": "PLAIN", "value": PLAIN_SENTINEL},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "TOKEN"}}},
        ],
        "envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}],
        "volumeMounts": [
            {"name": "v", "mountPath": "/v", "subPath": "TOKEN"},
            {"name": "other", "mountPath": "/o"},
        ],
    }
    conditions = [{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}]
    pod = {
        "metadata": {"name": "p", "namespace": "team", "uid": "1", "annotations": {"a": PLAIN_SENTINEL}},
        "spec": {
            "containers": [container],
            "volumes": [
                {"name": "v", "secret": {"secretName": "s"}},
                {"name": "other", "emptyDir": {}},
                {"name": "inline", "csi": {"driver": "d", "volumeAttributes": {"password": PLAIN_SENTINEL}}},
            ],
            "imagePullSecrets": [{"name": "pull"}],
        },
        "status": {
            "phase": "Running",
            "message": PLAIN_SENTINEL,
            "conditions": conditions,
            "initContainerStatuses": [{"name": "init", "restartCount": 1}],
            "containerStatuses": [
                {
                    "name": "main",
                    "state": {"waiting": {"reason": "CreateContainerConfigError", "message": PLAIN_SENTINEL}},
                }
            ],
        },
    }
    kept = keep_used_fields("pods", pod)
    assert PLAIN_SENTINEL not in repr(kept)
    (main,) = kept["spec"]["containers"]
    assert [each["name"] for each in main["env"]] == ["TOKEN"]
    assert main["envFrom"] == [{"secretRef": {"name": "s"}}]
    assert main["volumeMounts"] == [{"name": "v", "subPath": "TOKEN"}]
    assert kept["spec"]["imagePullSecrets"] == [{"name": "pull"}]
    assert kept["status"]["conditions"] == conditions
    assert container_states(kept) == [
        {"name": "init", "restartCount": 1},
        {"name": "main", "state": {"waiting": {"reason": "CreateContainerConfigError"}}},
    ]


@pytest.mark.parametrize(
    ("target", "made"),
    [
        ({}, "es"),
        ({"name": "other", "creationPolicy": "Merge"}, "other"),
        ({"name": "other", "creationPolicy": "None"}, None),
        ({"name": "other", "manifest": {"apiVersion": "v1", "kind": "ConfigMap"}}, None),
        ({"name": "other", "manifest": {"apiVersion": "v1", "kind": "Secret"}}, "other"),
    ],
)
def test_an_external_secret_makes_the_secret_that_it_names_or_none(target: dict[str, object], made: str | None) -> None:
    assert target_of({"metadata": {"name": "es"}, "spec": {"target": target}}) == made


def test_of_a_workload_what_names_secrets_and_variables_is_kept() -> None:
    pods = {
        "containers": [
            {
                "name": "main",
                "args": [PLAIN_SENTINEL],
                "env": [
                    {"name": "A", "value": PLAIN_SENTINEL},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "K"}}},
                ],
                "envFrom": [{"prefix": "P_", "configMapRef": {"name": "c"}}],
                "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "x"}],
            }
        ],
        "volumes": [
            {"name": "v", "secret": {"secretName": "s"}},
            {"name": "e", "emptyDir": {"sizeLimit": PLAIN_SENTINEL}},
        ],
        "imagePullSecrets": [{"name": "p"}],
    }
    annotations = {"helm.sh/hook": "test", "argocd.argoproj.io/sync-wave": "1", "note": PLAIN_SENTINEL}
    metadata = {"name": "a", "labels": {"l": "m"}, "annotations": annotations}
    kept = keep_used_fields(
        "jobs", {"metadata": metadata, "spec": {"template": {"spec": pods}}, "status": PLAIN_SENTINEL}
    )
    assert PLAIN_SENTINEL not in repr(kept)
    spec = kept["spec"]["template"]["spec"]
    assert kept["metadata"]["annotations"] == {"helm.sh/hook": "test", "argocd.argoproj.io/sync-wave": "1"}
    (container,) = spec["containers"]
    assert [each["name"] for each in container["env"]] == ["A", "B"]
    assert container["env"][1]["valueFrom"] == {"secretKeyRef": {"name": "s", "key": "K"}}
    assert container["envFrom"] == [{"prefix": "P_", "configMapRef": {"name": "c"}}]
    assert spec["volumes"][0] == {"name": "v", "secret": {"secretName": "s"}}
    of_cron_job = {"jobTemplate": {"spec": {"template": {"spec": pods}}}}
    assert keep_used_fields("cronjobs", {"spec": of_cron_job})["spec"]["jobTemplate"]["spec"] == kept["spec"]
