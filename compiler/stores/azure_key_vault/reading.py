"""Reads, soft-deletes and recovers Key Vault secrets, and finds what the vault would refuse.

A gateway, a cache or a vault behind the wrong address can answer a request with another secret's value. Every reply
carries the id of what it shows, so that such a value is neither compared nor copied.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from compiler.model.store import StoreAddress
from compiler.stores.azure_key_vault.client import Bundle, SdkClient, soft_deleted
from compiler.stores.errors import (
    Action,
    Code,
    ConflictError,
    DisabledError,
    ForbiddenError,
    NotFoundError,
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
    StoreState,
    VersionState,
    VersionStates,
)
from compiler.stores.pacing import RequestClass, Retrier, one_operation
from compiler.stores.secret_value import UNWRITABLE, NotAnObjectError, SecretValue, Trait, read_object, traits

# https://learn.microsoft.com/azure/key-vault/secrets/about-secrets; the SDK checks none of these.
MAX_VALUE_BYTES: Final = 25_600
MAX_TAGS: Final = 15
MAX_TAG_NAME: Final = 512
MAX_TAG_VALUE: Final = 256
MAX_CONTENT_TYPE: Final = 255

_NAME: Final = re.compile(r"[0-9A-Za-z-]{1,127}")
_VERSION: Final = re.compile(r"[0-9a-f]{32}")
_UNWRITABLE_REASONS: Final = {
    Trait.EMPTY: ("the value is empty", "give it a value, or leave the key out"),
    Trait.LONE_SURROGATE: ("the value is not valid Unicode text", "encode it, for example as Base64"),
    Trait.NUL: ("the value has a NUL character", "encode it, for example as Base64"),
}


def is_name(name: str) -> bool:
    """Whether Key Vault takes this as a secret's name."""
    return _NAME.fullmatch(name) is not None


def is_version(version: str) -> bool:
    """Whether this is the form of a version's id; anything else would be read as another path."""
    return _VERSION.fullmatch(version) is not None


def name_problems(name: str) -> tuple[Problem, ...]:
    if is_name(name):
        return ()
    remedy = "use 1 to 127 letters, digits and hyphens"
    return (Problem(Code.INVALID_NAME, name, "the name is not valid in Key Vault", remedy),)


def value_problems(name: str, value: SecretValue, prop: str | None = None) -> tuple[Problem, ...]:
    """Problems of one property's value, or of a whole value where `prop` is None."""
    return tuple(
        Problem(Code.INVALID_VALUE, name, *_UNWRITABLE_REASONS[trait], prop)
        for trait in sorted(traits(value) & UNWRITABLE)
    )


