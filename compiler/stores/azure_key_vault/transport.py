"""Sends the requests of Microsoft's SDK over the stores' HTTP transport: to one Key Vault, and to log-in servers.

azure-core's own transport is not used: it reads variables and .netrc entries for each request, keeps cookies, and waits
for a reply that trickles without end.
"""

import json
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlencode

from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport import HttpResponse, HttpTransport
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from compiler.model.facts import has_more_values
from compiler.model.store import Address
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.http import MOST_VALUES, HttpReply, Proxy, ReplyTooLargeError, Transport, parse_proxy
from compiler.stores.pacing import note_answer

# The SDK's own.
DEFAULT_AUTHORITIES: Final = DEFAULT_CA_BUNDLE_PATH
_UNAUTHORISED = 401
_SERVER_ERROR = 500
# Tokens would not work with clocks that are further apart.
_MOST_DRIFT = timedelta(days=1)
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
    """Sends requests to any server, through the proxies that the environment names; for log-ins.

    `authorities` is what checks a server's certificate. The SDK's own errors stand for those of a connection.
    """

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
        proxy = usable_proxy(StoreLocation(f"{url.scheme}://{url.netloc}"), proxy_for(url.url))
        context = self._authorities() if url.scheme == "https" else None
        made = Transport(Address(*origin, ""), context, proxy, **self._timeouts)
        return self._transports.setdefault(origin, made)


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
            self.clock_ahead = _ahead(reply.headers.get("date"))
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


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for a server; None where there is none, or the server is exempt."""
    found: str | None = select_proxy(url, get_environ_proxies(url))
    return found


def usable_proxy(place: StoreLocation, named: str | None) -> Proxy | None:
    """Return the proxy's address. Raises a StoreError, invalid-name, for one of SOCKS and the like."""
    proxy = None if named is None else parse_proxy(named, "http", "https")
    if named is not None and proxy is None:
        # Its text is not shown: it may hold a password.
        reason = "HTTPS_PROXY or ALL_PROXY is not an http:// proxy address"
        raise StoreError(place, Action.CONNECT, reason, "correct it, or set NO_PROXY", Code.INVALID_NAME)
    return proxy


def _ahead(told: str | None) -> timedelta:
    """How far a server whose answer has this date is ahead of this machine; nothing where that is no clock's drift."""
    try:
        ahead = parsedate_to_datetime(told or "").astimezone(UTC) - datetime.now(UTC)
    except (ValueError, OverflowError):
        return timedelta()
    return ahead if abs(ahead) <= _MOST_DRIFT else timedelta()
