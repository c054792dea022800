"""Soft-deletes and recovers versions in Vault, only while they are what the caller expects; it never destroys."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from compiler.stores.errors import Action, ConflictError, NotFoundError, VersionGoneError
from compiler.stores.interface import Problem, RemoteSecret, SecretState, StoreState, VersionState
from compiler.stores.sending.deadline import one_operation
from compiler.stores.vault.questions import Request
from compiler.stores.vault.reading import VaultReading
from compiler.text.wording import numbered


class VaultLifecycle(VaultReading):
    """The part of SecretWriter that changes no value."""

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
            lambda _: self._kv.delete_secret_versions(name, [int(version)], mount_point=self._address.mount),
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
            lambda _: self._kv.undelete_secret_versions(name, [version], mount_point=self._address.mount),
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
            lambda _: self._kv.delete_secret_versions(
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
                raise VersionGoneError(self._place(name), Action.RECOVER, reason, "restore it from a backup", version)
        deleted = [int(version) for version in versions if version not in readable]
        if deleted:
            self._repeatable(
                self._request(Action.RECOVER, name, "undelete", "update"),
                lambda _: self._kv.undelete_secret_versions(name, deleted, mount_point=self._address.mount),
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

    def _repeatable(self, request: Request, call: Callable[[Any], object]) -> None:
        # Doing it twice is as doing it once, so it may be sent again like a read.
        self._connection.read(request, call)

    def _conflict(self, name: str, action: Action, expected: str | None, found: str | None) -> ConflictError:
        was = f"version {expected}" if expected not in {None, "0"} else "no version"
        reason = f"another writer changed it: {was} was read, and the newest is version {found or 'unknown'}"
        return ConflictError(self._place(name), action, reason, "plan again", expected=expected, found=found)
