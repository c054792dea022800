"""A store in memory for tests of operations: versions are numbers, and any method may be made to fail."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from compiler.model.store import StoreAddress
from compiler.stores.errors import (
    Action,
    ConflictError,
    NotFoundError,
    SoftDeletedError,
    StoreLocation,
    VersionGoneError,
)
from compiler.stores.interface import (
    Attributes,
    Cluster,
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
from compiler.stores.secret_value import SecretValue
from tests import providers


def secrets(**values: str) -> dict[str, SecretValue]:
    return {name: SecretValue(value) for name, value in values.items()}


class MemoryStore:
    """A SecretWriter over lists of versions.

    `failures` are raised by the method and for the name that they stand under; `before` is called with both ahead of
    each call, and what it raises is what the call raises. A store that `lies` keeps other values than it is given, and
    says that it deleted what it kept. A Vault deletes version by version, which is what `gone` holds; a Key Vault the
    name with all of them.
    """

    def __init__(self, address: StoreAddress | str = "https://memory") -> None:
        self.address = address if isinstance(address, StoreAddress) else StoreAddress(providers.KEY_VAULT, address)
        self.versions: dict[str, list[RemoteSecret]] = {}
        self.deleted: set[str] = set()
        self.gone: dict[str, set[str]] = {}
        self.calls: list[tuple[str, str]] = []
        self.failures: dict[tuple[str, str], BaseException] = {}
        self.before: Callable[[str, str], None] = lambda _method, _name: None
        self.problems: tuple[Problem, ...] = ()
        self.slipped: tuple[str, ...] = ()
        # What the caller may not do; None where the store does not say. What was announced and asked of it.
        self.denied: tuple[Problem, ...] | None = ()
        self.excess: str | None = None
        self.expected: dict[str, frozenset[Use]] = {}
        self.access_asked: list[dict[str, frozenset[Use]]] = []
        self.lies = False
        self.server: Cluster | None = None
        self.drops: dict[str, Dropped] = {}
        # The names that were written, in order; refused and failed writes are not among them.
        self.writes: list[str] = []

    @property
    def held(self) -> dict[str, RemoteSecret]:
        """The newest version of each."""
        return {name: versions[-1] for name, versions in self.versions.items() if name not in self.deleted}

    @property
    def reads(self) -> list[str]:
        return [name for method, name in self.calls if method == "read"]

    def shown(self, name: str) -> dict[str, str]:
        return {key: value.reveal() for key, value in self.versions[name][-1].properties.items()}

    def seed(self, name: str, **values: str) -> str:
        return self._add(name, secrets(**values), None, Attributes()).version

    def hold(self, name: str, properties: Mapping[str, SecretValue], whole: str | None = None) -> None:
        """A version that somebody else wrote."""
        self._add(name, properties, SecretValue(whole) if whole is not None else None, Attributes())

    def seed_whole(self, name: str, value: str) -> str:
        return self._add(name, {}, SecretValue(value), Attributes()).version

    def read(self, name: str) -> RemoteSecret:
        self._called("read", name)
        if name not in self.versions:
            raise NotFoundError(self.place(name), Action.READ, "it is not there", "create it")
        if name in self.deleted:
            remedy, newest = "recover it (`migrate --recover`)", self.versions[name][-1].version
            raise SoftDeletedError(self.place(name), Action.READ, "it is soft-deleted", remedy, version=newest)
        return self.versions[name][-1]

    def read_version(self, name: str, version: str) -> RemoteSecret:
        self._called("read_version", name)
        for found in self.versions.get(name, []):
            if found.version == version and version not in self.gone.get(name, ()):
                return found
        raise VersionGoneError(self.place(name), Action.READ, "it is evicted", "use another", version=version)

    def describe(self, name: str) -> SecretState:
        self._called("describe", name)
        if name in self.deleted:
            return SecretState(name, StoreState.SOFT_DELETED, self.versions[name][-1].version)
        if name not in self.versions:
            return SecretState(name, StoreState.ABSENT)
        newest = self.versions[name][-1]
        return SecretState(name, StoreState.PRESENT, newest.version, newest.attributes)

    def version_states(self, name: str) -> VersionStates:
        self._called("version_states", name)
        kept = self.versions.get(name, [])
        found = [each.version for each in (kept if self._is_vault else kept[-1:])]
        gone = {*self.gone.get(name, ()), *(found[-1:] if name in self.deleted else ())}
        states = {each: StoreState.SOFT_DELETED if each in gone else StoreState.PRESENT for each in found}
        made = {each.version: each.attributes.created for each in kept if each.attributes.created is not None}
        return VersionStates(states, made if self._is_vault else {})

    def list_versions(self, name: str) -> Mapping[str, Attributes] | None:
        self._called("list_versions", name)
        return None if self._is_vault else {each.version: each.attributes for each in self.versions.get(name, [])}

    def dropped_by_write(self, name: str) -> Dropped | None:
        self._called("dropped_by_write", name)
        return self.drops.get(name)

    def whoami(self) -> Identity:
        return Identity("tester", "memory")

    def now(self) -> datetime:
        return datetime.now(UTC)

    def cluster(self) -> Cluster | None:
        return self.server

    def close(self) -> None:
        self.calls.append(("close", ""))

    def expect(self, uses: Mapping[str, Collection[Use]]) -> None:
        self.expected |= {name: frozenset(each) for name, each in uses.items()}

    def excess_access(self, uses: Mapping[str, Collection[Use]]) -> str | None:
        self.access_asked.append({name: frozenset(each) for name, each in uses.items()})
        return self.excess

    def check_access(self, uses: Mapping[str, Collection[Use]]) -> tuple[Problem, ...] | None:
        self.access_asked.append({name: frozenset(each) for name, each in uses.items()})
        return None if self.denied is None else tuple(each for each in self.denied if each.name in uses)

    def check(
        self,
        name: str,
        changes: Mapping[str, SecretValue],
        base: RemoteSecret | None,
        attributes: Attributes | None = None,
    ) -> tuple[Problem, ...]:
        del base, attributes
        return tuple(
            problem
            for problem in self.problems
            if problem.name == name and (problem.property is None or problem.property in changes)
        )

    def write(
        self,
        name: str,
        changes: Mapping[str, SecretValue],
        base: RemoteSecret | None,
        attributes: Attributes | None = None,
    ) -> Written:
        self._checked("write", name, base)
        old = base.properties if base is not None else {}
        return self._write(name, {**old, **changes}, None, attributes)

    def check_whole(
        self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        del value
        return self.check(name, {}, base, attributes)

    def write_whole(
        self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> Written:
        self._checked("write_whole", name, base)
        return self._write(name, {}, value, attributes)

    def restore(self, earlier: RemoteSecret, base: RemoteSecret) -> Written:
        self._checked("restore", earlier.name, base)
        return self._add(earlier.name, earlier.properties, earlier.whole, earlier.attributes)

    def set_tags(self, name: str, version: str, changes: Mapping[str, str | None]) -> None:
        self._called("set_tags", name)
        newest = self.versions[name][-1]
        if newest.version != version:
            raise self.conflict(name)
        tags = with_tags(newest.attributes.tags, changes)
        self.versions[name][-1] = replace(newest, attributes=replace(newest.attributes, tags=tags))

    def soft_delete(self, name: str, version: str) -> None:
        self._called("soft_delete", name)
        if self.versions[name][-1].version != version:
            raise self.conflict(name)
        self.deleted.add(name)

    def check_deletion(self, base: RemoteSecret) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.name == base.name)

    def delete_versions(self, name: str, versions: Sequence[str]) -> None:
        self._called("delete_versions", name)
        readable = self._readable(name)
        if readable and readable != list(versions):
            raise self.conflict(name)
        if not self.lies:
            self.gone.setdefault(name, set()).update(versions)
            self.deleted.add(name)

    def recover_versions(self, name: str, versions: Sequence[str]) -> None:
        self._called("recover_versions", name)
        if not set(self._readable(name)) <= set(versions):
            raise self.conflict(name)
        if not self.lies:
            self.gone.setdefault(name, set()).difference_update(versions)
            self.deleted.discard(name)

    def _readable(self, name: str) -> list[str]:
        found = self.version_states(name)
        return [version for version, state in found.items() if state is StoreState.PRESENT]

    @property
    def _is_vault(self) -> bool:
        return self.address.provider is providers.VAULT

    def recover(self, name: str) -> SecretState:
        self._called("recover", name)
        self.deleted.discard(name)
        return self.describe(name)

    def place(self, name: str) -> StoreLocation:
        return StoreLocation(self.address.absolute, name)

    def conflict(self, name: str) -> ConflictError:
        found = self.versions[name][-1].version if name in self.versions else None
        return ConflictError(self.place(name), Action.WRITE, "another writer was there", "plan again", found=found)

    def _called(self, method: str, name: str) -> None:
        self.calls.append((method, name))
        if (failure := self.failures.get((method, name))) is not None:
            raise failure
        self.before(method, name)

    def _checked(self, method: str, name: str, base: RemoteSecret | None) -> None:
        self._called(method, name)
        newest = self.versions[name][-1].version if name in self.versions else None
        if newest != (base.version if base is not None else None):
            raise self.conflict(name)

    def _write(
        self, name: str, properties: Mapping[str, SecretValue], whole: SecretValue | None, attributes: Attributes | None
    ) -> Written:
        self.writes.append(name)
        kept = {key: SecretValue("other") for key in properties} if self.lies else properties
        return self._add(name, kept, whole, attributes or Attributes())

    def _add(
        self, name: str, properties: Mapping[str, SecretValue], whole: SecretValue | None, attributes: Attributes
    ) -> Written:
        versions = self.versions.setdefault(name, [])
        if self._is_vault and name in self.deleted:
            self.gone.setdefault(name, set()).add(versions[-1].version)
            self.deleted.discard(name)
        version = f"v{len(versions) + 1}"
        versions.append(RemoteSecret(name, version, dict(properties), replace(attributes), whole, whole is None))
        return Written(version, self.slipped)
