"""Defines an exception for each cause of a store's refusal, with place, action and remedy, never a value.

Where an exchange brought no reply at all, it explains why.
"""

import errno
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http.client import HTTPException, IncompleteRead
from typing import Final

from compiler.model.files import show_file
from compiler.model.store import is_loopback, service_of
from compiler.refusal import Refusal
from compiler.text.wording import kubectl_line


class Action(StrEnum):
    """What was being done when the store refused; the values read well after "cannot"."""

    CONNECT = "connect"
    LOG_IN = "log in"
    READ = "read"
    DESCRIBE = "describe"
    LIST = "list"
    WRITE = "write"
    DELETE = "delete"
    RECOVER = "recover"


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """Where it happened: the store's absolute address and, when one secret is concerned, its remote name."""

    store: str
    name: str | None = None

    def __str__(self) -> str:
        if self.name is None:
            return self.store
        # A name may be what is wrong; a raw newline in it must not forge a second line of output.
        name = self.name.encode("unicode_escape").decode("ascii").replace('"', '\\"')
        return f'"{name}" in {self.store}'


class Code(StrEnum):
    """Tells the kinds of errors apart, in reports and journals too. A kind that is caught by itself has a class."""

    NOT_FOUND = "not-found"
    SOFT_DELETED = "soft-deleted"
    DISABLED = "disabled"
    VERSION_GONE = "version-gone"
    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    UNVERIFIED = "unverified"
    UNAVAILABLE = "unavailable"  # no answer, or a server's failure, until patience ended
    # No connection came about: the host's name is unknown here, or nothing listens on this machine. Nothing was sent.
    UNREACHABLE = "unreachable"
    SEALED = "sealed"  # Vault is sealed or not initialised; it stores nothing in this state
    LEADERLESS = "leaderless"  # Vault: no node leads for a moment, after a seal or while another is chosen
    BUSY = "busy"  # Key Vault: the name is being deleted or recovered, which takes seconds; it stores nothing meanwhile
    THROTTLED = "throttled"  # too many requests
    # A write was stored, and what belongs to it (tags, a look for other writers) could not be done.
    UNFINISHED_WRITE = "unfinished-write"
    # Something answered that is not the store, such as a proxy's page, or it stored other bytes than were sent.
    UNEXPECTED_REPLY = "unexpected-reply"
    INVALID_NAME = "invalid-name"  # a name, or a property's name, cannot be used in this store; nothing was sent
    INVALID_VALUE = "invalid-value"  # no store may be given it: empty, or the store would change it (NUL)
    TOO_LARGE = "too-large"  # the document, a tag or the content type
    MALFORMED_DOCUMENT = "malformed-document"  # no JSON object where properties are asked for or would be merged in
    REFUSED_BY_POLICY = "refused-by-policy"  # Azure Policy denies what a write would make, most often for its date
    MANAGED = "managed"  # Key Vault: the secret backs a certificate and must not be written by hand
    TLS_FAILURE = "tls-failure"  # unknown authority, expired, another host's certificate, or HTTP where TLS is needed
    UNAUTHENTICATED = "unauthenticated"  # no identity: nothing to log in with, or the log-in was refused
    # There was an identity: its token ran out, was revoked or has no uses left, and a new log-in did not help.
    EXPIRED_TOKEN = "expired-token"  # noqa: S105 - a code
    WRONG_MOUNT = "wrong-mount"  # Vault: nothing is mounted at the path, or what is mounted is not a KV engine
    UNSUPPORTED_ENGINE = "unsupported-engine"  # Vault: KV version 1, where a version 2 write would be misfiled
    REDIRECT_REFUSED = "redirect-refused"  # never followed: it would take the token to another host
    OTHER_CLUSTER = "other-cluster"  # a Vault that is not the one that is meant; only who it is was asked of it
    MISSING_DEPENDENCY = "missing-dependency"  # the provider's client is not installed
    # A write's reply was lost and reading back did not settle whether it was stored; a later run's comparison will.
    OUTCOME_UNKNOWN = "outcome-unknown"


class FailureSide(StrEnum):
    """Whose failure it is that a store does not say what it holds."""

    CALLER = "caller"  # this machine or its credentials: the operator may well be served
    SERVER = "server"  # everybody meets it
    UNCLEAR = "unclear"


