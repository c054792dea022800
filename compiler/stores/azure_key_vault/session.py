"""Opens the HTTP session of one vault, which sends to that host alone."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import parse_url

from compiler.model.limits import has_more_values
from compiler.stores.sending.bounded_reply import MOST_VALUES, BoundedResponse, ReplyTooLargeError
from compiler.stores.sending.deadline import note_answer
from compiler.stores.sending.timed_connection import TimedConnection, open_socket

CA_VARIABLE: Final = "AZURE_KEYVAULT_CACERT"
# requests reads the other two itself when it trusts the environment, for each request; here they are read once.
CA_VARIABLES: Final = (CA_VARIABLE, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_UNAUTHORISED: Final = 401
_SERVER_ERROR: Final = 500
_PIECE: Final = 65_536


class ForeignHostError(Exception):
    """A request was about to leave for a host that is not the vault's, such as a page link in a forged list."""


class _BoundedConnection(TimedConnection, HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        # As urllib3's own, in whose errors requests finds its own ones.
        try:
            return open_socket(self._dns_host, self.port, self.timeout)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no connection in time") from error
        except OSError as error:
            raise NewConnectionError(self, f"no connection: {error}") from error


class _BoundedPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedConnection


class _BoundedAdapter(HTTPAdapter):
    """Sends over connections, those to a proxy too, whose replies have an end."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' signature
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _BoundedPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - requests' signature
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {**manager.pool_classes_by_scheme, "https": _BoundedPool}
        return manager


class VaultSession(requests.Session):
    """Refuses every URL outside the vault's origin before a byte is sent: no token and no value goes elsewhere.

    `on_refused` is called with a token that the vault did not accept, before the SDK asks for another.
    """

    def __init__(self, vault_url: str, workers: int, on_refused: Callable[[str], None]) -> None:
        super().__init__()
        self._on_refused = on_refused
        self._origin = _origin(vault_url)
        # Off: it would look for a netrc entry, which replaces the token, and for proxies again with every request.
        self.trust_env = False
        self.proxies.update(get_environ_proxies(vault_url))
        self.mount("https://", _BoundedAdapter(pool_connections=1, pool_maxsize=workers, max_retries=0))

    def request(  # type: ignore[override] # what the SDK gives, of all that requests takes
        self,
        method: Any,  # noqa: ANN401 - requests' signature
        url: Any,  # noqa: ANN401
        params: Any = None,  # noqa: ANN401
        data: Any = None,  # noqa: ANN401
        headers: Mapping[str, str] | None = None,
        **given: Any,  # noqa: ANN401
    ) -> requests.Response:
        try:
            is_ours = _origin(str(url)) == self._origin
        except ValueError:
            is_ours = False
        if not is_ours:
            raise ForeignHostError
        # As requests does, without what it looks for in each of a thousand requests and never finds here: settings of
        # the session and of the environment, cookies, hooks, a user in the URL, and redirects to follow.
        prepared = requests.PreparedRequest()
        prepared.prepare_method(method)
        prepared.prepare_url(url, params)
        prepared.prepare_headers(headers)
        prepared.prepare_body(data, given.get("files"), given.get("json"))
        response = self.get_adapter(prepared.url or "").send(
            prepared,
            stream=True,
            timeout=given.get("timeout"),
            verify=given.get("verify", self.verify),
            cert=given.get("cert"),
            proxies=self.proxies,
        )
        response._content = _bounded(response)  # noqa: SLF001 - what requests itself fills with all that comes
        if response.status_code < _SERVER_ERROR:
            # Now: a credential may take longer than a first contact, and is asked after the vault's challenge.
            note_answer()
        sent = (headers or {}).get("Authorization")
        if response.status_code == _UNAUTHORISED and sent is not None:
            self._on_refused(str(sent).partition(" ")[2])
        return response


def _bounded(response: requests.Response) -> bytes:
    content = bytearray()
    # Piece by piece: what comes compressed may be a thousand times as large as it came.
    for piece in response.iter_content(_PIECE):
        content += piece
        if len(content) > BoundedResponse.largest:
            response.close()
            raise ReplyTooLargeError
    # The SDK parses it.
    if has_more_values(content.decode("latin-1"), MOST_VALUES):
        raise ReplyTooLargeError
    return bytes(content)


def proxy_for(vault_url: str) -> str | None:
    """The proxy that the environment names for the vault; None where there is none, or the vault is exempt."""
    found: str | None = select_proxy(vault_url, get_environ_proxies(vault_url))
    return found


def authorities(ca: Path | None, environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return what names the authorities to trust, and the PEM file or folder: the address' own, else a variable's.

    Both are empty where it is the system.
    """
    if ca is not None:
        return "the store's ca", str(ca)
    return next(((name, value) for name in CA_VARIABLES if (value := environment.get(name))), ("", ""))


def _origin(url: str) -> tuple[str, str, int]:
    # The parser that requests sends by: urllib's finds another host in `https://other\@vault`.
    parts = parse_url(url.lstrip())
    # Key Vault writes its own port into page links, clients do not.
    return parts.scheme or "", parts.host or "", parts.port or 443
