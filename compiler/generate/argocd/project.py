"""Builds the AppProjects, whose lists are closed: a repository can deploy no other kind, nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.generate.argocd.application import API_VERSION, destination, root_project
from compiler.generate.argocd.wanted import IN_CLUSTER_SERVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.generate.argocd.wanted import Deployed, Wanted

_ESO = "external-secrets.io"


def secrets_project(wanted: Wanted, deployed: Sequence[Deployed]) -> dict[str, Any]:
    """The project of the environments' secrets: their repositories, clusters, namespaces and kinds."""
    destinations = [
        {**destination(wanted, each.name), "namespace": namespace} for each in deployed for namespace in each.namespaces
    ]
    # Argo CD makes the namespace of an Application by the option CreateNamespace.
    cluster_wide = [{"group": "", "kind": "Namespace", "name": each.namespace} for each in deployed]
    cluster_wide += [
        {"group": _ESO, "kind": "ClusterSecretStore", "name": name} for each in deployed for name in each.cluster_stores
    ]
    kinds = [(_ESO, "ExternalSecret"), *(kind for each in deployed for kind in each.kinds)]
    # No manifest has a Secret, but the tree shows those that the operator makes only where the project may have them.
    kinds.append(("", "Secret"))
    repos = [wanted.repo, *([wanted.chart.repo] if wanted.chart is not None else [])]
    return _project(
        wanted.project,
        wanted,
        {
            "description": "ExternalSecrets of the platform",
            "sourceRepos": list(dict.fromkeys(repos)),
            "destinations": _once(destinations),
            "clusterResourceWhitelist": _once(cluster_wide),
            "namespaceResourceWhitelist": [{"group": group, "kind": kind} for group, kind in dict.fromkeys(kinds)],
        },
    )


def apps_project(wanted: Wanted) -> dict[str, Any]:
    """The project of the Applications that deploy Applications.

    Whoever writes to its repository can make an Application of any project, which Argo CD reserves to administrators.
    """
    return _project(
        root_project(wanted),
        wanted,
        {
            "description": "Applications of the platform",
            "sourceRepos": [wanted.repo],
            "destinations": [{"server": IN_CLUSTER_SERVER, "namespace": wanted.namespace}],
            "namespaceResourceWhitelist": [{"group": "argoproj.io", "kind": "Application"}],
        },
    )


def _project(name: str, wanted: Wanted, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": wanted.namespace}
    return {"apiVersion": API_VERSION, "kind": "AppProject", "metadata": metadata, "spec": spec}


def _once(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    return [entry for index, entry in enumerate(entries) if entry not in entries[:index]]
