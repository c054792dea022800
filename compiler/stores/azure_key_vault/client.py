"""Calls one Key Vault through Microsoft's SDK over the stores' HTTP transport, and finds what the vault would refuse.

azure-core's own transport reads variables and .netrc entries for each request, keeps cookies, and waits for a reply
that trickles without end.
"""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from http.client import HTTPS_PORT, HTTPException
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import DecodeError, HttpResponseError, ServiceRequestError
from azure.core.pipeline.policies import RedirectPolicy, RetryPolicy
from azure.core.pipeline.transport import HttpResponse, HttpTransport
from azure.keyvault.secrets import SecretClient, SecretProperties
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from compiler.model.facts import has_more_values
from compiler.model.store import Address, StoreAddress, is_loopback, parse_address
from compiler.stores.azure_key_vault.log_in import NoTokenError, shared_credential
from compiler.stores.azure_key_vault.provider import SECRET_NAME, cloud_of
from compiler.stores.azure_key_vault.replies import Bundle, answer_of, bundle_of, error_of, unexpected_reply
from compiler.stores.errors import Action, Code, Server, StoreError, StoreLocation, no_answer
from compiler.stores.http import (
    MOST_VALUES,
    HttpReply,
    Proxy,
    ReplyTooLargeError,
    Transport,
    authorities_of,
    clock_drift,
    parse_proxy,
    silence,
    trusting,
)
from compiler.stores.interface import Attributes, Identity, Problem, StoreOptions
from compiler.stores.pacing import acquire_within_deadline, note_answer
from compiler.stores.secret_value import UNWRITABLE, SecretValue, Trait, traits

# The SDK's own.
DEFAULT_AUTHORITIES: Final = DEFAULT_CA_BUNDLE_PATH
_UNAUTHORISED = 401
_SERVER_ERROR = 500
_FORM = "application/x-www-form-urlencoded"


class ForeignHostError(Exception):
    """A request was about to leave for a host that is not the vault's, such as a page link in a forged list."""


class SdkReply(HttpResponse):
    """A reply in the form that the SDK's clients read."""

    def __init__(self, request: Any, reply: HttpReply) -> None:  # noqa: ANN401 - either of azure-core's two classes
        super().__init__(request, reply)
        self.status_code, self.headers = reply.status, reply.headers  # type: ignore[assignment] # a mapping as it wants
        self.content_type = reply.headers.get("content-type")
        self.reason = ""

    def body(self) -> bytes:
        content: bytes = self.internal_response.content
        return content

    read = body

    def json(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.text())


class SdkTransport(HttpTransport[Any, Any]):
    """Sends requests to any server, through the environment's proxies, for log-ins; raises the SDK's own errors."""

    def __init__(
        self, authorities: Callable[[], ssl.SSLContext], connect_timeout: float = 5.0, read_timeout: float = 30.0
    ) -> None:
        self._authorities = authorities
        self._timeouts = {"connect_timeout": connect_timeout, "read_timeout": read_timeout}
        self._transports: dict[tuple[str, str, int | None], Transport] = {}

    def open(self) -> None:
        """Connections are opened by the first request."""

    def close(self) -> None:
        for transport in self._transports.values():
            transport.close()

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def send(self, request: Any, **given: Any) -> SdkReply:  # noqa: ANN401 - either of azure-core's two classes
        """Send the request once. Raises ServiceRequestError, and ValueError for a reply that cannot be used."""
        try:
            url = parse_url(request.url)
        except LocationParseError:
            raise ForeignHostError from None
        headers, body = dict(request.headers), request.data
        if isinstance(body, Mapping):
            headers.setdefault("Content-Type", _FORM)
            body = urlencode(body)
        sent = body.encode() if isinstance(body, str) else body
        try:
            transport = self._transport_to(url)
            reply = transport.request(request.method, url.request_uri, headers, sent, given.get("connection_timeout"))
        except (OSError, HTTPException) as error:
            raise ServiceRequestError("no reply", error=error) from error
        # The SDK parses it.
        if has_more_values(reply.content.decode("latin-1"), MOST_VALUES):
            raise ReplyTooLargeError
        return SdkReply(request, reply)

    def _transport_to(self, url: Url) -> Transport:
        origin = url.scheme or "", (url.host or "").strip("[]"), url.port
        if (known := self._transports.get(origin)) is not None:
            return known
        proxy = proxy_to(url)
        context = self._authorities() if url.scheme == "https" else None
        made = Transport(Address(*origin, ""), context, proxy, **self._timeouts)
        return self._transports.setdefault(origin, made)


