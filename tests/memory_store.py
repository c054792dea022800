"""A store in memory, for tests of operations, the machine and a made-up provider; any method may be made to fail.

As measured of the real ones: a Vault has compare-and-set and deletes version by version; a Key Vault has no
compare-and-set, and deletes and recovers a name with all of its versions.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

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
    Attributes,
    Changes,
    Cluster,
    Dropped,
    Identity,
    Listing,
    Problem,
    RemoteSecret,
    SecretState,
    StoreState,
    Use,
    VersionStates,
    Written,
    with_changes,
)
from compiler.stores.secret_value import NotAnObjectError, SecretValue, change_object, read_object, write_object
from tests import providers


def secrets(**values: str) -> dict[str, SecretValue]:
    return {name: SecretValue(value) for name, value in values.items()}


class MemoryStore:
    """A SecretWriter over lists of versions.

    `failures` are raised by the method and for the name that they stand under; `before` is called with both ahead of
    each call, and what it raises is what the call raises. A store that `lies` keeps other values than it is given, and
    says that it deleted what it kept. `gone` holds the versions that a Vault has deleted; what is `deleted` cannot be
    read. A subclass may date versions (`clock`), keep a text for each as a Key Vault does (`has_texts`), and stand
    between what is looked at and what is changed (`_changing`, `_changed`).
    """

    has_texts = False

    def __init__(self, address: StoreAddress | str = "https://memory") -> None:
        self.address = address if isinstance(address, StoreAddress) else StoreAddress(providers.KEY_VAULT, address)
        self.versions: dict[str, list[RemoteSecret]] = {}
        self.deleted: set[str] = set()
        self.gone: dict[str, set[str]] = {}
        self.clock: Callable[[], datetime | None] = lambda: None
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

    @property
    def is_vault(self) -> bool:
        return self.address.provider.deletes_by_version

    def shown(self, name: str) -> dict[str, str]:
        return {key: value.reveal() for key, value in self.versions[name][-1].properties.items()}

    def seed(self, name: str, **values: str) -> str:
        return self._add(name, secrets(**values), None, Attributes())

    def hold(self, name: str, properties: Mapping[str, SecretValue], whole: str | None = None) -> None:
        """A version that somebody else wrote."""
        self._add(name, properties, SecretValue(whole) if whole is not None else None, Attributes())

    def seed_whole(self, name: str, value: str) -> str:
        return self._add(name, {}, SecretValue(value), Attributes())

    def unavailable(self, name: str) -> StoreError:
        """What a call for the name raises while nobody answers at the address."""
        return StoreError(self.place(name), Action.WRITE, "no answer", "wait", Code.UNAVAILABLE)

    def silence(self, method: str, name: str) -> None:
        """From now on nobody answers that call for the name."""
        self.failures[method, name] = self.unavailable(name)

    def before_each(self, method: str, act: Callable[[str], object]) -> None:
        """From now on `act` is called with the name ahead of each call of the method, and of no other."""

        def before(called: str, name: str) -> None:
            if called == method:
                act(name)

        self.before = before

    def read(self, name: str) -> RemoteSecret:
        self._called("read", name)
        return self._newest(name, Action.READ)

    def read_version(self, name: str, version: str) -> RemoteSecret:
        self._called("read_version", name)
        for found in self.versions.get(name, []):
            if found.version == version and not self.is_gone(found):
                return self._tagged(found)
        raise VersionGoneError(self.place(name), Action.READ, "it is evicted", "use another", version=version)

    def describe(self, name: str) -> SecretState:
        self._called("describe", name)
        if name not in self.versions:
            return SecretState(name, StoreState.ABSENT)
        newest = self._tagged(self.versions[name][-1])
        if name in self.deleted:
            return SecretState(name, StoreState.SOFT_DELETED, newest.version)
        return SecretState(name, StoreState.PRESENT, newest.version, newest.attributes)

    def version_states(self, name: str) -> VersionStates:
        self._called("version_states", name)
        kept = self.versions.get(name, [])
        made = {e.version: e.attributes.created for e in kept if self.is_vault and e.attributes.created is not None}
        return VersionStates(self._states(name), made)

    def list_versions(self, name: str) -> Mapping[str, Attributes] | None:
        self._called("list_versions", name)
        return None if self.is_vault else {each.version: each.attributes for each in self.versions.get(name, [])}

    def list_names(self, at: str = "") -> Listing:
        self._called("list_names", at)
        names = [name for name, versions in self.versions.items() if versions and name.startswith(at)]
        below = [name[len(at) :] for name in names]
        deep = dict.fromkeys(f"{at}{name.split('/', 1)[0]}/" for name in below if "/" in name and self.is_vault)
        flat = [name for name, rest in zip(names, below, strict=True) if not (self.is_vault and "/" in rest)]
        return Listing({name: self.versions[name][-1].attributes for name in flat}, tuple(deep))

    def property_names(self, name: str) -> tuple[str, ...] | None:
        self._called("property_names", name)
        return tuple(self._newest(name, Action.LIST).properties) if self.is_vault else None

    def other_engines(self) -> tuple[str, ...]:
        return ()

    def losses_of_write(self, name: str) -> Dropped | None:
        self._called("losses_of_write", name)
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
        self, name: str, content: Changes, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        del base, attributes
        named = () if isinstance(content, SecretValue) else content
        return tuple(
            problem
            for problem in self.problems
            if problem.name == name and (problem.property is None or problem.property in named)
        )

    def write(
        self, name: str, content: Changes, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> Written:
        if isinstance(content, SecretValue):
            return self._write("write", name, {}, content, base, attributes)
        if self.has_texts and not self.is_vault:
            return self._write("write", name, {}, _text_after(content, base), base, attributes)
        return self._write("write", name, with_changes(base, content), None, base, attributes)

    def restore(self, earlier: RemoteSecret, base: RemoteSecret) -> Written:
        return self._write("restore", base.name, earlier.properties, earlier.whole, base, earlier.attributes)

    def soft_delete(self, name: str, version: str) -> None:
        self._called("soft_delete", name)
        self._require(name, version)
        with self._change("soft_delete", name):
            self._delete(name, [version])

    def check_deletion(self, base: RemoteSecret) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.name == base.name)

    def delete_versions(self, name: str, versions: Sequence[str]) -> None:
        self._called("delete_versions", name)
        if (readable := self._readable(name)) and readable != list(versions):
            raise self.conflict(name)
        with self._change("delete_versions", name):
            if not self.lies:
                self._delete(name, versions)

    def recover_versions(self, name: str, versions: Sequence[str]) -> None:
        self._called("recover_versions", name)
        if not set(self._readable(name)) <= set(versions):
            raise self.conflict(name)
        with self._change("recover_versions", name):
            if not self.lies:
                self._recover(name, versions)

    def recover(self, name: str) -> SecretState:
        self._called("recover", name)
        if name not in self.versions:
            raise NotFoundError(self.place(name), Action.RECOVER, "it was never there", "write it")
        newest = self.versions[name][-1]
        with self._change("recover", name):
            self._recover(name, [newest.version])
        return SecretState(name, StoreState.PRESENT, newest.version, newest.attributes)

    def is_gone(self, found: RemoteSecret) -> bool:
        """Whether a version can be read no more."""
        is_newest = found.version == self.versions[found.name][-1].version
        is_deleted = found.name in self.deleted and (is_newest or not self.is_vault)
        return is_deleted or found.version in self.gone.get(found.name, ())

    def place(self, name: str) -> StoreLocation:
        return StoreLocation(self.address.absolute, name)

    def conflict(self, name: str, read: str | None = None) -> ConflictError:
        found = self.versions[name][-1].version if name in self.versions else None
        reason = "another writer was there" + (f": version {read} was read" if read is not None else "")
        return ConflictError(self.place(name), Action.WRITE, reason, "plan again", found=found)

    def _called(self, method: str, name: str) -> None:
        """Ahead of each call."""
        self.calls.append((method, name))
        if (failure := self.failures.get((method, name))) is not None:
            raise failure
        self.before(method, name)

    def _changing(self, method: str, name: str) -> None:
        """Before anything is changed; another writer may come in between."""

    def _changed(self, method: str, name: str) -> None:
        """After it was changed, and before the answer."""

    @contextmanager
    def _change(self, method: str, name: str) -> Iterator[None]:
        self._changing(method, name)
        yield
        self._changed(method, name)

    def _newest(self, name: str, action: Action) -> RemoteSecret:
        if name not in self.versions:
            raise NotFoundError(self.place(name), action, "it is not there", "create it")
        newest = self.versions[name][-1]
        if name in self.deleted:
            remedy = "recover it (`migrate --recover`)"
            raise SoftDeletedError(self.place(name), action, "it is soft-deleted", remedy, version=newest.version)
        return self._tagged(newest)

    def _require(self, name: str, version: str | None) -> None:
        """Raise ConflictError where the newest version is another one."""
        if (self.versions[name][-1].version if name in self.versions else None) != version:
            raise self.conflict(name, version)

    def _states(self, name: str) -> dict[str, StoreState]:
        kept = self.versions.get(name, [])
        found = kept if self.is_vault else kept[-1:]
        return {e.version: StoreState.SOFT_DELETED if self.is_gone(e) else StoreState.PRESENT for e in found}

    def _readable(self, name: str) -> list[str]:
        return [each for each, state in self._states(name).items() if state is StoreState.PRESENT]

    def _write(
        self,
        method: str,
        name: str,
        properties: Mapping[str, SecretValue],
        whole: SecretValue | None,
        base: RemoteSecret | None,
        attributes: Attributes | None,
    ) -> Written:
        self._called(method, name)
        expected = base.version if base is not None else None
        # A Key Vault has a last look, and no compare-and-set after it.
        self._require(name, expected)
        before = {each.version for each in self.versions.get(name, [])}
        with self._change(method, name):
            if self.is_vault:
                self._require(name, expected)
            slipped = tuple(each.version for each in self.versions.get(name, []) if each.version not in before)
            if self.lies:
                properties = dict.fromkeys(properties, SecretValue("other"))
            if attributes is None:
                attributes = base.attributes if base is not None else Attributes()
            version = self._add(name, properties, whole, attributes)
            self.writes.append(name)
        return Written(version, slipped or self.slipped)

    def _add(
        self, name: str, properties: Mapping[str, SecretValue], whole: SecretValue | None, attributes: Attributes
    ) -> str:
        versions = self.versions.setdefault(name, [])
        if self.is_vault and name in self.deleted:
            self.gone.setdefault(name, set()).add(versions[-1].version)
            self.deleted.discard(name)
        is_object = whole is None
        if self.has_texts and not self.is_vault:
            whole = whole if whole is not None else SecretValue(write_object(properties))
            properties, is_object = _object_of(whole)
        version = self._next_version(name)
        attributes = replace(attributes, created=self.clock() or attributes.created)
        versions.append(RemoteSecret(name, version, dict(properties), attributes, whole, is_object))
        return version

    def _next_version(self, name: str) -> str:
        return f"v{len(self.versions[name]) + 1}"

    def _tagged(self, found: RemoteSecret) -> RemoteSecret:
        """A version with the tags that a reader gets."""
        return found

    def _delete(self, name: str, versions: Sequence[str]) -> None:
        """A Vault deletes by number: a version that slips in is not touched."""
        if self.is_vault:
            self.gone.setdefault(name, set()).update(versions)
        if not self.is_vault or self.versions[name][-1].version in versions:
            self.deleted.add(name)

    def _recover(self, name: str, versions: Sequence[str]) -> None:
        self.gone.get(name, set()).difference_update(versions)
        if not self.is_vault or self.versions[name][-1].version in versions:
            self.deleted.discard(name)


def _text_after(changes: Mapping[str, SecretValue | None], base: RemoteSecret | None) -> SecretValue:
    text = base.whole.reveal() if base is not None and base.whole is not None else "{}"
    return SecretValue(change_object(text, changes))


def _object_of(whole: SecretValue) -> tuple[Mapping[str, SecretValue], bool]:
    try:
        return read_object(whole.reveal()), True
    except NotAnObjectError:
        return {}, False
