"""Calls one Key Vault through Microsoft's SDK, and turns its refusals and failed exchanges into StoreErrors."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http.client import HTTPS_PORT
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import DecodeError, HttpResponseError, ServiceRequestError
from azure.core.pipeline.policies import RedirectPolicy, RetryPolicy
from azure.keyvault.secrets import DeletedSecret, KeyVaultSecret, SecretClient, SecretProperties

from compiler.model.store import StoreAddress, is_loopback, parse_address
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
from compiler.stores.azure_key_vault.provider import cloud_of
from compiler.stores.azure_key_vault.transport import DEFAULT_AUTHORITIES, ForeignHostError, VaultTransport
from compiler.stores.errors import (
    Action,
    Code,
    DisabledError,
    ForbiddenError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    StoreLocation,
)
from compiler.stores.http import silence
from compiler.stores.interface import Attributes, Identity, StoreOptions
from compiler.stores.no_answer import Server, named_authorities, no_answer, trusting
from compiler.stores.pacing import held, parse_retry_after
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import BLANK, shell_line


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version; `value` is None in lists and of deleted secrets."""

    name: str
    version: str | None
    value: SecretValue | None
    attributes: Attributes


_PERMISSIONS: Final = {
    Action.READ: "secrets/get",
    Action.DESCRIBE: "secrets/list",
    Action.LIST: "secrets/list",
    Action.WRITE: "secrets/set",
    Action.TAG: "secrets/set",
    Action.DELETE: "secrets/delete",
    Action.RECOVER: "secrets/recover",
}
_READING: Final = frozenset({Action.READ, Action.DESCRIBE, Action.LIST})
# How Key Vault says that a secret, a version of it or a deleted one is not there.
_ABSENT: Final = "SecretNotFound"
# Characters of a message that are looked at.
_LONGEST_MESSAGE: Final = 4096
# A policy does not say in a code what it wants.
_DENIED: Final = "refused by policy: its expiry date or its content type is missing or not allowed"
_BUSY: Final = frozenset({"ObjectIsBeingDeleted", "ObjectIsBeingRecovered", "ObjectIsBeingPurged"})


