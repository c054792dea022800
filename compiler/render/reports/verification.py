"""Builds what only the JSON report of `verify` has: the identity that read each store, and every key's status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compiler.model.diagnostic import Diagnostic
from compiler.operations.verify import KeyStatus, ReadStore, Verification
from compiler.render.content import ShownKey, members


def verification_content(values_file: str | None, found: Verification | None) -> dict[str, Any]:
    """The members of the report beside diagnostics; `found` is None where the input kept `verify` from asking."""
    return {
        "valuesFile": values_file,
        "stores": [_store(seen) for seen in found.seen] if found is not None else [],
        "remoteSecrets": found.remotes if found is not None else 0,
    }


def shown_keys(found: Verification | None, diagnostics: Sequence[Diagnostic]) -> tuple[ShownKey, ...]:
    """Every key with its status; `diagnostics` are all that `verify` tells."""
    positions = {id(diagnostic): index for index, diagnostic in enumerate(diagnostics)}
    return tuple(_key(status, positions) for status in found.keys) if found is not None else ()


def _store(seen: ReadStore) -> dict[str, Any]:
    return {
        **members(seen, "store", "address"),
        "caller": seen.identity.subject if seen.identity is not None else None,
        "clusterId": seen.cluster.id if seen.cluster is not None else None,
    }


def _key(status: KeyStatus, positions: Mapping[int, int]) -> ShownKey:
    reference = status.reference
    return ShownKey(
        reference.secret,
        reference.key,
        reference.store.id,
        reference.remote_key,
        reference.property,
        status.word,
        tuple(positions[id(diagnostic)] for diagnostic in status.found),
    )
