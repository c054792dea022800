"""Tells what Vault's refusals and failed exchanges mean, as typed errors without any of the reply's text.

A secret counts as absent only if Vault says so in its own JSON: a proxy's page with status 404 does not tell.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from compiler.stores.errors import (
    Action,
    ConflictError,
    LeaderlessError,
    NotFoundError,
    RedirectRefusedError,
    SealedError,
    SoftDeletedError,
    StoreError,
    StoreLocation,
    ThrottledError,
    TlsFailureError,
    TooLargeError,
    UnavailableError,
    UnexpectedReplyError,
    VersionGoneError,
    WrongMountError,
)
from compiler.stores.interface import Cluster
from compiler.stores.sending.bounded_reply import TOO_LARGE_REPLY
from compiler.stores.sending.no_answer import NO_TLS, Server, no_answer, trust_remedy, why_untrusted
from compiler.stores.sending.retry import parse_retry_after
from compiler.text.command_line import shell_line
from compiler.text.regex import regex

# A standby or secondary that cannot serve this request, now or at all: another node or a moment later can.
# https://developer.hashicorp.com/vault/api-docs#http-status-codes
_NOT_THIS_NODE: Final = {
    412: ("this node has not caught up with the others", "run again in a moment"),
    472: ("this node belongs to a cluster for disaster recovery, which serves nobody", "use the primary's address"),
    473: ("this node is a standby, which does not serve this request", "use the address of the active node"),
}
_LEADERLESS: Final = ("this node is a standby and knows no active node", "wait for the election, then run again")


def either_line(*words: str) -> str:
    """The command of `words` for OpenBao and for Vault, each in backticks."""
    return ", ".join(f"`{shell_line(program, *words)}`" for program in ("bao", "vault"))


# The reason and the remedy of a server that has to be opened first.
SEALED: Final = (
    "the server runs, but is sealed: it can read none of its secrets",
    f"unseal it ({either_line('operator', 'unseal')}), then run again",
)
NOT_INITIALISED: Final = (
    "the server is not initialised: it is new, and holds nothing yet",
    f"initialise it ({either_line('operator', 'init')}) and unseal it, or correct the address",
)
# What a load balancer or an ingress says itself.
_GATEWAYS: Final = frozenset({502, 503, 504})
# Bounded: from each of the words that a server repeats, the rest of its reply would be searched.
_TOO_LARGE: Final = regex(r"too large|exceeds? .{0,100}?(?:size|limit)", re.IGNORECASE)
# A connection that broke off, as one without TLS does: it may be made again.
_TLS_ENDINGS: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


# What `sys/health` answers with from a node that serves, now or as another's standby or secondary.
# https://developer.hashicorp.com/vault/api-docs/system/health
HEALTHY: Final = frozenset({200, 429, 472, 473, 474})
# A server's text, which messages and files quote: no more than an id and a name have.
_CLUSTER_ID: Final = regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_CLUSTER_NAME: Final = regex(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,127}", re.ASCII)


class RefusedError(Exception):
    """A reply that is no success. It never leaves the adapter, which turns it into a StoreError."""

    def __init__(self, reply: "Reply") -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Reply:
    """What is kept of a refused reply.

    `errors` are the server's texts, for recognising only; `metadata` is that of a deleted version, which a 404 carries.
    `is_vaults` says that the body was a Vault's JSON: a list of errors, or such metadata.
    """

    status: int
    errors: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    retry_after: str | None = None
    is_vaults: bool = True

    def says(self, words: str) -> bool:
        return any(words in error for error in self.errors)


def cluster_of(health: Mapping[str, object]) -> Cluster | None:
    """Return who the server of this answer of `sys/health` is; None where it has no id, or what is none."""
    told, name = health.get("cluster_id"), health.get("cluster_name")
    if not isinstance(told, str) or not _CLUSTER_ID.fullmatch(told):
        return None
    return Cluster(told, name if isinstance(name, str) and _CLUSTER_NAME.fullmatch(name) else "")


def is_trouble(status: int) -> bool:
    """Whether a reply of this status shows no working store: a failure of the server's own, or of this node."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _NOT_THIS_NODE


def error_of_reply(reply: Reply, place: StoreLocation, action: Action, *, is_about_a_secret: bool = True) -> StoreError:
    """Return the error of a reply; for a Vault's 403 only further questions to the server can tell it.

    Without `is_about_a_secret` a 404 does not mean absent: it is no answer to a question about a token or a mount.
    """
    if is_trouble(reply.status):
        return _unavailable(reply, place, action)
    if reply.status == HTTPStatus.BAD_REQUEST:
        return _bad_request(reply, place, action)
    if reply.status == HTTPStatus.NOT_FOUND and reply.is_vaults:
        return _missing(reply, place, action, is_about_a_secret=is_about_a_secret)
    return _by_status(reply, place, action)


