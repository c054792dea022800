"""Finds what is deployed in place of an environment's values file, and the lines that deploy that file.

It compares the committed values file with what compiles, and reads who applied the live objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from compiler.cluster.judge import DeployedSource
from compiler.cluster.view import EXTERNAL_SECRETS, ClusterView, LiveObject, application_of, release_of
from compiler.model.environment import Environment
from compiler.model.values import Manifest, child, nest, values_of
from compiler.pipeline import VALUES_FOLDER, read_values_file
from compiler.stages.emit import values_text
from compiler.text.wording import helm_line, project_to_name, shell_line


class Deployment:
    """How an environment's secrets are deployed, by its project at `root` and one reading of the cluster."""

    def __init__(
        self, environment: Environment, root: Path, view: ClusterView, manifests: Mapping[str, Manifest]
    ) -> None:
        self.view = view
        self._environment, self._root = environment, root
        # The Applications that apply another spec of the same objects.
        self._rivals: set[str] = set()
        self._manifests = {each.title: each for each in manifests.values()}

    def origin(self, manifest: Manifest) -> DeployedSource:
        """Where the live object of a secret comes from, if it is not the compiled one."""
        found = self.view.external_secrets(manifest.namespace).get(manifest.name)
        if found is None:
            moved = child(self.elsewhere.get(manifest.title, {}), "metadata").get("namespace")
            return DeployedSource(self._file, self._is_stale, namespace=str(moved or ""))
        owner = application_of(found)
        if not owner or not self._own_applications or owner in self._own_applications:
            return DeployedSource(self._file, self._is_stale)
        self._rivals.add(owner)
        own = "".join(self._own_applications - {owner})
        return DeployedSource(self._file, self._is_stale, owner=owner, application=own)

    def lines(self) -> tuple[str, ...]:
        """The command that deploys the values file, if exactly one Application or release is known; else none."""
        live = [*(found for _, found in self._live()), *self.elsewhere.values()]
        applications = dict.fromkeys(name for name in map(application_of, live) if name and name not in self._rivals)
        releases = dict.fromkeys(filter(None, map(release_of, live)))
        if len(applications) == 1:
            (name,) = applications
            return (shell_line("argocd", "app", "sync", name),)
        if len(releases) != 1 or applications or self._environment.subchart is not None:
            return ()
        ((space, name),) = releases
        folder = f"{root}/" if (root := project_to_name()) else ""
        words = ("--namespace", space, "--values", f"{folder}{self._file}")
        return (helm_line("upgrade", name, f"{folder}{VALUES_FOLDER}", *words),)

    @property
    def _file(self) -> str:
        return f"{VALUES_FOLDER}/values-{self._environment.name}.yaml"

    @cached_property
    def _is_stale(self) -> bool:
        """Whether the committed values file is not what the environment compiles to; False if there is no such file.

        Without one, it may be written to another place.
        """
        environment, path = self._environment, self._root / self._file
        if not path.is_file():
            return False
        layers = [layer.source.path for layer in environment.layers]
        text = values_text(values_of(environment), environment.name, layers, environment.subchart)
        old, data, _ = read_values_file(path, self._file, text)
        # Other comments or another layout alone are no difference.
        return old is not None and old != text and data != nest(values_of(environment), environment.subchart)

    def _live(self) -> Iterator[tuple[Manifest, LiveObject]]:
        for each in self._manifests.values():
            if (found := self.view.external_secrets(each.namespace).get(each.name)) is not None:
                yield each, found

    @cached_property
    def _own_applications(self) -> frozenset[str]:
        """The one Application that applied the live objects that are as compiled; empty if none or several did."""
        sound = {application_of(found) for each, found in self._live() if found.get("spec") == each.object.get("spec")}
        return frozenset(name for name in sound if name) if len(sound) == 1 else frozenset()

    @cached_property
    def elsewhere(self) -> Mapping[str, LiveObject]:
        """Live objects with our name and our chart's label in another namespace, by the title of our own.

        Only looked for if nothing of the environment is in its own namespace.
        """
        if any(True for _ in self._live()):
            return {}
        found: dict[str, LiveObject] = {}
        for each in self.view.every_object(EXTERNAL_SECRETS) or ():
            metadata = child(each, "metadata")
            for title, manifest in self._manifests.items():
                is_own = child(metadata, "labels") == child(manifest.object, "metadata", "labels")
                if metadata.get("name") == manifest.name and is_own and metadata.get("namespace") != manifest.namespace:
                    found[title] = each
        return found
