"""Asks the operator to synchronise ExternalSecrets at once, by the annotation that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.cluster.in_effect import is_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from compiler.operations.cluster.objects import LiveCollections
    from compiler.operations.status.live import LiveState


def force(
    state: LiveState, cluster: LiveCollections, mark: str, is_over: Callable[[], bool] = lambda: False
) -> Iterator[str]:
    """Set the annotation to `mark` on each ExternalSecret that is there and ours; yields each one's secret when it is.

    Once it `is_over`, none is asked for any more. Raises ClusterError.
    """
    for secret, manifest in state.manifests.items():
        live = state.live(manifest).external_secret
        metadata = manifest["metadata"]
        if live is None or not is_own(live, manifest):
            continue
        namespace = str(metadata["namespace"])
        with state.asks("patch externalsecrets", namespace):
            # Not before: whoever ends it between the two then sees that this one may be asked for.
            if is_over():
                return
            if cluster.force_sync(namespace, str(metadata["name"]), mark):
                # Within: it is noted before it is no longer said to be under way.
                yield secret
