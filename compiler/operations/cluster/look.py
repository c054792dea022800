"""Connects to a cluster before the stores are read, and checks it once their values are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.cluster.objects import ClusterError
from compiler.operations.cluster.verify import unreachable, verify_cluster
from compiler.refusal import Refusal
from compiler.text.extra import install_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from compiler.model.diagnostic import Diagnostic
    from compiler.operations.cluster.verify import Expected
    from compiler.stores.interface import RemoteSecret

    Look = Callable[[Sequence[RemoteSecret]], tuple[Diagnostic, ...]]


def look_into(expected: Sequence[Expected], environ: Mapping[str, str], context: str | None) -> Look:
    """A function that compares the cluster with `expected`, hiding the values of the remote secrets that it is given.

    The cluster is the kubeconfig's `context`, the current one for None. Raises Refusal where the client is not
    installed. A kubeconfig that cannot be used is a finding: what the stores hold is told all the same.
    """
    if not expected:
        return lambda _read: ()
    try:
        # 0.6 s of import that only this needs.
        from compiler.operations.cluster.client import KubernetesCluster  # noqa: PLC0415
    except ModuleNotFoundError:
        message = "--cluster needs the Kubernetes client"
        raise Refusal("cannot run", message, f"run: {install_line('cluster')}") from None
    try:
        cluster = KubernetesCluster(environ, context)
    except ClusterError as error:
        silent = unreachable(expected, error)
        return lambda _read: (silent,)
    return lambda read: verify_cluster(expected, cluster, read)