# What log-in servers are checked by, where it is not the SDK's own authorities.
_LOG_IN_CA_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def log_in_transport(environ: Mapping[str, str], place: StoreLocation) -> SdkTransport:
    """The way to the servers that log in to the vault at `place`; their authorities are read for the first request."""
    authorities = authorities_of(None, environ, _LOG_IN_CA_VARIABLES)
    return SdkTransport(lambda: trusting(authorities, place, DEFAULT_AUTHORITIES))


class VaultTransport(SdkTransport):
    """Refuses every URL outside the vault's origin before a byte is sent: no token and no value goes elsewhere.

    `on_refused` is called with a token that the vault did not accept, before the SDK asks for another.
    """

    def __init__(
        self,
        vault_url: str,
        context: ssl.SSLContext,
        on_refused: Callable[[str], None],
        connect_timeout: float,
        read_timeout: float,
    ) -> None:
        super().__init__(lambda: context, connect_timeout, read_timeout)
        self._on_refused = on_refused
        self.clock_ahead = timedelta()
        self._origin = _origin(parse_url(vault_url))
        # Now: what the variables hold later is none of this session's.
        self._transport = super()._transport_to(parse_url(vault_url))

    def send(self, request: Any, **given: Any) -> SdkReply:  # noqa: ANN401 - as above
        reply = super().send(request, **given)
        if reply.status_code < _SERVER_ERROR:
            # Now: a credential may take longer than a first contact, and is asked after the vault's challenge.
            note_answer()
            self.clock_ahead = clock_drift(reply.headers.get("date"))
        token = request.headers.get("Authorization")
        if reply.status_code == _UNAUTHORISED and token is not None:
            self._on_refused(str(token).partition(" ")[2])
        return reply

    def _transport_to(self, url: Url) -> Transport:
        if _origin(url) != self._origin:
            raise ForeignHostError
        return self._transport


def _origin(url: Url) -> tuple[str | None, str | None, int]:
    # Key Vault writes its own port into page links, clients do not.
    return url.scheme, url.host, url.port or 443


def proxy_to(url: Url) -> Proxy | None:
    """The proxy that the environment names for a server, if any. Raises a StoreError, invalid-name, for SOCKS."""
    named: str | None = select_proxy(url.url, get_environ_proxies(url.url))
    proxy = None if named is None else parse_proxy(named, "http", "https")
    if named is not None and proxy is None:
        # Its text is not shown: it may hold a password.
        reason, place = "HTTPS_PROXY or ALL_PROXY is not an http:// proxy address", f"{url.scheme}://{url.netloc}"
        remedy = "correct it, or set NO_PROXY"
        raise StoreError(StoreLocation(place), Action.CONNECT, reason, remedy, Code.INVALID_NAME)
    return proxy


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


