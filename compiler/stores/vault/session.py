"""Decides how one Vault server is reached: its address, whom a TLS connection trusts, and the proxy in between."""

from collections.abc import Mapping
from http.client import HTTP_PORT, HTTPS_PORT
from typing import Final
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from compiler.model.address import Address, is_near, parse_address
from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, InvalidNameError, StoreLocation, TlsFailureError
from compiler.stores.http import Proxy, Transport, parse_proxy
from compiler.stores.interface import StoreOptions
from compiler.stores.no_answer import Server, named_authorities, trusting
from compiler.stores.vault.provider import variable

# The first that is set names the authorities to trust: variables of Vault's own client, then of Python's programs.
_OTHER_CA_VARIABLES: Final = ("VAULT_CACERT", "VAULT_CAPATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# Says that the network to a plain HTTP server is trusted; without it a token is sent to loopback and the cluster only.
ALLOW_HTTP: Final = "PLATFORM_SECRETS_ALLOW_HTTP"


def open_transport(address: StoreAddress, environ: Mapping[str, str], options: StoreOptions) -> tuple[Transport, str]:
    """Return the way to one server and the path that stands before all others there.

    Raises TlsFailureError and InvalidNameError for an address that must not be used.
    """
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
    context = None
    if url.scheme == "https":
        certificate = environ.get("VAULT_CLIENT_CERT", ""), environ.get("VAULT_CLIENT_KEY", "")
        context = trusting(_authorities(address, environ), place, certificate=certificate)
    transport = Transport(
        url,
        context,
        _proxy(url, place, environ),
        connect_timeout=options.connect_timeout,
        read_timeout=options.read_timeout,
    )
    return transport, url.path


def server_of(address: StoreAddress, environ: Mapping[str, str]) -> Server:
    """What `address` names, for messages; of an address that `open_session` takes."""
    url = parse_address(address.contact)
    scheme, host = ("https", "") if url is None else (url.scheme, url.host)
    port = (url.port if url is not None else None) or (HTTPS_PORT if scheme == "https" else HTTP_PORT)
    advice = ": its port, or http:// in place of https://"
    return Server(scheme, host, port, _setting(address, environ), _authorities(address, environ), port_advice=advice)


def _setting(address: StoreAddress, environ: Mapping[str, str]) -> str:
    # In live commands the variable stands for what the environment writes.
    if address.reachable_at:
        return "the store's reachableAt"
    name = variable(environ, "ADDR")
    return name if environ.get(name) == address.url else "the store's server"


def _authorities(address: StoreAddress, environ: Mapping[str, str]) -> tuple[str, str]:
    return named_authorities(address.ca, environ, dict.fromkeys((variable(environ, "CACERT"), *_OTHER_CA_VARIABLES)))


def _check_trust(url: Address, place: StoreLocation, environ: Mapping[str, str]) -> None:
    if url.scheme == "http" and not is_near(url.host) and environ.get(ALLOW_HTTP) != "1":
        raise TlsFailureError(
            place,
            Action.CONNECT,
            "plain http would send the token in the clear",
            f"use https, or set {ALLOW_HTTP}=1 where the network is trusted",
        )


def _proxy(url: Address, place: StoreLocation, environ: Mapping[str, str]) -> Proxy | None:
    name = f"{url.scheme.upper()}_PROXY"
    wanted = environ.get(name) or environ.get(name.lower())
    exempt = {"no": environ.get("NO_PROXY") or environ.get("no_proxy") or ""}
    if not wanted or is_near(url.host) or proxy_bypass_environment(url.host, exempt):
        return None
    if (proxy := parse_proxy(wanted, "http")) is None:
        # Its text is not shown: it may hold a password.
        raise InvalidNameError(
            place, Action.CONNECT, f"{name} is not an http:// proxy address", f"correct {name}, or set NO_PROXY"
        )
    return proxy
