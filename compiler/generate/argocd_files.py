"""Makes the texts of Argo CD's files from options, and the lines by which new Applications take over.

Argo CD writes its tracking id, with the Application's name, on each object that it deploys, and leaves it there when
the Application is deleted. With `FailOnSharedResource` the next Application refuses the object by that id.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from compiler.generate.argocd import FORMS, IN_CLUSTER, RELEASE, ChartSource, Deployed, Platform, Wanted, files
from compiler.generate.files import HEADER, manifest_text, refuse_unfit
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.environment import Environment
from compiler.model.facts import ASKS_FIRST, SYNC_OPTIONS, asks_before_pruning, lacking
from compiler.model.files import is_inside
from compiler.pipeline import VALUES_FOLDER
from compiler.refusal import Refusal
from compiler.rules.forms.names import namespace_problem, object_name_problem
from compiler.stages.emit import read_manifests
from compiler.text.command_line import PROGRAM, shell_line
from compiler.text.credential import looks_like_credential
from compiler.text.wording import counted, listed, quoted

# An object of Argo CD: its place in the order in which they are deleted, its kind and its name.
Made = tuple[int, str, str]


# The AppProject where neither an option nor an environment names one.
PROJECT: Final = "platform-secrets"
DEFAULTS: Final = {
    "--revision": "main",
    "--path": VALUES_FOLDER,
    "--project": PROJECT,
    "--namespace": "argocd",
    "--platform-project": "default",
}
# The options that one form alone takes.
_OF_FORM = {
    "multi-source": ("--chart-repo", "--chart-revision", "--chart"),
    "app-of-apps": (
        "--platform-repo",
        "--platform-chart",
        "--platform-version",
        "--platform-values",
        "--platform-project",
    ),
}
_PLATFORM = ("--platform-repo", "--platform-chart", "--platform-version", "--platform-values")
_FOLDERS = ("--path", "--platform-values")
# Where app-of-apps has its Applications from, unless --out says it.
_APPS = "argocd"
_WORD = re.compile(r"[A-Za-z0-9][!-~]*", re.ASCII)
_PATH = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*", re.ASCII)
# An address that Git takes: with a scheme, or as ssh's; and what was to be one with a scheme.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]+/.+|[^/:]+:[^/].*", re.ASCII)
_NO_SCHEME = re.compile(r"(?:https?|ssh|git|file|oci)(?:/|:(?!//))", re.ASCII | re.IGNORECASE)
_USER = re.compile(r"(?:([a-z0-9+.-]{1,16})://)?([^/?#@]*)@", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says: the form, the values of options as typed, and the folder with how it is shown."""

    form: str | None
    options: Mapping[str, Any]
    out: tuple[Path, str] | None

    def of(self, option: str) -> str | None:
        """The value of an option, or its default; None where it has neither."""
        value = self.options.get(option)
        return DEFAULTS.get(option) if value is None else str(value)

    def need(self, option: str) -> str:
        """The value of an option that has one."""
        return self.of(option) or ""


def wanted_of(given: Given, root: Path) -> Wanted:
    """What the options ask for. Raises Refusal for a missing or wrong one, and shows none that may be a secret."""
    if given.form is None:
        raise Refusal("usage", "argocd needs --form", f"choose one of {', '.join(FORMS)}")
    if given.of("--repo") is None:
        raise Refusal("usage", "argocd needs --repo", "give the URL of the Git repository that this project is in")
    _refuse_foreign(given)
    for option, value in given.options.items():
        if isinstance(value, str) and option not in ("--form", "--out"):
            _judge(option, value)
    refuse_unfit(given.out[1] if given.out is not None else "", "folder")
    clusters = _clusters(given)
    path = given.need("--path")
    apps = _apps(given, root, path) if given.form == "app-of-apps" else ""
    return Wanted(
        given.need("--repo"),
        given.need("--revision"),
        path,
        given.need("--project"),
        given.need("--namespace"),
        clusters,
        _chart(given),
        apps,
        _platform(given),
    )


def named_project(environments: Sequence[Environment]) -> str | None:
    """The AppProject that all the environments name by `argocdProject`, or the default; None where they differ."""
    names = {environment.root.text("argocdProject") or PROJECT for environment in environments}
    return names.pop() if len(names) == 1 else None


def words_of(given: Given, environments: list[str], project: str | None = PROJECT) -> list[str]:
    """The arguments that generate the same files, in a fixed order and without defaults.

    `project` is the AppProject where none is given.
    """
    words = ["generate", "argocd", *environments]
    defaults = {**DEFAULTS, "--project": project}
    for option, value in given.options.items():
        if isinstance(value, list):
            words += [word for each in sorted(value) for word in (option, each)]
        elif value is not None and value != defaults.get(option):
            words += [option, given.out[1] if option == "--out" and given.out is not None else value]
    return words


