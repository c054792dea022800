"""Reads the data of a run's own Secrets, whose values are made up: no command of this program asks for one."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING

from compiler.cluster.client import KubernetesCluster

if TYPE_CHECKING:
    from collections.abc import Mapping


class SecretData(KubernetesCluster):
    """The cluster of the current context, asked for the Secrets of a run's own namespace alone, all the run long."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self._patience = math.inf

    def data_of(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The data of a Secret as the API has it, in Base64; None where there is no such Secret.

        Raises ClusterError.
        """
        found = self._got("get secrets", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if found is None:
            return None
        data = found.get("data")
        return {str(key): str(value) for key, value in data.items()} if isinstance(data, dict) else {}


def encoded(values: Mapping[str, str]) -> dict[str, str]:
    """These values as the API has them."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