class Denial(StrEnum):
    """The kinds of ForbiddenByPolicy, which only the beginning of its message tells apart."""

    ACCESS_POLICY = "access-policy"
    ON_BEHALF_OF = "on-behalf-of"

    @classmethod
    def of(cls, message: str | None) -> Denial | None:
        """The kind of a message of Key Vault, of which nothing is shown; None for any other."""
        if message is None or len(message) > _LONGEST_MESSAGE:
            return None
        if message.startswith("The policy requires the caller '"):
            return cls.ON_BEHALF_OF
        is_denial = message.startswith("The user, group or application '") and "' does not have secrets" in message
        return cls.ACCESS_POLICY if is_denial else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What may be copied from an error's reply: no body, no message (a proxy may have written it), no request.

    `denial` is what the message of a ForbiddenByPolicy begins with, where that is known. `is_key_vaults` says that the
    body had Key Vault's error form; `worked_before` that an earlier request was accepted. `credential` names where the
    token comes from.
    """

    status: int
    code: str | None = None
    inner: str | None = None
    retry_after: str | None = None
    is_key_vaults: bool = False
    worked_before: bool = False
    credential: str = "the credential"
    denial: Denial | None = None


def error_of(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    """Return the error for an answer that is no success."""
    status = answer.status
    if 300 <= status < 400:  # noqa: PLR2004 - the redirects
        reason = f"it answered with a redirect (status {status}), which is not followed, as the token would go there"
        return StoreError(
            place, action, reason, "check the vault's URL and the proxy in between", Code.REDIRECT_REFUSED
        )
    if status == 429:  # noqa: PLR2004
        reason = "the vault is throttling requests"
        remedy = "run again later, or with fewer workers"
        return StoreError(
            place, action, reason, remedy, Code.THROTTLED, retry_after=parse_retry_after(answer.retry_after)
        )
    if status >= 500 or status == 408:  # noqa: PLR2004
        return StoreError(place, action, f"it answered with status {status}", "run again later", Code.UNAVAILABLE)
    if status == 401:  # noqa: PLR2004
        return _unauthenticated(answer, place, action)
    if not answer.is_key_vaults:
        reason = f"a server that is not Key Vault answered with status {status}"
        return StoreError(
            place, action, reason, "check the vault's URL and the proxy in between", Code.UNEXPECTED_REPLY
        )
    if status == 403:  # noqa: PLR2004
        return _forbidden(answer, place, action)
    if status == 404:  # noqa: PLR2004
        return _missing(answer, place, action)
    if status == 409:  # noqa: PLR2004
        return _conflict(answer, place, action)
    reason = f'Key Vault refused the request with status {status} and code "{_word(answer.code)}"'
    return StoreError(
        place, action, reason, "check the value, tags, content type and dates against its limits", Code.INVALID_VALUE
    )


def _unauthenticated(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    if answer.credential == TOKEN_VARIABLE:
        return _fixed_token_rejected(answer, place, action)
    if answer.worked_before:
        reason = f"the token of {answer.credential} expired or was revoked, and a new one was rejected"
        remedy = f"log in again (`{shell_line('az', 'login')}`), then run the same command again"
        return StoreError(place, action, reason, remedy, Code.EXPIRED_TOKEN)
    reason = f"the token of {answer.credential} was rejected"
    log_in = shell_line("az", "login", "--tenant", BLANK)
    remedy = f"log in to the vault's own tenant (`{log_in}`) or name another credential"
    return StoreError(place, action, reason, remedy, Code.UNAUTHENTICATED)


def _fixed_token_rejected(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    # No log-in replaces it while the variable is set.
    if answer.worked_before:
        reason, remedy = "expired or was revoked", f"renew {TOKEN_VARIABLE}, then run the same command again"
        return StoreError(place, action, f"the token of {TOKEN_VARIABLE} {reason}", remedy, Code.EXPIRED_TOKEN)
    way = f"with a token of the vault's own tenant, or unset it to log in otherwise (`{shell_line('az', 'login')}`)"
    return StoreError(
        place,
        action,
        f"the token of {TOKEN_VARIABLE} was rejected",
        f"renew {TOKEN_VARIABLE} {way}",
        Code.UNAUTHENTICATED,
    )


def _missing(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    if answer.code == _ABSENT and place.name is not None:
        return NotFoundError(place, action, "the store has no such secret", "create it, or correct its name")
    reason = f'status 404 with code "{_word(answer.code)}" does not mean that the secret is missing'
    return StoreError(place, action, reason, "check the vault's URL and the proxy in between", Code.UNEXPECTED_REPLY)


def _forbidden(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    permission = _PERMISSIONS.get(action, "secrets/get")
    if answer.inner == "ForbiddenByPolicy" and answer.denial is None and action in (Action.WRITE, Action.TAG):
        # Not a ForbiddenError: no right is missing, and the next secret may be allowed.
        # Nor is it certain: an access policy's denial may have come in other words.
        way = "set requireExpiry, maxValidity and minValidity as the policy has them and run again"
        remedy = f"{way}, or ask for {permission}"
        return StoreError(place, action, _DENIED, remedy, Code.REFUSED_BY_POLICY)
    is_of_store = False
    match answer.denial if answer.inner == "ForbiddenByPolicy" and answer.denial is not None else answer.inner:
        case "SecretDisabled":
            words = ("set-attributes", "--id", _id(place, "secrets"), "--enabled", "true")
            command = shell_line("az", "keyvault", "secret", *words)
            remedy = f"enable its newest version (`{command}`)"
            return DisabledError(place, action, "its newest version is disabled", remedy)
        case "ForbiddenByRbac":
            # Of a role this is a right of its own; an access policy has one for both.
            permission = "secrets/update" if action is Action.TAG else permission
            reason = f"no role assignment of the caller grants {permission}"
            # Not "Key Vault Secrets Officer" for writing: it may purge, which this program never does.
            role = '"Key Vault Secrets User"' if action in _READING else "a custom role that cannot purge"
            remedy = f"assign {role}, with {permission}, and wait some minutes until it takes effect"
        case "AccessDenied" | Denial.ACCESS_POLICY:
            reason = f"the vault's access policy does not grant the caller {permission}"
            word = permission.partition("/")[2]
            command = shell_line("az", "keyvault", "set-policy", "--secret-permissions", word)
            remedy = f"add it (`{command}`)"
        case "ForbiddenByFirewall":
            is_of_store, reason = True, "the vault's firewall blocks this network"
            remedy = "add this address to the vault's network rules, or run from an allowed network"
        case Denial.ON_BEHALF_OF:
            reason = "the vault's access policy grants it only to an application that acts on behalf of the caller"
            remedy = f"add an access policy with {permission} for the caller alone, without an application"
        case _:
            reason = f'the vault denies it with code "{_word(answer.inner or answer.code)}"'
            remedy = f"ask the vault's owner for {permission}"
            if action is Action.WRITE:
                remedy += "; a policy of the vault may want an expiry date"
    return ForbiddenError(place, action, reason, remedy, permission=permission, is_of_store=is_of_store)


def _conflict(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    if answer.inner == "ObjectIsDeletedButRecoverable":
        return soft_deleted(place, action)
    if answer.inner in _BUSY:
        return StoreError(
            place, action, "the name is still being deleted or recovered", "run again in a minute", Code.BUSY
        )
    reason = f'Key Vault reports a conflict with code "{_word(answer.inner or answer.code)}"'
    return StoreError(place, action, reason, "run again when nobody else is changing this secret", Code.BUSY)


def soft_deleted(place: StoreLocation, action: Action, version: str | None = None) -> SoftDeletedError:
    """Return the error for a name that is deleted and recoverable; `version` is the deleted one."""
    command = shell_line("az", "keyvault", "secret", "recover", "--id", _id(place, "deletedsecrets"))
    remedy = f"recover it (`{command}`, or `--recover` of put, restore or migrate)"
    return SoftDeletedError(place, action, "it is soft-deleted", remedy, version=version)


def _id(place: StoreLocation, kind: str) -> str:
    return f"{place.store}/{kind}/{place.name}"


def _word(code: str | None) -> str:
    # A code is one word in Key Vault's answers; whatever else a stranger sends is not shown.
    return code if code is not None and code.isascii() and code.isalnum() and len(code) <= 64 else "unknown"  # noqa: PLR2004


CA_VARIABLE: Final = "AZURE_KEYVAULT_CACERT"
# The other two are read by Python's programs, and by what logs in to Azure.
CA_VARIABLES: Final = (CA_VARIABLE, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"})


def require_https(place: StoreLocation, url: str) -> None:
    """Raise a StoreError, tls-failure, for plain http."""
    if urlsplit(url).scheme != "https":
        reason = "its URL is not https, and tokens are never sent in the clear"
        raise StoreError(place, Action.CONNECT, reason, "use https://", Code.TLS_FAILURE)


def server_of(url: str, authorities: tuple[str, str] = ("", "")) -> Server:
    """What the vault's URL names, for messages; `authorities` as Server has them."""
    parts = parse_address(url)
    host, port = ("", None) if parts is None else (parts.host, parts.port)
    setting = "vaultUrl or AZURE_KEYVAULT_NAME"
    why = "there is no such vault, or its private DNS zone is not linked to this network"
    unresolved = None if cloud_of(host) is None else (why, "run where the vault's private endpoint is known")
    return Server("https", host, port or HTTPS_PORT, setting, authorities, CA_VARIABLE, unresolved=unresolved)


