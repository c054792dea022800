"""Tells which host names mean another machine in each cluster, so that one address may be several stores."""

from __future__ import annotations

from compiler.model.address import is_loopback
from compiler.text.regex import regex

# A Service's name; what follows `svc` is the cluster's domain, which every cluster may choose.
_SERVICE = regex(r"[^.]+\.[^.]+\.svc(?:\.[^/]+)?")


def is_cluster_internal(host: str) -> bool:
    """Whether each cluster has its own `host`: a Service, loopback, or a name that search domains complete.

    It is about whose store is meant, not about what plain http may go to: that is `model.address.is_near`.
    """
    return _SERVICE.fullmatch(host) is not None or is_loopback(host) or ("." not in host and ":" not in host)
