"""Parses the addresses of stores, and knows the hosts that plain http may go to.

Rules check the environment's addresses with it, and the adapters of stores what they are about to request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

# Where Vault's own documentation and the operator's have the KV engine.
DEFAULT_MOUNT: Final = "secret"
# Nearly every address looks like this and needs no closer look.
_PLAIN = re.compile(r"(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(\d{1,5}))?/?", re.ASCII)
_LOCALHOST = re.compile(r"(?:[a-z0-9-]+\.)*localhost")
# SERVICE.NAMESPACE, and no more: a third label would be anybody's `*.svc`. The domain behind is the usual one alone, as
# no other can be told from a name on the internet.
_SERVICE = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.cluster\.local)?")
_HIGHEST_PORT = 65535
_API = re.compile(r"/(?:v1|ui)(?:/.*)?")


@dataclass(frozen=True, slots=True)
class Address:
    """An http or https URL that has a host, in lower case.

    An IPv6 host is without its brackets. `extra` names other parts of it: "user", "query", "fragment".
    """

    scheme: str
    host: str
    port: int | None
    path: str
    extra: tuple[str, ...] = ()

    @property
    def authority(self) -> str:
        """Host and port as a URL has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def is_api(self) -> bool:
        """Whether its path is one that a Vault's clients add themselves, or that of its pages for browsers."""
        return _API.fullmatch(self.path) is not None


def parse_address(text: str) -> Address | None:
    """The address that `text` is, or None where it is no http or https URL with a host and a usable port."""
    plain = _PLAIN.fullmatch(text)
    if plain and ".." not in text:
        port = int(plain[3]) if plain[3] else None
        return None if port is not None and not 0 < port <= _HIGHEST_PORT else Address(plain[1], plain[2], port, "")
    if not text.isprintable() or " " in text or "\\" in text:
        return None
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not host or port == 0 or ".." in host or host.startswith("."):
        return None
    has = {"user": "@" in parts.netloc, "query": "?" in text, "fragment": "#" in text}
    return Address(
        parts.scheme, host, port, parts.path.rstrip("/"), tuple(name for name, there in has.items() if there)
    )


def is_loopback(host: str) -> bool:
    """Whether `host`, in lower case, is this machine: `localhost`, a name below it, or a loopback address."""
    if _LOCALHOST.fullmatch(host):
        return True
    if not host[-1:].isdigit() and ":" not in host:
        return False
    # Addresses by number are rare, and every run would pay for the import.
    from ipaddress import ip_address  # noqa: PLC0415

    try:
        number = ip_address(host)
    except ValueError:
        return False
    # Not every Python looks through an IPv4 address in IPv6's form.
    return (getattr(number, "ipv4_mapped", None) or number).is_loopback


def is_near(host: str) -> bool:
    """Whether plain http may go to `host`, in lower case: this machine's or the cluster's own network carries it.

    That is loopback, and a Service by its full name: SERVICE.NAMESPACE.svc, alone or with `.cluster.local`.
    """
    return is_loopback(host) or _SERVICE.fullmatch(host) is not None


def service_of(host: str) -> tuple[str, str] | None:
    """The name and the namespace of the Service whose full name `host`, in lower case, is; None for any other."""
    found = _SERVICE.fullmatch(host)
    return None if found is None else (found[1], found[2])
