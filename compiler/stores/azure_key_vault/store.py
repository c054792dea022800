"""Implements SecretWriter for Azure Key Vault."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from azure.core.credentials import TokenCredential

from compiler.model.store import StoreAddress
from compiler.stores.azure_key_vault.client import (
    BAD_NAME,
    SdkClient,
    attribute_problems,
    form_problem,
    name_problems,
    size_problems,
    value_problems,
)
from compiler.stores.azure_key_vault.provider import MOST_CREATES, MOST_TRANSACTIONS, SECRET_NAME
from compiler.stores.azure_key_vault.replies import (
    Bundle,
    is_version,
    remote_secret,
    require_version,
    soft_deleted,
    unexpected_reply,
)
from compiler.stores.errors import (
    Action,
    Code,
    ConflictError,
    DisabledError,
    ForbiddenError,
    NotFoundError,
    StoreError,
    StoreLocation,
    UnverifiedError,
    VersionGoneError,
)
from compiler.stores.interface import (
    Attributes,
    Changes,
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
)
from compiler.stores.pacing import Quotas, RequestClass, one_operation
from compiler.stores.secret_value import NotAnObjectError, SecretValue, change_object, is_blank

KEY_VAULT_QUOTAS: Final[Quotas] = {RequestClass.CREATE: MOST_CREATES, RequestClass.OTHER: MOST_TRANSACTIONS}
JSON_CONTENT_TYPE: Final = "application/json"
# Versions made in one second have no order: a secret changed this recently is listed before it is written as well.
_RECENT: Final = timedelta(seconds=60)
MANAGED: Final = ("it belongs to a certificate, and only changes with it", "choose another name")
_FINAL: Final = (
    "soft delete is off in this vault, so a delete would be final",
    "turn soft delete on, or delete it by hand",
)
_POLL_SECONDS: Final = 1.0


# Each has 25 entries: together more than any secret has versions.
_MOST_PAGES: Final = 10_000


class AzureKeyVaultStore:
    """One vault; nothing is sent before the first use.

    Raises a StoreError: tls-failure for an address that is not https or authorities that cannot be read, invalid-name
    for a proxy's address that cannot be used.
    """

    def __init__(
        self,
        address: StoreAddress,
        environ: Mapping[str, str],
        options: StoreOptions | None = None,
        *,
        credential: TokenCredential | None = None,
    ) -> None:
        chosen = options or StoreOptions()
        self.address = address
        self._client = SdkClient(address, environ, chosen, credential)
        self._retrier = chosen.retrier(address.absolute, KEY_VAULT_QUOTAS)
        self._deadlines = self._retrier.deadlines
        self._may_list = False

    def expect(self, uses: Mapping[str, Collection[Use]]) -> None:
        """A refusal of Key Vault names the one permission that is missing."""

    def check_access(self, uses: Mapping[str, Collection[Use]]) -> tuple[Problem, ...]:
        return ()

    def excess_access(self, uses: Mapping[str, Collection[Use]]) -> None:
        """Key Vault has no question for what the caller may do."""

    def check(
        self, name: str, content: Changes, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        named = ((None, content),) if isinstance(content, SecretValue) else content.items()
        problems = (
            *name_problems(name),
            *_managed_problems(base),
            *(each for prop, value in named if value is not None for each in value_problems(name, value, prop)),
            *attribute_problems(name, _attributes(content, base, attributes)),
        )
        try:
            return (*problems, *size_problems(name, _change_value(content, base)))
        except NotAnObjectError:
            return (*problems, form_problem(name))

    @one_operation
    def write(
        self, name: str, content: Changes, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> Written:
        self._raise_first(name, self.check(name, content, base, attributes), Action.WRITE)
        value = SecretValue(_change_value(content, base))
        return self._write(name, value, base, _attributes(content, base, attributes))

    @one_operation
    def restore(self, earlier: RemoteSecret, base: RemoteSecret) -> Written:
        """Write the earlier text as it was, also one that `write` would refuse."""
        value = earlier.whole if earlier.whole is not None else SecretValue("")
        return self.write(base.name, value, base, earlier.attributes)

    def _write(self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes) -> Written:
        expected = base.version if base is not None else None
        is_new = self._newness(name, base)
        self._require_newest(name, expected, Action.WRITE)

        def settle() -> Bundle | None:
            return self._find_own_version(name, value, attributes, expected, is_new)

        made = self._retrier.write(lambda: self._client.set(name, value, attributes), settle)
        if made.version in (None, expected):
            reason, remedy = "the reply does not say which version was stored", "check the newest version by hand"
            raise UnverifiedError(self._place(name), Action.WRITE, reason, remedy, version="")
        if made.value is not None and made.value.reveal() != value.reveal():
            reason = f"version {made.version} was stored, with another value than the one sent"
            remedy = "check that version by hand, and do not trust this address"
            raise UnverifiedError(self._place(name), Action.WRITE, reason, remedy, version=made.version or "")
        # Anything else that came after what was read is another writer's: there is no compare-and-set to refuse it.
        return Written(made.version or "", self._versions_between(name, made, expected, is_new))

    def _versions_between(
        self, name: str, made: Bundle, expected: str | None, is_new: Callable[[Bundle], bool]
    ) -> tuple[str, ...]:
        own = made.version or ""
        before = () if made.previous is None else (made.previous,)
        if before == (expected,):
            return ()
        try:
            found = [version for version in self._versions(name, Action.WRITE) if is_new(version)]
        except StoreError as error:
            failure = error
        else:
            found.sort(key=lambda version: version.attributes.created or datetime.now(UTC))
            others = (version.version or "" for version in found if version.version != own)
            return tuple(dict.fromkeys((*others, *before)))
        if before:
            return before
        # Not that error: it would deny a version that was stored.
        reason = f"version {own} is stored, but another writer's may have come in between: {failure.reason}"
        raise StoreError(self._place(name), Action.WRITE, reason, failure.remedy, Code.UNFINISHED_WRITE, version=own)

    def _find_own_version(
        self,
        name: str,
        value: SecretValue,
        attributes: Attributes,
        expected: str | None,
        is_new: Callable[[Bundle], bool],
    ) -> Bundle | None:
        """The version that a write with a lost reply made, None when it made none."""
        try:
            newest = self._newest(name, Action.WRITE)
            if newest is None or newest.version == expected:
                # Also where it was deleted meanwhile: sending again is answered with that.
                return None
            candidates = [newest, *(version for version in self._versions(name, Action.WRITE) if is_new(version))]
            for candidate in candidates:
                if _same_attributes(candidate.attributes, attributes):
                    found = self._get(name, candidate.version, Action.WRITE)
                    if found.value is not None and found.value.reveal() == value.reveal():
                        return found
            failure: StoreError = self._conflict(name, Action.WRITE, expected, newest.version)
        except StoreError:
            reason = "the reply to the write was lost, and reading back did not show whether it was stored"
            remedy = "run the same command again: it compares first"
            failure = StoreError(self._place(name), Action.WRITE, reason, remedy, Code.OUTCOME_UNKNOWN)
        raise failure

    def _newness(self, name: str, base: RemoteSecret | None) -> Callable[[Bundle], bool]:
        """Returns what tells a version made after `base` was read from the ones before.

        Dates do, unless `base` is of this very minute: then the versions are listed now. The first write lists them in
        any case: who may not list could not find out afterwards that another writer was there.
        """
        created = base.attributes.created if base is not None else None
        is_recent = created is not None and datetime.now(UTC) - created < _RECENT
        if self._may_list and not is_recent:
            return lambda version: created is None or _is_newer(version, created)
        before = {version.version for version in self._versions_or_none(name, Action.LIST)}
        self._may_list = True
        return lambda version: version.version not in before

    def _raise_first(self, name: str, problems: tuple[Problem, ...], action: Action) -> None:
        for problem in problems:
            subject = f'of "{problem.property}", ' if problem.property is not None else ""
            code, reason = Code(problem.code), subject + problem.reason
            raise StoreError(self._place(name), action, reason, problem.remedy, code)

    @one_operation
    def read(self, name: str) -> RemoteSecret:
        """One request; a name that is not there costs a second one, which tells deleted from never made."""
        self._require_name(name, Action.READ)
        try:
            return remote_secret(name, self._get(name, None, Action.READ))
        except NotFoundError as error:
            missing = error
        self._raise_if_deleted(name, Action.READ)
        raise missing

    @one_operation
    def read_version(self, name: str, version: str) -> RemoteSecret:
        self._require_name(name, Action.READ)
        place = self._place(name)
        reason = f"it has no version {version}"
        gone = VersionGoneError(place, Action.READ, reason, "choose a version that the vault lists", version=version)
        if not is_version(version):
            raise gone
        try:
            return remote_secret(name, self._get(name, version, Action.READ))
        except NotFoundError:
            pass
        self._raise_if_deleted(name, Action.READ)
        raise gone

    @one_operation
    def describe(self, name: str) -> SecretState:
        """Lists the versions; asks for the newest one itself only where two were made in one second."""
        self._require_name(name, Action.DESCRIBE)
        if versions := self._versions_or_none(name, Action.DESCRIBE):
            return self._state_of(name, versions)
        deleted = self._get_deleted(name, Action.DESCRIBE)
        if deleted is None:
            return SecretState(name, StoreState.ABSENT)
        return SecretState(name, StoreState.SOFT_DELETED, deleted.version, deleted.attributes)

    @one_operation
    def version_states(self, name: str) -> VersionStates:
        """The newest one, as all are deleted and recovered together; DisabledError where it cannot be read."""
        self._require_name(name, Action.DESCRIBE)
        if listed := self._versions_or_none(name, Action.DESCRIBE):
            state = self._state_of(name, listed)
            is_enabled = state.state is StoreState.PRESENT
            # What is disabled is refused with that reason.
            version = state.version if is_enabled else self._get(name, None, Action.DESCRIBE).version
            return VersionStates({version: StoreState.PRESENT} if version is not None else {})
        deleted = self._get_deleted_if_allowed(name, Action.DESCRIBE)
        version = deleted.version if deleted is not None else None
        return VersionStates({version: StoreState.SOFT_DELETED} if version is not None else {})

    @one_operation
    def list_versions(self, name: str) -> Mapping[str, Attributes]:
        self._require_name(name, Action.LIST)
        versions = sorted(self._versions(name, Action.LIST), key=_creation_time)
        return {version.version or "": version.attributes for version in versions}

    @one_operation
    def list_names(self, at: str = "") -> Listing:
        """A page of the vault's secrets."""
        page, more = self._retrier.read(lambda: self._client.page_of_secrets(at or None))
        return Listing({each.name: each.attributes for each in page}, (more,) if more is not None else ())

    def property_names(self, name: str) -> None:
        """Return None: the names are a part of the value."""
        self._require_name(name, Action.LIST)

    def other_engines(self) -> tuple[str, ...]:
        """Keys are no secrets, and the secret of a certificate is in the list as one that is managed."""
        return ()

    def losses_of_write(self, name: str) -> None:
        """Key Vault keeps every version of a secret."""
        self._require_name(name, Action.DESCRIBE)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._client.clock_ahead

    @one_operation
    def whoami(self) -> Identity:
        if (known := self._client.identity()) is not None:
            return known
        # Any request gets a token; this one needs no right on any secret, since its refusal is an answer as well.
        with suppress(ForbiddenError):
            self._retrier.read(lambda: self._client.page_of_secrets(None))
        if (known := self._client.identity()) is not None:
            return known
        reason = "the vault answered without asking for a token"
        remedy = "check that the URL is a Key Vault's"
        raise StoreError(StoreLocation(self.address.absolute), Action.LOG_IN, reason, remedy, Code.UNAUTHENTICATED)

    def cluster(self) -> None:
        """Return None: a Key Vault's address is its own, and it says nothing without a log-in."""

    def close(self) -> None:
        self._retrier.close()
        self._client.close()

    def _place(self, name: str) -> StoreLocation:
        return StoreLocation(self.address.absolute, name)

    def _require_name(self, name: str, action: Action) -> None:
        if not SECRET_NAME.fullmatch(name):
            raise StoreError(self._place(name), action, *BAD_NAME, Code.INVALID_NAME)

    def _get(self, name: str, version: str | None, action: Action) -> Bundle:
        found = self._retrier.read(lambda: self._client.get(name, version, action))
        return require_version(found, self._place(name), action)

    def _versions(self, name: str, action: Action) -> list[Bundle]:
        found: list[Bundle] = []
        token: str | None = None
        followed: set[str] = set()
        while True:
            page, token = self._retrier.read(
                lambda after=token: self._client.page_of_versions(name, after, action)  # type: ignore[misc]
            )
            found += (require_version(item, self._place(name), action) for item in page)
            if token is None:
                return found
            if token in followed or len(followed) == _MOST_PAGES:
                reason = "its list does not end: a page was repeated, or there are too many"
                raise unexpected_reply(reason, self._place(name), action)
            followed.add(token)

    def _versions_or_none(self, name: str, action: Action) -> list[Bundle]:
        try:
            return self._versions(name, action)
        except NotFoundError:
            return []

    def _get_deleted(self, name: str, action: Action) -> Bundle | None:
        try:
            return self._retrier.read(lambda: self._client.get_deleted(name, action))
        except NotFoundError:
            return None

    def _get_deleted_if_allowed(self, name: str, action: Action) -> Bundle | None:
        """The same, and None for a caller who may read or delete, which brings no right to look at what is deleted."""
        try:
            return self._get_deleted(name, action)
        except ForbiddenError:
            return None

    def _raise_if_deleted(self, name: str, action: Action) -> None:
        if (deleted := self._get_deleted_if_allowed(name, action)) is not None:
            raise soft_deleted(self._place(name), action, deleted.version)

    def _state_of(self, name: str, versions: list[Bundle]) -> SecretState:
        newest = max(versions, key=_creation_time)
        if sum(_creation_time(version) == _creation_time(newest) for version in versions) > 1:
            try:
                newest = self._get(name, None, Action.DESCRIBE)
            except DisabledError:
                return SecretState(name, StoreState.DISABLED, None, newest.attributes)
        state = StoreState.PRESENT if newest.attributes.enabled else StoreState.DISABLED
        return SecretState(name, state, newest.version, newest.attributes)

    @one_operation
    def soft_delete(self, name: str, version: str) -> None:
        self._require_name(name, Action.DELETE)
        try:
            newest = self._require_newest(name, version, Action.DELETE)
        except ConflictError as error:
            deleted = self._get_deleted_if_allowed(name, Action.DELETE) if error.found is None else None
            if deleted is not None and deleted.version == version:
                return
            raise
        if newest is not None and not newest.attributes.is_recoverable:
            raise ForbiddenError(self._place(name), Action.DELETE, *_FINAL, permission="soft delete")
        self._change(name, Action.DELETE, self._client.delete, lambda: self._newest(name, Action.DELETE) is None)
        # Until then it can neither be recovered nor told from a name that never was.
        try:
            self._poll(name, Action.DELETE, lambda: self._get_deleted(name, Action.DELETE) is not None)
        except ForbiddenError:
            # The right to delete does not bring the right to look at what is deleted.
            return

    def check_deletion(self, base: RemoteSecret) -> tuple[Problem, ...]:
        if base.attributes.is_recoverable:
            return _managed_problems(base)
        return _managed_problems(base) or (Problem(ForbiddenError.code, base.name, *_FINAL),)

    @one_operation
    def delete_versions(self, name: str, versions: Sequence[str]) -> None:
        self.soft_delete(name, versions[-1])

    @one_operation
    def recover_versions(self, name: str, versions: Sequence[str]) -> None:
        self._require_name(name, Action.RECOVER)
        place = self._place(name)
        deleted = self._get_deleted(name, Action.RECOVER)
        if deleted is None:
            newest = self._newest(name, Action.RECOVER)
            if newest is None:
                reason = "it is not among the deleted secrets: it was purged"
                raise VersionGoneError(place, Action.RECOVER, reason, "restore it from a backup", version=versions[-1])
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
                name, Action.RECOVER, self._client.recover, lambda: self._get_deleted(name, Action.RECOVER) is None
            )
        except NotFoundError:
            # Not deleted: somebody else may have recovered it just now.
            if (state := self.describe(name)).state is StoreState.ABSENT:
                raise
            return state
        self._poll(name, Action.RECOVER, lambda: bool(self._versions_or_none(name, Action.RECOVER)))
        return self.describe(name)

    def _change(self, name: str, action: Action, send: Callable[[str], Bundle], is_done: Callable[[], bool]) -> None:
        """Send a delete or a recovery; `is_done` looks, where the reply was lost."""

        def reply() -> Bundle | bool:
            return send(name)

        self._retrier.write(reply, lambda: True if is_done() else None, RequestClass.OTHER)

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
            raise StoreError(self._place(name), action, *MANAGED, Code.MANAGED)
        return newest

    def _conflict(self, name: str, action: Action, expected: str | None, found: str | None) -> ConflictError:
        was = f"version {expected}" if expected is not None else "no version"
        stands = f"version {found}" if found is not None else "none"
        reason = f"another writer changed it: {was} was read, and the current one is {stands}"
        remedy = "plan again to see the other writer's values"
        return ConflictError(self._place(name), action, reason, remedy, found=found)

    def _poll(self, name: str, action: Action, is_done: Callable[[], bool]) -> None:
        clock = self._retrier.clock
        while not is_done():
            if clock.now() + _POLL_SECONDS >= self._deadlines.end():
                reason = "the vault did not finish it in time"
                raise StoreError(self._place(name), action, reason, "run again in a minute", Code.UNAVAILABLE)
            clock.sleep(_POLL_SECONDS)


