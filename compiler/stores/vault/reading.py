"""Reads secrets and their states from Vault, deletes and recovers versions, and finds what it would refuse."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from compiler.model.facts import parse_duration
from compiler.model.store import StoreAddress
from compiler.stores.errors import (
    Action,
    Code,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    StoreLocation,
    VersionGoneError,
)
from compiler.stores.interface import (
    Attributes,
    Cluster,
    Dropped,
    Identity,
    Limit,
    Problem,
    RemoteSecret,
    SecretState,
    StoreOptions,
    StoreState,
    VersionState,
    VersionStates,
)
from compiler.stores.no_answer import Server
from compiler.stores.pacing import one_operation
from compiler.stores.secret_value import UNWRITABLE, SecretValue, traits, write_object
from compiler.stores.vault.client import VaultConnection
from compiler.stores.vault.log_in import VaultLogin, name_problem, property_problem
from compiler.stores.vault.replies import Request
from compiler.text.wording import numbered

# https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#configure-the-kv-engine
DEFAULT_KEEPS: Final = 10


def remote_secret(name: str, body: Mapping[str, Any]) -> RemoteSecret:
    """Return the version that a read returned. KeyError, TypeError or ValueError for a body of another shape."""
    data, metadata = body["data"]["data"], body["data"]["metadata"]
    return RemoteSecret(
        name,
        str(int(metadata["version"])),
        dict(data),
        Attributes(
            # `delete_version_after` makes it: the time at which this version deletes itself.
            expires=_time(metadata.get("deletion_time")),
            tags=dict(metadata.get("custom_metadata") or {}),
            created=_time(metadata["created_time"]),
        ),
    )


def made_of(body: Mapping[str, Any]) -> datetime | None:
    """Return when a write's version was made, None where the reply to it does not tell: the version is stored."""
    try:
        return _time(body["data"].get("created_time"))
    except (AttributeError, ArithmeticError, TypeError, ValueError):
        return None


def secret_state(name: str, body: Mapping[str, Any]) -> SecretState:
    """Return the state that the metadata of a name tells. Raises as `remote_secret` does."""
    data = body["data"]
    current = int(data["current_version"])
    attributes = Attributes(
        tags=dict(data.get("custom_metadata") or {}),
        created=_time(data["created_time"]),
        updated=_time(data["updated_time"]),
    )
    newest = data["versions"].get(str(current))
    if newest is None:
        return SecretState(name, StoreState.ABSENT, None, attributes)
    if newest["destroyed"]:
        state = StoreState.DESTROYED
    else:
        is_deleted = _is_past(newest["deletion_time"], datetime.now(UTC))
        state = StoreState.SOFT_DELETED if is_deleted else StoreState.PRESENT
    return SecretState(name, state, str(current), attributes)


def version_states(body: Mapping[str, Any]) -> VersionStates:
    """Return the state of each version that the metadata of a name lists, oldest first. Raises as `remote_secret`."""
    now = datetime.now(UTC)
    versions = body["data"]["versions"]
    found = {str(version): versions[str(version)] for version in sorted(map(int, versions))}
    made = {version: time for version, each in found.items() if (time := _time(each.get("created_time"))) is not None}
    return VersionStates({version: _state_of(each, now) for version, each in found.items()}, made)


def _state_of(version: Mapping[str, Any], now: datetime) -> VersionState:
    if version["destroyed"]:
        return VersionState.DESTROYED
    return VersionState.DELETED if _is_past(version["deletion_time"], now) else VersionState.READABLE


@dataclass(frozen=True, slots=True)
class MountSettings:
    """What a mount does with versions by itself: how many it `keeps`, 0 for the default, and for how many seconds.

    A negative `lives` has all versions stay. None: the mount does not tell.
    """

    keeps: int | None = None
    lives: int | None = None


def mount_settings(body: Mapping[str, Any]) -> MountSettings:
    """Return what the configuration of a mount says. Raises as `remote_secret` does."""
    data = body["data"]
    return MountSettings(int(data["max_versions"]), _seconds(data.get("delete_version_after")))


def dropped_by_next(body: Mapping[str, Any] | None, mount: MountSettings) -> Dropped | None:
    """Return the readable versions that one more write makes Vault drop, by the metadata of a name, None for no name.

    Raises as `remote_secret` does.
    """
    data = body["data"] if body is not None else {}
    versions, keeps = _dropped(body, mount.keeps) if body is not None else ((), mount.keeps or DEFAULT_KEEPS)
    found = {Limit.NAME: _seconds(data.get("delete_version_after")), Limit.MOUNT: mount.lives or 0}
    # A mount with a negative time ends no version, whatever the secret says; else the shorter time counts (measured on
    # OpenBao 2.7).
    limits = tuple(limit for limit, seconds in found.items() if seconds > 0) if found[Limit.MOUNT] >= 0 else ()
    lives = min((found[limit] for limit in limits), default=None)
    return Dropped(versions, keeps, lives, limits) if versions or limits else None


