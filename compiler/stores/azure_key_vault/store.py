"""Implements SecretWriter for Azure Key Vault."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from compiler.model.store import StoreAddress
from compiler.stores.azure_key_vault.client import Bundle, SdkClient
from compiler.stores.azure_key_vault.log_in import Credential
from compiler.stores.azure_key_vault.provider import MOST_CREATES, MOST_TRANSACTIONS
from compiler.stores.azure_key_vault.reading import (
    MANAGED,
    KeyVaultReader,
    attribute_problems,
    malformed,
    name_problems,
    require_version,
    size_problems,
    value_problems,
)
from compiler.stores.errors import Action, Code, NotFoundError, StoreError, UnverifiedError
from compiler.stores.interface import Attributes, Problem, RemoteSecret, StoreOptions, Use, Written, with_tags
from compiler.stores.pacing import Limiter, Quota, RequestClass, Retrier, Waits, one_operation
from compiler.stores.secret_value import NotAnObjectError, SecretValue, change_object, write_object

KEY_VAULT_QUOTAS: Final[Mapping[RequestClass, Quota]] = {
    RequestClass.CREATE: Quota(MOST_CREATES),
    RequestClass.OTHER: Quota(MOST_TRANSACTIONS),
}
JSON_CONTENT_TYPE: Final = "application/json"
# Versions made in one second have no order: a secret changed this recently is listed before it is written as well.
_RECENT: Final = timedelta(seconds=60)


class AzureKeyVaultStore(KeyVaultReader):
    """One vault. `credential` replaces the one that the environment names; nothing is sent before the first use.

    Raises a StoreError: tls-failure for an address that is not https or authorities that cannot be read, invalid-name
    for a proxy's address that cannot be used.
    """

    def __init__(
        self,
        address: StoreAddress,
        environ: Mapping[str, str],
        options: StoreOptions | None = None,
        *,
        credential: Credential | None = None,
    ) -> None:
        chosen = options or StoreOptions()
        quotas = KEY_VAULT_QUOTAS if chosen.quotas is None else chosen.quotas
        waits = Waits(address.absolute, chosen.on_wait, chosen.silent)
        retrier = Retrier(Limiter(quotas, chosen.clock), chosen.clock, chosen.retry, chosen.chance, waits)
        super().__init__(address, SdkClient(address, environ, chosen, credential), retrier)
        self._may_list = False

    def expect(self, uses: Mapping[str, Collection[Use]]) -> None:
        """A refusal of Key Vault names the one permission that is missing."""

    def check_access(self, uses: Mapping[str, Collection[Use]]) -> tuple[Problem, ...]:
        del uses
        return ()

    def excess_access(self, uses: Mapping[str, Collection[Use]]) -> None:
        """Key Vault has no question for what the caller may do."""

    def check(
        self,
        name: str,
        changes: Mapping[str, SecretValue],
        base: RemoteSecret | None,
        attributes: Attributes | None = None,
    ) -> tuple[Problem, ...]:
        problems = (
            *name_problems(name),
            *_managed_problems(base),
            *(problem for prop, value in changes.items() for problem in value_problems(name, value, prop)),
            *attribute_problems(name, _object_attributes(base, attributes)),
        )
        try:
            return (*problems, *size_problems(name, _changed(changes, base)))
        except NotAnObjectError:
            return (*problems, malformed(name))

    @one_operation
    def write(
        self,
        name: str,
        changes: Mapping[str, SecretValue],
        base: RemoteSecret | None,
        attributes: Attributes | None = None,
    ) -> Written:
        self._raise_first(name, self.check(name, changes, base, attributes))
        value = SecretValue(_changed(changes, base))
        return self._write(name, value, base, _object_attributes(base, attributes))

    def check_whole(
        self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        return (
            *name_problems(name),
            *_managed_problems(base),
            *value_problems(name, value),
            *attribute_problems(name, _whole_attributes(base, attributes)),
            *size_problems(name, value.reveal()),
        )

    @one_operation
    def write_whole(
        self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> Written:
        self._raise_first(name, self.check_whole(name, value, base, attributes))
        return self._write(name, value, base, _whole_attributes(base, attributes))

    @one_operation
    def restore(self, earlier: RemoteSecret, base: RemoteSecret) -> Written:
        """Write the earlier text as it was, also one that `write` would refuse."""
        value = earlier.whole if earlier.whole is not None else SecretValue("")
        return self.write_whole(base.name, value, base, earlier.attributes)

    @one_operation
    def set_tags(self, name: str, version: str, changes: Mapping[str, str | None]) -> None:
        self._require_name(name, Action.TAG)

        def unset() -> dict[str, str] | None:
            newest = self._require_newest(name, version, Action.TAG)
            has = newest.attributes.tags if newest is not None else {}
            tags = with_tags(has, changes)
            return tags if tags != has else None

        if (tags := unset()) is None:
            return
        for problem in attribute_problems(name, Attributes(tags=tags)):
            raise StoreError(self._place(name), Action.TAG, problem.reason, problem.remedy, Code(problem.code))

        def send() -> Bundle | bool:
            return self._client.set_tags(name, version, tags or {})

        def settle() -> bool | None:
            nonlocal tags
            tags = unset()
            return True if tags is None else None

        made = self._retrier.write(send, settle, RequestClass.OTHER)
        if isinstance(made, Bundle):
            require_version(made, version, self._place(name), Action.TAG)
        self._require_newest(name, version, Action.TAG)

    def _write(self, name: str, value: SecretValue, base: RemoteSecret | None, attributes: Attributes) -> Written:
        expected = base.version if base is not None else None
        is_new = self._newness(name, base)
        self._require_newest(name, expected, Action.WRITE)

        def settle() -> Bundle | None:
            return self._settled(name, value, attributes, expected, is_new)

        made = self._retrier.write(lambda: self._client.set(name, value, attributes), settle, RequestClass.CREATE)
        self._require_own(made, name, expected, settle)
        if made.value is not None and made.value.reveal() != value.reveal():
            reason = f"version {made.version} was stored, with another value than the one sent"
            remedy = "check that version by hand, and do not trust this address"
            raise UnverifiedError(self._place(name), Action.WRITE, reason, remedy, version=made.version or "")
        # Anything else that came after what was read is another writer's: there is no compare-and-set to refuse it.
        return Written(made.version or "", self._slipped(name, made.version or "", is_new))

    def _slipped(self, name: str, own: str, is_new: Callable[[Bundle], bool]) -> tuple[str, ...]:
        try:
            found = [version for version in self._versions(name, Action.WRITE) if is_new(version)]
        except StoreError as error:
            failure = error
        else:
            found.sort(key=lambda version: version.attributes.created or datetime.now(UTC))
            return tuple(version.version or "" for version in found if version.version != own)
        # Not that error: it would deny a version that was stored.
        reason = f"version {own} is stored, but another writer's may have come in between: {failure.reason}"
        raise StoreError(self._place(name), Action.WRITE, reason, failure.remedy, Code.UNFINISHED_WRITE, version=own)

    def _require_own(self, made: Bundle, name: str, expected: str | None, settle: Callable[[], Bundle | None]) -> None:
        """Raise where the reply to a write is about another secret, or about the version that was there before."""
        place = self._place(name)
        try:
            require_version(made, None, place, Action.WRITE)
            if made.version != expected:
                return
            reason = f"the reply has version {expected}, which existed before"
            mismatch = StoreError(place, Action.WRITE, reason, "do not trust this address", Code.UNEXPECTED_REPLY)
        except StoreError as error:
            mismatch = error
        if (stored := settle()) is None:
            raise mismatch
        reason = f"{mismatch.reason}, but version {stored.version} has the value that was sent"
        raise UnverifiedError(place, Action.WRITE, reason, mismatch.remedy, version=stored.version or "")

    def _settled(
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
        """Return what tells a version made after `base` was read from the ones before.

        Dates do, unless `base` is of this very minute: then the versions are listed now. The first write lists them in
        any case: who may not list could not find out afterwards that another writer was there.
        """
        created = base.attributes.created if base is not None else None
        is_recent = created is not None and datetime.now(UTC) - created < _RECENT
        if self._may_list and not is_recent:
            return lambda version: created is None or _made_after(version, created)
        try:
            before = {version.version for version in self._versions(name, Action.LIST)}
        except NotFoundError:
            before = set()
        self._may_list = True
        return lambda version: version.version not in before

    def _raise_first(self, name: str, problems: tuple[Problem, ...]) -> None:
        if problems:
            problem = problems[0]
            subject = f'of "{problem.property}", ' if problem.property is not None else ""
            code, reason = Code(problem.code), subject + problem.reason
            raise StoreError(self._place(name), Action.WRITE, reason, problem.remedy, code)


def _changed(changes: Mapping[str, SecretValue], base: RemoteSecret | None) -> str:
    if base is None:
        return write_object(changes)
    if base.whole is None or not base.is_object:
        raise NotAnObjectError
    return change_object(base.whole.reveal(), changes)


def _object_attributes(base: RemoteSecret | None, attributes: Attributes | None) -> Attributes:
    if attributes is None and base is not None:
        return base.attributes
    wanted = attributes or Attributes()
    return wanted if wanted.content_type is not None else replace(wanted, content_type=JSON_CONTENT_TYPE)


def _whole_attributes(base: RemoteSecret | None, attributes: Attributes | None) -> Attributes:
    if attributes is not None:
        return attributes
    return base.attributes if base is not None else Attributes()


def _same_attributes(one: Attributes, other: Attributes) -> bool:
    return (one.content_type, dict(one.tags), one.enabled) == (other.content_type, dict(other.tags), other.enabled)


def _made_after(version: Bundle, moment: datetime) -> bool:
    return version.attributes.created is None or version.attributes.created > moment


def _managed(name: str) -> Problem:
    return Problem(Code.MANAGED, name, *MANAGED)


def _managed_problems(base: RemoteSecret | None) -> tuple[Problem, ...]:
    return (_managed(base.name),) if base is not None and base.attributes.managed else ()
