"""A store in memory for tests of operations: versions are numbers, and any method may be made to fail."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.model.store_address import Provider, StoreAddress
from compiler.stores.errors import Action, ConflictError, NotFoundError, Place, SoftDeletedError, VersionGoneError
from compiler.stores.interface import Attributes, Identity, Problem, RemoteSecret, SecretState, State, Written
from compiler.stores.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def secrets(**values: str) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in values.items()}


class MemoryStore:
    """`before` is called with the method and the name ahead of each call; what it raises is what the call raises."""

    def __init__(self, url: str = "https://memory") -> None:
        self._address = StoreAddress(Provider.AZURE_KEY_VAULT, url)
        self.versions: dict[str, list[RemoteSecret]] = {}
        self.deleted: set[str] = set()
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[str, str], None] = lambda _method, _name: None
        self.problems: tuple[Problem, ...] = ()
        self.slipped: tuple[str, ...] = ()

    @property
    def address(self) -> StoreAddress:
        return self._address

    def shown(self, name: str) -> dict[str, str]:
        return {key: value.reveal() for key, value in self.versions[name][-1].properties.items()}

    def seed(self, name: str, **values: str) -> str:
        return self._add(name, secrets(**values), None, Attributes()).version

    def seed_whole(self, name: str, value: str) -> str:
        return self._add(name, {}, Secret(value), Attributes()).version

    def read(self, name: str) -> RemoteSecret:
        self._called("read", name)
        if name not in self.versions:
            raise NotFoundError(self.place(name), Action.READ, "it is not there", "create it")
        if name in self.deleted:
            raise SoftDeletedError(self.place(name), Action.READ, "it is soft-deleted", "recover it (--recover)")
        return self.versions[name][-1]

    def read_version(self, name: str, version: str) -> RemoteSecret:
        self._called("read_version", name)
        for found in self.versions.get(name, []):
            if found.version == version:
                return found
        raise VersionGoneError(self.place(name), Action.READ, "it is evicted", "use another", version)

    def describe(self, name: str) -> SecretState:
        return SecretState(name, State.PRESENT if name in self.versions else State.ABSENT)

    def names(self) -> Iterator[SecretState]:
        return (SecretState(name, State.PRESENT) for name in self.versions)

    def whoami(self) -> Identity:
        return Identity("tester", "memory")

    def close(self) -> None:
        self.calls.append(("close", ""))

    def check(
        self, name: str, changes: Mapping[str, Secret], base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        del base, attributes
        return tuple(
            problem
            for problem in self.problems
            if problem.name == name and (problem.property is None or problem.property in changes)
        )

    def write(
        self, name: str, changes: Mapping[str, Secret], base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> Written:
        self._checked("write", name, base)
        old = base.properties if base is not None else {}
        return self._add(name, {**old, **changes}, None, attributes or Attributes())

    def check_whole(
        self, name: str, value: Secret, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        del value
        return self.check(name, {}, base, attributes)

    def write_whole(
        self, name: str, value: Secret, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> Written:
        self._checked("write_whole", name, base)
        return self._add(name, {}, value, attributes or Attributes())

    def restore(self, earlier: RemoteSecret, base: RemoteSecret) -> Written:
        self._checked("restore", earlier.name, base)
        return self._add(earlier.name, earlier.properties, earlier.whole, earlier.attributes)

    def soft_delete(self, name: str, version: str) -> None:
        self._called("soft_delete", name)
        if self.versions[name][-1].version != version:
            raise self.conflict(name)
        self.deleted.add(name)

    def recover(self, name: str) -> SecretState:
        self._called("recover", name)
        self.deleted.discard(name)
        return self.describe(name)

    def place(self, name: str) -> Place:
        return Place(self._address.absolute, name)

    def conflict(self, name: str) -> ConflictError:
        found = self.versions[name][-1].version if name in self.versions else None
        return ConflictError(
            self.place(name), Action.WRITE, "another writer was there", "plan again", expected=None, found=found
        )

    def _called(self, method: str, name: str) -> None:
        self.calls.append((method, name))
        self.before(method, name)

    def _checked(self, method: str, name: str, base: RemoteSecret | None) -> None:
        self._called(method, name)
        newest = self.versions[name][-1].version if name in self.versions else None
        if newest != (base.version if base is not None else None):
            raise self.conflict(name)

    def _add(
        self, name: str, properties: Mapping[str, Secret], whole: Secret | None, attributes: Attributes
    ) -> Written:
        versions = self.versions.setdefault(name, [])
        version = f"v{len(versions) + 1}"
        versions.append(RemoteSecret(name, version, dict(properties), replace(attributes), whole, whole is None))
        return Written(version, self.slipped)
