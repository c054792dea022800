"""Looks up the keys that a Secret or a ConfigMap will have, of each once, as far as that can be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.consumers.gaps import known_keys
from compiler.operations.consumers.own import keys_of

if TYPE_CHECKING:
    from compiler.operations.consumers.objects import Gathered, Name, Setting
    from compiler.operations.consumers.own import Own


class SourceKeys:
    """The keys of all that sets variables: the environment's Secrets, and what the manifests make."""

    def __init__(self, own: Own, gathered: Gathered) -> None:
        self._own, self._gathered = own, gathered
        self._of_secrets: dict[Name, frozenset[str] | None] = {}

    def known(self, namespace: str, setting: Setting) -> frozenset[str] | None:
        """The keys of what `setting` takes, None where they cannot be told."""
        if setting.secret is None:
            return self._gathered.config_maps.get((namespace, setting.config_map or ""))
        at = (namespace, setting.secret)
        if at not in self._of_secrets:
            secret = self._own.secrets.get(at)
            keys = keys_of(secret) if secret is not None else known_keys(self._gathered.made.get(at, ()))
            self._of_secrets[at] = keys
        return self._of_secrets[at]

    def of(self, namespace: str, setting: Setting) -> frozenset[str]:
        """As `known`, with an empty set where they cannot be told."""
        return self.known(namespace, setting) or frozenset()
