"""Puts together the manifests of each form in which Argo CD can deploy environments, by the file that holds them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from compiler.generate.argocd.application import (
    API_VERSION,
    PLATFORM_WAVE,
    SECRETS_WAVE,
    application,
    one_source,
    platform_spec,
    root_spec,
    secrets_policy,
    secrets_spec,
    two_sources,
)
from compiler.generate.argocd.project import apps_project, secrets_project
from compiler.generate.argocd.wanted import IN_CLUSTER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from compiler.generate.argocd.wanted import Deployed, Wanted

    # The manifests of each file.
    Files = dict[str, list[dict[str, Any]]]

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
