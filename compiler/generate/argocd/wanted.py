"""Defines the input of the Argo CD generator: the repository and names, and what it needs of an environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Argo CD's own name and address of the cluster that it runs in.
IN_CLUSTER = "in-cluster"
IN_CLUSTER_SERVER = "https://kubernetes.default.svc"


@dataclass(frozen=True, slots=True)
class ChartSource:
    """Where `multi-source` has the chart from: `chart` is its name in a registry, None for a path of a repository."""

    repo: str
    revision: str
    chart: str | None = None


@dataclass(frozen=True, slots=True)
class Platform:
    """The platform's own chart in a registry, and the folder of the repository that holds its values files."""

    repo: str
    chart: str
    version: str
    values: str
    project: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the project lies in Git, and how Argo CD is to name it.

    `path` is the chart's folder in the repository, beside the values files, `apps` the folder that app-of-apps reads,
    `namespace` that of Argo CD, and `clusters` Argo CD's names of clusters by environment.
    """

    repo: str
    revision: str
    path: str
    project: str
    namespace: str
    clusters: Mapping[str, str] = field(default_factory=dict)
    chart: ChartSource | None = None
    apps: str = ""
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class Deployed:
    """An environment as Argo CD deploys it.

    `namespaces` are all that it writes to, its own first, `kinds` group and kind of what it renders beside
    ExternalSecrets, `cluster_stores` the names of the ClusterSecretStores among it. `is_asked` says that no
    ExternalSecret is pruned before a person confirms.
    """

    name: str
    namespaces: tuple[str, ...]
    is_asked: bool
    kinds: tuple[tuple[str, str], ...] = ()
    cluster_stores: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        return self.namespaces[0]
