"""Finds which secrets of an environment the operator reads from a remote secret, and how soon it does so again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from compiler.model.environment import Environment


@dataclass(frozen=True, slots=True)
class RefreshTimes:
    """The secrets that read each remote secret, by the id of its store and its name there.

    `seconds` is within how long the operator reads each secret again, by its id.
    """

    secrets: Mapping[tuple[str, str], tuple[str, ...]]
    seconds: Mapping[str, int]

    def secrets_of(self, targets: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """The secrets that read one of those remote secrets, in the environment's order."""
        found = {secret for store, name in targets for secret in self.secrets.get((store, name.lower()), ())}
        return tuple(secret for secret in self.seconds if secret in found)


def refresh_times(environment: Environment) -> RefreshTimes:
    """Keeps only names: an environment may be large."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    seconds: dict[str, int] = {}
    for secret in environment.secrets.values():
        if secret.store is None or secret.refresh is None:
            continue
        seconds[secret.id] = round(secret.refresh.seconds)
        for item in secret.keys:
            if item.place is not None:
                # Key Vault's names do not tell capitals from small letters.
                found.setdefault((secret.store.id, item.place.remote_key.lower()), {})[secret.id] = None
    return RefreshTimes({target: tuple(secrets) for target, secrets in found.items()}, seconds)
