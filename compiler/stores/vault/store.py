"""Implements SecretWriter for Vault and OpenBao, KV version 2, and finds what it would refuse."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote as url_path

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
    FROM_VERSION,
    VALUE_SINCE,
    Attributes,
    Changes,
    Cluster,
    Dropped,
    Identity,
    Listing,
    Problem,
    RemoteSecret,
    SecretState,
    StoreOptions,
    StoreState,
    Use,
    VersionStates,
    Written,
    with_changes,
)
from compiler.stores.pacing import one_operation
from compiler.stores.secret_value import UNWRITABLE, Comparer, SecretValue, traits, write_object
from compiler.stores.vault.access import Request
from compiler.stores.vault.client import VaultConnection
from compiler.stores.vault.log_in import name_problem, property_problem
from compiler.stores.vault.provider import variable
from compiler.stores.vault.replies import (
    MountSettings,
    creation_time,
    engines_beside,
    listing,
    losses_of_next,
    mount_settings,
    remote_secret,
    secret_state,
    version_states,
)
from compiler.text.wording import name_versions, shell_line

# Raft's max_entry_size is 1 MiB by default, less what KV keeps beside the document.
# https://developer.hashicorp.com/vault/docs/internals/limits
_LARGEST_DOCUMENT: Final = 1024 * 1024 - 4096
# JSON makes of one character at most six bytes, and puts eight around a name and its value.
_LARGEST_CHARACTER, _LARGEST_FRAME = 6, 8
# https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#custom_metadata
_MOST_TAGS, _LONGEST_TAG_KEY, _LONGEST_TAG_VALUE = 64, 128, 512


def problems_of_write(
    name: str, content: Changes, base: RemoteSecret | None, attributes: Attributes | None
) -> Iterator[Problem]:
    """Go through the problems of setting `content` over `base`."""
    if problem := name_problem(name):
        yield Problem(Code.INVALID_NAME, name, f"the name cannot be used in Vault: {problem}", "correct it")
    if isinstance(content, SecretValue):
        reason = "a Vault secret has properties, not one whole value"
        yield Problem(Code.INVALID_VALUE, name, reason, "give the key a property in Vault")
        return
    if not content:
        yield Problem(Code.INVALID_VALUE, name, "no keys are given", "name a key")
    sound = True
    for key, value in content.items():
        if value is None:
            continue
        if problem := property_problem(key):
            yield Problem(Code.INVALID_NAME, name, problem, "rename it", key)
            sound = False
        if bad := traits(value) & (UNWRITABLE | {"not-a-string"}):
            what = ", ".join(sorted(bad))
            yield Problem(Code.INVALID_VALUE, name, f'the value of "{key}" cannot be stored: {what}', "correct it", key)
            sound = False
    document = with_changes(base, content)
    if sound and _is_too_large(document):
        yield Problem(
            Code.TOO_LARGE, name, f"the document is larger than {_LARGEST_DOCUMENT} bytes", "split the secret"
        )
    yield from problems_of_tags(name, attributes.tags if attributes is not None else {})


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


class VaultStore:
    """One KV version 2 mount. Of `attributes` it keeps the tags, as custom_metadata of all versions of a secret.

    Vault parses what it stores: numbers come back as its server prints them, strings byte for byte.
    """

    def __init__(self, address: StoreAddress, environ: Mapping[str, str], options: StoreOptions) -> None:
        given = address.vault_namespace or environ.get(variable(environ, "NAMESPACE")) or ""
        # "ns/" is how Vault itself writes one; slashes alone name none, and must not pass for "no namespace".
        namespace = given if "//" in given else given.strip("/") or None
        address = address._replace(mount=address.mount.strip("/"), vault_namespace=namespace)
        place = StoreLocation(address.absolute)
        for what, text in (("mount", address.mount), ("Vault namespace", namespace)):
            if text is not None and (problem := name_problem(text)):
                reason = f"the {what} cannot be used: {problem}"
                raise StoreError(place, Action.CONNECT, reason, f"correct the {what}", Code.INVALID_NAME)
        self.address = address
        self._connection = VaultConnection(address, environ, options)
        self._kv = self._connection.client.secrets.kv.v2
        self._deadlines = self._connection.deadlines
        # Asked for once; None until then.
        self._mount: MountSettings | None = None

    def expect(self, uses: Mapping[str, Collection[Use]]) -> None:
        self._connection.questions.expect(uses)

    @one_operation
    def check_access(self, uses: Mapping[str, Collection[Use]]) -> tuple[Problem, ...] | None:
        return self._connection.ask(lambda: self._connection.questions.check_access(uses))

    @one_operation
    def excess_access(self, uses: Mapping[str, Collection[Use]]) -> str | None:
        return self._connection.ask(lambda: self._connection.questions.excess_access(uses))

    def check(
        self, name: str, content: Changes, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        return tuple(problems_of_write(name, content, base, attributes))

    @one_operation
    def write(
        self, name: str, content: Changes, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> Written:
        self._require_sound(name, problems_of_write(name, content, base, attributes))
        tags = base.attributes.tags if base is not None else {}
        changes = content if not isinstance(content, SecretValue) else {}
        properties = with_changes(base, changes)
        return self._put_tagged(name, properties, base, attributes.tags if attributes is not None else tags)

    @one_operation
    def restore(self, earlier: RemoteSecret, base: RemoteSecret) -> Written:
        return self._put_tagged(earlier.name, earlier.properties, base, earlier.attributes.tags)

    def _put_tagged(
        self, name: str, properties: Mapping[str, SecretValue], base: RemoteSecret | None, tags: Mapping[str, str]
    ) -> Written:
        if tags == (base.attributes.tags if base is not None else {}):
            return self._put(name, properties, base)
        request = self._request(Action.WRITE, name, "metadata", "update")
        # A request of its own, which can only come after: refused then, it would leave a secret without its tags that
        # every later comparison of keys finds complete.
        self._connection.ask(lambda: self._connection.questions.require(request, self._place(name)))
        if base is None:
            # A name may have metadata before its first version, or after its last: what its owners wrote there stays.
            # But the age is that of the new values.
            since_when = {VALUE_SINCE: tags[VALUE_SINCE]} if VALUE_SINCE in tags else {}
            tags = {**tags, **self.describe(name).attributes.tags, **since_when}
            self._require_sound(name, problems_of_tags(name, tags))
        written = self._put(name, properties, base)
        if (text := tags.get(VALUE_SINCE)) is not None and FROM_VERSION not in text:
            # Its tags are those of all versions: this one is about the values that came with this version.
            tags = {**tags, VALUE_SINCE: f"{text}{FROM_VERSION}{written.version}"}
        self._tag(request, tags, written)
        return written

    def _put(self, name: str, properties: Mapping[str, SecretValue], base: RemoteSecret | None) -> Written:
        version = int(base.version) if base is not None else 0
        try:
            return self._put_over(name, properties, version)
        except ConflictError:
            state = self.describe(name)
        if state.state is StoreState.SOFT_DELETED:
            reason = f"its version {state.version} is deleted"
            remedy = f"recover it (`{shell_line('bao', 'kv', 'undelete')}`), or plan again with `--recover`"
            raise SoftDeletedError(self._place(name), Action.WRITE, reason, remedy, version=state.version)
        if state.state is StoreState.DESTROYED and base is None and state.version is not None:
            # No version is left to be lost; only the numbering goes on.
            return self._put_over(name, properties, int(state.version))
        raise self._conflict(name, Action.WRITE, base.version if base is not None else None, state.version)

    def _put_over(self, name: str, properties: Mapping[str, SecretValue], version: int) -> Written:
        request = self._request(Action.WRITE, name, "data", "update" if version else "create")
        attempts = 0

        def send() -> Written:
            nonlocal attempts
            attempts += 1
            body = self._kv.create_or_update_secret(name, dict(properties), cas=version, mount_point=self.address.mount)
            return Written(str(int(body["data"]["version"])), made=creation_time(body))

        def settle() -> Written | None:
            return self._find_own_version(name, properties, version)

        try:
            written = self._connection.write(request, send, settle)
        except ConflictError as error:
            conflict = error
        else:
            return written
        # An earlier attempt may have been stored after its reading back.
        if attempts > 1 and (stored := settle()) is not None:
            return stored
        raise conflict

    def _find_own_version(self, name: str, properties: Mapping[str, SecretValue], version: int) -> Written | None:
        newest: RemoteSecret | None = None
        mine = str(version + 1)
        try:
            newest = self.read(name)
            if int(newest.version) == version:
                return None
            if newest.version != mine:
                newest = self.read_version(name, mine)
        except NotFoundError:
            if version == 0:
                return None
        except StoreError:
            newest = None
        if newest is not None and _is_same(newest.properties, properties):
            return Written(mine, made=newest.attributes.created)
        if newest is not None:
            raise self._conflict(name, Action.WRITE, str(version), newest.version)
        reason = "the reply was lost and the secret cannot be read back"
        remedy = "run the same command again: it compares first"
        raise StoreError(self._place(name), Action.WRITE, reason, remedy, Code.OUTCOME_UNKNOWN)

    def _send_tags(self, request: Request, tags: Mapping[str, str]) -> None:
        self._connection.read(
            request,
            # None: hvac's default would take away the time after which its owner lets versions delete themselves.
            lambda: self._kv.update_metadata(
                request.name, delete_version_after=None, custom_metadata=dict(tags), mount_point=self.address.mount
            ),
        )

    def _tag(self, request: Request, tags: Mapping[str, str], written: Written) -> None:
        try:
            self._send_tags(request, tags)
        except StoreError as error:
            failure = error
        else:
            return
        # Not that error: it would deny a version that was stored.
        reason = f"version {written.version} is stored, but its tags are not: {failure.reason}"
        command = shell_line("bao", "kv", "metadata", "patch", "-custom-metadata")
        remedy = f"{failure.remedy}; then write the tags (`{command}`)"
        raise StoreError(
            self._place(request.name), Action.WRITE, reason, remedy, Code.UNFINISHED_WRITE, version=written.version
        )

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
                return self._connection.read(request, lambda: remote_secret(name, self._body_of(name, number)))
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
            return self._describe_by_value(name)

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
    def list_names(self, at: str = "") -> Listing:
        """A folder of the mount: names one level deep."""
        request = Request(Action.LIST, None, f"{self.address.mount}/metadata/{at}", "list")
        try:
            return self._connection.read(
                request, lambda: listing(at, self._kv.list_secrets(at, mount_point=self.address.mount))
            )
        except NotFoundError:
            # What is empty has no list.
            return Listing({})

    @one_operation
    def property_names(self, name: str) -> tuple[str, ...]:
        request = self._request(Action.LIST, name, "subkeys", "read")
        path = f"/v1/{url_path(f'{self.address.mount}/subkeys/{name}')}"
        get = self._connection.client.adapter.get
        return self._connection.read(request, lambda: tuple(get(path, params={"depth": 1})["data"]["subkeys"]))

    @one_operation
    def other_engines(self) -> tuple[str, ...]:
        """What the user interface of Vault lists for this token: every token may ask."""
        request = Request(Action.LIST, None, "sys/internal/ui/mounts", "read")
        get, mine = self._connection.client.adapter.get, f"{self.address.mount}/"
        return self._connection.read(request, lambda: engines_beside(mine, get(f"/v1/{request.path}")))

    @one_operation
    def losses_of_write(self, name: str) -> Dropped | None:
        request = self._request(Action.DESCRIBE, name, "metadata", "read")
        mount = self._mount_settings()
        try:
            return self._connection.read(request, lambda: losses_of_next(self._metadata_of(name), mount))
        except NotFoundError:
            return losses_of_next(None, mount)

    @one_operation
    def whoami(self) -> Identity:
        self._connection.prepare()
        return self._connection.identity

    def now(self) -> datetime:
        return datetime.now(UTC) + self._connection.clock_ahead

    @one_operation
    def cluster(self) -> Cluster | None:
        return self._connection.cluster()

    def close(self) -> None:
        self._connection.close()

    def _describe_by_value(self, name: str) -> SecretState:
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
            request = Request(Action.DESCRIBE, None, f"{self.address.mount}/config", "read")
            try:
                self._mount = self._connection.read(
                    request, lambda: mount_settings(self._kv.read_configuration(mount_point=self.address.mount))
                )
            except ForbiddenError:
                # Few policies give it, and few mounts have settings of their own.
                self._mount = None, 0
        return self._mount

    def _body_of(self, name: str, version: int | None) -> Any:  # noqa: ANN401 - hvac has no types
        return self._kv.read_secret_version(
            name, version=version, mount_point=self.address.mount, raise_on_deleted_version=True
        )

    def _metadata_of(self, name: str) -> Any:  # noqa: ANN401 - hvac has no types
        return self._kv.read_secret_metadata(name, mount_point=self.address.mount)

    def _request(self, action: Action, name: str | None, route: str, capability: str) -> Request:
        if name is not None and (problem := name_problem(name)):
            reason = f"the name cannot be used in Vault: {problem}"
            raise StoreError(self._place(name), action, reason, "correct it", Code.INVALID_NAME)
        return Request(action, name, f"{self.address.mount}/{route}/{name or ''}", capability)

    def _place(self, name: str | None) -> StoreLocation:
        return StoreLocation(self.address.absolute, name)

    @one_operation
    def soft_delete(self, name: str, version: str) -> None:
        state = self.describe(name)
        if state.state is StoreState.SOFT_DELETED and state.version == version:
            return
        if state.version != version or state.state is not StoreState.PRESENT:
            raise self._conflict(name, Action.DELETE, version, state.version)
        self._change_versions(name, Action.DELETE, [version])

    @one_operation
    def recover(self, name: str) -> SecretState:
        state = self.describe(name)
        if state.state is StoreState.PRESENT:
            return state
        if state.state is not StoreState.SOFT_DELETED or state.version is None:
            raise NotFoundError(
                self._place(name), Action.RECOVER, f"it is {state.state}, not soft-deleted", "write a new version"
            )
        self._change_versions(name, Action.RECOVER, [state.version])
        return replace(state, state=StoreState.PRESENT, version=self.read(name).version)

    def check_deletion(self, base: RemoteSecret) -> tuple[Problem, ...]:
        return ()

    @one_operation
    def delete_versions(self, name: str, versions: Sequence[str]) -> None:
        states = self.version_states(name)
        readable = [version for version, state in states.items() if state is StoreState.PRESENT]
        if not readable and all(states.get(version) is StoreState.SOFT_DELETED for version in versions):
            return
        if readable != list(versions):
            raise self._other_versions(name, Action.DELETE, versions, readable)
        self._change_versions(name, Action.DELETE, versions)

    @one_operation
    def recover_versions(self, name: str, versions: Sequence[str]) -> None:
        states = self.version_states(name)
        readable = [version for version, state in states.items() if state is StoreState.PRESENT]
        if not set(readable) <= set(versions):
            raise self._other_versions(name, Action.RECOVER, versions, readable)
        for version in versions:
            if states.get(version, StoreState.DESTROYED) is StoreState.DESTROYED:
                reason = f"version {version} is destroyed or evicted for good"
                raise VersionGoneError(
                    self._place(name), Action.RECOVER, reason, "restore it from a backup", version=version
                )
        if deleted := [version for version in versions if version not in readable]:
            self._change_versions(name, Action.RECOVER, deleted)

    def _change_versions(self, name: str, action: Action, versions: Iterable[str]) -> None:
        """Delete or recover these versions, by their numbers: one that slips in after a look is not touched."""
        kv, numbers = self._kv, [int(version) for version in versions]
        is_deletion = action is Action.DELETE
        send = kv.delete_secret_versions if is_deletion else kv.undelete_secret_versions
        request = self._request(action, name, "delete" if is_deletion else "undelete", "update")
        # Doing it twice is as doing it once, so it may be sent again like a read.
        self._connection.read(request, lambda: send(name, numbers, mount_point=self.address.mount))

    def _other_versions(
        self, name: str, action: Action, expected: Sequence[str], found: Sequence[str]
    ) -> ConflictError:
        now = name_versions(found) or "none can"
        reason = f"another writer changed it: {name_versions(expected)} could be read before, and now {now}"
        return ConflictError(self._place(name), action, reason, "plan again", found=found[-1] if found else None)

    def _require_sound(self, name: str, problems: Iterable[Problem]) -> None:
        for problem in problems:
            raise error_of_problem(problem, self._place(name))

    def _conflict(self, name: str, action: Action, expected: str | None, found: str | None) -> ConflictError:
        was = f"version {expected}" if expected not in {None, "0"} else "no version"
        reason = f"another writer changed it: {was} was read, and the newest is version {found or 'unknown'}"
        return ConflictError(self._place(name), action, reason, "plan again", found=found)


def _is_same(one: Mapping[str, SecretValue], other: Mapping[str, SecretValue]) -> bool:
    comparer = Comparer()
    return one.keys() == other.keys() and all(comparer.same(one[key], other[key]) for key in one)
