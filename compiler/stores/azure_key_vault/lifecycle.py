"""Soft-deletes and recovers secrets in Key Vault, only at the version that the caller expects; it never purges."""

from collections.abc import Callable, Sequence
from typing import Final

from compiler.stores.azure_key_vault.answers import require_name
from compiler.stores.azure_key_vault.bundle import Bundle
from compiler.stores.azure_key_vault.reading import KeyVaultReader
from compiler.stores.errors import (
    Action,
    ConflictError,
    ForbiddenCause,
    ForbiddenError,
    ManagedError,
    NotFoundError,
    UnavailableError,
    VersionGoneError,
)
from compiler.stores.interface import Problem, RemoteSecret, SecretState, StoreState
from compiler.stores.sending.deadline import one_operation
from compiler.stores.sending.limiter import RequestClass

MANAGED: Final = ("it belongs to a certificate, and only changes with it", "choose another name")
_FINAL: Final = (
    "soft delete is off in this vault, so a delete would be final",
    "turn soft delete on, or delete it by hand",
)
_POLL_SECONDS: Final = 1.0


class KeyVaultLifecycle(KeyVaultReader):
    """The part of SecretWriter that changes no value."""

    @one_operation
    def soft_delete(self, name: str, version: str) -> None:
        self._require_name(name, Action.DELETE)
        try:
            newest = self._require_newest(name, version, Action.DELETE)
        except ConflictError as error:
            if error.found is None and self._is_deleted_at(name, version):
                return
            raise
        if newest is not None and not newest.attributes.is_recoverable:
            reason, remedy = _FINAL
            cause = ForbiddenCause.OTHER
            raise ForbiddenError(
                self._place(name), Action.DELETE, reason, remedy, cause=cause, permission="soft delete"
            )
        self._change(name, Action.DELETE, self._client.delete, lambda: self._newest(name, Action.DELETE) is None)
        # Until then it can neither be recovered nor told from a name that never was.
        try:
            self._poll(name, Action.DELETE, lambda: self._deleted(name, Action.DELETE) is not None)
        except ForbiddenError:
            # The right to delete does not bring the right to look at what is deleted.
            return

    def check_deletion(self, base: RemoteSecret) -> tuple[Problem, ...]:
        if base.attributes.managed:
            return (Problem(ManagedError.code, base.name, *MANAGED),)
        if not base.attributes.is_recoverable:
            return (Problem(ForbiddenError.code, base.name, *_FINAL),)
        return ()

    @one_operation
    def delete_versions(self, name: str, versions: Sequence[str]) -> None:
        self.soft_delete(name, versions[-1])

    @one_operation
    def recover_versions(self, name: str, versions: Sequence[str]) -> None:
        self._require_name(name, Action.RECOVER)
        place = self._place(name)
        deleted = self._deleted(name, Action.RECOVER)
        if deleted is None:
            newest = self._newest(name, Action.RECOVER)
            if newest is None:
                reason = "it is not among the deleted secrets: it was purged"
                raise VersionGoneError(place, Action.RECOVER, reason, "restore it from a backup", versions[-1])
            if newest.version not in versions:
                raise self._conflict(name, Action.RECOVER, versions[-1], newest.version)
            return
        if deleted.version not in versions:
            raise self._conflict(name, Action.RECOVER, versions[-1], deleted.version)
        self.recover(name)

    @one_operation
    def recover(self, name: str) -> SecretState:
        self._require_name(name, Action.RECOVER)
        try:
            self._change(
                name, Action.RECOVER, self._client.recover, lambda: self._deleted(name, Action.RECOVER) is None
            )
        except NotFoundError:
            # Not deleted: somebody else may have recovered it just now.
            if (state := self.describe(name)).state is StoreState.ABSENT:
                raise
            return state
        self._poll(name, Action.RECOVER, lambda: self._is_listed(name))
        return self.describe(name)

    def _change(self, name: str, action: Action, send: Callable[[str], Bundle], is_done: Callable[[], bool]) -> None:
        """Send a delete or a recovery; `is_done` looks, where the reply was lost."""

        def reply() -> Bundle | bool:
            return send(name)

        found = self._retrier.write(reply, lambda: True if is_done() else None, RequestClass.OTHER)
        if isinstance(found, Bundle):
            require_name(found, self._place(name), action)

    def _newest(self, name: str, action: Action) -> Bundle | None:
        try:
            return self._get(name, None, action)
        except NotFoundError:
            return None

    def _require_newest(self, name: str, expected: str | None, action: Action) -> Bundle | None:
        newest = self._newest(name, action)
        found = newest.version if newest is not None else None
        if found != expected:
            raise self._conflict(name, action, expected, found)
        if newest is not None and newest.attributes.managed:
            reason, remedy = MANAGED
            raise ManagedError(self._place(name), action, reason, remedy)
        return newest

    def _conflict(self, name: str, action: Action, expected: str | None, found: str | None) -> ConflictError:
        was = f"version {expected}" if expected is not None else "no version"
        stands = f"version {found}" if found is not None else "none"
        reason = f"another writer changed it: {was} was read, and the current one is {stands}"
        remedy = "plan again to see the other writer's values"
        return ConflictError(self._place(name), action, reason, remedy, expected=expected, found=found)

    def _is_deleted_at(self, name: str, version: str) -> bool:
        try:
            deleted = self._deleted(name, Action.DELETE)
        except ForbiddenError:
            # The right to delete does not bring the right to look at what is deleted.
            return False
        return deleted is not None and deleted.version == version

    def _is_listed(self, name: str) -> bool:
        try:
            return bool(self._versions(name, Action.RECOVER))
        except NotFoundError:
            return False

    def _poll(self, name: str, action: Action, is_done: Callable[[], bool]) -> None:
        clock = self._retrier.clock
        while not is_done():
            if clock.now() + _POLL_SECONDS >= self._deadlines.end():
                reason = "the vault did not finish it in time"
                raise UnavailableError(self._place(name), action, reason, "run again in a minute")
            clock.sleep(_POLL_SECONDS)
