"""A Vault and a Key Vault in memory, which keep and refuse versions as the real ones do, with a fault at any call."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, StoreError
from compiler.stores.interface import (
    FROM_VERSION,
    VALUE_SINCE,
    Attributes,
    Changes,
    Dropped,
    Problem,
    RemoteSecret,
    Written,
)
from compiler.stores.secret_value import SecretValue
from tests.memory_store import MemoryStore

KEEPS = 10
_READS = frozenset({"read", "read_version", "describe", "version_states", "list_versions"})


class Moments(Protocol):
    """Told of each call, and may raise in place of an answer. `base` is the newest version as a write found it."""

    def asked(self, store: Shelf, method: str, name: str) -> None: ...

    def writing(self, store: Shelf, method: str, name: str) -> None:
        """Before anything is changed; another writer may come in between."""

    def written(self, store: Shelf, method: str, name: str) -> None:
        """After it was changed, and before the answer."""


class Shelf(MemoryStore):
    """A Vault numbers the versions of each name, keeps ten, and tags the name; a Key Vault uses no number twice."""

    has_texts = True

    def __init__(self, address: StoreAddress, moments: Moments, clock: Callable[[], datetime]) -> None:
        super().__init__(address)
        self.moments = moments
        self.clock = clock
        self.tags: dict[str, Mapping[str, str]] = {}
        self._numbers = itertools.count(1)

    def newest(self, name: str) -> RemoteSecret | None:
        """What a reader would get, without asking."""
        return self.held.get(name)

    def content(self, name: str) -> dict[str | None, str] | None:
        """The values of a name as a reader would get them; under None the whole text of what is no object."""
        found = self.newest(name)
        if found is None:
            return None
        if not found.is_object and found.whole is not None:
            return {None: found.whole.reveal()}
        return {key: value.reveal() for key, value in found.properties.items()}

    def value(self, name: str, prop: str | None) -> str | None:
        return (self.content(name) or {}).get(prop)

    def delete(self, name: str) -> None:
        """Delete the newest version, or in a Key Vault the name, as whoever deletes."""
        self._delete(name, [self.versions[name][-1].version])

    def losses_of_write(self, name: str) -> Dropped | None:
        versions = self.versions.get(name, [])
        if not self.is_vault or len(versions) < KEEPS or self.is_gone(versions[0]):
            return None
        return Dropped((versions[0].version,), KEEPS)

    def check(
        self, name: str, content: Changes, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        if not self.is_vault or not isinstance(content, SecretValue):
            return super().check(name, content, base, attributes)
        return (Problem("invalid-value", name, "a Vault has no whole values", "name a property"),)

    def _called(self, method: str, name: str) -> None:
        if method in _READS:
            self.moments.asked(self, method, name)

    def _changing(self, method: str, name: str) -> None:
        self.moments.writing(self, method, name)

    def _changed(self, method: str, name: str) -> None:
        self.moments.written(self, method, name)

    def _require(self, name: str, version: str | None) -> None:
        super()._require(name, version)
        if name in self.deleted:
            raise self.conflict(name)

    def _next_version(self, name: str) -> str:
        if not self.is_vault:
            return str(next(self._numbers))
        return str(int(self.versions[name][-1].version) + 1 if self.versions[name] else 1)

    def _add(
        self, name: str, properties: Mapping[str, SecretValue], whole: SecretValue | None, attributes: Attributes
    ) -> str:
        version = super()._add(name, properties, whole, attributes)
        if self.is_vault:
            del self.versions[name][:-KEEPS]
        return version

    def _tagged(self, found: RemoteSecret) -> RemoteSecret:
        if not self.is_vault:
            return found
        return replace(found, attributes=replace(found.attributes, tags=self.tags.get(found.name, {})))

    def _write(
        self,
        method: str,
        name: str,
        properties: Mapping[str, SecretValue],
        whole: SecretValue | None,
        base: RemoteSecret | None,
        attributes: Attributes | None,
    ) -> Written:
        if not self.is_vault:
            return super()._write(method, name, properties, whole, base, attributes)
        old = base.attributes.tags if base is not None else {}
        written = super()._write(method, name, properties, whole, base, Attributes())
        made = self.versions[name][-1].attributes.created
        if attributes is not None and attributes.tags != old:
            self._tag(name, written.version, attributes.tags, is_new=base is None)
        return replace(written, made=made)

    def _tag(self, name: str, version: str, tags: Mapping[str, str], *, is_new: bool) -> None:
        """Tag what a Vault has stored; without an answer that is said, and the version is there all the same."""
        since = {VALUE_SINCE: tags[VALUE_SINCE]} if VALUE_SINCE in tags else {}
        if is_new:
            # What the owners of the name wrote there before stays.
            tags = {**tags, **self.tags.get(name, {}), **since}
        if (text := tags.get(VALUE_SINCE)) is not None and FROM_VERSION not in text:
            tags = {**tags, VALUE_SINCE: f"{text}{FROM_VERSION}{version}"}
        try:
            with self._change("set_tags", name):
                self.tags[name] = tags
        except StoreError as error:
            reason = f"version {version} is stored, but its tags are not"
            raise StoreError(
                self.place(name), Action.WRITE, reason, error.remedy, Code.UNFINISHED_WRITE, version=version
            ) from error
