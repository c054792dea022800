"""A Vault and a Key Vault in memory, which keep, delete and refuse versions as the real ones do, with a call at each.

What is measured of the real ones: Vault's compare-and-set, its ten versions, that it deletes version by version, and
that its tags are those of all versions and set by a request of their own; that a Key Vault has no compare-and-set, tags
each version, and deletes and recovers a name with all of its versions.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from compiler.model.store import StoreAddress
from compiler.stores.errors import (
    Action,
    Code,
    ConflictError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    StoreLocation,
    VersionGoneError,
)
from compiler.stores.interface import (
    FROM_VERSION,
    VALUE_SINCE,
    Attributes,
    Dropped,
    Identity,
    Problem,
    RemoteSecret,
    SecretState,
    StoreState,
    Use,
    VersionStates,
    Written,
    with_tags,
)
from compiler.stores.secret_value import SecretValue, read_object
from tests import providers

KEEPS = 10


def _number(versions: Sequence[Kept]) -> int:
    return int(versions[-1].secret.version) if versions else 0


class Moments(Protocol):
    """Told of each call, and may raise in place of an answer. `base` is the newest version as a write found it."""

    def asked(self, store: Shelf, method: str, name: str) -> None: ...

    def writing(self, store: Shelf, method: str, name: str) -> None:
        """Before anything is changed; another writer may come in between."""

    def written(self, store: Shelf, method: str, name: str) -> None:
        """After it was changed, and before the answer."""


@dataclass
class Kept:
    """One version; `is_gone` after a deletion of it."""

    secret: RemoteSecret
    is_gone: bool = False


@dataclass
class Shelf:
    """A SecretWriter; what both providers have in common. No version is ever used twice; a Key Vault takes `numbers`.

    `clock` dates each version; `tags` are those of a Vault's names.
    """

    address: StoreAddress
    moments: Moments
    clock: Callable[[], datetime]
    kept: dict[str, list[Kept]] = field(default_factory=dict)
    tags: dict[str, Mapping[str, str]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __hash__(self) -> int:
        return id(self)

    @property
    def is_vault(self) -> bool:
        return self.address.provider is providers.VAULT

    def newest(self, name: str) -> RemoteSecret | None:
        """What a reader would get, without asking."""
        versions = self.kept.get(name)
        return versions[-1].secret if versions and not versions[-1].is_gone else None

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

    def tags_of(self, name: str) -> Mapping[str, str]:
        """The tags that a reader of `name` would get, without asking; none where nothing can be read."""
        found = self.newest(name)
        return self._tagged(found).attributes.tags if found is not None else {}

    def _tagged(self, version: RemoteSecret) -> RemoteSecret:
        if not self.is_vault:
            return version
        tags = self.tags.get(version.name, {})
        return replace(version, attributes=replace(version.attributes, tags=tags))

    def hold(
        self,
        name: str,
        properties: Mapping[str, SecretValue],
        whole: SecretValue | None,
        attributes: Attributes | None = None,
    ) -> str:
        """Add a version as whoever writes, without a call."""
        versions = self.kept.setdefault(name, [])
        if not self.is_vault and whole is None:
            whole = SecretValue(json.dumps({key: value.reveal() for key, value in properties.items()}))
        is_object = whole is None or whole.reveal().startswith("{")
        if whole is not None and is_object:
            properties = read_object(whole.reveal())
        # A Vault counts each name's own.
        version = str(next(self.numbers)) if not self.is_vault else str(_number(versions) + 1)
        attributes = replace(attributes or Attributes(), created=self.clock())
        versions.append(Kept(RemoteSecret(name, version, dict(properties), attributes, whole, is_object)))
        if self.is_vault:
            del versions[:-KEEPS]
        return version

    def delete(self, name: str) -> None:
        """Delete the newest version, or in a Key Vault the name, as whoever deletes."""
        for each in self.kept[name][-1:] if self.is_vault else self.kept[name]:
            each.is_gone = True

    def read(self, name: str) -> RemoteSecret:
        self.moments.asked(self, "read", name)
        versions = self.kept.get(name)
        if not versions:
            raise NotFoundError(self._place(name), Action.READ, "it is not there", "create it")
        if versions[-1].is_gone:
            deleted = versions[-1].secret.version
            raise SoftDeletedError(self._place(name), Action.READ, "it is soft-deleted", "recover it", version=deleted)
        return self._tagged(versions[-1].secret)

    def read_version(self, name: str, version: str) -> RemoteSecret:
        self.moments.asked(self, "read_version", name)
        for each in self.kept.get(name, []):
            if each.secret.version == version and not each.is_gone:
                return self._tagged(each.secret)
        raise VersionGoneError(self._place(name), Action.READ, "it is gone", "use another", version=version)

    def describe(self, name: str) -> SecretState:
        self.moments.asked(self, "describe", name)
        versions = self.kept.get(name)
        if not versions:
            return SecretState(name, StoreState.ABSENT)
        state = StoreState.SOFT_DELETED if versions[-1].is_gone else StoreState.PRESENT
        return SecretState(name, state, versions[-1].secret.version, self._tagged(versions[-1].secret).attributes)

    def version_states(self, name: str) -> VersionStates:
        self.moments.asked(self, "version_states", name)
        versions = self.kept.get(name, [])
        shown = versions if self.is_vault else versions[-1:]
        states = {e.secret.version: StoreState.SOFT_DELETED if e.is_gone else StoreState.PRESENT for e in shown}
        made = {each.secret.version: each.secret.attributes.created for each in shown if self.is_vault}
        return VersionStates(states, {version: date for version, date in made.items() if date is not None})

    def list_versions(self, name: str) -> Mapping[str, Attributes] | None:
        self.moments.asked(self, "list_versions", name)
        found = {each.secret.version: each.secret.attributes for each in self.kept.get(name, [])}
        return None if self.is_vault else found

    def dropped_by_write(self, name: str) -> Dropped | None:
        versions = self.kept.get(name, [])
        if not self.is_vault or len(versions) < KEEPS or versions[0].is_gone:
            return None
        return Dropped((versions[0].secret.version,), KEEPS)

    def whoami(self) -> Identity:
        return Identity("tester", "memory")

    def now(self) -> datetime:
        return datetime.now(UTC)

    def cluster(self) -> None:
        """It has no server."""

    def close(self) -> None:
        """It has no connection."""

    def expect(self, uses: Mapping[str, Collection[Use]]) -> None:
        """It names nothing that is missing."""

    def excess_access(self, uses: Mapping[str, Collection[Use]]) -> None:
        del uses

    def check_access(self, uses: Mapping[str, Collection[Use]]) -> tuple[Problem, ...]:
        del uses
        return ()

    def check(
        self,
        name: str,
        changes: Mapping[str, SecretValue],
        base: RemoteSecret | None,
        attributes: Attributes | None = None,
    ) -> tuple[Problem, ...]:
        del name, changes, base, attributes
        return ()

    def write(
        self,
        name: str,
        changes: Mapping[str, SecretValue],
        base: RemoteSecret | None,
        attributes: Attributes | None = None,
    ) -> Written:
        properties = {**(base.properties if base is not None else {}), **changes}
        return self._write("write", name, properties, None, base, attributes)

    def check_whole(
        self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        del value, base, attributes
        return (Problem("invalid-value", name, "a Vault has no whole values", "name a property"),) * self.is_vault

    def write_whole(
        self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> Written:
        return self._write("write_whole", name, {}, value, base, attributes)

    def restore(self, earlier: RemoteSecret, base: RemoteSecret) -> Written:
        return self._write("restore", base.name, earlier.properties, earlier.whole, base, earlier.attributes)

    def set_tags(self, name: str, version: str, changes: Mapping[str, str | None]) -> None:
        self._require(name, version)
        tags = with_tags(self.tags_of(name), changes)
        if tags == self.tags_of(name):
            return
        self.moments.writing(self, "set_tags", name)
        self._set_tags(name, tags)
        self.moments.written(self, "set_tags", name)
        self._require(name, version)

    def _set_tags(self, name: str, tags: Mapping[str, str]) -> None:
        newest = self.kept[name][-1]
        if self.is_vault:
            self.tags[name] = tags
        else:
            newest.secret = replace(newest.secret, attributes=replace(newest.secret.attributes, tags=tags))

    def soft_delete(self, name: str, version: str) -> None:
        self._require(name, version)
        self.moments.writing(self, "soft_delete", name)
        if self.is_vault:
            # By its number: a version that slips in is not touched.
            for each in self.kept[name]:
                each.is_gone = each.is_gone or each.secret.version == version
        else:
            self.delete(name)
        self.moments.written(self, "soft_delete", name)

    def recover(self, name: str) -> SecretState:
        self.moments.writing(self, "recover", name)
        versions = self.kept[name]
        for each in versions[-1:] if self.is_vault else versions:
            each.is_gone = False
        self.moments.written(self, "recover", name)
        return SecretState(name, StoreState.PRESENT, versions[-1].secret.version)

    def check_deletion(self, base: RemoteSecret) -> tuple[Problem, ...]:
        del base
        return ()

    def delete_versions(self, name: str, versions: Sequence[str]) -> None:
        if (found := self._readable(name)) and found != list(versions):
            raise self._conflict(name)
        self.moments.writing(self, "delete_versions", name)
        self._mark(name, versions, is_gone=True)
        self.moments.written(self, "delete_versions", name)

    def recover_versions(self, name: str, versions: Sequence[str]) -> None:
        if not set(self._readable(name)) <= set(versions):
            raise self._conflict(name)
        self.moments.writing(self, "recover_versions", name)
        self._mark(name, versions, is_gone=False)
        self.moments.written(self, "recover_versions", name)

    def _readable(self, name: str) -> list[str]:
        versions = self.kept.get(name, [])
        found = [each.secret.version for each in versions if not each.is_gone]
        return found if self.is_vault else found[-1:]

    def _mark(self, name: str, versions: Sequence[str], *, is_gone: bool) -> None:
        for each in self.kept[name]:
            if not self.is_vault or each.secret.version in versions:
                each.is_gone = is_gone

    def _write(
        self,
        method: str,
        name: str,
        properties: Mapping[str, SecretValue],
        whole: SecretValue | None,
        base: RemoteSecret | None,
        attributes: Attributes | None,
    ) -> Written:
        expected = base.version if base is not None else None
        if attributes is None:
            attributes = base.attributes if base is not None else Attributes()
        if not self.is_vault:
            # A last look, and no compare-and-set after it.
            self._require(name, expected)
        before = {each.secret.version for each in self.kept.get(name, [])}
        self.moments.writing(self, method, name)
        if self.is_vault:
            self._require(name, expected)
        slipped = tuple(v for each in self.kept.get(name, []) if (v := each.secret.version) not in before)
        version = self.hold(name, properties, whole, attributes if not self.is_vault else None)
        self.moments.written(self, method, name)
        if not self.is_vault:
            return Written(version, slipped)
        if attributes.tags != (base.attributes.tags if base is not None else {}):
            self._tag(name, version, attributes.tags, is_new=base is None)
        return Written(version, slipped, self.kept[name][-1].secret.attributes.created)

    def _tag(self, name: str, version: str, tags: Mapping[str, str], *, is_new: bool) -> None:
        """Tag what a Vault has stored; without an answer that is said, and the version is there all the same."""
        since = {VALUE_SINCE: tags[VALUE_SINCE]} if VALUE_SINCE in tags else {}
        if is_new:
            # What the owners of the name wrote there before stays.
            tags = {**tags, **self.tags.get(name, {}), **since}
        if since and FROM_VERSION not in since[VALUE_SINCE]:
            tags = {**tags, VALUE_SINCE: f"{since[VALUE_SINCE]}{FROM_VERSION}{version}"}
        try:
            self.moments.writing(self, "set_tags", name)
            self._set_tags(name, tags)
            self.moments.written(self, "set_tags", name)
        except StoreError as error:
            reason = f"version {version} is stored, but its tags are not"
            raise StoreError(
                self._place(name), Action.WRITE, reason, error.remedy, Code.UNFINISHED_WRITE, version=version
            ) from error

    def _require(self, name: str, expected: str | None) -> None:
        versions = self.kept.get(name)
        found = versions[-1].secret.version if versions else None
        if found != expected or (versions and versions[-1].is_gone):
            raise self._conflict(name)

    def _conflict(self, name: str) -> ConflictError:
        found = self.kept[name][-1].secret.version if self.kept.get(name) else None
        reason = f"another writer was there: {found}"
        return ConflictError(self._place(name), Action.WRITE, reason, "plan again", found=found)

    def _place(self, name: str) -> StoreLocation:
        return StoreLocation(self.address.absolute, name)
