"""Makes the AppProjects and Applications with which Argo CD deploys environments, and its health checks.

Where an Application gets a new name, it writes the commands of the hand-over: Argo CD leaves its tracking id, with the
Application's name, on each object, and with `FailOnSharedResource` the next Application refuses the object.
"""

import json
import os
import re
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import combinations
from pathlib import Path
from typing import Any

from compiler.cluster.view import TRACKING_ID
from compiler.generate.files import header_for, manifest_text, refuse_unfit
from compiler.model import facts
from compiler.model.document import Diagnostic, Node, Severity
from compiler.model.environment import Environment
from compiler.model.facts import ANNOTATION, ASKS_FIRST, SYNC_OPTIONS, asks_before_pruning, lacking
from compiler.model.files import is_inside
from compiler.pipeline import VALUES_FOLDER
from compiler.refusal import Refusal
from compiler.stages.load import load_manifests
from compiler.text.credential import looks_like_credential
from compiler.text.wording import list_names, pluralize, quote, shell_line

# The AppProject where neither an option nor an environment names one.
PROJECT = "platform-secrets"
# The release of the chart, which names nothing of what it prints.
RELEASE = "platform-secrets"
_API_VERSION, _ESO, _CLUSTER_STORE = "argoproj.io/v1alpha1", "external-secrets.io", "ClusterSecretStore"
# Argo CD's own name and address of the cluster that it runs in.
_IN_CLUSTER, _IN_CLUSTER_SERVER = "in-cluster", "https://kubernetes.default.svc"
# The secrets first: the platform's PreSync hooks, which run before every wave of its own, read them.
_SECRETS_WAVE, _PLATFORM_WAVE = "-10", "0"
# Fields that the API server defaults are no difference to a dry run of the server.
_SERVER_SIDE_DIFF = {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}
# Longer in all than the 7 minutes that the operator may wait between two tries; `refresh` takes a commit that mends it.
_RETRY = {"limit": 5, "refresh": True, "backoff": {"duration": "30s", "factor": 2, "maxDuration": "10m"}}
_SYNC, _SHARES_NOTHING = ("CreateNamespace=true", "ServerSideApply=true"), "FailOnSharedResource=true"
# The first by name: `kubectl apply -f DIR` goes by it, and no Application synchronises before its project is there.
_PROJECT_FILE = "00-project.yaml"
# Argo CD's health scripts by the kind that each judges.
_SCRIPTS = {"external-secrets.io/ExternalSecret": "external-secret.lua", "argoproj.io/Application": "application.lua"}

# What the platform's Application needs, and the options that one form alone takes.
_OF_PLATFORM = ("platform_repo", "platform_chart", "platform_version", "platform_values")
_OF_FORM = {
    "multi-source": ("chart_repo", "chart_revision", "chart"),
    "app-of-apps": (*_OF_PLATFORM, "platform_project"),
}
_FOLDERS = ("path", "platform_values")
# Where app-of-apps has its Applications from, unless --out says it.
_APPS = "argocd"
_WORD = re.compile(r"[A-Za-z0-9][!-~]*", re.ASCII)
_PATH = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*", re.ASCII)
# An address that Git takes: with a scheme, or as ssh's; and what was to be one with a scheme.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]+/.+|[^/:]+:[^/].*", re.ASCII)
_NO_SCHEME = re.compile(r"(?:https?|ssh|git|file|oci)(?:/|:(?!//))", re.ASCII | re.IGNORECASE)
_USER = re.compile(r"(?:([a-z0-9+.-]{1,16})://)?([^/?#@]*)@", re.ASCII | re.IGNORECASE)

Manifest = dict[str, Any]
# The manifests of each file.
Files = dict[str, list[Manifest]]


