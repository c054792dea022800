"""Implements SecretWriter for Azure Key Vault on Microsoft's SDK; the only module that imports azure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar, cast

from azure.core.credentials import TokenCredential
from azure.core.exceptions import DecodeError, HttpResponseError, ServiceRequestError
from azure.core.pipeline.policies import RedirectPolicy, RetryPolicy
from azure.keyvault.secrets import DeletedSecret, KeyVaultSecret, SecretClient, SecretProperties

from compiler.model.address import is_loopback, parse_address
from compiler.model.store import StoreAddress
from compiler.stores.azure_key_vault.client import (
    CA_VARIABLES,
    Answer,
    Bundle,
    Denial,
    connection_error,
    error_of,
    require_https,
    server_of,
)
from compiler.stores.azure_key_vault.log_in import (
    TOKEN_VARIABLE,
    Credential,
    ForeignResourceError,
    NoTokenError,
    NoTokenInTimeError,
    no_token,
    no_token_in_time,
    shared_credential,
)
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
from compiler.stores.azure_key_vault.transport import (
    DEFAULT_AUTHORITIES,
    ForeignHostError,
    VaultTransport,
)
from compiler.stores.deadline import held, one_operation
from compiler.stores.errors import (
    Action,
    InvalidNameError,
    InvalidValueError,
    MalformedDocumentError,
    ManagedError,
    NotFoundError,
    OutcomeUnknownError,
    RedirectRefusedError,
    StoreError,
    StoreLocation,
    TooLargeError,
    UnauthenticatedError,
    UnexpectedReplyError,
    UnfinishedWriteError,
    UnverifiedError,
)
from compiler.stores.http import silence
from compiler.stores.interface import Attributes, Identity, Problem, RemoteSecret, StoreOptions, Use, Written
from compiler.stores.no_answer import named_authorities, trusting
from compiler.stores.pacing import KEY_VAULT_QUOTAS, Limiter, RequestClass, Retrier, Waits
from compiler.stores.secret_value.document import NotAnObjectError, change_object, write_object
from compiler.stores.secret_value.secret import SecretValue

JSON_CONTENT_TYPE: Final = "application/json"
# Versions made in one second have no order: a secret changed this recently is listed before it is written as well.
_RECENT: Final = timedelta(seconds=60)
_ERRORS: Final[Mapping[str, type[StoreError]]] = {
    kind.code: kind
    for kind in (InvalidNameError, InvalidValueError, MalformedDocumentError, ManagedError, TooLargeError)
}


class AzureKeyVaultStore(KeyVaultReader):
    """One vault. `credential` replaces the one that the environment names; nothing is sent before the first use.

    Raises TlsFailureError for an address that is not https or authorities that cannot be read, InvalidNameError for a
    proxy's address that cannot be used.
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
            raise UnverifiedError(self._place(name), Action.WRITE, reason, remedy, made.version or "")
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
        raise UnfinishedWriteError(self._place(name), Action.WRITE, reason, failure.remedy, own)

    def _require_own(self, made: Bundle, name: str, expected: str | None, settle: Callable[[], Bundle | None]) -> None:
        """Raise where the reply to a write is about another secret, or about the version that was there before."""
        place = self._place(name)
        try:
            require_version(made, None, place, Action.WRITE)
            if made.version != expected:
                return
            reason = f"the reply has version {expected}, which existed before"
            mismatch = UnexpectedReplyError(place, Action.WRITE, reason, "do not trust this address")
        except UnexpectedReplyError as error:
            mismatch = error
        if (stored := settle()) is None:
            raise mismatch
        reason = f"{mismatch.reason}, but version {stored.version} has the value that was sent"
        raise UnverifiedError(place, Action.WRITE, reason, mismatch.remedy, stored.version or "")

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
            failure = OutcomeUnknownError(self._place(name), Action.WRITE, reason, remedy)
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
            raise _ERRORS[problem.code](self._place(name), Action.WRITE, subject + problem.reason, problem.remedy)


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
    return Problem(ManagedError.code, name, *MANAGED)


def _managed_problems(base: RemoteSecret | None) -> tuple[Problem, ...]:
    return (_managed(base.name),) if base is not None and base.attributes.managed else ()


T = TypeVar("T")
EMULATOR_VARIABLE: Final = "AZURE_KEYVAULT_EMULATOR"
API_VERSION_VARIABLE: Final = "AZURE_KEYVAULT_API_VERSION"
_OK: Final = 200
_UNAUTHORISED: Final = 401


