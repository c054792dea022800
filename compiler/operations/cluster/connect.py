"""Connects to the cluster that a command names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.cluster.objects import ClusterError
from compiler.refusal import Refusal
from compiler.text.extra import install_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.operations.cluster.objects import LiveCollections


def connected(environ: Mapping[str, str], context: str | None) -> LiveCollections:
    """The cluster of the kubeconfig's `context`, the current one for None; nothing is asked of it yet.

    Raises Refusal where the client is not installed, and where no kubeconfig can be used.
    """
    try:
        # 0.6 s of import that only this needs.
        from compiler.operations.cluster.client import KubernetesCluster  # noqa: PLC0415
    except ModuleNotFoundError:
        message = "--cluster needs the Kubernetes client"
        raise Refusal("cannot run", message, f"run: {install_line('cluster')}") from None
    try:
        return KubernetesCluster(environ, context)
    except ClusterError as error:
        failure = Refusal("cannot run", str(error), error.remedy)
    raise failure
