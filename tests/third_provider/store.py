"""Opens shelves, which live in the process."""

import re
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

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
    Identity,
    Problem,
    RemoteSecret,
    SecretState,
    StoreOptions,
    StoreState,
    Use,
    VersionStates,
    Written,
    with_tags,
)
from compiler.stores.secret_value import (
    UNWRITABLE,
    NotAnObjectError,
    SecretValue,
    change_object,
    read_object,
    traits,
    write_object,
)

_MOST_TAGS: Final = 9
_NAME: Final = re.compile(r"[a-z0-9-]+(?:/[a-z0-9-]+)*")


class Shelf:
    """What one address holds: the versions of each book, and the books that are taken away."""

    def __init__(self) -> None:
        self.books: dict[str, list[RemoteSecret]] = {}
        self.away: set[str] = set()
        self.lock = threading.Lock()

    @property
    def held(self) -> list[str]:
        return sorted(self.books.keys() - self.away)


SHELVES: dict[str, Shelf] = {}


class ShelfStore:
    """One shelf: opening it again finds what it held. A book is one text, taken away and brought back whole."""

    def __init__(self, address: StoreAddress, environ: Mapping[str, str], options: StoreOptions) -> None:
        self.address = address
        self._owner = environ.get("SHELF_CARD", "reader")
        self._shelf = SHELVES.setdefault(address.url, Shelf())
        options.on_contact(None)

    def read(self, name: str) -> RemoteSecret:
        self._require_name(name, Action.READ)
        return self._newest(name, Action.READ)

    def read_version(self, name: str, version: str) -> RemoteSecret:
        self._require_name(name, Action.READ)
        found = next((each for each in self._shelf.books.get(name, []) if each.version == version), None)
        if found is None or name in self._shelf.away:
            raise VersionGoneError(self._place(name), Action.READ, "it is not there", "use another", version=version)
        return found

    def describe(self, name: str) -> SecretState:
        self._require_name(name, Action.DESCRIBE)
        if not (versions := self._shelf.books.get(name)):
            return SecretState(name, StoreState.ABSENT)
        state = StoreState.SOFT_DELETED if name in self._shelf.away else StoreState.PRESENT
        return SecretState(name, state, versions[-1].version, versions[-1].attributes)

    def version_states(self, name: str) -> VersionStates:
        state = self.describe(name)
        return VersionStates({state.version: state.state} if state.version is not None else {})

    def list_versions(self, name: str) -> Mapping[str, Attributes]:
        self._require_name(name, Action.LIST)
        return {each.version: each.attributes for each in self._shelf.books.get(name, [])}

    def dropped_by_write(self, name: str) -> None:
        self._require_name(name, Action.DESCRIBE)

    def whoami(self) -> Identity:
        return Identity(self._owner, "card")

    def now(self) -> datetime:
        return datetime.now(UTC)

    def cluster(self) -> None:
        """Return None: a shelf does not say which it is."""

    def close(self) -> None:
        """There is no connection."""

    def expect(self, uses: Mapping[str, Collection[Use]]) -> None:
        """A shelf refuses nobody."""

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
        del base, attributes
        unfit = [key for key, value in changes.items() if traits(value) & UNWRITABLE]
        return (
            *(() if _NAME.fullmatch(name) else (Problem(Code.INVALID_NAME, name, "it is no name", "correct it"),)),
            *(Problem(Code.INVALID_VALUE, name, "it cannot be kept", "correct it", key) for key in unfit),
        )

    def write(
        self,
        name: str,
        changes: Mapping[str, SecretValue],
        base: RemoteSecret | None,
        attributes: Attributes | None = None,
    ) -> Written:
        self._require_sound(name, self.check(name, changes, base))
        return self._write(name, _changed(changes, base), base, attributes)

    def check_whole(
        self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        return tuple(replace(each, property=None) for each in self.check(name, {"": value}, base, attributes))

    def write_whole(
        self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> Written:
        self._require_sound(name, self.check_whole(name, value, base))
        return self._write(name, value, base, attributes)

    def restore(self, earlier: RemoteSecret, base: RemoteSecret) -> Written:
        value = earlier.whole if earlier.whole is not None else SecretValue("")
        return self._write(earlier.name, value, base, earlier.attributes)

    def set_tags(self, name: str, version: str, changes: Mapping[str, str | None]) -> None:
        with self._shelf.lock:
            self._require_only(name, [version], Action.TAG)
            newest = self._newest(name, Action.TAG)
            tags = with_tags(newest.attributes.tags, changes)
            if len(tags) > _MOST_TAGS:
                raise StoreError(
                    self._place(name), Action.TAG, "it would have too many tags", "remove tags", Code.TOO_LARGE
                )
            self._shelf.books[name][-1] = replace(newest, attributes=replace(newest.attributes, tags=tags))

    def soft_delete(self, name: str, version: str) -> None:
        self.delete_versions(name, [version])

    def check_deletion(self, base: RemoteSecret) -> tuple[Problem, ...]:
        del base
        return ()

    def delete_versions(self, name: str, versions: Sequence[str]) -> None:
        with self._shelf.lock:
            self._require_only(name, versions, Action.DELETE)
            self._shelf.away.add(name)

    def recover_versions(self, name: str, versions: Sequence[str]) -> None:
        with self._shelf.lock:
            self._require_only(name, versions, Action.RECOVER)
            self._shelf.away.discard(name)

    def recover(self, name: str) -> SecretState:
        if (found := self.describe(name)).version is None:
            raise NotFoundError(self._place(name), Action.RECOVER, "it was never there", "write it")
        self.recover_versions(name, [found.version])
        return self.describe(name)

    def _write(
        self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes | None
    ) -> Written:
        kept = attributes or (base.attributes if base is not None else Attributes())
        try:
            properties, is_object = read_object(value.reveal()), True
        except NotAnObjectError:
            properties, is_object = {}, False
        with self._shelf.lock:
            there = self._shelf.books.setdefault(name, [])
            if name in self._shelf.away:
                self._newest(name, Action.WRITE)
            self._require_only(name, [base.version] if base is not None else [], Action.WRITE)
            version = f"edition-{len(there) + 1}"
            kept = replace(kept, created=datetime.now(UTC))
            there.append(RemoteSecret(name, version, properties, kept, value, is_object))
        return Written(version)

    def _newest(self, name: str, action: Action) -> RemoteSecret:
        if not (versions := self._shelf.books.get(name)):
            raise NotFoundError(self._place(name), action, "it is not there", "write it")
        if name in self._shelf.away:
            version = versions[-1].version
            raise SoftDeletedError(self._place(name), action, "it is taken away", "recover it", version=version)
        return versions[-1]

    def _require_only(self, name: str, expected: Sequence[str], action: Action) -> None:
        """Raise ConflictError where the newest version is another one."""
        versions = self._shelf.books.get(name, [])
        if (found := [each.version for each in versions[-1:]]) != list(expected):
            was, now = (next(iter(each), None) for each in (expected, found))
            reason, place = f"another writer was there: version {was} was read", self._place(name)
            raise ConflictError(place, action, reason, "plan again", found=now)

    def _require_name(self, name: str, action: Action) -> None:
        if not _NAME.fullmatch(name):
            raise StoreError(self._place(name), action, "it is no name", "correct it", Code.INVALID_NAME)

    def _require_sound(self, name: str, problems: Sequence[Problem]) -> None:
        for problem in problems:
            raise StoreError(self._place(name), Action.WRITE, problem.reason, problem.remedy, Code(problem.code))

    def _place(self, name: str) -> StoreLocation:
        return StoreLocation(self.address.absolute, name)


def _changed(changes: Mapping[str, SecretValue], base: RemoteSecret | None) -> SecretValue:
    if base is None or base.whole is None:
        return SecretValue(write_object(changes))
    return SecretValue(change_object(base.whole.reveal(), changes))
