"""Finds what is deployed in place of an environment's values file, and the lines that deploy that file.

It compares the committed values files with what compiles and with what is live, and reads who applied the live objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from compiler.cluster.judge import DeployedSource
from compiler.cluster.view import EXTERNAL_SECRETS, ClusterView, LiveObject, application_of, release_of
from compiler.model.environment import Environment
from compiler.model.values import Manifest, child, find_values, nest, specs_of_values, values_of
from compiler.pipeline import VALUES_FOLDER, read_values_file
from compiler.stages.emit import values_text
from compiler.text.wording import helm_line, project_to_name, shell_line

# The most files that are compared.
_MOST_FILES = 100
# Fields that differ for another store in any environment.
_OF_STORE = frozenset({"secretStoreRef", "data", "dataFrom"})
_PREFIX, _SUFFIX = "values-", ".yaml"


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
            return DeployedSource(self._file, self._is_stale, namespace=self._other_namespace(manifest))
        named, owner = self._find_environment(manifest, found), application_of(found)
        is_others = bool(owner and self._own_applications and owner not in self._own_applications)
        if named is not None and not (self._root / "environments" / f"{named}{_SUFFIX}").is_file():
            is_others, named = True, None
        if not is_others:
            return DeployedSource(self._file, self._is_stale, named or "")
        self._rivals.add(owner)
        own = "".join(self._own_applications - {owner})
        return DeployedSource(self._file, self._is_stale, owner=owner or "another one", application=own)

    def lines(self, *, replaces_file: bool = False) -> tuple[str, ...]:
        """The commands that deploy the values file, if exactly one Application or release is known; else none.

        With `replaces_file`, the Application has another values file until now.
        """
        live = [*(found for _, found in self._live()), *self.elsewhere.values()]
        applications = dict.fromkeys(name for name in map(application_of, live) if name and name not in self._rivals)
        releases = dict.fromkeys(filter(None, map(release_of, live)))
        if len(applications) == 1:
            (name,) = applications
            file = self._file.rpartition("/")[2]
            sets = [shell_line("argocd", "app", "set", name, "--values", file)] if replaces_file else []
            return (*sets, shell_line("argocd", "app", "sync", name))
        if len(releases) != 1 or applications or self._environment.subchart is not None:
            return ()
        ((space, name),) = releases
        folder = f"{root}/" if (root := project_to_name()) else ""
        words = ("--namespace", space, "--values", f"{folder}{self._file}")
        return (helm_line("upgrade", name, f"{folder}{VALUES_FOLDER}", *words),)

    @property
    def _file(self) -> str:
        return self._values_file(self._environment.name)

    @staticmethod
    def _values_file(environment: str) -> str:
        return f"{VALUES_FOLDER}/{_PREFIX}{environment}{_SUFFIX}"

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

    def _find_environment(self, manifest: Manifest, found: LiveObject) -> str | None:
        """The environment whose values file has the live spec; None if only the store differs, or no file has it."""
        spec, wanted = child(found, "spec"), manifest.object["spec"]
        stores = {store.name for store in self._environment.stores.values()}
        is_told = child(spec, "secretStoreRef").get("name") not in stores or any(
            spec.get(name) != wanted.get(name) for name in {*spec, *wanted} - _OF_STORE
        )
        if not is_told:
            return None
        return next((name for name, specs in self._others if specs.get(manifest.name) == spec), None)

    @cached_property
    def _others(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """The specs in the values files of the other environments, by the names of the environments."""
        paths = sorted((self._root / VALUES_FOLDER).glob(f"{_PREFIX}*{_SUFFIX}"))[:_MOST_FILES]
        names = [path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX) for path in paths]
        return tuple((name, dict(self._specs_in(name))) for name in names if name != self._environment.name)

    def _specs_in(self, name: str) -> Iterable[tuple[str, Any]]:
        _, data, _ = read_values_file(self._root / self._values_file(name), self._values_file(name))
        values = find_values(data)
        return specs_of_values(values[1]) if values is not None else ()

    def _other_namespace(self, manifest: Manifest) -> str:
        found = self.elsewhere.get(manifest.title)
        return str(child(found, "metadata").get("namespace")) if found is not None else ""

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
