"""Builds the Applications: that of an environment's secrets, that of the platform, and the one that deploys both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.generate.argocd.wanted import IN_CLUSTER_SERVER
from compiler.model.sync_wave import ANNOTATION

if TYPE_CHECKING:
    from compiler.generate.argocd.wanted import Deployed, Platform, Wanted

API_VERSION = "argoproj.io/v1alpha1"
# The secrets first: the platform's PreSync hooks, which run before every wave of its own, read them.
SECRETS_WAVE, PLATFORM_WAVE = "-10", "0"
# The release of the chart, which names nothing of what it prints.
RELEASE = "platform-secrets"
# Fields that the API server defaults are no difference to a dry run of the server.
_SERVER_SIDE_DIFF = {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}
# Longer in all than the 7 minutes that External Secrets Operator may wait between two tries. `refresh` takes a commit
# that mends what failed in place of what failed.
_RETRY = {"limit": 5, "refresh": True, "backoff": {"duration": "30s", "factor": 2, "maxDuration": "10m"}}


def application(name: str, wanted: Wanted, spec: dict[str, Any], wave: str | None = None) -> dict[str, Any]:
    """An Application without a finalizer: deleting it leaves what it has deployed."""
    annotations = {**({ANNOTATION: wave} if wave is not None else {}), **_SERVER_SIDE_DIFF}
    metadata = {"name": name, "namespace": wanted.namespace, "annotations": annotations}
    return {"apiVersion": API_VERSION, "kind": "Application", "metadata": metadata, "spec": spec}


def secrets_spec(wanted: Wanted, source: dict[str, Any], deployed: Deployed) -> dict[str, Any]:
    """The spec that deploys an environment's secrets; pruning is off where nobody would be asked."""
    return {
        "project": wanted.project,
        **source,
        "destination": {**destination(wanted, deployed.name), "namespace": deployed.namespace},
        "syncPolicy": secrets_policy(is_asked=deployed.is_asked),
    }


def secrets_policy(*, is_asked: bool) -> dict[str, Any]:
    options = ["CreateNamespace=true", "ServerSideApply=true", "FailOnSharedResource=true"]
    return {"automated": {"prune": is_asked, "selfHeal": True}, "syncOptions": options, "retry": _RETRY}


def one_source(wanted: Wanted, values_file: str) -> dict[str, Any]:
    """The chart and its values files in one folder of a repository."""
    source = {
        "repoURL": wanted.repo,
        "targetRevision": wanted.revision,
        "path": wanted.path,
        "helm": _helm(values_file),
    }
    return {"source": source}


def two_sources(wanted: Wanted, values_file: str) -> dict[str, Any]:
    """The chart from one place, and the values files from the repository that `$values` stands for."""
    chart = wanted.chart
    if chart is None:
        raise ValueError("two sources need the chart's")
    place = {"chart": chart.chart} if chart.chart is not None else {"path": wanted.path}
    below = "" if wanted.path == "." else f"{wanted.path}/"
    return {
        "sources": [
            {
                "repoURL": chart.repo,
                "targetRevision": chart.revision,
                **place,
                "helm": _helm(f"$values/{below}{values_file}"),
            },
            {"repoURL": wanted.repo, "targetRevision": wanted.revision, "ref": "values"},
        ]
    }


def platform_spec(wanted: Wanted, platform: Platform, deployed: Deployed) -> dict[str, Any]:
    """The spec that deploys the platform itself, with its values file of the environment."""
    helm = {"valueFiles": [f"$values/{platform.values}/values-{deployed.name}.yaml"], "ignoreMissingValueFiles": False}
    return {
        "project": platform.project,
        "sources": [
            {"repoURL": platform.repo, "chart": platform.chart, "targetRevision": platform.version, "helm": helm},
            {"repoURL": wanted.repo, "targetRevision": wanted.revision, "ref": "values"},
        ],
        "destination": {**destination(wanted, deployed.name), "namespace": deployed.namespace},
        "syncPolicy": {
            "automated": {"prune": False, "selfHeal": True},
            "syncOptions": ["CreateNamespace=true", "ServerSideApply=true"],
            "retry": _RETRY,
        },
    }


def root_spec(wanted: Wanted, environment: str) -> dict[str, Any]:
    """The spec that deploys an environment's Applications; it prunes none of them."""
    path = f"{wanted.apps}/{environment}"
    return {
        "project": root_project(wanted),
        "source": {"repoURL": wanted.repo, "targetRevision": wanted.revision, "path": path},
        "destination": {"server": IN_CLUSTER_SERVER, "namespace": wanted.namespace},
        "syncPolicy": {
            "automated": {"prune": False, "selfHeal": True},
            "syncOptions": ["ServerSideApply=true", "FailOnSharedResource=true"],
            "retry": _RETRY,
        },
    }


def root_project(wanted: Wanted) -> str:
    """The name of the AppProject whose Applications may create Applications alone."""
    return f"{wanted.project}-apps"


def destination(wanted: Wanted, environment: str) -> dict[str, str]:
    """The cluster of an environment."""
    name = wanted.clusters.get(environment)
    return {"server": IN_CLUSTER_SERVER} if name is None else {"name": name}


def _helm(values_file: str) -> dict[str, Any]:
    # Written although it is the default: with `true`, a misspelt file would render no secret at all.
    return {"releaseName": RELEASE, "valueFiles": [values_file], "ignoreMissingValueFiles": False}
