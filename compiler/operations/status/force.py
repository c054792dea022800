"""Asks the operator to synchronise ExternalSecrets at once, by the annotation that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.cluster.in_effect import is_own

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.operations.cluster.objects import LiveCollections
    from compiler.operations.status.live import LiveState


def force(state: LiveState, cluster: LiveCollections, mark: str) -> Iterator[str]:
    """Set the annotation to `mark` on each ExternalSecret that is there and ours; yields each one's secret when it is.

    Raises ClusterError.
    """
    for secret, manifest in state.manifests.items():
        live = state.live(manifest).external_secret
        metadata = manifest["metadata"]
        if live is None or not is_own(live, manifest):
            continue
        namespace = str(metadata["namespace"])
        with state.asks("patch externalsecrets", namespace):
            is_done = cluster.force_sync(namespace, str(metadata["name"]), mark)
        if is_done:
            yield secret
