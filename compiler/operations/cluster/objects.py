"""Defines what is read from a live cluster: stores, ExternalSecrets, Secrets without their values, and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    LiveObject = Mapping[str, Any]
    # Objects of a list, and the version of the collection from which a watch goes on.
    Collected = tuple[tuple[LiveObject, ...], str]


class ClusterError(Exception):
    """The cluster cannot be asked, or refuses. `permission` is the missing one, None for any other cause."""

    def __init__(self, reason: str, remedy: str, permission: str | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.permission = permission


class AnswerTooLargeError(ClusterError):
    """The answer is larger than any that is read; a list is asked for again with fewer objects."""


class WatchEndedError(Exception):
    """A watch cannot go on from where it was; whoever follows lists again."""


class LiveObjects(Protocol):
    """Reads one cluster's objects as its API returns them. Every method raises ClusterError."""

    def store_object(self, kind: str, name: str, namespace: str) -> LiveObject | None:
        """The store as the API returns it."""

    def external_secret_objects(self, namespace: str) -> tuple[LiveObject, ...]:
        """The ExternalSecrets of a namespace as the API returns them, read in pages."""

    def secret_metadata(self, namespace: str) -> tuple[LiveObject, ...]:
        """The metadata of each Secret of a namespace, read in pages; no value is asked for."""

    def namespace_object(self, namespace: str) -> LiveObject | None:
        """The namespace as the API returns it."""

    def every_object(self, plural: str) -> tuple[LiveObject, ...] | None:
        """The objects of a kind of the operator in every namespace, read in pages; None for a kind it does not have."""


class LiveCollections(LiveObjects, Protocol):
    """Reads and follows whole collections of a namespace, in the form that cluster/slim.py keeps of their objects.

    A `plural` is `externalsecrets`, `secrets` or `configmaps` (metadata alone), `pods`, `deployments`, `statefulsets`,
    `daemonsets`, `jobs`, `cronjobs` or `rollouts`.
    """

    def collection(self, plural: str, namespace: str) -> Collected:
        """Every object, read in pages."""

    def watch(self, plural: str, namespace: str, version: str, seconds: int) -> Iterator[tuple[str, LiveObject]]:
        """Each change after `version` as its type (ADDED, MODIFIED, DELETED, BOOKMARK) and the object.

        Ends after about `seconds`. Raises WatchEndedError where one has to list again.
        """

    def warnings(self, namespace: str) -> Mapping[str, LiveObject]:
        """The newest warning of the events about each ExternalSecret, by its UID: a name may be an earlier object's."""

    def force_sync(self, namespace: str, name: str, mark: str) -> bool:
        """Set the annotation that makes the operator synchronise at once; false where there is no such object."""