_SIDE_CODES: Final = {
    # An expired certificate is not told apart from an authority that is unknown here.
    FailureSide.CALLER: (
        *(Code.UNREACHABLE, Code.TLS_FAILURE, Code.UNAUTHENTICATED, Code.EXPIRED_TOKEN, Code.FORBIDDEN),
        *(Code.MISSING_DEPENDENCY, Code.INVALID_NAME, Code.INVALID_VALUE, Code.TOO_LARGE),
    ),
    FailureSide.SERVER: (
        *(Code.SEALED, Code.LEADERLESS, Code.BUSY, Code.NOT_FOUND, Code.SOFT_DELETED, Code.DISABLED),
        *(Code.VERSION_GONE, Code.MALFORMED_DOCUMENT, Code.MANAGED, Code.REFUSED_BY_POLICY),
    ),
    # The network between may be what does not answer, another server what does; and some limit each caller.
    FailureSide.UNCLEAR: (
        *(Code.UNAVAILABLE, Code.THROTTLED, Code.UNEXPECTED_REPLY, Code.REDIRECT_REFUSED, Code.OTHER_CLUSTER),
        *(Code.WRONG_MOUNT, Code.UNSUPPORTED_ENGINE, Code.CONFLICT, Code.UNVERIFIED, Code.UNFINISHED_WRITE),
        Code.OUTCOME_UNKNOWN,
    ),
}
FAILURE_SIDES: Final[Mapping[Code, FailureSide]] = {code: side for side, codes in _SIDE_CODES.items() for code in codes}

_RETRYABLE: Final = frozenset(
    {Code.UNAVAILABLE, Code.UNREACHABLE, Code.SEALED, Code.LEADERLESS, Code.BUSY, Code.THROTTLED}
)
_MAYBE_DONE: Final = frozenset(
    {Code.UNAVAILABLE, Code.UNVERIFIED, Code.UNFINISHED_WRITE, Code.UNEXPECTED_REPLY, Code.OUTCOME_UNKNOWN}
)
_TOLD_AT_ONCE: Final = frozenset({Code.UNREACHABLE, Code.SEALED})