def _by_status(reply: Reply, place: StoreLocation, action: Action) -> StoreError:
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        asked = parse_retry_after(reply.retry_after)
        return ThrottledError(place, action, "the server is throttling requests", "run again later", asked)
    if reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _too_large(place, action)
    if HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST:
        remedy = "use the address of the active node or of its load balancer"
        return RedirectRefusedError(place, action, "the server redirects to another address", remedy)
    if reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return _foreign(f"status {reply.status} without JSON", place, action)
    if reply.status == HTTPStatus.UNAUTHORIZED:
        # Vault has no such answer: a Key Vault has, and a proxy that wants a log-in.
        return _foreign("status 401", place, action)
    if not reply.is_vaults:
        return _foreign(f"status {reply.status} without Vault's JSON", place, action)
    return UnexpectedReplyError(place, action, f"the server answered {reply.status}", "see the server's log")


def _foreign(how: str, place: StoreLocation, action: Action) -> UnexpectedReplyError:
    return UnexpectedReplyError(
        place, action, f"the server that answered is not Vault: {how}", "check the address and the proxy in between"
    )


def error_of_transport(problem: Exception, server: Server, place: StoreLocation, action: Action) -> StoreError:
    """Return the error of an exchange that brought no reply."""
    if isinstance(problem, ssl.SSLError) and not isinstance(problem, _TLS_ENDINGS):
        why = why_untrusted(problem)
        way_out = trust_remedy(why, server, "VAULT_CACERT", "its CA")
        if why == NO_TLS:
            way_out = f"correct {server.setting}: its port, or http:// in place of https://"
        return TlsFailureError(place, action, f"no trusted connection: {why}", way_out)
    return no_answer(problem, server, place, action)


def _missing(reply: Reply, place: StoreLocation, action: Action, *, is_about_a_secret: bool) -> StoreError:
    if reply.says("namespace not found"):
        return WrongMountError(
            place, action, "the server has no such namespace", "correct vaultNamespace or VAULT_NAMESPACE"
        )
    if reply.says("no handler for route"):
        return WrongMountError(
            place,
            action,
            "no engine is mounted there",
            "correct the store's mount, or an address with a path, such as /v1",
        )
    if reply.errors or not is_about_a_secret:
        # A secret that is not there is an empty list of errors.
        return _by_status(reply, place, action)
    if not reply.metadata:
        return NotFoundError(place, action, "the store has no such secret", "create it, or correct its name")
    version = str(reply.metadata.get("version", ""))
    if reply.metadata.get("destroyed"):
        return VersionGoneError(
            place, action, f"version {version} is destroyed for good", "write a new version", version
        )
    return SoftDeletedError(
        place,
        action,
        f"its version {version} is deleted",
        f"recover it (`{shell_line('bao', 'kv', 'undelete')}`, or `--recover` of put, restore or migrate)",
        version,
    )


def _bad_request(reply: Reply, place: StoreLocation, action: Action) -> StoreError:
    if reply.says("check-and-set parameter did not match"):
        return ConflictError(place, action, "another version was written", "plan again", expected=None, found=None)
    if reply.says("HTTP request to an HTTPS server"):
        return TlsFailureError(place, action, "the server speaks TLS only", "use https:// in its address")
    if reply.says("Upgrading from non-versioned"):
        return UnavailableError(place, action, "the mount is being upgraded to version 2", "run again in a moment")
    return _by_status(reply, place, action)


def _too_large(place: StoreLocation, action: Action) -> StoreError:
    return TooLargeError(
        place,
        action,
        "the document is larger than the server allows",
        "split it, or raise the storage's max_entry_size",
    )


def _unavailable(reply: Reply, place: StoreLocation, action: Action) -> StoreError:
    if any(_TOO_LARGE.search(text) for text in reply.errors):
        # Vault says so with a 500, which must not be sent again for two minutes.
        return _too_large(place, action)
    if reply.is_vaults and (reply.says("not initialized") or reply.status == HTTPStatus.NOT_IMPLEMENTED):
        return SealedError(place, action, *NOT_INITIALISED)
    if reply.is_vaults and reply.says("sealed"):
        return SealedError(place, action, *SEALED)
    if reply.is_vaults and reply.says("node not active"):
        return LeaderlessError(place, action, *_LEADERLESS)
    if reply.status in _NOT_THIS_NODE:
        return UnavailableError(place, action, *_NOT_THIS_NODE[reply.status])
    if reply.status in _GATEWAYS and not reply.is_vaults:
        reason = f"what stands before the server answers {reply.status}: it reaches no server that is ready"
        return UnavailableError(place, action, reason, "check that the server runs and is unsealed, then run again")
    return UnavailableError(place, action, f"the server answered {reply.status}", "see the server's log, and run again")


def malformed(place: StoreLocation, action: Action, *, is_too_large: bool = False) -> StoreError:
    """Return the error of a JSON object that lacks what the API promises, or of a reply that is no store's by size."""
    if is_too_large:
        return UnexpectedReplyError(place, action, TOO_LARGE_REPLY, "check the address and the proxy in between")
    if action is Action.LOG_IN:
        reason = "the server that answered is not Vault: its success lacks Vault's fields"
        return UnexpectedReplyError(place, action, reason, "check the address and the proxy in between")
    return UnexpectedReplyError(
        place,
        action,
        "the reply lacks fields of KV version 2",
        "check for a proxy in between, or another engine",
    )