def _refuse_foreign(given: Given) -> None:
    for form, options in _OF_FORM.items():
        for option in options:
            if given.options.get(option) is not None and given.form != form:
                raise Refusal("usage", f"{option} is an option of --form {form}", f"leave {option} out")


def _judge(option: str, value: str) -> None:
    userinfo = _USER.match(value)
    # ssh needs a user's name; a password, or a token in its place, would be committed.
    has_secret = userinfo is not None and (":" in userinfo[2] or (userinfo[1] or "ssh").lower() != "ssh")
    if has_secret or looks_like_credential(value):
        way_out = "Argo CD takes credentials from a repository Secret of its own; replace this one: it is exposed"
        raise Refusal("usage", f"{option} has a credential in it, which would be committed", way_out)
    if not _WORD.fullmatch(value) and option not in _FOLDERS:
        raise Refusal(
            "usage", f"{option} may only have printable ASCII without spaces, and begins with a letter or digit"
        )
    if _NO_SCHEME.match(value) or (option == "--repo" and _URL.fullmatch(value) is None):
        way_out = "write it as https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH"
        raise Refusal("usage", f"{option} is not the URL of a repository", way_out)
    if option in _FOLDERS and (not _PATH.fullmatch(value) or ".." in value.split("/")):
        way_out = "write it from the repository's root, such as secrets/chart"
        raise Refusal("usage", f"{option} is not the path of a folder in the repository", way_out)
    problem = None
    if option == "--namespace":
        problem = namespace_problem(value)
    elif option in ("--project", "--platform-project", "--platform-chart"):
        # Names of Applications are made of it.
        problem = object_name_problem(value, 63)
    if problem is not None:
        raise Refusal("usage", f"{option} {problem}")


def _clusters(given: Given) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given.options.get("--cluster") or ():
        environment, equals, name = each.partition("=")
        if not (environment and equals and name):
            raise Refusal("usage", "--cluster is ENV=NAME", "name an environment, and its cluster as Argo CD names it")
        _judge("--cluster", name)
        if environment in found:
            raise Refusal("usage", f"--cluster names {quoted(environment)} twice", "name it once")
        found[environment] = name
    return found


def _chart(given: Given) -> ChartSource | None:
    if given.form != "multi-source":
        return None
    chart = given.of("--chart")
    if chart is not None:
        for option in ("--chart-repo", "--chart-revision"):
            if given.of(option) is None:
                raise Refusal("usage", f"--chart needs {option}", "name the registry, and the chart's version")
    revision = given.of("--chart-revision") or given.need("--revision")
    return ChartSource(given.of("--chart-repo") or given.need("--repo"), revision, chart)


def _platform(given: Given) -> Platform | None:
    missing = [option for option in _PLATFORM if given.of(option) is None]
    if len(missing) == len(_PLATFORM):
        return None
    if missing:
        raise Refusal("usage", f"the platform's Application needs {', '.join(missing)}", "give them all, or none")
    repo, chart, version, values = (given.need(option) for option in _PLATFORM)
    return Platform(repo, chart, version, values, given.need("--platform-project"))


def _apps(given: Given, root: Path, path: str) -> str:
    """The folder in the repository that the Applications will be committed in."""
    below = _APPS
    if given.out is not None:
        # By no link and no `..`: it is a path in the repository. Path.resolve raises for links in a circle.
        folder, root = Path(os.path.realpath(given.out[0])), Path(os.path.realpath(root))
        if not is_inside(root, folder):
            way_out = "Argo CD reads the Applications from the repository: name a folder of the project"
            raise Refusal("usage", "--out of app-of-apps is not in the project", way_out)
        below = folder.relative_to(root).as_posix()
    # The chart is the project's `chart`: what stands before it is the project's own folder in the repository.
    before, _, last = path.rpartition("/")
    if last != VALUES_FOLDER:
        way_out = "name the project's chart folder, whose place tells where --out is in the repository"
        raise Refusal("usage", f"--path of app-of-apps does not end in {listed([VALUES_FOLDER])}", way_out)
    return f"{before}/{below}" if before else below


_CLUSTER_STORE = "ClusterSecretStore"


def argocd_texts(
    environments: Sequence[Environment], form: str, wanted: Wanted, words: Sequence[str]
) -> tuple[dict[str, str], tuple[Diagnostic, ...]]:
    """The texts of the files by path, and `unconfirmed-prune` for each environment that could lose Secrets unasked.

    `words` are the arguments that make them again. Raises Refusal for what Argo CD could not deploy: an environment
    without a secret or for a parent chart, a cluster of none, and two that make one Secret in one cluster.
    """
    _refuse(environments, wanted)
    deployed = [_deployed(environment) for environment in environments]
    header = f"{HEADER}argocd`. Do not edit; run:\n#   {shell_line(PROGRAM, *words)}\n"
    made = files(form, wanted, deployed)
    texts = {name: header + "---\n".join(map(manifest_text, manifests)) for name, manifests in made.items()}
    return texts, tuple(found for environment in environments for found in _unconfirmed(environment))


