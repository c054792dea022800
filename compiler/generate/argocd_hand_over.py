"""Finds the Applications that get a new name, and writes the commands with which the new ones take over.

Argo CD writes its tracking id, with the Application's name, on each object that it deploys, and leaves it there when
the Application is deleted. With `FailOnSharedResource` the next Application refuses the object by that id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from compiler.generate.argocd import RELEASE, ArgoOptions
from compiler.model.environment import Environment
from compiler.stages.emit import read_manifests
from compiler.text.command_line import shell_line
from compiler.text.wording import listed, quoted

# An object of Argo CD: its place in the order in which they are deleted, its kind and its name.
Made = tuple[int, str, str]

TRACKING_ID = "argocd.argoproj.io/tracking-id"
_SET, _ROOT, _APPLICATION = range(3)
_VALUES_FILE = re.compile(r"(?:.*/)?values-([^/]+)\.yaml")
# A finalizer, which some add by hand, would delete with the Application all that it deploys.
_NO_FINALIZER = json.dumps({"metadata": {"finalizers": None}}, separators=(",", ":"))


def hand_over(
    before: Collection[str], after: Collection[str], environments: Sequence[Environment], options: ArgoOptions
) -> Iterator[tuple[str, list[str]]]:
    """What to know of each environment whose Application has another name in the texts `after` than in those `before`.

    With it come the command lines of the hand-over, in their order; the last applies the folder `out`.
    """
    if set(before) <= set(after):
        return
    old, new = _made(before), _made(after)
    for environment in environments:
        former, now = (_applications(made.get(environment.name, set())) for made in (old, new))
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
            for line in _deletion(kind, name, options.namespace)
        ]
        cluster = options.cluster.get(environment.name)
        where = "" if cluster is None else f"  # in the cluster {quoted(cluster)}"
        lines += [f"{line}{where}" for line in _release(environment)]
        yield message, [*lines, shell_line("kubectl", "apply", "-f", options.out or "")]


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


def _applications(made: Iterable[Made]) -> set[str]:
    return {name for rank, _, name in made if rank == _APPLICATION}


def _made(texts: Iterable[str]) -> dict[str, set[Made]]:
    """What deploys each environment, by its name: the Application of its secrets, and what makes that."""
    found: dict[str, set[Made]] = {}
    manifests = [each for text in texts for each in read_manifests(text)[0] or ()]
    for manifest in manifests:
        name, spec = _text(manifest, "metadata", "name"), _at(manifest, "spec")
        if _at(manifest, "kind") == "Application":
            for environment in _deployed(spec):
                found.setdefault(environment, set()).add((_APPLICATION, "application", name))
        elif _at(manifest, "kind") == "ApplicationSet":
            of_set = _text(spec, "template", "metadata", "name")
            for environment in _elements(spec):
                each = found.setdefault(environment, set())
                each |= {(_SET, "applicationset", name), (_APPLICATION, "application", _filled(of_set, environment))}
    for manifest in manifests:
        environment = _text(manifest, "spec", "source", "path").rpartition("/")[2]
        if _at(manifest, "kind") == "Application" and environment in found and not _deployed(_at(manifest, "spec")):
            found[environment].add((_ROOT, "application", _text(manifest, "metadata", "name")))
    return found


def _deployed(spec: object) -> list[str]:
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
