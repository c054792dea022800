"""Implements SecretWriter for Azure Key Vault on Microsoft's SDK; the only module that imports azure."""

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from azure.core.exceptions import (
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.policies import RedirectPolicy, RetryPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.keyvault.secrets import DeletedSecret, KeyVaultSecret, SecretClient, SecretProperties

from compiler.model.address import is_loopback, parse_address
from compiler.model.store_address import StoreAddress
from compiler.stores.azure_key_vault.bundle import Bundle
from compiler.stores.azure_key_vault.connection import connection_error, require_proxy, server_of, verified
from compiler.stores.azure_key_vault.credential import (
    TOKEN_VARIABLE,
    no_token,
    no_token_in_time,
    shared_credential,
)
from compiler.stores.azure_key_vault.errors import Answer, Denial, error_of
from compiler.stores.azure_key_vault.identity import Credential, ForeignResourceError, NoTokenError, NoTokenInTimeError
from compiler.stores.azure_key_vault.session import ForeignHostError, VaultSession, authorities, proxy_for
from compiler.stores.azure_key_vault.writing import KeyVaultWriter
from compiler.stores.errors import (
    Action,
    RedirectRefusedError,
    StoreError,
    StoreLocation,
    UnauthenticatedError,
    UnexpectedReplyError,
)
from compiler.stores.interface import Attributes, Identity
from compiler.stores.options import StoreOptions
from compiler.stores.sending.deadline import held
from compiler.stores.sending.limiter import KEY_VAULT_QUOTAS, Limiter
from compiler.stores.sending.quiet_logs import silence
from compiler.stores.sending.retry import Retrier, Waits
from compiler.stores.values.secret import SecretValue

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

T = TypeVar("T")
EMULATOR_VARIABLE: Final = "AZURE_KEYVAULT_EMULATOR"
API_VERSION_VARIABLE: Final = "AZURE_KEYVAULT_API_VERSION"
_OK: Final = 200
_UNAUTHORISED: Final = 401


class AzureKeyVaultStore(KeyVaultWriter):
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


class SdkClient:
    """Implements VaultClient on the SDK, whose own retries, redirects and logging are off."""

    def __init__(
        self, address: StoreAddress, environ: Mapping[str, str], options: StoreOptions, credential: Credential | None
    ) -> None:
        # The second is what the credentials log in by.
        silence("azure", "msal")
        self._store = address.absolute
        url = address.url.rstrip("/")
        named_by, named = authorities(address.ca, environ)
        self._server = server_of(url, (named_by, named))
        verify = verified(StoreLocation(self._store), url, Path(named) if named else None, named_by)
        require_proxy(StoreLocation(self._store), proxy_for(url))
        is_emulator = _is_emulator(url, environ)
        self._credential = shared_credential(
            credential, environ, url, StoreLocation(self._store), is_emulator=is_emulator
        )
        self._session = VaultSession(url, options.workers, self._credential.forget)
        self._client = SecretClient(
            url,
            # Its annotation names azure's own token class; any named tuple of the same two fields does.
            cast("TokenCredential", self._credential),
            transport=RequestsTransport(
                session=self._session,
                session_owner=False,
                use_env_settings=False,
                # A transport of one's own drops what is given to the client instead.
                connection_verify=verify,
                connection_timeout=options.connect_timeout,
                read_timeout=options.read_timeout,
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
        self._session.close()
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
        if isinstance(error, ServiceRequestError | ServiceResponseError | IncompleteReadError):
            return connection_error(error, self._server, place, action)
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
