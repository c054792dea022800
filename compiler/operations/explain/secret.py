"""Explains a whole secret: what decides about it, and where each of its keys lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.explain.explanation import Explanation, shown_value, shown_where
from compiler.operations.explain.key import key_place, without_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.model.environment import Environment

# What the catalogue alone says of a secret.
_CATALOGUES = ("target", "syncWave")


def explain_secret(environment: Environment, secret_id: str, rows: Sequence[Explanation]) -> Iterator[Explanation]:
    """The values of a secret of the catalogue, then the place of each key; `rows` are all of the environment."""
    path = f"secrets.{secret_id}"
    entry = environment.catalogue.entries[secret_id]
    secret = environment.secrets.get(secret_id)
    own = [row for row in rows if row.path == path or row.path.startswith(f"{path}.")]
    yield from own
    if secret is None:
        if not own:
            # Where a layer took it away, its line says so.
            yield from without_secret(environment, entry, path, {})
        return
    for name in _CATALOGUES:
        node = entry.node.get(name)
        if node is not None:
            yield Explanation(f"{path}.{name}", shown_value(node), "catalogue", shown_where(node.span))
    yield from (key_place(secret, key) for key in secret.keys)
