"""The address of a store in, its parts and whether it is the cluster's own out."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from compiler.model.record import dataclass

# What nearly every address looks like; it needs no closer look.
_PLAIN = re.compile(r"(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(\d{1,5}))?/?")
# `localhost` and a Service's name; what follows `svc` is the cluster's domain, which every cluster may choose.
_SERVICE = re.compile(r"[^.]+\.[^.]+\.svc(?:\.[^/]+)?")
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """An http or https URL that has a host; `extra` tells what else is in it: "user", "query", "fragment"."""

    scheme: str
    host: str
    port: int | None
    path: str
    extra: tuple[str, ...] = ()


def parse_address(text: str) -> Address | None:
    """The address that `text` is, or nothing where it is no http or https URL with a host and a usable port."""
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
    """Whether `host` is the machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    if not host[-1:].isdigit() and ":" not in host:
        return False
    # Addresses by number are rare, and every run would pay for the import.
    from ipaddress import ip_address  # noqa: PLC0415

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_service(host: str) -> bool:
    """Whether `host` is the full name of a Kubernetes Service, with or without the cluster's domain behind `svc`."""
    return _SERVICE.fullmatch(host) is not None


def is_cluster_internal(host: str) -> bool:
    """Whether each cluster has its own `host`, so that two that look equal need not be.

    Those are a Service, loopback, and a name without a dot, which only a cluster's search domains complete.
    """
    return is_service(host) or is_loopback(host) or ("." not in host and ":" not in host)