def _creation_time(bundle: Bundle) -> float:
    created = bundle.attributes.created
    return created.timestamp() if created is not None else 0.0


def _change_value(content: Changes, base: RemoteSecret | None) -> str:
    if isinstance(content, SecretValue):
        return content.reveal()
    if base is None or is_blank(base.whole):
        return change_object("{}", content)
    if base.whole is None or not base.is_object:
        raise NotAnObjectError
    return change_object(base.whole.reveal(), content)


def _attributes(content: Changes, base: RemoteSecret | None, attributes: Attributes | None) -> Attributes:
    if attributes is None and base is not None:
        return base.attributes
    wanted = attributes or Attributes()
    is_typed = isinstance(content, SecretValue) or wanted.content_type is not None
    return wanted if is_typed else replace(wanted, content_type=JSON_CONTENT_TYPE)


def _same_attributes(one: Attributes, other: Attributes) -> bool:
    return (one.content_type, dict(one.tags), one.enabled) == (other.content_type, dict(other.tags), other.enabled)


def _is_newer(version: Bundle, moment: datetime) -> bool:
    return version.attributes.created is None or version.attributes.created > moment


def _managed_problems(base: RemoteSecret | None) -> tuple[Problem, ...]:
    return (Problem(Code.MANAGED, base.name, *MANAGED),) if base is not None and base.attributes.managed else ()
