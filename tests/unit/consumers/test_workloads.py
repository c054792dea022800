import pytest

from compiler.consumers.readers import (
    POD_SPECS,
    POST_SYNC,
    PRE_SYNC,
    SYNC,
    Moment,
    VariableSource,
    hook_of,
    is_workload,
    workload_of,
)


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