class SdkClient:
    """Implements VaultClient on the SDK, whose own retries, redirects and logging are off."""

    def __init__(
        self, address: StoreAddress, environ: Mapping[str, str], options: StoreOptions, credential: Credential | None
    ) -> None:
        # The second is what the credentials log in by.
        silence("azure", "msal")
        self._store = address.absolute
        url = address.url.rstrip("/")
        place = StoreLocation(self._store)
        require_https(place, url)
        authorities = named_authorities(address.ca, environ, CA_VARIABLES)
        self._server = server_of(url, authorities)
        context = trusting(authorities, place, DEFAULT_AUTHORITIES)
        is_emulator = _is_emulator(url, environ)
        self._credential = shared_credential(credential, environ, url, place, is_emulator=is_emulator)
        self._client = SecretClient(
            url,
            # Its annotation names azure's own token class; any named tuple of the same two fields does.
            cast("TokenCredential", self._credential),
            transport=VaultTransport(
                url, context, self._credential.forget, options.connect_timeout, options.read_timeout
            ),
            retry_policy=RetryPolicy.no_retries(),
            redirect_policy=RedirectPolicy.no_redirects(),
            logging_enable=False,
            verify_challenge_resource=not is_emulator,
            **({"api_version": version} if (version := environ.get(API_VERSION_VARIABLE)) else {}),
        )
        self._first_call = threading.Lock()
        self._warm = False

    def get(self, name: str, version: str | None, action: Action) -> Bundle:
        return self._call(name, action, lambda: _bundle(self._client.get_secret(name, version, cls=_of_text)))

    def set(self, name: str, value: SecretValue, attributes: Attributes) -> Bundle:
        return self._call(
            name,
            Action.WRITE,
            lambda: _bundle(
                self._client.set_secret(
                    name,
                    value.reveal(),
                    enabled=attributes.enabled,
                    tags=dict(attributes.tags) or None,
                    content_type=attributes.content_type,
                    not_before=attributes.not_before,
                    expires_on=attributes.expires,
                    cls=_of_text,
                )
            ),
        )

    def get_deleted(self, name: str, action: Action) -> Bundle:
        return self._call(name, action, lambda: _bundle(self._client.get_deleted_secret(name)))

    def delete(self, name: str) -> Bundle:
        # The poller is asked for the reply that it came with, and never to wait: it would poll past limiter and clock.
        return self._call(name, Action.DELETE, lambda: _bundle(self._client.begin_delete_secret(name).result()))

    def recover(self, name: str) -> Bundle:
        return self._call(
            name, Action.RECOVER, lambda: _bundle(self._client.begin_recover_deleted_secret(name).result())
        )

    def ask(self) -> None:
        self._page(None, Action.LIST, lambda: self._client.list_properties_of_secrets().by_page())

    def page_of_versions(self, name: str, token: str | None, action: Action) -> tuple[list[Bundle], str | None]:
        return self._page(name, action, lambda: self._client.list_properties_of_secret_versions(name).by_page(token))

    def identity(self) -> Identity | None:
        return self._credential.identity()

    def close(self) -> None:
        self._client.close()
        self._credential.close()

    def _page(
        self, name: str | None, action: Action, pages: Callable[[], Iterator[Iterator[SecretProperties]]]
    ) -> tuple[list[Bundle], str | None]:
        def send() -> tuple[list[Bundle], str | None]:
            iterator: Any = pages()
            # One page: the rest is asked for by its token, so that a failure repeats this page and not the list.
            found = [_bundle(item) for item in next(iterator)]
            return found, iterator.continuation_token or None

        return self._call(name, action, send)

    def _call(self, name: str | None, action: Action, send: Callable[[], T]) -> T:
        if not self._warm:
            # The first answer brings the challenge and the token; threads that start cold would ask for one each.
            try:
                with held(self._first_call):
                    if not self._warm:
                        return self._attempt(name, action, send)
            except TimeoutError as error:
                failure = connection_error(error, self._server, StoreLocation(self._store, name), action)
                raise failure from None
        return self._attempt(name, action, send)

    def _attempt(self, name: str | None, action: Action, send: Callable[[], T]) -> T:
        place = StoreLocation(self._store, name)
        try:
            result = send()
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises holds the request, with value and token
            failure = self._failure(error, place, action)
        else:
            self._warm = True
            return result
        # Outside the handler: as the context of ours, the SDK's error would stay within reach of a traceback's reader.
        raise failure

    def _failure(self, error: Exception, place: StoreLocation, action: Action) -> StoreError:
        if isinstance(error, NoTokenError):
            return no_token(error, StoreLocation(self._store), self._credential.method)
        if isinstance(error, NoTokenInTimeError):
            return no_token_in_time(StoreLocation(self._store), self._credential.method)
        if isinstance(error, ForeignHostError):
            reason = "a reply points to another host, which would get the token"
            return RedirectRefusedError(place, action, reason, "check the vault's URL")
        if isinstance(error, ServiceRequestError) and error.inner_exception is not None:
            return connection_error(error.inner_exception, self._server, place, action)
        if isinstance(error, HttpResponseError) and not isinstance(error, DecodeError) and error.response is not None:
            answer = _answer(error, worked_before=self._warm, credential=self._credential.shown)
            if answer.status != _UNAUTHORISED and answer.is_key_vaults:
                self._warm = True
            if answer.status != _OK:
                return error_of(answer, place, action)
        if isinstance(error, ForeignResourceError):
            reason = f"it asks for a token for another resource than that of {TOKEN_VARIABLE}, so none was sent"
            return UnauthenticatedError(StoreLocation(self._store), Action.LOG_IN, reason, "check the vault's URL")
        if isinstance(error, ValueError) and "challenge" in str(error):
            reason = "it asks for a token for another resource than its own host, so none was sent"
            remedy = f"check the vault's URL; for an emulator on this machine set {EMULATOR_VARIABLE}=1"
            return UnauthenticatedError(StoreLocation(self._store), Action.LOG_IN, reason, remedy)
        reason = "the reply is not Key Vault's JSON"
        return UnexpectedReplyError(place, action, reason, "check the vault's URL and the proxy in between")


