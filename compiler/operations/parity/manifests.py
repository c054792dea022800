"""Makes the ExternalSecrets that an environment compiles to, for comparison with live ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.operations.parity.table import expected_manifests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.model.environment import Environment


def manifests_of(environment: Environment) -> dict[str, Mapping[str, Any]]:
    """The ExternalSecrets that an environment compiles to, by name."""
    root: Any = environment.root.plain_data()
    catalogue: Any = environment.catalogue.document.root.plain_data()
    found = expected_manifests(root, catalogue)
    return {str(each["metadata"]["name"]): each for each in found if each["kind"] == "ExternalSecret"}