def unmade_namespaces(environments: Sequence[Environment], wanted: Wanted) -> Iterator[str]:
    """What to know of each environment with secrets in namespaces that none of these Applications makes."""
    deployed = [(_cluster(wanted, each), _deployed(each)) for each in environments]
    made = {(cluster, each.namespace) for cluster, each in deployed}
    for cluster, each in deployed:
        if unmade := [name for name in each.namespaces if (cluster, name) not in made]:
            names = f"namespace{'s' if len(unmade) > 1 else ''} {listed(unmade, len(unmade))}"
            them = "them" if len(unmade) > 1 else "it"
            yield f"{each.name}: no Application of these makes the {names}; create {them} first, or the sync fails"


def _refuse(environments: Sequence[Environment], wanted: Wanted) -> None:
    names = [environment.name for environment in environments]
    unknown = [name for name in wanted.clusters if name not in names]
    if unknown:
        raise Refusal("usage", f"--cluster names {quoted(unknown[0])}, which is not generated", "leave it out")
    for environment in environments:
        if not environment.secrets:
            way_out = "list a secret in it, or name other environments"
            raise Refusal("usage", f"{quoted(environment.name)} has no secret to deploy", way_out)
        if environment.subchart is not None:
            message = f"{quoted(environment.name)} nests its values under {quoted(environment.subchart)}"
            way_out = "the Application of its parent chart deploys it; name environments without `subchart`"
            raise Refusal("usage", message, way_out)
    for one, other in combinations(environments, 2):
        if _cluster(wanted, one) == _cluster(wanted, other) and (both := _places(one) & _places(other)):
            message = f"{quoted(one.name)} and {quoted(other.name)} both make {listed(sorted(both), 1)} in one cluster"
            way_out = f"name Argo CD's cluster of each, such as --cluster {one.name}=NAME, or generate one of them"
            raise Refusal("usage", message, way_out)


def _cluster(wanted: Wanted, environment: Environment) -> str:
    return wanted.clusters.get(environment.name, IN_CLUSTER)


def _places(environment: Environment) -> set[str]:
    return {f"{secret.namespace}/{secret.entry.target}" for secret in environment.secrets.values()}


def _deployed(environment: Environment) -> Deployed:
    used = [secret.namespace for secret in environment.secrets.values() if secret.namespace is not None]
    own = environment.root.text("namespace")
    rendered = [store for store in environment.stores.values() if store.rendered]
    kinds = {("external-secrets.io", store.kind) for store in rendered if store.kind != _CLUSTER_STORE}
    return Deployed(
        environment.name,
        tuple(dict.fromkeys([*([own] if own is not None else []), *used])),
        all(asks_before_pruning(secret.annotations.get(SYNC_OPTIONS, "")) for secret in environment.secrets.values()),
        tuple(sorted(kinds)),
        tuple(store.name for store in rendered if store.kind == _CLUSTER_STORE),
    )


def _unconfirmed(environment: Environment) -> Iterator[Diagnostic]:
    lacks = {
        secret.id: missing
        for secret in environment.secrets.values()
        if (missing := lacking(secret.annotations.get(SYNC_OPTIONS, "")))
    }
    if not lacks:
        return
    options = ",".join(dict.fromkeys(option for missing in lacks.values() for option in missing))
    of = f"{counted(len(lacks), 'ExternalSecret')} of {quoted(environment.name)}"
    message = f"{of} would be deleted without confirmation, as {options} is missing: {listed(lacks)}"
    annotation = f"{SYNC_OPTIONS}: {ASKS_FIRST}"
    way_out = f"write `{annotation}` under `annotations:` of environments/base.yaml, and compile"
    # Where the annotations are, else where the environment is.
    annotations = environment.root.get("annotations") or environment.root.nearest("secrets")
    yield Diagnostic("unconfirmed-prune", Severity.WARNING, message, annotations.key_span, help=way_out)


TRACKING_ID = "argocd.argoproj.io/tracking-id"
_SET, _ROOT, _APPLICATION = range(3)
_VALUES_FILE = re.compile(r"(?:.*/)?values-([^/]+)\.yaml")
# A finalizer, which some add by hand, would delete with the Application all that it deploys.
_NO_FINALIZER = json.dumps({"metadata": {"finalizers": None}}, separators=(",", ":"))


