"""What of a live cluster concerns an environment's secrets: stores, ExternalSecrets, Secrets without values, events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class ClusterError(Exception):
    """The cluster cannot be asked, or refuses. `permission` is what is missing, nothing where that is not the cause."""

    def __init__(self, reason: str, remedy: str, permission: str | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.permission = permission


@dataclass(frozen=True, slots=True)
class Ready:
    """The Ready condition of an object of the operator."""

    is_true: bool
    message: str


@dataclass(frozen=True, slots=True)
class LiveStore:
    """A ClusterSecretStore or SecretStore; `ready` is nothing where the operator has not looked at it yet."""

    kind: str
    name: str
    ready: Ready | None


@dataclass(frozen=True, slots=True)
class LiveExternalSecret:
    """An ExternalSecret; `target` is the name of the Secret it makes."""

    name: str
    target: str
    labels: Mapping[str, str]
    ready: Ready | None


@dataclass(frozen=True, slots=True)
class LiveSecret:
    """A Secret: the names of its keys, and its controller as kind and name."""

    name: str
    keys: frozenset[str]
    controller: tuple[str, str] | None


class Cluster(Protocol):
    """Looks into one cluster. Every method raises ClusterError; what is not there is nothing."""

    def store(self, kind: str, name: str, namespace: str) -> LiveStore | None: ...

    def external_secrets(self, namespace: str) -> tuple[LiveExternalSecret, ...]: ...

    def secret(self, namespace: str, name: str) -> LiveSecret | None: ...

    def complaints(self, namespace: str) -> Mapping[str, str]:
        """The newest warning of the events about each ExternalSecret, by its name."""
