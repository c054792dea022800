"""Asks the cluster of a run for what no command of this program does: the data of its own Secrets, and watches."""

from __future__ import annotations

import base64
import copy
import math
from functools import partial
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiClient

from compiler.cluster import client
from compiler.cluster.client import KubernetesCluster
from compiler.cluster.fields import keep_used_fields
from compiler.cluster.lists import ListError
from compiler.cluster.view import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    LiveObject = Mapping[str, Any]

# Beyond the time after which the server itself ends a watch.
_GRACE = 10


class WatchEndedError(Exception):
    """A watch cannot go on from where it was; whoever follows lists again."""


class RunCluster(KubernetesCluster):
    """The cluster of the current context, asked all the run long; the values of its Secrets are made up."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self._patience = math.inf
        # The client's own replies come in pieces, as a watch needs; those of a command are read whole.
        self._watching = copy.copy(self)
        self._watching._api = ApiClient(self._api.configuration)  # noqa: SLF001
        self._watching._api.user_agent = self._api.user_agent  # noqa: SLF001

    def data_of(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The data of a Secret as the API has it, in Base64; None where there is no such Secret.

        Raises ClusterError.
        """
        found = self._get("get secrets", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if found is None:
            return None
        data = found.get("data")
        return {str(key): str(value) for key, value in data.items()} if isinstance(data, dict) else {}

    def external_secret(self, namespace: str, name: str) -> LiveObject | None:
        """The whole object, as `kubectl get` has it; None where there is none. Raises ClusterError."""
        path = f"/apis/external-secrets.io/v1/namespaces/{namespace}/externalsecrets/{name}"
        return self._get("get externalsecrets", path)

    def listed(self, plural: str, namespace: str) -> tuple[tuple[LiveObject, ...], str]:
        """A collection as a whole, and its version. Raises ClusterError."""
        self.renew()
        found = self._read_whole_list(
            f"list {plural} in {namespace}", plural, namespace, (), partial(keep_used_fields, plural)
        )
        if found is None:
            raise ClusterError(f"it does not serve {plural}", "choose another cluster")
        return found

    def watch(self, plural: str, namespace: str, version: str, seconds: int) -> Iterator[tuple[str, LiveObject]]:
        """Each change after `version` as its type and the object; ends after about `seconds`.

        Raises ClusterError, and WatchEndedError where one has to list again.
        """
        permission, accepted = f"watch {plural} in {namespace}", client._media_type(plural).replace("List;", ";")  # noqa: SLF001
        query = [("resourceVersion", version), ("watch", "true"), ("timeoutSeconds", str(seconds))]
        path, timeout = client._path(plural, namespace), (5, seconds + _GRACE)  # noqa: SLF001
        ask = partial(self._watching._request, "GET", path, accepted, query, timeout)  # noqa: SLF001
        reply: Any = _answered(permission, ask)
        lines = _lines(reply.stream(decode_content=False))
        try:
            while line := _answered(permission, lambda: next(lines, b"")):
                event = client._parse_object(line)  # noqa: SLF001
                if event.get("type") == "ERROR":
                    # Mostly 410: the version is too old to go on from.
                    raise WatchEndedError
                yield str(event.get("type")), keep_used_fields(plural, event.get("object"))
        finally:
            reply.close()


def _answered(permission: str, ask: Any) -> Any:  # noqa: ANN401 - the client has no types
    try:
        found = client._answer(permission, ask)  # noqa: SLF001
    except ListError as error:
        if error.is_too_large:
            raise
        found = None
    if found is None:
        raise WatchEndedError
    return found


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    begun = b""
    for chunk in chunks:
        *whole, begun = (begun + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())


def encoded(values: Mapping[str, str]) -> dict[str, str]:
    """These values as the API has them."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
