"""Finds the Secrets and keys that a pod's spec reads: variables, volumes and pulling images.

The spec is as the API returns it or a manifest holds it; of a Deployment or a Job, that of its template. What does not
have the form of a pod's spec reads nothing: manifests come from other programs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from compiler.operations.cluster.slim import child

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    PlainMap = Mapping[str, Any]
    Path = tuple[str | int, ...]

CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


class Way(StrEnum):
    """How a pod gets a Secret. A volume follows a change, if not mounted by subPath; the others keep what they read."""

    ENV = "env"
    ENV_FROM = "envFrom"
    VOLUME = "volume"
    SUB_PATH = "subPath"
    IMAGE_PULL = "imagePullSecrets"


_FROZEN = frozenset({Way.ENV, Way.ENV_FROM, Way.SUB_PATH})


@dataclass(frozen=True, slots=True)
class SecretRead:
    """One reading of a Secret; a `key` of None means all that it has.

    Where it is `optional`, the pod starts without it. `container` is None for what a pod reads as a whole. `prefix`
    stands before the names of variables. `path` leads from the spec to the Secret's name, `key_path` to the key's.
    """

    secret: str
    key: str | None
    way: Way
    optional: bool = False
    container: str | None = None
    prefix: str = field(default="", compare=False)
    path: Path = field(default=(), compare=False)
    key_path: Path | None = field(default=None, compare=False)

    @property
    def keeps(self) -> bool:
        """Whether the pod keeps what it has read until it is started anew."""
        return self.way in _FROZEN


def secret_reads(spec: PlainMap) -> tuple[SecretRead, ...]:
    """Every reading of a Secret in a pod's `spec`, each once."""
    found = [*_of_containers(spec), *_of_volumes(spec)]
    found += [
        SecretRead(name, None, Way.IMAGE_PULL, optional=True, path=("imagePullSecrets", at, "name"))
        for at, each in maps(spec.get("imagePullSecrets"))
        if (name := text(each, "name"))
    ]
    return tuple(dict.fromkeys(found))


def containers(spec: PlainMap) -> Iterator[tuple[Path, PlainMap]]:
    """Every container of a pod's spec, of all kinds, with the path that leads to it."""
    for kind in CONTAINERS:
        for at, container in maps(spec.get(kind)):
            yield (kind, at), container


def maps(value: object) -> Iterator[tuple[int, PlainMap]]:
    """The maps in a list with their positions; none where `value` is no list."""
    for at, each in enumerate(value if isinstance(value, list | tuple) else ()):
        if isinstance(each, dict):
            yield at, each


def text(data: PlainMap, key: str) -> str | None:
    """What stands under `key` as text, None where it is nothing or no scalar."""
    found = data.get(key)
    return str(found) if isinstance(found, str | int) and found != "" else None


def prefix(source: PlainMap) -> str:
    """What stands before the name of each variable of an `envFrom`."""
    found = source.get("prefix")
    return found if isinstance(found, str) else ""


def _of_containers(spec: PlainMap) -> Iterator[SecretRead]:
    for path, container in containers(spec):
        name = str(container.get("name"))
        for at, source in maps(container.get("envFrom")):
            reference = child(source, "secretRef")
            if secret := text(reference, "name"):
                here = (*path, "envFrom", at, "secretRef", "name")
                is_optional, before = reference.get("optional") is True, prefix(source)
                yield SecretRead(secret, None, Way.ENV_FROM, is_optional, name, before, here)
        for at, variable in maps(container.get("env")):
            reference = child(variable, "valueFrom", "secretKeyRef")
            if secret := text(reference, "name"):
                above = (*path, "env", at, "valueFrom", "secretKeyRef")
                is_optional, key = reference.get("optional") is True, text(reference, "key") or ""
                yield SecretRead(secret, key, Way.ENV, is_optional, name, "", (*above, "name"), (*above, "key"))


def _of_volumes(spec: PlainMap) -> Iterator[SecretRead]:
    by_sub_path = {
        mount.get("name")
        for _, container in containers(spec)
        for _, mount in maps(container.get("volumeMounts"))
        if (mount.get("subPath") or mount.get("subPathExpr")) and isinstance(mount.get("name"), str)
    }
    for at, volume in maps(spec.get("volumes")):
        name = volume.get("name")
        way = Way.SUB_PATH if isinstance(name, str) and name in by_sub_path else Way.VOLUME
        yield from _files(child(volume, "secret"), "secretName", way, ("volumes", at, "secret"))
        for index, source in maps(child(volume, "projected").get("sources")):
            above = ("volumes", at, "projected", "sources", index, "secret")
            yield from _files(child(source, "secret"), "name", way, above)
        # What a driver logs in with, without which the volume is not mounted.
        for *within, named in (("csi", "nodePublishSecretRef", "name"), ("azureFile", "secretName")):
            if secret := text(child(volume, *within), named):
                yield SecretRead(secret, None, Way.VOLUME, path=("volumes", at, *within, named))


def _files(source: PlainMap, named: str, way: Way, above: Path) -> Iterator[SecretRead]:
    secret, is_optional, here = text(source, named), source.get("optional") is True, (*above, named)
    if secret is None:
        return
    items = list(maps(source.get("items")))
    for at, item in items:
        key, key_path = text(item, "key") or "", (*above, "items", at, "key")
        yield SecretRead(secret, key, way, is_optional, path=here, key_path=key_path)
    if not items:
        yield SecretRead(secret, None, way, is_optional, path=here)