def size_problems(name: str, text: str) -> tuple[Problem, ...]:
    """Problems of the text that would be stored: the whole JSON object, for a secret with properties."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size <= MAX_VALUE_BYTES:
        return ()
    reason = f"the value would have {size} bytes, and Key Vault allows {MAX_VALUE_BYTES}"
    return (Problem(Code.TOO_LARGE, name, reason, "split its keys over several secrets"),)


def attribute_problems(name: str, attributes: Attributes) -> tuple[Problem, ...]:
    found: list[tuple[str, str, str]] = []
    if len(attributes.tags) > MAX_TAGS:
        reason = f"it would have {len(attributes.tags)} tags, and Key Vault allows {MAX_TAGS}"
        found.append((Code.TOO_LARGE, reason, "remove tags"))
    for tag, value in attributes.tags.items():
        if not tag or len(tag) > MAX_TAG_NAME or len(value) > MAX_TAG_VALUE:
            reason = f"a tag's name must have 1 to {MAX_TAG_NAME} characters, and its value at most {MAX_TAG_VALUE}"
            found.append((Code.TOO_LARGE, reason, f'shorten the tag "{tag[:40]}"'))
    if len(attributes.content_type or "") > MAX_CONTENT_TYPE:
        reason = f"the content type is longer than {MAX_CONTENT_TYPE} characters"
        found.append((Code.TOO_LARGE, reason, "shorten it"))
    if attributes.expires and attributes.not_before and attributes.expires <= attributes.not_before:
        found.append((Code.INVALID_VALUE, "it would expire before it is valid", "correct one of the two dates"))
    return tuple(Problem(code, name, reason, remedy) for code, reason, remedy in found)


def malformed(name: str) -> Problem:
    reason = "its value is not a JSON object with distinct names, so it has no properties to change"
    return Problem(Code.MALFORMED_DOCUMENT, name, reason, "write the whole value, or repair it by hand")


_REMEDY: Final = "check the vault's URL and the proxy in between, and do not trust this address"


def require_name(bundle: Bundle, place: StoreLocation, action: Action) -> Bundle:
    """Return the bundle where it is of the place's secret, in whatever case, and its version, if any, is a vault's.

    Raises a StoreError, unexpected-reply.
    """
    if bundle.name.lower() != (place.name or "").lower():
        other = f', "{bundle.name}"' if is_name(bundle.name) else ""
        raise StoreError(place, action, f"the reply is for another secret{other}", _REMEDY, Code.UNEXPECTED_REPLY)
    if bundle.version is not None and not is_version(bundle.version):
        raise StoreError(place, action, "the reply has an invalid version id", _REMEDY, Code.UNEXPECTED_REPLY)
    return bundle


def require_version(bundle: Bundle, version: str | None, place: StoreLocation, action: Action) -> Bundle:
    """The same for one version: `version`, or any where that is None. Raises a StoreError, unexpected-reply."""
    require_name(bundle, place, action)
    if bundle.version is None:
        raise StoreError(place, action, "the reply has no version", _REMEDY, Code.UNEXPECTED_REPLY)
    if version is not None and bundle.version != version:
        reason = f"the reply has version {bundle.version}, version {version} was requested"
        raise StoreError(place, action, reason, _REMEDY, Code.UNEXPECTED_REPLY)
    return bundle


def remote_secret(name: str, bundle: Bundle) -> RemoteSecret:
    """Return a version that was read, its properties taken from its text where that is a JSON object."""
    whole = bundle.value if bundle.value is not None else SecretValue("")
    properties: dict[str, SecretValue] = {}
    is_object = True
    try:
        properties = read_object(whole.reveal())
    except NotAnObjectError:
        is_object = False
    return RemoteSecret(name, bundle.version or "", properties, bundle.attributes, whole, is_object)


def _state(bundle: Bundle) -> StoreState:
    return StoreState.PRESENT if bundle.attributes.enabled else StoreState.DISABLED


def _made(bundle: Bundle) -> float:
    created = bundle.attributes.created
    return created.timestamp() if created is not None else 0.0


MANAGED: Final = ("it belongs to a certificate, and only changes with it", "choose another name")
_FINAL: Final = (
    "soft delete is off in this vault, so a delete would be final",
    "turn soft delete on, or delete it by hand",
)
_POLL_SECONDS: Final = 1.0


# Of 25 entries each: more than any secret has versions.
_MOST_PAGES: Final = 10_000


class KeyVaultReader:
    """What AzureKeyVaultStore does without a value; may be used from many threads."""

    def __init__(self, address: StoreAddress, client: SdkClient, retrier: Retrier) -> None:
        self._address = address
        self._client = client
        self._retrier = retrier
        self._deadlines = retrier.deadlines

    @property
    def address(self) -> StoreAddress:
        return self._address

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
        try:
            versions = self._versions(name, Action.DESCRIBE)
        except NotFoundError:
            versions = []
        if versions:
            return self._state_of(name, versions)
        deleted = self._deleted(name, Action.DESCRIBE)
        if deleted is None:
            return SecretState(name, StoreState.ABSENT)
        return SecretState(name, StoreState.SOFT_DELETED, deleted.version, deleted.attributes)

    @one_operation
    def version_states(self, name: str) -> VersionStates:
        """The newest one, as all are deleted and recovered together; DisabledError where it cannot be read."""
        self._require_name(name, Action.DESCRIBE)
        try:
            listed = self._versions(name, Action.DESCRIBE)
        except NotFoundError:
            listed = []
        if listed:
            state = self._state_of(name, listed)
            is_enabled = state.state is StoreState.PRESENT
            # What is disabled is refused with that reason.
            version = state.version if is_enabled else self._get(name, None, Action.DESCRIBE).version
            return VersionStates({version: VersionState.READABLE} if version is not None else {})
        try:
            deleted = self._deleted(name, Action.DESCRIBE)
        except ForbiddenError:
            # The right to delete does not bring the right to look at what is deleted.
            deleted = None
        version = deleted.version if deleted is not None else None
        return VersionStates({version: VersionState.DELETED} if version is not None else {})

    @one_operation
    def list_versions(self, name: str) -> Mapping[str, Attributes]:
        self._require_name(name, Action.LIST)
        versions = sorted(self._versions(name, Action.LIST), key=_made)
        return {version.version or "": version.attributes for version in versions}

    def dropped_by_write(self, name: str) -> None:
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
            self._retrier.read(self._client.ask)
        if (known := self._client.identity()) is not None:
            return known
        reason = "the vault answered without asking for a token"
        remedy = "check that the URL is a Key Vault's"
        raise StoreError(StoreLocation(self._address.absolute), Action.LOG_IN, reason, remedy, Code.UNAUTHENTICATED)

    def cluster(self) -> None:
        """Return None: a Key Vault's address is its own, and it says nothing without a log-in."""

    def close(self) -> None:
        self._retrier.close()
        self._client.close()

    def _place(self, name: str) -> StoreLocation:
        return StoreLocation(self._address.absolute, name)

    def _require_name(self, name: str, action: Action) -> None:
        if not is_name(name):
            remedy = "use 1 to 127 letters, digits and hyphens"
            raise StoreError(self._place(name), action, "the name is not valid in Key Vault", remedy, Code.INVALID_NAME)

    def _get(self, name: str, version: str | None, action: Action) -> Bundle:
        found = self._retrier.read(lambda: self._client.get(name, version, action))
        return require_version(found, version, self._place(name), action)

    def _versions(self, name: str, action: Action) -> list[Bundle]:
        found: list[Bundle] = []
        token: str | None = None
        followed: set[str] = set()
        while True:
            page, token = self._retrier.read(
                lambda after=token: self._client.page_of_versions(name, after, action)  # type: ignore[misc]
            )
            found += (require_version(item, None, self._place(name), action) for item in page)
            if token is None:
                return found
            self._require_end(token, followed, self._place(name), action)

    def _require_end(self, token: str, followed: set[str], place: StoreLocation, action: Action) -> None:
        if token in followed or len(followed) == _MOST_PAGES:
            reason = "its list does not end: a page was repeated, or there are too many"
            raise StoreError(
                place, action, reason, "check the vault's URL and the proxy in between", Code.UNEXPECTED_REPLY
            )
        followed.add(token)

    def _deleted(self, name: str, action: Action) -> Bundle | None:
        try:
            found = self._retrier.read(lambda: self._client.get_deleted(name, action))
        except NotFoundError:
            return None
        return require_name(found, self._place(name), action)

    def _raise_if_deleted(self, name: str, action: Action) -> None:
        try:
            deleted = self._deleted(name, action)
        except ForbiddenError:
            # A reader's role need not see deleted secrets; "not found" stays true for it.
            return
        if deleted is not None:
            raise soft_deleted(self._place(name), action, deleted.version)

    def _state_of(self, name: str, versions: list[Bundle]) -> SecretState:
        newest = max(versions, key=_made)
        if sum(_made(version) == _made(newest) for version in versions) > 1:
            try:
                newest = self._get(name, None, Action.DESCRIBE)
            except DisabledError:
                return SecretState(name, StoreState.DISABLED, None, newest.attributes)
        return SecretState(name, _state(newest), newest.version, newest.attributes)

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
            raise ForbiddenError(self._place(name), Action.DELETE, reason, remedy, permission="soft delete")
        self._change(name, Action.DELETE, self._client.delete, lambda: self._newest(name, Action.DELETE) is None)
        # Until then it can neither be recovered nor told from a name that never was.
        try:
            self._poll(name, Action.DELETE, lambda: self._deleted(name, Action.DELETE) is not None)
        except ForbiddenError:
            # The right to delete does not bring the right to look at what is deleted.
            return

    def check_deletion(self, base: RemoteSecret) -> tuple[Problem, ...]:
        if base.attributes.managed:
            return (Problem(Code.MANAGED, base.name, *MANAGED),)
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
            raise StoreError(self._place(name), action, reason, remedy, Code.MANAGED)
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
                raise StoreError(self._place(name), action, reason, "run again in a minute", Code.UNAVAILABLE)
            clock.sleep(_POLL_SECONDS)
