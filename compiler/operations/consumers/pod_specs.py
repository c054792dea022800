"""Finds the Secrets and keys that a pod's spec reads: variables, volumes and pulling images.

The spec is as the API returns it or a manifest holds it; of a Deployment or a Job, that of its template.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    PlainMap = Mapping[str, Any]

_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


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

    Where it is `optional`, the pod starts without it. `container` is None for what a pod reads as a whole.
    """

    secret: str
    key: str | None
    way: Way
    optional: bool = False
    container: str | None = None

    @property
    def keeps(self) -> bool:
        """Whether the pod keeps what it has read until it is started anew."""
        return self.way in _FROZEN


def secret_reads(spec: PlainMap) -> tuple[SecretRead, ...]:
    """Every reading of a Secret in a pod's `spec`, each once."""
    found = [*_of_containers(spec), *_of_volumes(spec)]
    found += [
        SecretRead(str(each["name"]), None, Way.IMAGE_PULL, optional=True)
        for each in spec.get("imagePullSecrets") or ()
        if each.get("name")
    ]
    return tuple(dict.fromkeys(found))


def _of_containers(spec: PlainMap) -> Iterator[SecretRead]:
    for container in (each for kind in _CONTAINERS for each in spec.get(kind) or ()):
        name = str(container.get("name"))
        for source in container.get("envFrom") or ():
            reference = source.get("secretRef") or {}
            if reference.get("name"):
                optional = bool(reference.get("optional"))
                yield SecretRead(str(reference["name"]), None, Way.ENV_FROM, optional, name)
        for variable in container.get("env") or ():
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
            if reference.get("name"):
                optional = bool(reference.get("optional"))
                yield SecretRead(str(reference["name"]), str(reference.get("key")), Way.ENV, optional, name)


def _of_volumes(spec: PlainMap) -> Iterator[SecretRead]:
    by_sub_path = {
        mount.get("name")
        for kind in _CONTAINERS
        for container in spec.get(kind) or ()
        for mount in container.get("volumeMounts") or ()
        if mount.get("subPath") or mount.get("subPathExpr")
    }
    for volume in spec.get("volumes") or ():
        way = Way.SUB_PATH if volume.get("name") in by_sub_path else Way.VOLUME
        secret = volume.get("secret") or {}
        if secret.get("secretName"):
            yield from _files(str(secret["secretName"]), secret, way)
        for source in (volume.get("projected") or {}).get("sources") or ():
            projected = source.get("secret") or {}
            if projected.get("name"):
                yield from _files(str(projected["name"]), projected, way)


def _files(name: str, source: PlainMap, way: Way) -> Iterator[SecretRead]:
    optional = bool(source.get("optional"))
    keys: list[str | None] = [str(item.get("key")) for item in source.get("items") or ()]
    for key in keys or [None]:
        yield SecretRead(name, key, way, optional)