def hand_over(
    before: Collection[str], after: Collection[str], environments: Sequence[Environment], wanted: Wanted, shown: str
) -> Iterator[tuple[str, list[str]]]:
    """What to know of each environment whose Application has another name in the texts `after` than in those `before`.

    With it come the command lines of the hand-over, in their order; the last applies the folder `shown`.
    """
    if set(before) <= set(after):
        return
    old, new = _made(before), _made(after)
    for environment in environments:
        former, now = (_applications_named(made.get(environment.name, set())) for made in (old, new))
        if not now or not former - now:
            continue
        message = (
            f"{environment.name}: the Application {listed(sorted(former - now))} is named {listed(sorted(now))} now, "
            "and Argo CD refuses the new one while the objects carry the old one's tracking id; hand them over in this "
            "order, before the new files are pushed or applied"
        )
        # First what makes the Application, which would make it again.
        lines = [
            line
            for _, kind, name in sorted(old[environment.name] - new[environment.name])
            for line in _deletion(kind, name, wanted.namespace)
        ]
        cluster = wanted.clusters.get(environment.name)
        where = "" if cluster is None else f"  # in the cluster {quoted(cluster)}"
        lines += [f"{line}{where}" for line in _release(environment)]
        yield message, [*lines, shell_line("kubectl", "apply", "-f", shown)]


def _deletion(kind: str, name: str, namespace: str) -> Iterator[str]:
    to = ["kubectl", "--namespace", namespace]
    if kind == "applicationset":
        yield shell_line(*to, "delete", kind, name, "--cascade=orphan")
        return
    yield shell_line(*to, "patch", kind, name, "--type", "merge", "--patch", _NO_FINALIZER)
    yield shell_line(*to, "delete", kind, name)


def _release(environment: Environment) -> Iterator[str]:
    """The lines that take the tracking id off all that the chart prints of an environment."""
    named: dict[tuple[str | None, str], list[str]] = {}
    for secret in environment.secrets.values():
        named.setdefault((secret.namespace, "externalsecret"), []).append(secret.entry.target)
    for store in environment.stores.values():
        if store.rendered:
            place = None if store.kind == "ClusterSecretStore" else environment.root.text("namespace")
            named.setdefault((place, store.kind.lower()), []).append(store.name)
    for (namespace, kind), names in named.items():
        to = ["--namespace", namespace] if namespace is not None else []
        yield shell_line("kubectl", *to, "annotate", kind, *names, f"{TRACKING_ID}-")


def _applications_named(made: Iterable[Made]) -> set[str]:
    return {name for rank, _, name in made if rank == _APPLICATION}


def _made(texts: Iterable[str]) -> dict[str, set[Made]]:
    """What deploys each environment, by its name: the Application of its secrets, and what makes that."""
    found: dict[str, set[Made]] = {}
    manifests = [each for text in texts for each in read_manifests(text)[0] or ()]
    for manifest in manifests:
        name, spec = _text(manifest, "metadata", "name"), _at(manifest, "spec")
        if _at(manifest, "kind") == "Application":
            for environment in _deployed_before(spec):
                found.setdefault(environment, set()).add((_APPLICATION, "application", name))
        elif _at(manifest, "kind") == "ApplicationSet":
            of_set = _text(spec, "template", "metadata", "name")
            for environment in _elements(spec):
                each = found.setdefault(environment, set())
                each |= {(_SET, "applicationset", name), (_APPLICATION, "application", _filled(of_set, environment))}
    for manifest in manifests:
        environment = _text(manifest, "spec", "source", "path").rpartition("/")[2]
        if (
            _at(manifest, "kind") == "Application"
            and environment in found
            and not _deployed_before(_at(manifest, "spec"))
        ):
            found[environment].add((_ROOT, "application", _text(manifest, "metadata", "name")))
    return found


def _deployed_before(spec: object) -> list[str]:
    """The environments whose values files an Application of this chart has."""
    sources = [_at(spec, "source"), *_items(_at(spec, "sources"))]
    files = [
        file
        for source in sources
        if _at(source, "helm", "releaseName") == RELEASE
        for file in _items(_at(source, "helm", "valueFiles"))
    ]
    return [found[1] for file in files if isinstance(file, str) and (found := _VALUES_FILE.fullmatch(file))]


def _elements(spec: object) -> list[str]:
    generators = _items(_at(spec, "generators"))
    elements = [element for each in generators for element in _items(_at(each, "list", "elements"))]
    return [name for element in elements if (name := _text(element, "env"))]


def _filled(template: str, environment: str) -> str:
    return template.replace("{{ .env }}", environment)


def _at(node: object, *path: str) -> Any:  # noqa: ANN401 - what a person may have edited
    for member in path:
        node = node.get(member) if isinstance(node, dict) else None
    return node


def _text(node: object, *path: str) -> str:
    found = _at(node, *path)
    return found if isinstance(found, str) else ""


def _items(node: object) -> list[Any]:
    return node if isinstance(node, list) else []