def _dropped(body: Mapping[str, Any], mount_keeps: int | None) -> tuple[tuple[str, ...], int]:
    data = body["data"]
    current, oldest = int(data["current_version"]), int(data["oldest_version"])
    if mount_keeps is None and oldest > 1:
        # What it has dropped before shows how many it keeps.
        keeps = current + 1 - oldest
    else:
        # The larger one counts, the secret's own or the mount's (measured on OpenBao 2.7).
        keeps = max(int(data["max_versions"]), mount_keeps or 0) or DEFAULT_KEEPS
    last = current + 1 - keeps
    states = version_states(body).items()
    return tuple(version for version, state in states if int(version) <= last and state is VersionState.READABLE), keeps


def _seconds(text: str | None) -> int:
    """The seconds of a duration as Vault writes it, `1h0m0s`; 0 for none, and negative for "never"."""
    if text and text.startswith("-"):
        return -1
    duration = parse_duration(text) if text else None
    return int(duration.seconds) if duration is not None else 0


def _is_past(text: str | None, now: datetime) -> bool:
    moment = _time(text)
    return moment is not None and moment <= now


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


# Raft's max_entry_size is 1 MiB by default, less what KV keeps beside the document.
# https://developer.hashicorp.com/vault/docs/internals/limits
_LARGEST_DOCUMENT: Final = 1024 * 1024 - 4096
# JSON makes of one character at most six bytes, and puts eight around a name and its value.
_LARGEST_CHARACTER, _LARGEST_FRAME = 6, 8
# https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#custom_metadata
_MOST_TAGS, _LONGEST_TAG_KEY, _LONGEST_TAG_VALUE = 64, 128, 512


def problems_of_write(
    name: str, changes: Mapping[str, SecretValue], base: RemoteSecret | None, attributes: Attributes | None
) -> Iterator[Problem]:
    """Go through the problems of setting `changes` over `base`."""
    if problem := name_problem(name):
        yield Problem(Code.INVALID_NAME, name, f"the name cannot be used in Vault: {problem}", "correct it")
    if not changes:
        yield Problem(Code.INVALID_VALUE, name, "no keys are given", "name a key")
    sound = True
    for key, value in changes.items():
        if problem := property_problem(key):
            yield Problem(Code.INVALID_NAME, name, problem, "rename it", key)
            sound = False
        if bad := traits(value) & (UNWRITABLE | {"not-a-string"}):
            what = ", ".join(sorted(bad))
            yield Problem(Code.INVALID_VALUE, name, f'the value of "{key}" cannot be stored: {what}', "correct it", key)
            sound = False
    document = {**(base.properties if base is not None else {}), **changes}
    if sound and _is_too_large(document):
        yield Problem(
            Code.TOO_LARGE, name, f"the document is larger than {_LARGEST_DOCUMENT} bytes", "split the secret"
        )
    yield from problems_of_tags(name, attributes.tags if attributes is not None else {})


def problems_of_whole(name: str) -> Iterator[Problem]:
    """Vault holds documents of properties; a whole value exists in Key Vault only."""
    yield Problem(
        Code.INVALID_VALUE,
        name,
        "a Vault secret has properties, not one whole value",
        "give the key a property in Vault",
    )


def error_of_problem(problem: Problem, place: StoreLocation) -> StoreError:
    """Return the error that a write with this problem raises."""
    return StoreError(place, Action.WRITE, problem.reason, problem.remedy, Code(problem.code))


def _is_too_large(document: Mapping[str, SecretValue]) -> bool:
    # Nearly every document is far below, which needs no second copy of it to know.
    characters = sum(len(key) + value.length for key, value in document.items())
    if characters * _LARGEST_CHARACTER + len(document) * _LARGEST_FRAME < _LARGEST_DOCUMENT:
        return False
    return len(write_object(document).encode("utf-8", "surrogatepass")) > _LARGEST_DOCUMENT


def problems_of_tags(name: str, tags: Mapping[str, str]) -> Iterator[Problem]:
    """Go through the problems of `tags` as all of a secret's custom_metadata."""
    if len(tags) > _MOST_TAGS:
        yield Problem(
            Code.TOO_LARGE, name, f"it would have {len(tags)} tags, and Vault allows {_MOST_TAGS}", "remove tags"
        )
    for key, value in tags.items():
        if not key or len(key.encode()) > _LONGEST_TAG_KEY or len(value.encode()) > _LONGEST_TAG_VALUE:
            limits = f"{_LONGEST_TAG_KEY} and {_LONGEST_TAG_VALUE} bytes"
            yield Problem(Code.TOO_LARGE, name, f'the tag "{key}" or its value is longer than {limits}', "shorten it")


