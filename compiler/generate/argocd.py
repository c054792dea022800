"""Builds AppProjects and Applications in four forms, and the health scripts of Argo CD."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from compiler.generate.files import manifest_text
from compiler.model.facts import ANNOTATION

# The manifests of each file.
Files = dict[str, list[dict[str, Any]]]


# Argo CD's own name and address of the cluster that it runs in.
IN_CLUSTER = "in-cluster"
IN_CLUSTER_SERVER = "https://kubernetes.default.svc"


@dataclass(frozen=True, slots=True)
class ChartSource:
    """Where `multi-source` has the chart from: `chart` is its name in a registry, None for a path of a repository."""

    repo: str
    revision: str
    chart: str | None = None


@dataclass(frozen=True, slots=True)
class Platform:
    """The platform's own chart in a registry, and the folder of the repository that holds its values files."""

    repo: str
    chart: str
    version: str
    values: str
    project: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the project lies in Git, and how Argo CD is to name it.

    `path` is the chart's folder in the repository, beside the values files, `apps` the folder that app-of-apps reads,
    `namespace` that of Argo CD, and `clusters` Argo CD's names of clusters by environment.
    """

    repo: str
    revision: str
    path: str
    project: str
    namespace: str
    clusters: Mapping[str, str] = field(default_factory=dict)
    chart: ChartSource | None = None
    apps: str = ""
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class Deployed:
    """An environment as Argo CD deploys it.

    `namespaces` are all that it writes to, its own first, `kinds` group and kind of what it renders beside
    ExternalSecrets, `cluster_stores` the names of the ClusterSecretStores among it. `is_asked` says that no
    ExternalSecret is pruned before a person confirms.
    """

    name: str
    namespaces: tuple[str, ...]
    is_asked: bool
    kinds: tuple[tuple[str, str], ...] = ()
    cluster_stores: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        return self.namespaces[0]


# By the kind that each judges; the names are those of the files in lua/.
_FILES = {
    "external-secrets.io/ExternalSecret": "external-secret.lua",
    "argoproj.io/Application": "application.lua",
}
_FOLDER = Path(__file__).parent / "lua"
_MEMBER = "resource.customizations.health."


def script(kind: str) -> str:
    """The Lua that judges a `kind`, such as `argoproj.io/Application`."""
    return (_FOLDER / _FILES[kind]).read_text("utf-8")


def health_patch() -> str:
    """A merge patch of argocd-cm, which leaves every other member of it as it is."""
    # Argo CD writes group and kind with `_` between them: a ConfigMap's keys have no slash.
    return manifest_text({"data": {f"{_MEMBER}{kind.replace('/', '_')}": script(kind) for kind in _FILES}})


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


# The first by name: `kubectl apply -f DIR` goes by it, and no Application synchronises before its project is there.
_PROJECT = "00-project.yaml"


def files(form: str, wanted: Wanted, deployed: Sequence[Deployed]) -> Files:
    """The manifests that deploy these environments in the `form`, by file name, the AppProjects first."""
    return _FORMS[form](wanted, deployed)


def _applications(
    wanted: Wanted, deployed: Sequence[Deployed], source: Callable[[Wanted, str], dict[str, Any]]
) -> Files:
    found: Files = {_PROJECT: [secrets_project(wanted, deployed)]}
    for each in deployed:
        spec = secrets_spec(wanted, source(wanted, _values_file(each.name)), each)
        found[f"application-{each.name}.yaml"] = [application(_name(wanted, each.name), wanted, spec)]
    return found


def _application(wanted: Wanted, deployed: Sequence[Deployed]) -> Files:
    return _applications(wanted, deployed, one_source)


def _multi_source(wanted: Wanted, deployed: Sequence[Deployed]) -> Files:
    return _applications(wanted, deployed, two_sources)


def _application_set(wanted: Wanted, deployed: Sequence[Deployed]) -> Files:
    elements = [
        {"env": each.name, "cluster": wanted.clusters.get(each.name, IN_CLUSTER), "namespace": each.namespace}
        for each in deployed
    ]
    made = application(_name(wanted, "{{ .env }}"), wanted, {})
    template = {
        "metadata": {"name": made["metadata"]["name"], "annotations": made["metadata"]["annotations"]},
        "spec": {
            "project": wanted.project,
            **one_source(wanted, _values_file("{{ .env }}")),
            "destination": {"name": "{{ .cluster }}", "namespace": "{{ .namespace }}"},
            # One template for all: pruning is off for each where one of them would be pruned unasked.
            "syncPolicy": secrets_policy(is_asked=all(each.is_asked for each in deployed)),
        },
    }
    spec = {
        "goTemplate": True,
        "goTemplateOptions": ["missingkey=error"],
        "generators": [{"list": {"elements": elements}}],
        # An environment that is taken out leaves its Application, and a deleted set all that they deploy.
        "syncPolicy": {"applicationsSync": "create-update", "preserveResourcesOnDeletion": True},
        "template": template,
    }
    metadata = {"name": wanted.project, "namespace": wanted.namespace}
    made = {"apiVersion": API_VERSION, "kind": "ApplicationSet", "metadata": metadata, "spec": spec}
    return {_PROJECT: [secrets_project(wanted, deployed)], "applicationset.yaml": [made]}


def _app_of_apps(wanted: Wanted, deployed: Sequence[Deployed]) -> Files:
    found: Files = {_PROJECT: [secrets_project(wanted, deployed), apps_project(wanted)]}
    for each in deployed:
        name = _name(wanted, each.name)
        found[f"root-{each.name}.yaml"] = [application(f"{name}-apps", wanted, root_spec(wanted, each.name))]
        spec = secrets_spec(wanted, one_source(wanted, _values_file(each.name)), each)
        found[f"{each.name}/secrets.yaml"] = [application(name, wanted, spec, SECRETS_WAVE)]
        if wanted.platform is not None:
            own = platform_spec(wanted, wanted.platform, each)
            made = application(f"{wanted.platform.chart}-{each.name}", wanted, own, PLATFORM_WAVE)
            found[f"{each.name}/platform.yaml"] = [made]
    return found


def _name(wanted: Wanted, environment: str) -> str:
    return f"{wanted.project}-{environment}"


def _values_file(environment: str) -> str:
    return f"values-{environment}.yaml"


_FORMS: Mapping[str, Callable[[Wanted, Sequence[Deployed]], Files]] = MappingProxyType(
    {
        "application": _application,
        "multi-source": _multi_source,
        "applicationset": _application_set,
        "app-of-apps": _app_of_apps,
    }
)
FORMS = tuple(_FORMS)
