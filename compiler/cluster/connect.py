"""Connects to the cluster that a command names; the view of it and the client are imported only then."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.refusal import Refusal
from compiler.text.command_line import install_line

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from compiler.cluster.client import KubernetesCluster
    from compiler.cluster.view import ClusterView


IN_POD = "KUBERNETES_SERVICE_HOST"


def kubeconfigs(environ: Mapping[str, str]) -> str:
    """The kubeconfig, or several as PATH has folders."""
    return environ.get("KUBECONFIG") or str(Path(environ.get("HOME", "~")).expanduser() / ".kube/config")


def missing_for_cluster(environ: Mapping[str, str]) -> str | None:
    """What this machine lacks for asking a cluster, with the way to it, as far as is known without asking one."""
    if find_spec("kubernetes") is None:
        return f"the Kubernetes client: {install_line('cluster')}"
    names = [name for name in kubeconfigs(environ).split(os.pathsep) if name]
    if IN_POD in environ or any(Path(name).expanduser().exists() for name in names):
        return None
    return "a kubeconfig: set KUBECONFIG"


def opened(environ: Mapping[str, str], context: str | None) -> KubernetesCluster:
    """The cluster of the kubeconfig's `context`, the current one for None; nothing is asked of it yet.

    Raises Refusal where the client is not installed, and ClusterError where no kubeconfig can be used.
    """
    try:
        # 0.6 s of import that only this needs.
        from compiler.cluster.client import KubernetesCluster  # noqa: PLC0415
    except ModuleNotFoundError:
        message = "--cluster needs the Kubernetes client"
        raise Refusal("cannot run", message, f"run: {install_line('cluster')}") from None
    return KubernetesCluster(environ, context)


def connected(
    environ: Mapping[str, str], context: str | None, optional: Collection[str] = (), left_out: Collection[str] = ()
) -> ClusterView:
    """A view of that cluster, for those who can do nothing without it: raises Refusal alone."""
    from compiler.cluster.view import ClusterError, ClusterView  # noqa: PLC0415 - most runs ask no cluster

    try:
        return ClusterView(opened(environ, context), optional, left_out)
    except ClusterError as error:
        failure = Refusal("cannot run", str(error), error.remedy)
    raise failure
