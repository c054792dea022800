"""Reads versions, states and the caller's identity from Key Vault; every request is limited and retried."""

from contextlib import suppress
from typing import Final

from compiler.model.store_address import StoreAddress
from compiler.stores.azure_key_vault.answers import require_name, require_version
from compiler.stores.azure_key_vault.bundle import Bundle, VaultClient
from compiler.stores.azure_key_vault.errors import soft_deleted
from compiler.stores.azure_key_vault.limits import is_name, is_version
from compiler.stores.errors import (
    Action,
    DisabledError,
    ForbiddenError,
    InvalidNameError,
    NotFoundError,
    StoreLocation,
    UnauthenticatedError,
    UnexpectedReplyError,
    VersionGoneError,
)
from compiler.stores.interface import Identity, RemoteSecret, SecretState, StoreState, VersionState, VersionStates
from compiler.stores.sending.deadline import one_operation
from compiler.stores.sending.retry import Retrier
from compiler.stores.values.document import NotAnObjectError, read_object
from compiler.stores.values.secret import SecretValue

# Of 25 entries each: more than any secret has versions.
_MOST_PAGES: Final = 10_000


class KeyVaultReader:
    """Implements SecretReader; may be used from many threads."""

    def __init__(self, address: StoreAddress, client: VaultClient, retrier: Retrier) -> None:
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
        gone = VersionGoneError(place, Action.READ, reason, "choose a version that the vault lists", version)
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

    def dropped_by_write(self, name: str) -> None:
        """Key Vault keeps every version of a secret."""
        self._require_name(name, Action.DESCRIBE)

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
        raise UnauthenticatedError(StoreLocation(self._address.absolute), Action.LOG_IN, reason, remedy)

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
            raise InvalidNameError(self._place(name), action, "the name is not valid in Key Vault", remedy)

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
            raise UnexpectedReplyError(place, action, reason, "check the vault's URL and the proxy in between")
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