def _is_emulator(url: str, environ: Mapping[str, str]) -> bool:
    address = parse_address(url)
    return environ.get(EMULATOR_VARIABLE) == "1" and address is not None and is_loopback(address.host)


def _of_text(_response: object, shown: Mapping[str, object], _headers: object) -> Mapping[str, object]:
    """Return what the SDK parsed; TypeError for a value that is not text: the SDK makes `1.1` of 1.10."""
    if not isinstance(shown.get("value"), str | None):
        raise TypeError
    return shown


def _bundle(shown: KeyVaultSecret | DeletedSecret | SecretProperties) -> Bundle:
    properties = shown if isinstance(shown, SecretProperties) else shown.properties
    value = shown.value if isinstance(shown, KeyVaultSecret) else None
    level = properties.recovery_level
    attributes = Attributes(
        enabled=properties.enabled is not False,
        expires=_time(properties.expires_on),
        not_before=_time(properties.not_before),
        content_type=properties.content_type,
        tags=dict(properties.tags or {}),
        created=_time(properties.created_on),
        updated=_time(properties.updated_on),
        managed=bool(properties.managed),
        # No level is what an emulator says; a level without the word means that a delete destroys.
        is_recoverable=level is None or "recoverable" in str(getattr(level, "value", level)).lower(),
    )
    return Bundle(
        name=properties.name or "",
        version=properties.version,
        value=None if value is None else SecretValue(value),
        attributes=attributes,
    )


def _time(told: object) -> datetime | None:
    # A number without bounds is no date, and the SDK hands it on as it came.
    if told is None or isinstance(told, datetime):
        return told
    raise TypeError


def _answer(error: HttpResponseError, *, worked_before: bool, credential: str) -> Answer:
    parsed = error.error
    code = parsed.code if parsed is not None and isinstance(parsed.code, str) else None
    inner = parsed.innererror.get("code") if parsed is not None and isinstance(parsed.innererror, Mapping) else None
    headers: Mapping[str, str] = getattr(error.response, "headers", None) or {}
    return Answer(
        status=error.status_code or 0,
        code=code,
        inner=inner if isinstance(inner, str) else None,
        denial=Denial.of(parsed.message if parsed is not None and isinstance(parsed.message, str) else None),
        retry_after=headers.get("Retry-After"),
        is_key_vaults=code is not None,
        worked_before=worked_before,
        credential=credential,
    )