class SdkClient:
    """One request each, sent once by the SDK, whose own retries, redirects and logging are off.

    Raises StoreErrors only. A page comes with the token of the next one, None after the last.
    """

    def __init__(
        self,
        address: StoreAddress,
        environ: Mapping[str, str],
        options: StoreOptions,
        credential: TokenCredential | None,
    ) -> None:
        # The second is what the credentials log in by.
        silence("azure", "msal")
        self._store = address.absolute
        url = address.url.rstrip("/")
        place = StoreLocation(self._store)
        require_https(place, url)
        authorities = authorities_of(address.ca, environ, CA_VARIABLES)
        self._server = server_of(url, authorities)
        context = trusting(authorities, place, DEFAULT_AUTHORITIES)
        is_emulator = _is_emulator(url, environ)
        self._credential = shared_credential(
            credential, environ, url, place, lambda: log_in_transport(environ, place), is_emulator=is_emulator
        )
        self._transport = VaultTransport(
            url, context, self._credential.forget, options.connect_timeout, options.read_timeout
        )
        self._client = SecretClient(
            url,
            self._credential,
            transport=self._transport,
            retry_policy=RetryPolicy.no_retries(),
            redirect_policy=RedirectPolicy.no_redirects(),
            logging_enable=False,
            verify_challenge_resource=not is_emulator,
            **({"api_version": version} if (version := environ.get(API_VERSION_VARIABLE)) else {}),
        )
        _work_out_fields(self._client)
        self._first_call = threading.Lock()
        self._warm = False

    def get(self, name: str, version: str | None, action: Action) -> Bundle:
        return self._call(name, action, lambda: bundle_of(self._client.get_secret(name, version, cls=_of_text)))

    def set(self, name: str, value: SecretValue, attributes: Attributes) -> Bundle:
        return self._call(
            name,
            Action.WRITE,
            lambda: bundle_of(
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
        return self._call(name, action, lambda: bundle_of(self._client.get_deleted_secret(name)))

    def delete(self, name: str) -> Bundle:
        # The poller is asked for the reply that it came with, and never to wait: it would poll past limiter and clock.
        return self._call(name, Action.DELETE, lambda: bundle_of(self._client.begin_delete_secret(name).result()))

    def recover(self, name: str) -> Bundle:
        return self._call(
            name, Action.RECOVER, lambda: bundle_of(self._client.begin_recover_deleted_secret(name).result())
        )

    def page_of_secrets(self, token: str | None) -> tuple[list[Bundle], str | None]:
        return self._page(None, Action.LIST, lambda: self._client.list_properties_of_secrets().by_page(token))

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
            found = [bundle_of(item) for item in next(iterator)]
            return found, iterator.continuation_token or None

        return self._call(name, action, send)

    def _call(self, name: str | None, action: Action, send: Callable[[], T]) -> T:
        if not self._warm:
            # The first answer brings the challenge and the token; threads that start cold would ask for one each.
            try:
                with acquire_within_deadline(self._first_call):
                    if not self._warm:
                        return self._attempt(name, action, send)
            except TimeoutError as error:
                raise connection_error(error, self._server, StoreLocation(self._store, name), action) from None
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
            return StoreError(StoreLocation(self._store), Action.LOG_IN, error.reason, error.remedy, error.code)
        if isinstance(error, ForeignHostError):
            reason = "a reply points to another host, which would get the token"
            return StoreError(place, action, reason, "check the vault's URL", Code.REDIRECT_REFUSED)
        if isinstance(error, ServiceRequestError) and error.inner_exception is not None:
            return connection_error(error.inner_exception, self._server, place, action)
        if isinstance(error, HttpResponseError) and not isinstance(error, DecodeError) and error.response is not None:
            answer = answer_of(error, worked_before=self._warm, credential=self._credential.label)
            if answer.status != _UNAUTHORISED and answer.is_key_vaults:
                self._warm = True
            if answer.status != _OK:
                return error_of(answer, place, action)
        if isinstance(error, ValueError) and "challenge" in str(error):
            reason = "it asks for a token for another resource than its own host, so none was sent"
            remedy = f"check the vault's URL; for an emulator on this machine set {EMULATOR_VARIABLE}=1"
            return StoreError(StoreLocation(self._store), Action.LOG_IN, reason, remedy, Code.UNAUTHENTICATED)
        return unexpected_reply("the reply is not Key Vault's JSON", place, action)


def _work_out_fields(client: SecretClient) -> None:
    """Has the SDK work out the fields of its classes now, in one thread.

    It fails where two threads do that at the same time (github.com/Azure/azure-sdk-for-python, issue 47426): such a
    write is not sent, and looks like a broken reply.
    """
    models = getattr(client, "_models", None)
    for kind in vars(models).values() if models is not None else ():
        if hasattr(kind, "_calculated"):
            kind.__new__(kind)


def _is_emulator(url: str, environ: Mapping[str, str]) -> bool:
    address = parse_address(url)
    return environ.get(EMULATOR_VARIABLE) == "1" and address is not None and is_loopback(address.host)


def _of_text(_response: object, shown: Mapping[str, object], _headers: object) -> Mapping[str, object]:
    """Return what the SDK parsed; TypeError for a value that is not text: the SDK makes `1.1` of 1.10."""
    if not isinstance(shown.get("value"), str | None):
        raise TypeError
    return shown


# https://learn.microsoft.com/azure/key-vault/secrets/about-secrets; the SDK checks none of these.
MAX_VALUE_BYTES: Final = 25_600
MAX_TAGS: Final = 15
MAX_TAG_NAME: Final = 512
MAX_TAG_VALUE: Final = 256
MAX_CONTENT_TYPE: Final = 255
BAD_NAME: Final = ("the name is not valid in Key Vault", "use 1 to 127 letters, digits and hyphens, no hyphen first")
_UNWRITABLE_REASONS: Final = {
    Trait.EMPTY: ("the value is empty", "give it a value, or leave the key out"),
    Trait.LONE_SURROGATE: ("the value is not valid Unicode text", "encode it, for example as Base64"),
    Trait.NUL: ("the value has a NUL character", "encode it, for example as Base64"),
}


def name_problems(name: str) -> tuple[Problem, ...]:
    return () if SECRET_NAME.fullmatch(name) else (Problem(Code.INVALID_NAME, name, *BAD_NAME),)


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


def form_problem(name: str) -> Problem:
    reason = "its value is not a JSON object with distinct names, so it has no properties to change"
    return Problem(Code.MALFORMED_DOCUMENT, name, reason, "write the whole value, or repair it by hand")
