"""Reads secrets and their states from Vault, through hvac's KV version 2 calls."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from compiler.model.store_address import StoreAddress
from compiler.stores.errors import (
    Action,
    ForbiddenError,
    InvalidNameError,
    NotFoundError,
    SoftDeletedError,
    StoreLocation,
    UnexpectedReplyError,
    VersionGoneError,
)
from compiler.stores.interface import Cluster, Dropped, Identity, RemoteSecret, SecretState, StoreState, VersionStates
from compiler.stores.options import StoreOptions
from compiler.stores.sending.deadline import one_operation
from compiler.stores.sending.no_answer import Server
from compiler.stores.vault.connection import VaultConnection
from compiler.stores.vault.document import (
    MountSettings,
    dropped_by_next,
    mount_settings,
    remote_secret,
    secret_state,
    version_states,
)
from compiler.stores.vault.login import VaultLogin
from compiler.stores.vault.names import name_problem
from compiler.stores.vault.questions import Request
from compiler.text.regex import regex

T = TypeVar("T")

# No text of a journal becomes a number that takes long, or that Python refuses.
_NUMBER = regex(r"[0-9]{1,9}", re.ASCII)


class VaultReading:
    """The SecretReader half of VaultStore; `client` is an hvac client whose adapter raises RefusedError."""

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
        return self._parsed(request, remote_secret, lambda _: self._read(name, None))

    @one_operation
    def read_version(self, name: str, version: str) -> RemoteSecret:
        request = self._request(Action.READ, name, "data", "read")
        # Vault takes 0 for the newest one.
        number = int(version) if _NUMBER.fullmatch(version) else 0
        try:
            if number:
                return self._of_version(
                    number, self._parsed(request, remote_secret, lambda _: self._read(name, number))
                )
            reason = f'"{version}" is not a version number'
        except NotFoundError:
            reason = f"version {version} was evicted or never existed"
        except SoftDeletedError:
            reason = f"version {version} is deleted"
        raise VersionGoneError(self._place(name), Action.READ, reason, "use another version", version)

    @one_operation
    def describe(self, name: str) -> SecretState:
        request = self._request(Action.DESCRIBE, name, "metadata", "read")
        try:
            return self._parsed(
                request,
                secret_state,
                lambda _: self._kv.read_secret_metadata(name, mount_point=self._address.mount),
            )
        except NotFoundError:
            return SecretState(name, StoreState.ABSENT)
        except ForbiddenError:
            # A policy for reading values need not give metadata: the value's reply tells the same.
            return self._described_by_value(name)

    @one_operation
    def version_states(self, name: str) -> VersionStates:
        request = self._request(Action.DESCRIBE, name, "metadata", "read")
        try:
            return self._parsed(
                request,
                lambda _, body: version_states(body),
                lambda _: self._kv.read_secret_metadata(name, mount_point=self._address.mount),
            )
        except NotFoundError:
            return VersionStates()

    @one_operation
    def dropped_by_write(self, name: str) -> Dropped | None:
        request = self._request(Action.DESCRIBE, name, "metadata", "read")
        mount = self._mount_settings()
        try:
            return self._parsed(
                request,
                lambda _, body: dropped_by_next(body, mount),
                lambda _: self._kv.read_secret_metadata(name, mount_point=self._address.mount),
            )
        except NotFoundError:
            return dropped_by_next(None, mount)

    @one_operation
    def whoami(self) -> Identity:
        self._connection.prepare()
        return self._connection.identity

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
                self._mount = self._parsed(
                    request,
                    lambda _, body: mount_settings(body),
                    lambda _: self._kv.read_configuration(mount_point=self._address.mount),
                )
            except ForbiddenError:
                # Few policies give it, and few mounts have settings of their own.
                self._mount = MountSettings()
        return self._mount

    def _read(self, name: str, version: int | None) -> Any:  # noqa: ANN401 - hvac has no types
        return self._kv.read_secret_version(
            name, version=version, mount_point=self._address.mount, raise_on_deleted_version=True
        )

    def _of_version(self, number: int, found: RemoteSecret) -> RemoteSecret:
        if found.version != str(number):
            reason = f"the reply has version {found.version}, version {number} was requested"
            remedy = "check for a proxy or a cache in between, and do not trust this address"
            raise UnexpectedReplyError(self._place(found.name), Action.READ, reason, remedy)
        return found

    def _parsed(self, request: Request, parse: Callable[[str, Any], T], call: Callable[[Any], Any]) -> T:
        return self._connection.read(request, lambda client: parse(request.name or "", call(client)))

    def _request(self, action: Action, name: str | None, route: str, capability: str) -> Request:
        if name is not None and (problem := name_problem(name)):
            raise InvalidNameError(
                self._place(name), action, f"the name cannot be used in Vault: {problem}", "correct it"
            )
        return Request(action, name, f"{self._address.mount}/{route}/{name or ''}", capability)

    def _place(self, name: str | None) -> StoreLocation:
        return StoreLocation(self._address.absolute, name)