class StoreError(Refusal):
    """Ends an action on a store. `code` tells the kinds apart in reports and journals.

    `message` has place, action and reason, and `help` is the remedy. `version` is the one that it is about, when known;
    `retry_after` the store's wish in seconds, where it makes sense.
    """

    __slots__ = ("action", "place", "reason", "remedy", "retry_after", "version")

    code: Code

    def __init__(
        self,
        place: StoreLocation,
        action: Action,
        reason: str,
        remedy: str,
        code: Code | None = None,
        *,
        version: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        if code is not None:
            self.code = code
        super().__init__("cannot run", "", remedy)
        self.place = place
        self.action = action
        self.reason = reason
        self.remedy = remedy
        self.version = version
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        # Made when it is shown: a plan keeps thousands of these errors and shows few.
        target = f"to {self.place}" if self.action in (Action.CONNECT, Action.LOG_IN) else str(self.place)
        return f"cannot {self.action} {target}: {self.reason}"

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.code in _RETRYABLE

    @property
    def maybe_done(self) -> bool:
        """Whether a write may have been stored although no success was reported: it is settled by reading first."""
        return self.code in _MAYBE_DONE

    @property
    def fails_fast(self) -> bool:
        """Whether a store that never answered is not asked again: somebody has to do something first."""
        return self.code in _TOLD_AT_ONCE

    def side(self, *, is_replaced: bool) -> FailureSide:
        """Whose failure it is; `is_replaced` where a variable stands for the address that the environment writes."""
        side = FAILURE_SIDES[self.code]
        # What it leads to may be another server than the operator asks, or a forwarding that has ended.
        is_unclear = is_replaced and (side is FailureSide.SERVER or self.code is Code.UNREACHABLE)
        return FailureSide.UNCLEAR if is_unclear else side

    def __str__(self) -> str:
        # For a traceback; a person is shown a message made of the parts.
        return f"{self.message}; {self.remedy}"


class NotFoundError(StoreError):
    """The store answers, the caller may look, and no such secret is there."""

    code = Code.NOT_FOUND


class SoftDeletedError(StoreError):
    """The secret was deleted and can be recovered; `version` is the deleted one."""

    code = Code.SOFT_DELETED


class DisabledError(StoreError):
    """Key Vault: the secret is there, and no role may read it: its `enabled` is false, or its dates forbid that."""

    code = Code.DISABLED


class VersionGoneError(StoreError):
    """The asked `version` is evicted, destroyed or deleted; the secret itself may be readable."""

    code = Code.VERSION_GONE


class ForbiddenError(StoreError):
    """The caller is known and may not do this; `is_of_store` where every other secret is refused for the same cause.

    `permission` is what is missing, in the store's own words: `secrets/get`, `read on secret/data/x`. Where the remedy
    is to add `rules` to a policy, they follow its words.
    """

    code = Code.FORBIDDEN

    def __init__(
        self,
        place: StoreLocation,
        action: Action,
        reason: str,
        remedy: str,
        *,
        permission: str,
        rules: Sequence[str] = (),
        is_of_store: bool = False,
    ) -> None:
        super().__init__(place, action, reason, " ".join((remedy, *rules)))
        self.permission = permission
        self.rules = tuple(rules)
        self.is_of_store = is_of_store
        self._words = remedy

    def with_rules_of(self, others: Sequence["ForbiddenError"]) -> "ForbiddenError":
        """This error, with the rules that the other ones need as well."""
        rules = dict.fromkeys((*self.rules, *(rule for each in others for rule in each.rules)))
        return ForbiddenError(
            self.place,
            self.action,
            self.reason,
            self._words,
            permission=self.permission,
            rules=tuple(rules),
            is_of_store=self.is_of_store,
        )


class ConflictError(StoreError):
    """Another writer was there: the newest version, `found` when known, is not the one that was read."""

    code = Code.CONFLICT

    def __init__(self, place: StoreLocation, action: Action, reason: str, remedy: str, *, found: str | None) -> None:
        super().__init__(place, action, reason, remedy)
        self.found = found


class UnverifiedError(StoreError):
    """A write was stored as `version`, and what the store says of it is not what was sent."""

    code = Code.UNVERIFIED


# What a resolver says of a name that there is not; EAI_AGAIN and the like say that it does not know at the moment.
_NO_SUCH_NAME: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class UnknownHostError(socket.gaierror):
    """The name `host` was not resolved. `is_final`: it does not exist here, rather than that nobody answered."""

    def __init__(self, host: str, number: int) -> None:
        super().__init__(number, "no address")
        self.host = host
        self.is_final = number in _NO_SUCH_NAME


class ConnectionDeniedError(ConnectionRefusedError):
    """The machine `host` is there, and nothing listens at `port` of it."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(errno.ECONNREFUSED, "connection refused")
        self.host = host
        self.port = port


_NO_ROUTE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})
# What http.client says where a proxy answers a CONNECT with another status than 200.
_NO_TUNNEL: Final = "Tunnel connection failed"
_NETWORK: Final = "check the network between (VPN, firewall, proxy) and that the server runs, then run again"
_PROXY: Final = "correct HTTPS_PROXY or HTTP_PROXY, or name the host in NO_PROXY"
_NO_TLS: Final = "it does not speak TLS"
_UNTRUSTED: Final = "its certificate is signed by an authority that is not trusted"
_TLS_CAUSES: Final = (
    (
        re.compile(r"hostname mismatch|IP address mismatch|doesn't match", re.IGNORECASE),
        "its certificate names another host",
    ),
    (re.compile(r"certificate has expired"), "its certificate has expired"),
    (re.compile(r"not yet valid"), "its certificate is not yet valid"),
    (re.compile(r"CERTIFICATE_VERIFY_FAILED"), _UNTRUSTED),
    (re.compile(r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|wrong version number|HTTP_REQUEST"), _NO_TLS),
)
# A connection that broke off, as one without TLS does: it may be made again.
_TLS_ENDINGS: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_PROXY_REFUSES: Final = ("the proxy refuses the connection", _PROXY)


@dataclass(frozen=True, slots=True)
class Server:
    """What a store's address names."""

    scheme: str
    host: str
    port: int
    setting: str  # what to correct where the address is wrong
    # the variable that names the trusted ones, and what it names; empty for the default
    authorities: tuple[str, str] = ("", "")
    ca_variable: str = "VAULT_CACERT"  # would replace the default authorities
    port_advice: str = ""  # added where the port does not speak TLS
    unresolved: tuple[str, str] | None = None  # why a name of its kind may not resolve, and what else to do then


def no_answer(problem: BaseException, server: Server, place: StoreLocation, action: Action) -> StoreError:
    """The error of an exchange that brought no reply; unreachable where asking again soon would not help."""
    if isinstance(problem, UnknownHostError):
        return _unknown_host(problem, server, place, action)
    if isinstance(problem, ConnectionDeniedError):
        return _explain_denied(problem, server, place, action)
    if isinstance(problem, ssl.SSLError) and not isinstance(problem, _TLS_ENDINGS):
        return _explain_untrusted(problem, server, place, action)
    return StoreError(place, action, *_other(problem), Code.UNAVAILABLE)


def _explain_untrusted(error: ssl.SSLError, server: Server, place: StoreLocation, action: Action) -> StoreError:
    # Nothing of the error's text is kept.
    text = str(error)
    why = next((meaning for pattern, meaning in _TLS_CAUSES if pattern.search(text)), "the TLS handshake failed")
    name, file = server.authorities
    if why == _NO_TLS:
        remedy = f"correct {server.setting}{server.port_advice}"
    elif name and why == _UNTRUSTED:
        remedy = f"{name}{show_file(file)} does not have its CA: correct that, or {server.setting}"
    else:
        remedy = f"set {server.ca_variable} to its CA, or correct {server.setting}"
    return StoreError(place, action, f"no trusted connection: {why}", remedy, Code.TLS_FAILURE)


def _unknown_host(problem: UnknownHostError, server: Server, place: StoreLocation, action: Action) -> StoreError:
    host = problem.host.lower()
    if host != server.host:
        # Without its name: people put a password where a proxy's address belongs.
        code = Code.UNREACHABLE if problem.is_final else Code.UNAVAILABLE
        reason = "the proxy's host name does not resolve here"
        return StoreError(place, action, reason, _PROXY, code)
    if not problem.is_final:
        reason = f"the name server gives no answer for the host name {host}"
        return StoreError(
            place, action, reason, "check this machine's DNS and network, then run again", Code.UNAVAILABLE
        )
    reason = f"the host name {host} does not resolve here"
    remedy = f"correct {server.setting}, or join the network that knows the name (VPN, DNS)"
    if service := service_of(host):
        reason = f"the host name {host} does not resolve here: it is the cluster's own"
        forward = kubectl_line("port-forward", "-n", service[1], f"svc/{service[0]}", str(server.port))
        remedy = f"forward its port (`{forward}`) and set VAULT_ADDR={server.scheme}://127.0.0.1:{server.port}"
    elif server.unresolved is not None:
        why, way_out = server.unresolved
        reason, remedy = f"{reason}: {why}", f"correct {server.setting}, or {way_out}"
    return StoreError(place, action, reason, remedy, Code.UNREACHABLE)


def _explain_denied(problem: ConnectionDeniedError, server: Server, place: StoreLocation, action: Action) -> StoreError:
    host, at = problem.host.lower(), f"{server.host}:{server.port}"
    is_here = is_loopback(host)
    if (host, problem.port) != (server.host, server.port):
        code = Code.UNREACHABLE if is_here else Code.UNAVAILABLE
        return StoreError(place, action, *_PROXY_REFUSES, code)
    if is_here:
        remedy = f"start the server or the port-forward there, or correct {server.setting}"
        return StoreError(place, action, f"nothing listens at {at}", remedy, Code.UNREACHABLE)
    remedy = f"check that the server runs, and the port in {server.setting}"
    return StoreError(place, action, f"{at} refuses the connection", remedy, Code.UNAVAILABLE)


def _other(problem: BaseException) -> tuple[str, str]:
    """The reason and the remedy."""
    if isinstance(problem, TimeoutError):
        return "it does not answer", _NETWORK
    if isinstance(problem, OSError) and problem.errno in _NO_ROUTE:
        return "no network route leads to it", _NETWORK
    if isinstance(problem, OSError) and str(problem).startswith(_NO_TUNNEL):
        return _PROXY_REFUSES
    if isinstance(problem, HTTPException) and not isinstance(problem, OSError | IncompleteRead):
        return "what answers there does not speak HTTP", "check the address and its port"
    return "the connection was closed without an answer", _NETWORK
