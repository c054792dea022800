"""The HTTP session under hvac: an address and environment variables in, one pool of connections for all workers out."""

import ipaddress
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlencode, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import urllib3

from compiler.model.store_address import StoreAddress
from compiler.stores.errors import Action, InvalidNameError, Place, TlsFailureError

# The first that is set names the authorities to trust: variables of Vault's own client, then of Python's programs.
_CA_VARIABLES: Final = ("VAULT_CACERT", "VAULT_CAPATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# Says that the network to a plain HTTP server is trusted; without it a token is sent to loopback and the cluster only.
ALLOW_HTTP: Final = "PLATFORM_SECRETS_ALLOW_HTTP"


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply as it came."""

    status: int
    content: bytes
    retry_after: str | None


class VaultSession:
    """Stands where hvac expects a requests.Session, and costs a third of one.

    It sends each request once: it follows no redirect, keeps no cookie, reads no .netrc, and repeats nothing.
    """

    # hvac asks a session for these three; the pool below has them built in.
    verify: Final = True
    cert: Final = None
    proxies: Final = None

    def __init__(self, pool: urllib3.HTTPConnectionPool, start: str) -> None:
        # The pool itself and not its manager, which would take the URL apart again for every request.
        self._pool = pool
        self._start = start

    def request(self, method: str, path: str, headers: Mapping[str, str], **given: Any) -> HttpReply:  # noqa: ANN401 - requests' signature
        """Send what hvac means by `params`, `json` and `timeout` (connect, read). Raises urllib3's HTTPError."""
        query = f"?{urlencode(params)}" if (params := given.get("params")) else ""
        connect, read = given["timeout"]
        body = given.get("json")
        reply = self._pool.urlopen(
            method.upper(),
            f"{self._start}{path}{query}",
            body=None if body is None else json.dumps(body).encode(),
            headers={**headers, "Content-Type": "application/json"},
            timeout=urllib3.Timeout(connect, read),
            retries=False,
            redirect=False,
        )
        return HttpReply(reply.status, reply.data, reply.headers.get("Retry-After"))

    def close(self) -> None:
        self._pool.close()


def open_session(address: StoreAddress, environ: Mapping[str, str], workers: int) -> VaultSession:
    """Return the session for one server. TlsFailureError or InvalidNameError for an address that must not be used."""
    place = Place(address.absolute)
    url = urlsplit(address.url)
    _check_url(url, place, environ)
    settings: dict[str, Any] = {"maxsize": workers}
    if url.scheme == "https":
        settings["ssl_context"] = _tls(address, environ, place)
    proxy = _proxy(url, environ)
    manager = urllib3.ProxyManager(proxy, **settings) if proxy else urllib3.PoolManager(**settings)
    # A proxy of plain HTTP is asked for whole URLs; of TLS it is a tunnel, through which the server is asked for paths.
    start = address.url.rstrip("/") if proxy and url.scheme == "http" else url.path.rstrip("/")
    return VaultSession(manager.connection_from_url(address.url), start)


def _check_url(url: SplitResult, place: Place, environ: Mapping[str, str]) -> None:
    host = url.hostname or ""
    if url.scheme not in {"http", "https"} or not host or url.query or url.fragment or url.username is not None:
        raise InvalidNameError(
            place, Action.CONNECT, "the address is no http:// or https:// URL of a server", "correct the store's server"
        )
    if url.scheme == "http" and not _is_near(host) and environ.get(ALLOW_HTTP) != "1":
        raise TlsFailureError(
            place,
            Action.CONNECT,
            "plain http would send the token in the clear",
            f"use https, or set {ALLOW_HTTP}=1 where the network is trusted",
        )


def _is_near(host: str) -> bool:
    if host == "localhost" or host.endswith(".svc") or ".svc." in host:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tls(address: StoreAddress, environ: Mapping[str, str], place: Place) -> ssl.SSLContext:
    named = (str(address.ca) if address.ca else None, *(environ.get(variable) for variable in _CA_VARIABLES))
    path = next((value for value in named if value), None)
    folder = path is not None and Path(path).is_dir()
    try:
        context = ssl.create_default_context(cafile=None if folder else path, capath=path if folder else None)
        if certificate := environ.get("VAULT_CLIENT_CERT"):
            context.load_cert_chain(certificate, environ.get("VAULT_CLIENT_KEY"))
    except (OSError, ValueError):
        failure = TlsFailureError(
            place,
            Action.CONNECT,
            f"the authorities in {path} or the client certificate cannot be read",
            "correct the store's ca, VAULT_CACERT, VAULT_CLIENT_CERT or VAULT_CLIENT_KEY",
        )
    else:
        return context
    raise failure


def _proxy(url: SplitResult, environ: Mapping[str, str]) -> str | None:
    wanted = environ.get(f"{url.scheme.upper()}_PROXY") or environ.get(f"{url.scheme}_proxy")
    host = url.hostname or ""
    exempt = {"no": environ.get("NO_PROXY") or environ.get("no_proxy") or ""}
    if not wanted or _is_near(host) or proxy_bypass_environment(host, exempt):
        return None
    return wanted