@dataclass(frozen=True, slots=True)
class ArgoOptions:
    """The options of `generate argocd`, in the order in which they are written."""

    form: str
    repo: str
    revision: str = "main"
    path: str = VALUES_FOLDER  # the chart's folder in the repository, beside the values files
    project: str = PROJECT
    namespace: str = "argocd"  # that of Argo CD
    cluster: Mapping[str, str] = field(default_factory=dict)  # Argo CD's names of clusters, by environment
    chart_repo: str | None = None
    chart_revision: str | None = None
    chart: str | None = None  # its name in a registry, None for a path of a repository
    platform_repo: str | None = None
    platform_chart: str | None = None
    platform_version: str | None = None
    platform_values: str | None = None
    platform_project: str = "default"
    out: str | None = None  # the folder as it is shown
    apps: str = ""  # the folder of the repository that app-of-apps reads


def parse_options(typed: Mapping[str, Any], root: Path) -> ArgoOptions:
    """The options as `typed`, by name. Raises Refusal for a missing or wrong one, without showing it."""
    given = {each.name: value for each in fields(ArgoOptions) if (value := typed.get(each.name)) not in (None, [])}
    if "form" not in given:
        raise Refusal("usage", "argocd needs --form", f"choose one of {', '.join(FORMS)}")
    if "repo" not in given:
        raise Refusal("usage", "argocd needs --repo", "give the URL of the Git repository that this project is in")
    for name in given:
        form = next((form for form, names in _OF_FORM.items() if name in names), given["form"])
        if form != given["form"]:
            raise Refusal("usage", f"{_flag(name)} is an option of --form {form}", f"leave {_flag(name)} out")
    for name, value in given.items():
        if isinstance(value, str) and name not in ("form", "out"):
            _judge(name, value)
    refuse_unfit(given.get("out", ""), "folder")
    given["cluster"] = _clusters(given.get("cluster", ()))
    _refuse_incomplete(given)
    if given["form"] == "app-of-apps":
        given["apps"] = _apps_folder(given.get("out"), root, given.get("path", VALUES_FOLDER))
    if "out" in given:
        given["out"] = given["out"].rstrip("/") or "/"
    return ArgoOptions(**given)


def _refuse_incomplete(given: Container[str]) -> None:
    for needed in ("chart_repo", "chart_revision") if "chart" in given else ():
        if needed not in given:
            raise Refusal("usage", f"--chart needs {_flag(needed)}", "name the registry, and the chart's version")
    missing = [_flag(name) for name in _OF_PLATFORM if name not in given]
    if missing and len(missing) < len(_OF_PLATFORM):
        raise Refusal("usage", f"the platform's Application needs {', '.join(missing)}", "give them all, or none")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _judge(name: str, value: str) -> None:
    option, userinfo = _flag(name), _USER.match(value)
    # ssh needs a user's name; a password, or a token in its place, would be committed.
    has_secret = userinfo is not None and (":" in userinfo[2] or (userinfo[1] or "ssh").lower() != "ssh")
    if has_secret or looks_like_credential(value):
        way_out = "Argo CD takes credentials from a repository Secret of its own; replace this one: it is exposed"
        raise Refusal("usage", f"{option} has a credential in it, which would be committed", way_out)
    if not _WORD.fullmatch(value) and name not in _FOLDERS:
        raise Refusal(
            "usage", f"{option} may only have printable ASCII without spaces, and begins with a letter or digit"
        )
    if _NO_SCHEME.match(value) or (name == "repo" and _URL.fullmatch(value) is None):
        way_out = "write it as https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH"
        raise Refusal("usage", f"{option} is not the URL of a repository", way_out)
    if name in _FOLDERS and (not _PATH.fullmatch(value) or ".." in value.split("/")):
        way_out = "write it from the repository's root, such as secrets/chart"
        raise Refusal("usage", f"{option} is not the path of a folder in the repository", way_out)
    problem = None
    if name == "namespace":
        problem = facts.namespace_problem(value)
    elif name in ("project", "platform_project", "platform_chart"):
        # Names of Applications are made of it.
        problem = facts.object_name_problem(value, 63)
    if problem is not None:
        raise Refusal("usage", f"{option} {problem}")


