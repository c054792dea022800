"""Connects to a cluster before the stores are read, and checks it once their values are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.cluster.connect import opened
from compiler.operations.cluster.objects import ClusterError
from compiler.operations.cluster.verify import unreachable, verify_cluster

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
        cluster = opened(environ, context)
    except ClusterError as error:
        silent = unreachable(expected, error)
        return lambda _read: (silent,)
    return lambda read: verify_cluster(expected, cluster, read)