def connection_error(error: BaseException, server: Server, place: StoreLocation, action: Action) -> StoreError:
    """Return the error for a connection that could not be made, or broke."""
    is_final = isinstance(error, ssl.SSLCertVerificationError) or getattr(error, "reason", "") in _NOT_TLS
    if isinstance(error, ssl.SSLError) and not is_final:
        # A gateway's alert passes, as that of a balancer that is being replaced.
        error = ConnectionError()
    return no_answer(error, server, place, action)


T = TypeVar("T")
EMULATOR_VARIABLE: Final = "AZURE_KEYVAULT_EMULATOR"
API_VERSION_VARIABLE: Final = "AZURE_KEYVAULT_API_VERSION"
_OK: Final = 200
_UNAUTHORISED: Final = 401


class SdkClient:
    """One request each, sent once by the SDK, whose own retries, redirects and logging are off.

    Raises StoreErrors only; `action` is what a refusal says was being done. A page comes with the token of the next
    one, None after the last. `ask` is for what any answer brings along.
    """

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
        self._transport = VaultTransport(
            url, context, self._credential.forget, options.connect_timeout, options.read_timeout
        )
        self._client = SecretClient(
            url,
            # Its annotation names azure's own token class; any named tuple of the same two fields does.
            cast("TokenCredential", self._credential),
            transport=self._transport,
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

    def set_tags(self, name: str, version: str, tags: Mapping[str, str]) -> Bundle:
        return self._call(
            name,
            Action.TAG,
            # No other attribute is sent, so that each stays as it is.
            lambda: _bundle(self._client.update_secret_properties(name, version, tags=dict(tags))),
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

    @property
    def clock_ahead(self) -> timedelta:
        """How far the vault's clock is ahead of this machine's, as its last answer said."""
        return self._transport.clock_ahead

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
            return StoreError(place, action, reason, "check the vault's URL", Code.REDIRECT_REFUSED)
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
            return StoreError(
                StoreLocation(self._store), Action.LOG_IN, reason, "check the vault's URL", Code.UNAUTHENTICATED
            )
        if isinstance(error, ValueError) and "challenge" in str(error):
            reason = "it asks for a token for another resource than its own host, so none was sent"
            remedy = f"check the vault's URL; for an emulator on this machine set {EMULATOR_VARIABLE}=1"
            return StoreError(StoreLocation(self._store), Action.LOG_IN, reason, remedy, Code.UNAUTHENTICATED)
        reason = "the reply is not Key Vault's JSON"
        return StoreError(
            place, action, reason, "check the vault's URL and the proxy in between", Code.UNEXPECTED_REPLY
        )


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
