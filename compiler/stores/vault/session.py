"""Opens the HTTP session to one Vault server and keeps its connections, which all workers share."""

from __future__ import annotations

import base64
import select
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http.client import HTTP_PORT, HTTPS_PORT, HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlencode, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from compiler.model.address import Address, is_near, parse_address
from compiler.model.files import NamedFileError, as_file, shown_file
from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, InvalidNameError, StoreLocation, TlsFailureError
from compiler.stores.http import Server, TimedConnection, TimedTlsConnection
from compiler.stores.vault.client import write_body
from compiler.stores.vault.exchange import exchange
from compiler.stores.vault.log_in import variable

# The first that is set names the authorities to trust: variables of Vault's own client, then of Python's programs.
_OTHER_CA_VARIABLES: Final = ("VAULT_CACERT", "VAULT_CAPATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# The authorities of a whole system are 200 KiB.
_LARGEST_PEM: Final = 16 * 1024 * 1024
# Says that the network to a plain HTTP server is trusted; without it a token is sent to loopback and the cluster only.
ALLOW_HTTP: Final = "PLATFORM_SECRETS_ALLOW_HTTP"


def open_session(address: StoreAddress, environ: Mapping[str, str]) -> VaultSession:
    """Return the session for one server. TlsFailureError or InvalidNameError for an address that must not be used."""
    place = StoreLocation(address.absolute)
    url, setting = parse_address(address.contact), _setting(address, environ)
    if url is None or url.extra:
        is_quoted = address.contact.startswith(("'", '"'))
        reason = "the address is not an http:// or https:// URL of a server"
        reason = f"{reason}: it has quotes around it" if is_quoted else reason
        raise InvalidNameError(place, Action.CONNECT, reason, f"correct {setting}")
    if url.is_api:
        reason, remedy = "the address ends in an API path", f"set {setting} to {url.scheme}://{url.authority}"
        raise InvalidNameError(place, Action.CONNECT, reason, remedy)
    _check_trust(url, place, environ)
    context = _tls(address, environ, place) if url.scheme == "https" else None
    proxy = _proxy(url, place, environ)
    host = _host(url)
    if proxy is None:
        return VaultSession(_connector(url.host, url.port, context), url.path, {}, host)
    connect = _connector(proxy.hostname, proxy.port or HTTP_PORT, context)
    if context is None:
        # A proxy of plain HTTP is asked for whole URLs; of TLS it is a tunnel, through which the server is asked.
        return VaultSession(connect, f"http://{url.authority}{url.path}", _credentials(proxy), host)
    return VaultSession(partial(_tunnel, url, connect, _credentials(proxy)), url.path, {}, host)


def server_of(address: StoreAddress, environ: Mapping[str, str]) -> Server:
    """What `address` names, for messages; of an address that `open_session` takes."""
    url = parse_address(address.contact)
    scheme, host = ("https", "") if url is None else (url.scheme, url.host)
    port = (url.port if url is not None else None) or (HTTPS_PORT if scheme == "https" else HTTP_PORT)
    return Server(scheme, host, port, _setting(address, environ), _authorities(address, environ))


def _setting(address: StoreAddress, environ: Mapping[str, str]) -> str:
    # In live commands the variable stands for what the environment writes.
    if address.reachable_at:
        return "the store's reachableAt"
    name = variable(environ, "ADDR")
    return name if environ.get(name) == address.url else "the store's server"


def _authorities(address: StoreAddress, environ: Mapping[str, str]) -> tuple[str, str]:
    """What names the authorities to trust, and the file or folder that it names: neither where it is the system."""
    variables = dict.fromkeys((variable(environ, "CACERT"), *_OTHER_CA_VARIABLES))
    named = {"the store's ca": str(address.ca or ""), **{name: environ.get(name, "") for name in variables}}
    return next(((name, value) for name, value in named.items() if value), ("", ""))


def _split(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        # A property that raises for a port out of range.
        usable = bool(url.hostname) and url.port != 0
    except ValueError:
        return None
    return url if usable else None


def _connector(host: str | None, port: int | None, context: ssl.SSLContext | None) -> Callable[[], HTTPConnection]:
    if context is None:
        return partial(TimedConnection, host or "", port)
    return partial(TimedTlsConnection, host or "", port, context=context)


def _host(url: Address) -> str:
    try:
        return url.authority if url.authority.isascii() else url.authority.encode("idna").decode()
    except UnicodeError:
        # There is no such name, as connecting will say.
        return ""


def _tunnel(url: Address, connect: Callable[[], HTTPConnection], headers: Mapping[str, str]) -> HTTPConnection:
    connection = connect()
    connection.set_tunnel(url.host, url.port, dict(headers))
    return connection


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _check_trust(url: Address, place: StoreLocation, environ: Mapping[str, str]) -> None:
    if url.scheme == "http" and not is_near(url.host) and environ.get(ALLOW_HTTP) != "1":
        raise TlsFailureError(
            place,
            Action.CONNECT,
            "plain http would send the token in the clear",
            f"use https, or set {ALLOW_HTTP}=1 where the network is trusted",
        )


def _tls(address: StoreAddress, environ: Mapping[str, str], place: StoreLocation) -> ssl.SSLContext:
    name, path = _authorities(address, environ)
    where, folder = name or "the system", bool(path) and Path(path).is_dir()
    reason, remedy = f"the CA certificates of {where}{shown_file(path)} cannot be read", f"correct {where}"
    try:
        with ExitStack() as stack:
            file = stack.enter_context(as_file(path, _LARGEST_PEM)) if path and not folder else None
            context = ssl.create_default_context(cafile=file, capath=path if folder else None)
            reason, remedy = "the client certificate cannot be read", "correct VAULT_CLIENT_CERT or VAULT_CLIENT_KEY"
            if certificate := environ.get("VAULT_CLIENT_CERT"):
                key = environ.get("VAULT_CLIENT_KEY")
                context.load_cert_chain(
                    stack.enter_context(as_file(certificate, _LARGEST_PEM)),
                    stack.enter_context(as_file(key, _LARGEST_PEM)) if key else None,
                )
    except NamedFileError as error:
        if not error.is_unreadable:
            reason = f"{reason}: it {error}"
        failure = TlsFailureError(place, Action.CONNECT, reason, remedy)
    except (OSError, ValueError):
        failure = TlsFailureError(place, Action.CONNECT, reason, remedy)
    else:
        return context
    raise failure


def _proxy(url: Address, place: StoreLocation, environ: Mapping[str, str]) -> SplitResult | None:
    name = f"{url.scheme.upper()}_PROXY"
    wanted = environ.get(name) or environ.get(name.lower())
    exempt = {"no": environ.get("NO_PROXY") or environ.get("no_proxy") or ""}
    if not wanted or is_near(url.host) or proxy_bypass_environment(url.host, exempt):
        return None
    proxy = _split(wanted if "://" in wanted else f"http://{wanted}")
    if proxy is None or proxy.scheme != "http":
        # Its text is not shown: it may hold a password.
        raise InvalidNameError(
            place, Action.CONNECT, f"{name} is not an http:// proxy address", f"correct {name}, or set NO_PROXY"
        )
    return proxy


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply as it came."""

    status: int
    content: bytes
    retry_after: str | None


class VaultSession:
    """Stands where hvac expects a requests.Session, on the connections that Python brings, which costs far less.

    It sends each request once: it follows no redirect, keeps no cookie, reads no .netrc, and repeats nothing.
    `connect` returns a connection that is not open yet; `start` stands before every path, `extra` among every request's
    headers, and `host` in the one of that name.
    """

    # hvac asks a session for these three; the connections have them built in.
    verify: Final = True
    cert: Final = None
    proxies: Final = None

    def __init__(self, connect: Callable[[], HTTPConnection], start: str, extra: Mapping[str, str], host: str) -> None:
        self._connect = connect
        self._start = start
        self._without_body = {"Host": host, **extra}
        self._with_body = {**self._without_body, "Content-Type": "application/json"}
        # The last one used is taken first: the fewest stay open. Its operations are atomic.
        self._idle: deque[HTTPConnection] = deque()

    def request(self, method: str, path: str, headers: Mapping[str, str], **given: Any) -> HttpReply:  # noqa: ANN401 - requests' signature
        """Send what hvac means by `params`, `json` and `timeout` (connect, read). Raises OSError or HTTPException.

        What it raises may hold a part of the reply: whoever catches it keeps its kind alone.
        """
        query = f"?{urlencode(params)}" if (params := given.get("params")) else ""
        body = given.get("json")
        connect_timeout, read_timeout = given["timeout"]
        connection = self._open(connect_timeout)
        try:
            reply = exchange(
                connection.sock,
                method.upper(),
                f"{self._start}{path}{query}",
                {**(self._without_body if body is None else self._with_body), **headers},
                None if body is None else write_body(body),
                read_timeout,
            )
        except BaseException:
            # Whatever is left on it would be taken for the answer to the next request.
            connection.close()
            raise
        if reply.is_last:
            connection.close()
        else:
            self._idle.append(connection)
        return HttpReply(reply.status, reply.content, reply.retry_after)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _open(self, connect_timeout: float) -> HTTPConnection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if not _has_ended(connection):
                return connection
            connection.close()
        connection = self._connect()
        connection.timeout = connect_timeout
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection


def _has_ended(connection: HTTPConnection) -> bool:
    """Whether the server has closed an idle connection; unexpected data on it counts as closed."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
