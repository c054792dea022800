"""The HTTP session under hvac: an address and environment variables in, a session tuned for many workers out."""

import ipaddress
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import should_bypass_proxies

from compiler.model.store_address import StoreAddress
from compiler.stores.errors import Action, InvalidNameError, Place, TlsFailureError

# The first that is set names the authorities to trust: variables of Vault's own client, then of Python's programs.
_CA_VARIABLES: Final = ("VAULT_CACERT", "VAULT_CAPATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# Says that the network to a plain HTTP server is trusted; without it a token is sent to loopback and the cluster only.
ALLOW_HTTP: Final = "PLATFORM_SECRETS_ALLOW_HTTP"


def open_session(address: StoreAddress, environ: Mapping[str, str], workers: int) -> requests.Session:
# The first that is set names the authorities to trust: variables of Vault's client, then of Python's programs.
    place = Place(address.absolute)
    url = urlsplit(address.url)
    _check_url(url, place, environ)
    session = requests.Session()
    # Looking for proxies and .netrc on every request costs a third of a read; it is done once, below.
    session.trust_env = False
    session.verify = _authorities(address, environ, place)
    session.proxies = _proxies(url, environ)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    if certificate := environ.get("VAULT_CLIENT_CERT"):
        session.cert = (certificate, environ.get("VAULT_CLIENT_KEY", certificate))
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=workers, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


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


def _authorities(address: StoreAddress, environ: Mapping[str, str], place: Place) -> str | bool:
    named = (str(address.ca) if address.ca else None, *(environ.get(variable) for variable in _CA_VARIABLES))
    path = next((value for value in named if value), None)
    if path is None:
        return True
    if not Path(path).exists():
        raise TlsFailureError(place, Action.CONNECT, f"the file of authorities {path} is not there", "correct its path")
    return path


def _proxies(url: SplitResult, environ: Mapping[str, str]) -> dict[str, str]:
    no_proxy = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    wanted = environ.get(f"{url.scheme.upper()}_PROXY") or environ.get(f"{url.scheme}_proxy")
    host = url.hostname or ""
    if not wanted or _is_near(host) or should_bypass_proxies(url.geturl(), no_proxy=no_proxy):
        return {}
    return {url.scheme: wanted}