def _clusters(typed: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in typed:
        environment, equals, name = each.partition("=")
        if not (environment and equals and name):
            raise Refusal("usage", "--cluster is ENV=NAME", "name an environment, and its cluster as Argo CD names it")
        _judge("cluster", name)
        if environment in found:
            raise Refusal("usage", f"--cluster names {quote(environment)} twice", "name it once")
        found[environment] = name
    return found


def _apps_folder(out: str | None, root: Path, path: str) -> str:
    """The folder in the repository that the Applications will be committed in."""
    below = _APPS
    if out is not None:
        # By no link and no `..`: it is a path in the repository. Path.resolve raises for links in a circle.
        folder, root = Path(os.path.realpath(out)), Path(os.path.realpath(root))
        if not is_inside(root, folder):
            way_out = "Argo CD reads the Applications from the repository: name a folder of the project"
            raise Refusal("usage", "--out of app-of-apps is not in the project", way_out)
        below = folder.relative_to(root).as_posix()
    # The chart is the project's `chart`: what stands before it is the project's own folder in the repository.
    before, _, last = path.rpartition("/")
    if last != VALUES_FOLDER:
        way_out = "name the project's chart folder, whose place tells where --out is in the repository"
        raise Refusal("usage", f"--path of app-of-apps does not end in {list_names([VALUES_FOLDER])}", way_out)
    return f"{before}/{below}" if before else below


def common_project(environments: Sequence[Environment]) -> str | None:
    """The AppProject that all the environments name by `argocdProject`, or the default; None where they differ."""
    names = {environment.root.text("argocdProject") or PROJECT for environment in environments}
    return names.pop() if len(names) == 1 else None


def to_arguments(options: ArgoOptions, environments: Sequence[Environment]) -> list[str]:
    """The arguments that generate the same files, in a fixed order and without defaults."""
    words = ["generate", "argocd", *(each.name for each in environments)]
    for each in fields(ArgoOptions):
        value = getattr(options, each.name)
        default = common_project(environments) if each.name == "project" else each.default
        if each.name == "cluster":
            words += [word for name in sorted(value) for word in ("--cluster", f"{name}={value[name]}")]
        elif each.name != "apps" and value not in (None, default):
            words += [_flag(each.name), value]
    return words


def argocd_texts(
    environments: Sequence[Environment], options: ArgoOptions
) -> tuple[dict[str, str], tuple[Diagnostic, ...]]:
    """The files' texts by path, and `unconfirmed-prune` for each environment that could lose Secrets unasked.

    Raises Refusal for what Argo CD could not deploy: an environment without a secret or for a parent chart, a cluster
    of no environment, and two that make one Secret in one cluster.
    """
    _refuse_undeployable(environments, options)
    header = header_for("argocd", to_arguments(options, environments))
    made = manifests(options, environments).items()
    texts = {name: header + "---\n".join(map(manifest_text, every)) for name, every in made}
    return texts, tuple(found for environment in environments for found in _check_confirmations(environment))


def unmade_namespaces(environments: Sequence[Environment], options: ArgoOptions) -> Iterator[str]:
    """What to know of each environment with secrets in namespaces that none of these Applications makes."""
    made = {(_cluster(options, each.name), _namespaces(each)[0]) for each in environments}
    for each in environments:
        if unmade := [name for name in _namespaces(each) if (_cluster(options, each.name), name) not in made]:
            names = f"namespace{'s' if len(unmade) > 1 else ''} {list_names(unmade, len(unmade))}"
            them = "them" if len(unmade) > 1 else "it"
            yield f"{each.name}: no Application of these makes the {names}; create {them} first, or the sync fails"


def _refuse_undeployable(environments: Sequence[Environment], options: ArgoOptions) -> None:
    names = [environment.name for environment in environments]
    unknown = [name for name in options.cluster if name not in names]
    if unknown:
        raise Refusal("usage", f"--cluster names {quote(unknown[0])}, which is not generated", "leave it out")
    for environment in environments:
        if not environment.secrets:
            way_out = "list a secret in it, or name other environments"
            raise Refusal("usage", f"{quote(environment.name)} has no secret to deploy", way_out)
        if environment.subchart is not None:
            message = f"{quote(environment.name)} nests its values under {quote(environment.subchart)}"
            way_out = "the Application of its parent chart deploys it; name environments without `subchart`"
            raise Refusal("usage", message, way_out)
    for one, other in combinations(environments, 2):
        is_one_cluster = _cluster(options, one.name) == _cluster(options, other.name)
        if is_one_cluster and (both := _places(one) & _places(other)):
            message = (
                f"{quote(one.name)} and {quote(other.name)} both make {list_names(sorted(both), 1)} in one cluster"
            )
            way_out = f"name Argo CD's cluster of each, such as --cluster {one.name}=NAME, or generate one of them"
            raise Refusal("usage", message, way_out)


def _cluster(options: ArgoOptions, environment: str) -> str:
    return options.cluster.get(environment, _IN_CLUSTER)


def _places(environment: Environment) -> set[str]:
    return {f"{secret.namespace}/{secret.entry.target}" for secret in environment.secrets.values()}


def _namespaces(environment: Environment) -> list[str]:
    """All that an environment writes to, its own first."""
    spaces = (environment.root.text("namespace"), *(secret.namespace for secret in environment.secrets.values()))
    return list(dict.fromkeys(each for each in spaces if each is not None))


def _is_asked(environment: Environment) -> bool:
    """Whether no ExternalSecret is pruned before a person confirms."""
    options = (secret.annotations.get(SYNC_OPTIONS, "") for secret in environment.secrets.values())
    return all(map(asks_before_pruning, options))


def _check_confirmations(environment: Environment) -> Iterator[Diagnostic]:
    lacks = {
        secret.id: missing
        for secret in environment.secrets.values()
        if (missing := lacking(secret.annotations.get(SYNC_OPTIONS, "")))
    }
    if not lacks:
        return
    options = ",".join(dict.fromkeys(option for missing in lacks.values() for option in missing))
    of = f"{pluralize(len(lacks), 'ExternalSecret')} of {quote(environment.name)}"
    message = f"{of} would be deleted without confirmation, as {options} is missing: {list_names(lacks)}"
    annotation = f"{SYNC_OPTIONS}: {ASKS_FIRST}"
    way_out = f"write `{annotation}` under `annotations:` of environments/base.yaml, and compile"
    # Where the annotations are, else where the environment is.
    annotations = environment.root.get("annotations") or environment.root.nearest("secrets")
    yield Diagnostic("unconfirmed-prune", Severity.WARNING, message, annotations.key_span, help=way_out)


def manifests(options: ArgoOptions, environments: Sequence[Environment]) -> Files:
    """The manifests that deploy these environments, by file name, the AppProjects first."""
    roots = [_apps_project(options)] if options.form == "app-of-apps" else []
    projects = [_secrets_project(options, environments), *roots]
    return {_PROJECT_FILE: projects, **_FORMS[options.form](options, environments)}


def _applications(options: ArgoOptions, environments: Sequence[Environment]) -> Files:
    return {f"application-{each.name}.yaml": [_secrets_application(options, each)] for each in environments}


def _application_set(options: ArgoOptions, environments: Sequence[Environment]) -> Files:
    elements = [
        {"env": each.name, "cluster": _cluster(options, each.name), "namespace": _namespaces(each)[0]}
        for each in environments
    ]
    # One template for all: pruning is off for each where one of them would be pruned unasked.
    name, destination = "{{ .env }}", {"name": "{{ .cluster }}", "namespace": "{{ .namespace }}"}
    deploying = _secrets_spec(options, name, destination, prunes=all(map(_is_asked, environments)))
    made = _application(f"{options.project}-{name}", options, deploying)
    template = {
        "metadata": {"name": made["metadata"]["name"], "annotations": made["metadata"]["annotations"]},
        "spec": deploying,
    }
    spec = {
        "goTemplate": True,
        "goTemplateOptions": ["missingkey=error"],
        "generators": [{"list": {"elements": elements}}],
        # An environment that is taken out leaves its Application, and a deleted set all that they deploy.
        "syncPolicy": {"applicationsSync": "create-update", "preserveResourcesOnDeletion": True},
        "template": template,
    }
    return {"applicationset.yaml": [_manifest("ApplicationSet", options.project, options, spec)]}


def _app_of_apps(options: ArgoOptions, environments: Sequence[Environment]) -> Files:
    found: Files = {}
    for each in environments:
        root = f"{options.project}-{each.name}-apps"
        found[f"root-{each.name}.yaml"] = [_application(root, options, _root_spec(options, each.name))]
        found[f"{each.name}/secrets.yaml"] = [_secrets_application(options, each, _SECRETS_WAVE)]
        if options.platform_chart is not None:
            own, spec = f"{options.platform_chart}-{each.name}", _platform_spec(options, each)
            found[f"{each.name}/platform.yaml"] = [_application(own, options, spec, _PLATFORM_WAVE)]
    return found


_FORMS: Mapping[str, Callable[[ArgoOptions, Sequence[Environment]], Files]] = {
    "application": _applications,
    "multi-source": _applications,
    "applicationset": _application_set,
    "app-of-apps": _app_of_apps,
}
FORMS = tuple(_FORMS)


def _manifest(kind: str, name: str, options: ArgoOptions, spec: Manifest, **metadata: Any) -> Manifest:  # noqa: ANN401
    named = {"name": name, "namespace": options.namespace, **metadata}
    return {"apiVersion": _API_VERSION, "kind": kind, "metadata": named, "spec": spec}


def _application(name: str, options: ArgoOptions, spec: Manifest, wave: str | None = None) -> Manifest:
    """An Application without a finalizer: deleting it leaves what it has deployed."""
    annotations = {**({ANNOTATION: wave} if wave is not None else {}), **_SERVER_SIDE_DIFF}
    return _manifest("Application", name, options, spec, annotations=annotations)


def _spec(
    project: str, source: Manifest, destination: dict[str, str], sync_options: Sequence[str], *, prunes: bool = False
) -> Manifest:
    sync = {"automated": {"prune": prunes, "selfHeal": True}, "syncOptions": [*sync_options], "retry": _RETRY}
    return {"project": project, **source, "destination": destination, "syncPolicy": sync}


def _secrets_application(options: ArgoOptions, environment: Environment, wave: str | None = None) -> Manifest:
    destination = _destination(options, environment.name, _namespaces(environment)[0])
    spec = _secrets_spec(options, environment.name, destination, prunes=_is_asked(environment))
    return _application(f"{options.project}-{environment.name}", options, spec, wave)


def _secrets_spec(options: ArgoOptions, name: str, destination: dict[str, str], *, prunes: bool) -> Manifest:
    """The spec that deploys the secrets of the environment `name`; pruning is off where nobody would be asked."""
    source = _secrets_source(options, f"values-{name}.yaml")
    return _spec(options.project, source, destination, (*_SYNC, _SHARES_NOTHING), prunes=prunes)


def _secrets_source(options: ArgoOptions, values_file: str) -> Manifest:
    """The chart and its values files in one folder; of multi-source the chart from elsewhere, and the files."""
    # Written although it is the default: with `true`, a misspelt file would render no secret at all.
    helm = {"releaseName": RELEASE, "valueFiles": [values_file], "ignoreMissingValueFiles": False}
    files = _own_repository(options)
    if options.form != "multi-source":
        return {"source": {**files, "path": options.path, "helm": helm}}
    below = "" if options.path == "." else f"{options.path}/"
    chart = {
        "repoURL": options.chart_repo or options.repo,
        "targetRevision": options.chart_revision or options.revision,
        **({"chart": options.chart} if options.chart is not None else {"path": options.path}),
        "helm": helm | {"valueFiles": [f"$values/{below}{values_file}"]},
    }
    return {"sources": [chart, {**files, "ref": "values"}]}


def _platform_spec(options: ArgoOptions, environment: Environment) -> Manifest:
    """The spec that deploys the platform itself, with its values file of the environment."""
    file = f"$values/{options.platform_values}/values-{environment.name}.yaml"
    chart = {
        "repoURL": options.platform_repo,
        "chart": options.platform_chart,
        "targetRevision": options.platform_version,
        "helm": {"valueFiles": [file], "ignoreMissingValueFiles": False},
    }
    sources = {"sources": [chart, {**_own_repository(options), "ref": "values"}]}
    destination = _destination(options, environment.name, _namespaces(environment)[0])
    return _spec(options.platform_project, sources, destination, _SYNC)


def _root_spec(options: ArgoOptions, environment: str) -> Manifest:
    """The spec that deploys an environment's Applications; it prunes none of them."""
    source = {"source": {**_own_repository(options), "path": f"{options.apps}/{environment}"}}
    destination = {"server": _IN_CLUSTER_SERVER, "namespace": options.namespace}
    return _spec(f"{options.project}-apps", source, destination, ("ServerSideApply=true", _SHARES_NOTHING))


def _own_repository(options: ArgoOptions) -> dict[str, str]:
    return {"repoURL": options.repo, "targetRevision": options.revision}


def _destination(options: ArgoOptions, environment: str, namespace: str) -> dict[str, str]:
    name = options.cluster.get(environment)
    return {**({"server": _IN_CLUSTER_SERVER} if name is None else {"name": name}), "namespace": namespace}


def _secrets_project(options: ArgoOptions, environments: Sequence[Environment]) -> Manifest:
    """The project of the environments' secrets. Its lists are closed: it deploys no other kind, nowhere else."""
    destinations = [
        _destination(options, each.name, namespace) for each in environments for namespace in _namespaces(each)
    ]
    # Argo CD makes the namespace of an Application by the option CreateNamespace.
    cluster_wide = [{"group": "", "kind": "Namespace", "name": _namespaces(each)[0]} for each in environments]
    kinds = [(_ESO, "ExternalSecret")]
    for store in (store for each in environments for store in each.stores.values() if store.rendered):
        if store.kind == _CLUSTER_STORE:
            cluster_wide.append({"group": _ESO, "kind": _CLUSTER_STORE, "name": store.name})
        else:
            kinds.append((_ESO, store.kind))
    # No manifest has a Secret, but the tree shows those that the operator makes only where the project may have them.
    kinds.append(("", "Secret"))
    spec = {
        "description": "ExternalSecrets of the platform",
        "sourceRepos": list(dict.fromkeys([options.repo, options.chart_repo or options.repo])),
        "destinations": _unique(destinations),
        "clusterResourceWhitelist": _unique(cluster_wide),
        "namespaceResourceWhitelist": [{"group": group, "kind": kind} for group, kind in dict.fromkeys(kinds)],
    }
    return _manifest("AppProject", options.project, options, spec)


def _apps_project(options: ArgoOptions) -> Manifest:
    """The project of the Applications that deploy Applications, which Argo CD reserves to administrators."""
    spec = {
        "description": "Applications of the platform",
        "sourceRepos": [options.repo],
        "destinations": [{"server": _IN_CLUSTER_SERVER, "namespace": options.namespace}],
        "namespaceResourceWhitelist": [{"group": "argoproj.io", "kind": "Application"}],
    }
    return _manifest("AppProject", f"{options.project}-apps", options, spec)


def _unique(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    return [entry for index, entry in enumerate(entries) if entry not in entries[:index]]


def health_script(kind: str) -> str:
    """The Lua that judges a `kind`, such as `argoproj.io/Application`."""
    return (Path(__file__).parent / "lua" / _SCRIPTS[kind]).read_text("utf-8")


def health_patch() -> str:
    """A merge patch of argocd-cm, which leaves every other member of it as it is."""
    # Argo CD writes group and kind with `_` between them: a ConfigMap's keys have no slash.
    checks = {f"resource.customizations.health.{kind.replace('/', '_')}": health_script(kind) for kind in _SCRIPTS}
    return manifest_text({"data": checks})


# An object of Argo CD: its place in the order in which they are deleted, its kind and its name.
Made = tuple[int, str, str]

_SET, _ROOT, _APPLICATION = range(3)
_VALUES_FILE = re.compile(r"(?:.*/)?values-([^/]+)\.yaml")
# A finalizer, which some add by hand, would delete with the Application all that it deploys.
_NO_FINALIZER = json.dumps({"metadata": {"finalizers": None}}, separators=(",", ":"))


def hand_over(
    before: Collection[str], after: Collection[str], environments: Sequence[Environment], options: ArgoOptions
) -> Iterator[tuple[str, list[str]]]:
    """What to know of each environment whose Application is renamed, and the commands that hand it over."""
    if set(before) <= set(after):
        return
    old, new = _deploying(before), _deploying(after)
    for environment in environments:
        former, now = (
            {name for rank, _, name in made.get(environment.name, ()) if rank == _APPLICATION} for made in (old, new)
        )
        if not now or not former - now:
            continue
        left, names = list_names(sorted(former - now)), list_names(sorted(now))
        message = (
            f"{environment.name}: the Application {left} is named {names} now, "
            "and Argo CD refuses the new one while the objects carry the old one's tracking id; hand them over in this "
            "order, before the new files are pushed or applied"
        )
        # First what makes the Application, which would make it again.
        lines = [
            line
            for _, kind, name in sorted(old[environment.name] - new[environment.name])
            for line in _deletion(kind, name, options.namespace)
        ]
        cluster = options.cluster.get(environment.name)
        where = "" if cluster is None else f"  # in the cluster {quote(cluster)}"
        lines += [f"{line}{where}" for line in _release(environment)]
        yield message, [*lines, shell_line("kubectl", "apply", "-f", options.out or "")]


def _deletion(kind: str, name: str, namespace: str) -> tuple[str, ...]:
    to = ["kubectl", "--namespace", namespace]
    if kind == "applicationset":
        return (shell_line(*to, "delete", kind, name, "--cascade=orphan"),)
    patch = shell_line(*to, "patch", kind, name, "--type", "merge", "--patch", _NO_FINALIZER)
    return patch, shell_line(*to, "delete", kind, name)


def _release(environment: Environment) -> Iterator[str]:
    """The lines that take the tracking id off all that the chart prints of an environment."""
    named: dict[tuple[str | None, str], list[str]] = {}
    for secret in environment.secrets.values():
        named.setdefault((secret.namespace, "externalsecret"), []).append(secret.entry.external_secret)
    for store in environment.stores.values():
        if store.rendered:
            place = None if store.kind == _CLUSTER_STORE else environment.root.text("namespace")
            named.setdefault((place, store.kind.lower()), []).append(store.name)
    for (namespace, kind), names in named.items():
        to = ["--namespace", namespace] if namespace is not None else []
        yield shell_line("kubectl", *to, "annotate", kind, *names, f"{TRACKING_ID}-")


def _deploying(texts: Iterable[str]) -> dict[str, set[Made]]:
    """What deploys each environment, by its name: the Application of its secrets, and what makes that."""
    found: dict[str, set[Made]] = {}
    made: list[Node] = []
    for text in texts:
        load_manifests("", text, made.append)
    for each in made:
        name = each.text("metadata", "name") or ""
        if each.text("kind") == "Application":
            for environment in _environments_in(each):
                found.setdefault(environment, set()).add((_APPLICATION, "application", name))
        elif each.text("kind") == "ApplicationSet":
            of_set = each.text("spec", "template", "metadata", "name") or ""
            lists = [generator.items_at("list", "elements") for generator in each.items_at("spec", "generators")]
            for environment in filter(None, (element.text("env") for elements in lists for element in elements)):
                of_one = of_set.replace("{{ .env }}", environment)
                both = {(_SET, "applicationset", name), (_APPLICATION, "application", of_one)}
                found.setdefault(environment, set()).update(both)
    for each in made:
        environment = (each.text("spec", "source", "path") or "").rpartition("/")[2]
        if each.text("kind") == "Application" and environment in found and not _environments_in(each):
            found[environment].add((_ROOT, "application", each.text("metadata", "name") or ""))
    return found


def _environments_in(application: Node) -> list[str]:
    """The environments whose values files an Application of this chart has."""
    source = application.get("spec", "source")
    sources = [*([source] if source is not None else ()), *application.items_at("spec", "sources")]
    files = [
        file
        for each in sources
        if each.text("helm", "releaseName") == RELEASE
        for file in each.texts_at("helm", "valueFiles")
    ]
    return [found[1] for file in files if (found := _VALUES_FILE.fullmatch(file))]