# No text of a journal becomes a number that takes long, or that Python refuses.
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


class VaultReading:
    """What VaultStore does without a value; `client` is an hvac client whose adapter raises RefusedError."""

    def __init__(
        self,
        address: StoreAddress,
        login: VaultLogin,
        options: StoreOptions,
        client: Any,  # noqa: ANN401 - hvac has no types
        server: Server,
    ) -> None:
        self._address = address
        self._client = client
        self._kv = client.secrets.kv.v2
        self._connection = VaultConnection(address, login, options, client, server)
        self._deadlines = self._connection.deadlines
        # Asked for once; None until then.
        self._mount: MountSettings | None = None

    @property
    def address(self) -> StoreAddress:
        return self._address

    @one_operation
    def read(self, name: str) -> RemoteSecret:
        request = self._request(Action.READ, name, "data", "read")
        return self._connection.read(request, lambda: remote_secret(name, self._body_of(name, None)))

    @one_operation
    def read_version(self, name: str, version: str) -> RemoteSecret:
        request = self._request(Action.READ, name, "data", "read")
        # Vault takes 0 for the newest one.
        number = int(version) if _NUMBER.fullmatch(version) else 0
        try:
            if number:
                found = self._connection.read(request, lambda: remote_secret(name, self._body_of(name, number)))
                return self._require_version(number, found)
            reason = f'"{version}" is not a version number'
        except NotFoundError:
            reason = f"version {version} was evicted or never existed"
        except SoftDeletedError:
            reason = f"version {version} is deleted"
        raise VersionGoneError(self._place(name), Action.READ, reason, "use another version", version=version)

    @one_operation
    def describe(self, name: str) -> SecretState:
        request = self._request(Action.DESCRIBE, name, "metadata", "read")
        try:
            return self._connection.read(request, lambda: secret_state(name, self._metadata_of(name)))
        except NotFoundError:
            return SecretState(name, StoreState.ABSENT)
        except ForbiddenError:
            # A policy for reading values need not give metadata: the value's reply tells the same.
            return self._described_by_value(name)

    @one_operation
    def version_states(self, name: str) -> VersionStates:
        request = self._request(Action.DESCRIBE, name, "metadata", "read")
        try:
            return self._connection.read(request, lambda: version_states(self._metadata_of(name)))
        except NotFoundError:
            return VersionStates()

    def list_versions(self, name: str) -> None:
        """Return None: the list is metadata, and a policy for reading values need not give it."""
        self._request(Action.DESCRIBE, name, "metadata", "read")

    @one_operation
    def dropped_by_write(self, name: str) -> Dropped | None:
        request = self._request(Action.DESCRIBE, name, "metadata", "read")
        mount = self._mount_settings()
        try:
            return self._connection.read(request, lambda: dropped_by_next(self._metadata_of(name), mount))
        except NotFoundError:
            return dropped_by_next(None, mount)

    @one_operation
    def whoami(self) -> Identity:
        self._connection.prepare()
        return self._connection.identity

    def now(self) -> datetime:
        return datetime.now(UTC)

    @one_operation
    def cluster(self) -> Cluster | None:
        return self._connection.cluster()

    def close(self) -> None:
        self._connection.close()
        self._client.adapter.close()

    def _described_by_value(self, name: str) -> SecretState:
        try:
            found = self.read(name)
        except NotFoundError:
            return SecretState(name, StoreState.ABSENT)
        except SoftDeletedError as error:
            return SecretState(name, StoreState.SOFT_DELETED, error.version)
        except VersionGoneError as error:
            return SecretState(name, StoreState.DESTROYED, error.version)
        return SecretState(name, StoreState.PRESENT, found.version, found.attributes)

    def _mount_settings(self) -> MountSettings:
        if self._mount is None:
            request = Request(Action.DESCRIBE, None, f"{self._address.mount}/config", "read")
            try:
                self._mount = self._connection.read(
                    request, lambda: mount_settings(self._kv.read_configuration(mount_point=self._address.mount))
                )
            except ForbiddenError:
                # Few policies give it, and few mounts have settings of their own.
                self._mount = MountSettings()
        return self._mount

    def _body_of(self, name: str, version: int | None) -> Any:  # noqa: ANN401 - hvac has no types
        return self._kv.read_secret_version(
            name, version=version, mount_point=self._address.mount, raise_on_deleted_version=True
        )

    def _metadata_of(self, name: str) -> Any:  # noqa: ANN401 - hvac has no types
        return self._kv.read_secret_metadata(name, mount_point=self._address.mount)

    def _require_version(self, number: int, found: RemoteSecret) -> RemoteSecret:
        if found.version != str(number):
            reason = f"the reply has version {found.version}, version {number} was requested"
            remedy = "check for a proxy or a cache in between, and do not trust this address"
            raise StoreError(self._place(found.name), Action.READ, reason, remedy, Code.UNEXPECTED_REPLY)
        return found

    def _request(self, action: Action, name: str | None, route: str, capability: str) -> Request:
        if name is not None and (problem := name_problem(name)):
            raise StoreError(
                self._place(name),
                action,
                f"the name cannot be used in Vault: {problem}",
                "correct it",
                Code.INVALID_NAME,
            )
        return Request(action, name, f"{self._address.mount}/{route}/{name or ''}", capability)

    def _place(self, name: str | None) -> StoreLocation:
        return StoreLocation(self._address.absolute, name)

    @one_operation
    def soft_delete(self, name: str, version: str) -> None:
        state = self.describe(name)
        if state.state is StoreState.SOFT_DELETED and state.version == version:
            return
        if state.version != version or state.state is not StoreState.PRESENT:
            raise self._conflict(name, Action.DELETE, version, state.version)
        # By its number: a version that slips in after the look above is not touched.
        self._repeatable(
            self._request(Action.DELETE, name, "delete", "update"),
            lambda: self._kv.delete_secret_versions(name, [int(version)], mount_point=self._address.mount),
        )

    @one_operation
    def recover(self, name: str) -> SecretState:
        state = self.describe(name)
        if state.state is StoreState.PRESENT:
            return state
        if state.state is not StoreState.SOFT_DELETED or state.version is None:
            raise NotFoundError(
                self._place(name), Action.RECOVER, f"it is {state.state}, not soft-deleted", "write a new version"
            )
        version = int(state.version)
        self._repeatable(
            self._request(Action.RECOVER, name, "undelete", "update"),
            lambda: self._kv.undelete_secret_versions(name, [version], mount_point=self._address.mount),
        )
        return replace(state, state=StoreState.PRESENT, version=self.read(name).version)

    def check_deletion(self, base: RemoteSecret) -> tuple[Problem, ...]:
        del base
        return ()

    @one_operation
    def delete_versions(self, name: str, versions: Sequence[str]) -> None:
        states = self.version_states(name)
        readable = [version for version, state in states.items() if state is VersionState.READABLE]
        if not readable and all(states.get(version) is VersionState.DELETED for version in versions):
            return
        if readable != list(versions):
            raise self._other_versions(name, Action.DELETE, versions, readable)
        # By their numbers: a version that slips in after the look above is not touched.
        self._repeatable(
            self._request(Action.DELETE, name, "delete", "update"),
            lambda: self._kv.delete_secret_versions(
                name, [int(version) for version in versions], mount_point=self._address.mount
            ),
        )

    @one_operation
    def recover_versions(self, name: str, versions: Sequence[str]) -> None:
        states = self.version_states(name)
        readable = [version for version, state in states.items() if state is VersionState.READABLE]
        if not set(readable) <= set(versions):
            raise self._other_versions(name, Action.RECOVER, versions, readable)
        for version in versions:
            if states.get(version, VersionState.DESTROYED) is VersionState.DESTROYED:
                reason = f"version {version} is destroyed or evicted for good"
                raise VersionGoneError(
                    self._place(name), Action.RECOVER, reason, "restore it from a backup", version=version
                )
        deleted = [int(version) for version in versions if version not in readable]
        if deleted:
            self._repeatable(
                self._request(Action.RECOVER, name, "undelete", "update"),
                lambda: self._kv.undelete_secret_versions(name, deleted, mount_point=self._address.mount),
            )

    def _other_versions(
        self, name: str, action: Action, expected: Sequence[str], found: Sequence[str]
    ) -> ConflictError:
        now = numbered(found) or "none can"
        reason = f"another writer changed it: {numbered(expected)} could be read before, and now {now}"
        newest = found[-1] if found else None
        return ConflictError(
            self._place(name), action, reason, "plan again", expected=expected[-1] if expected else None, found=newest
        )

    def _repeatable(self, request: Request, send: Callable[[], object]) -> None:
        # Doing it twice is as doing it once, so it may be sent again like a read.
        self._connection.read(request, send)

    def _conflict(self, name: str, action: Action, expected: str | None, found: str | None) -> ConflictError:
        was = f"version {expected}" if expected not in {None, "0"} else "no version"
        reason = f"another writer changed it: {was} was read, and the newest is version {found or 'unknown'}"
        return ConflictError(self._place(name), action, reason, "plan again", expected=expected, found=found)
