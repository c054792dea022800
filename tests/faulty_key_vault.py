"""A local Key Vault that fails, refuses and waits as a test says, and logs requests without values."""

from __future__ import annotations

import base64
import json
import random
import re
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from http import HTTPStatus
from typing import Any

from azure.core.credentials import AccessToken

from compiler.demo.key_vault_state import (
    KeyVaultState,
    Phase,
    RefusedRequestError,
    SecretBody,
    SecretVersion,
    StoredSecret,
    absent,
    absent_among_deleted,
    parse_body,
    version_of,
)
from compiler.demo.local_key_vault import (
    DEFAULT_CALLER,
    RESOURCE,
    SERVER_NAMES,
    CertificateAuthority,
    LocalKeyVault,
    TokenIssuer,
    VaultReply,
    VaultRequest,
    path_of,
    tls_context,
)
from tests.strict_key_vault import THROTTLED, RequestKind, Throttle, check_request, kind_of


class FaultKind(Enum):
    """What goes wrong."""

    DROP_REQUEST = "the connection is closed before the request is handled"
    DROP_REPLY = "the request is handled, then the connection is closed without a reply"
    RESET = "the connection is reset before the request is handled"
    RESET_REPLY = "the request is handled, then the connection is reset without a reply"
    TRUNCATE_REPLY = "the request is handled, half of the reply is sent"
    STATUS = "an error status without handling the request"
    STATUS_AFTER = "the request is handled, and an error status sent in place of its reply"
    HTML = "a proxy's page with the status `page` in place of the reply"
    REDIRECT = "a redirect to `location`"
    DELAY = "the reply comes `seconds` late"
    ALTER = "the request is handled, and what the pattern `old` finds in its reply is sent as `value`"
    LIE = "a set answers as if it had stored the value, and stores `value`"
    FORBID = "403 with the innererror `inner`"


_BEFORE_HANDLING = frozenset({FaultKind.DROP_REQUEST, FaultKind.RESET})
_DROPPING = frozenset({FaultKind.DROP_REQUEST, FaultKind.DROP_REPLY})
_RESETTING = frozenset({FaultKind.RESET, FaultKind.RESET_REPLY})
_INSTEAD = frozenset({FaultKind.STATUS, FaultKind.HTML, FaultKind.REDIRECT, FaultKind.FORBID})


@dataclass(frozen=True)
class Fault:
    """One kind of failure and the requests it hits: `times` of those that match, after the first `after` of them.

    `method` None and `path` "" match everything; `path` is searched as a regular expression. With `rate`, each request
    that matches is hit with that chance instead, from a seeded generator, and `times` None never ends.
    """

    kind: FaultKind
    method: str | None = None
    path: str = ""
    times: int | None = 1
    after: int = 0
    rate: float | None = None
    status: int = 503
    retry_after: str | None = None
    location: str = ""
    seconds: float = 0.0
    value: str = ""
    old: str = ""
    page: int = 200
    inner: str = "ForbiddenByRbac"


class FaultScript:
    """The faults that are due: the first added that matches a request hits it. Needs the caller's lock."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable failures, not cryptography
        self._faults: list[tuple[Fault, list[int]]] = []

    def add(self, fault: Fault) -> None:
        self._faults.append((fault, [0, 0]))

    def clear(self) -> None:
        self._faults.clear()

    def next_for(self, method: str, path: str) -> Fault | None:
        for fault, counts in self._faults:
            if fault.method not in (None, method) or not re.search(fault.path, path):
                continue
            if fault.times is not None and counts[1] >= fault.times:
                continue
            counts[0] += 1
            if counts[0] <= fault.after or (fault.rate is not None and self._random.random() >= fault.rate):
                continue
            counts[1] += 1
            return fault
        return None


class ClosableThrottle(Throttle):
    """A throttle that another client uses up for a while."""

    _closed_from = _closed_until = 0.0

    def close_between(self, start: float, end: float) -> None:
        """Refuse every request in [start, end)."""
        self._closed_from, self._closed_until = start, end

    def admits(self, kind: RequestKind, now: float) -> bool:
        return not self._closed_from <= now < self._closed_until and super().admits(kind, now)


@dataclass(frozen=True)
class Delays:
    """Seconds that Key Vault takes: until a delete, recovery or purge is done, and until a recovered name takes a set.

    A recovered secret can be read before it can be set (Azure/azure-sdk-for-net#31581): `settle` is that gap.
    """

    delete: float = 0.0
    recover: float = 0.0
    settle: float = 0.0
    purge: float = 0.0


_DAY = 86_400


@dataclass(frozen=True)
class Policy:
    """What Azure Policy denies in one vault: days are counted as the built-in policies do, and None is no limit.

    https://learn.microsoft.com/azure/key-vault/general/azure-policy
    """

    requires_expiry: bool = False
    longest_days: int | None = None
    shortest_days: int | None = None
    requires_content_type: bool = False

    def violated_by(self, expires: int | None, content_type: str | None, made: int, now: float) -> str | None:
        """The name of the policy that denies a version made at `made`; None where all allow it."""
        if self.requires_expiry and expires is None:
            return "Key Vault secrets should have an expiration date"
        if expires is not None and self.longest_days is not None and expires > made + self.longest_days * _DAY:
            return "Secrets should have the specified maximum validity period"
        if expires is not None and self.shortest_days is not None and expires < now + self.shortest_days * _DAY:
            return "Secrets should have more than the specified number of days before expiration"
        if self.requires_content_type and not content_type:
            return "Secrets should have content type set"
        return None


_DELETING, _RECOVERING = "ObjectIsBeingDeleted", "ObjectIsBeingRecovered"


class BusyState(KeyVaultState):
    """A state whose operations take a while, with secrets that back certificates, and with purge protection if asked.

    `busy` has for a name in lower case what is being done to it, in the word of the innererror, and until when.
    `policy` may be changed at any time, and judges requests alone, not what is stored otherwise. With `tells_previous`
    a version that is set or read names the one before it.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        policy: Policy | None = None,
        delays: Delays | None = None,
        *,
        purge_protection: bool = False,
    ) -> None:
        super().__init__(clock)
        self.policy = policy or Policy()
        self.tells_previous = False
        self._delays = delays or Delays()
        self._purge_protection = purge_protection
        self._settled: dict[str, float] = {}
        self._managed: set[str] = set()
        self.busy: dict[str, tuple[str, float]] = {}

    def require_allowed(self, name: str, version: str | None, body: SecretBody) -> None:
        """Refuse a set, which has a value, or an update of `version`, where the policy denies what it would make."""
        now = self._clock()
        expires, content_type, made = body.expires, body.content_type, int(now)
        if body.value is None:
            current = version_of(self.active(name), version)
            expires = current.expires if expires is None else expires
            content_type = current.content_type if content_type is None else content_type
            made = current.created
        if (policy := self.policy.violated_by(expires, content_type, made, now)) is not None:
            message = f"Secret {name} is not allowed by the policy '{policy}'."
            raise RefusedRequestError(403, "Forbidden", message, "ForbiddenByPolicy")

    def add_certificate(self, name: str, value: str) -> None:
        """The secret that backs a certificate: listed with `managed: true`, refused by set, update and delete."""
        body = SecretBody(value, "application/x-pkcs12", None, None, None, None)
        self._secrets[name.lower()] = StoredSecret(name, [self.new_version(body)])
        self._managed.add(name.lower())

    def set(self, base: str, name: str, body: SecretBody) -> dict[str, Any]:
        self._refuse_managed(name)
        doing = self._ongoing(name)
        if doing is None and self._clock() < self._settled.get(name.lower(), 0.0):
            doing = _RECOVERING
        if doing is not None:
            raise _busy(name, doing)
        return self._with_previous(super().set(base, name, body), name)

    def get(self, base: str, name: str, version: str | None) -> dict[str, Any]:
        return self._with_previous(self._marked(super().get(base, name, version), name), name)

    def _with_previous(self, shown: dict[str, Any], name: str) -> dict[str, Any]:
        ids = [each.id for each in self.active(name).versions]
        at = ids.index(shown["id"].rpartition("/")[2])
        return {**shown, "previousVersion": ids[at - 1]} if self.tells_previous and at else shown

    def update(self, base: str, name: str, version: str | None, body: SecretBody) -> dict[str, Any]:
        self._refuse_managed(name)
        return super().update(base, name, version, body)

    def delete(self, base: str, name: str) -> dict[str, Any]:
        self._refuse_managed(name)
        shown = super().delete(base, name)
        self.busy[name.lower()] = _DELETING, self._clock() + self._delays.delete
        return shown

    def list_secrets(self, base: str, after: str) -> tuple[list[dict[str, Any]], str | None]:
        items, marker = super().list_secrets(base, after)
        return [self._marked(each, each["id"].rpartition("/")[2], has_key=False) for each in items], marker

    def list_versions(self, base: str, name: str, after: str) -> tuple[list[dict[str, Any]], str | None]:
        items, marker = super().list_versions(base, name, after)
        return [self._marked(each, name) for each in items], marker

    def get_deleted(self, base: str, name: str) -> dict[str, Any]:
        if self._ongoing(name) is not None:
            # Also while it is being recovered: clients poll until this changes.
            raise absent_among_deleted(name)
        return super().get_deleted(base, name)

    def recover(self, base: str, name: str) -> dict[str, Any]:
        shown = super().recover(base, name)
        ends = self._clock() + self._delays.recover
        self.busy[name.lower()], self._settled[name.lower()] = (_RECOVERING, ends), ends + self._delays.settle
        return shown

    def purge(self, name: str) -> None:
        self.require_deleted(name)
        if self._purge_protection:
            message = "Operation purge is not allowed because purge protection is enabled for this vault."
            raise RefusedRequestError(403, "Forbidden", message, "ForbiddenByPolicy")
        del self._secrets[name.lower()]
        self.busy[name.lower()] = _DELETING, self._clock() + self._delays.purge

    def names(self) -> list[str]:
        return [self._secrets[key].name for key in sorted(self._secrets)]

    def keys_in(self, phase: Phase) -> list[str]:
        return [key for key in super().keys_in(phase) if self._ongoing(key) is None]

    def active(self, name: str) -> StoredSecret:
        if self._ongoing(name) is not None:
            raise absent(name)
        return super().active(name)

    def require_deleted(self, name: str) -> StoredSecret:
        if (doing := self._ongoing(name)) is not None:
            raise _busy(name, doing)
        return super().require_deleted(name)

    def _ongoing(self, name: str) -> str | None:
        doing, ends = self.busy.get(name.lower(), ("", 0.0))
        return doing if self._clock() < ends else None

    def _refuse_managed(self, name: str) -> None:
        if name.lower() in self._managed:
            message = f"Secret {name} is managed by a certificate; this operation is not allowed on it."
            raise RefusedRequestError(403, "Forbidden", message, "ManagedSecret")

    def _marked(self, shown: dict[str, Any], name: str, *, has_key: bool = True) -> dict[str, Any]:
        if name.lower() in self._managed:
            shown["managed"] = True
            if has_key:
                shown["kid"] = shown["id"].replace("/secrets/", "/keys/")
        return shown


def _busy(name: str, doing: str) -> RefusedRequestError:
    word = "deleted" if doing == _DELETING else "recovered and cannot be re-created; retry later"
    return RefusedRequestError(409, "Conflict", f"Secret {name} is currently being {word}.", doing)


def claims_of(token: str) -> dict[str, Any]:
    """What a token of this vault says."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


class RevocableIssuer(TokenIssuer):
    """Issues tokens that can be revoked, and that are for one audience and a time."""

    _generation = 0

    def issue(self, *, lifetime: float = 3_600.0, caller: dict[str, str] | None = None) -> str:
        return super().issue(lifetime=lifetime, caller={**(caller or DEFAULT_CALLER), "gen": str(self._generation)})

    def revoke_all(self) -> None:
        """Every token issued so far stops working, as after a revoked session."""
        self._generation += 1

    def fault_of(self, authorization: str | None) -> str | None:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "AKV10000: Request is missing a Bearer or PoP token."
        if (fault := super().fault_of(authorization)) is not None:
            return fault
        claims = claims_of(token)
        if claims["aud"] != self.audience:
            return f"AKV10022: Invalid audience. Expected {self.audience}."
        if claims["exp"] <= self._clock():
            return "AKV10001: The token is expired."
        return None if claims["gen"] == str(self._generation) else "AKV10002: The token was revoked."


class LocalCredential:
    """A credential for the SDK that asks the local vault's issuer; `requests` counts how often it was asked."""

    def __init__(self, issuer: TokenIssuer, *, lifetime: float = 3_600.0, caller: dict[str, str] | None = None) -> None:
        self._issuer = issuer
        self._lifetime = lifetime
        self._caller = caller
        self.requests = 0

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401 - the SDK's own signature
        self.requests += 1
        token = self._issuer.issue(lifetime=self._lifetime, caller=self._caller)
        return AccessToken(token, claims_of(token)["exp"])


@dataclass(frozen=True)
class Limits:
    """Requests that one vault takes in `window` seconds; None is no limit."""

    creates: int | None = 300
    others: int | None = 4_000
    window: float = 10.0


@dataclass(frozen=True)
class VaultOptions:
    """How the vault is: everything but its secrets. `resource` None is the public cloud's."""

    clock: Callable[[], float] = time.time
    limits: Limits = field(default_factory=Limits)
    delays: Delays = field(default_factory=Delays)
    purge_protection: bool = False
    policy: Policy = field(default_factory=Policy)
    throttle_retry_after: str | None = None
    server_names: tuple[str, ...] = SERVER_NAMES
    expired_certificate: bool = False
    resource: str = RESOURCE
    port: int = 0


@dataclass(frozen=True)
class LoggedRequest:
    """One request as a proof needs it. `status` is None when no reply was sent; `time` is the vault's clock."""

    time: float
    method: str
    path: str
    kind: RequestKind
    status: int | None
    authorised: bool
    fault: FaultKind | None = None

    @property
    def writes(self) -> bool:
        return self.method != "GET"


class FaultyKeyVault(LocalKeyVault):
    """A vault for the length of a `with` block. `lock` guards its state, faults, throttle and log."""

    def __init__(self, options: VaultOptions | None = None) -> None:
        options = options or VaultOptions()
        limits = options.limits
        super().__init__(port=options.port)
        self.throttle: ClosableThrottle = ClosableThrottle(limits.creates, limits.others, limits.window)
        self.faults = FaultScript()
        self.throttle_retry_after = options.throttle_retry_after
        self.denied: dict[str, str] = {}
        self.log: list[LoggedRequest] = []
        self._clock = options.clock
        self.state: BusyState = BusyState(
            self._clock, options.policy, options.delays, purge_protection=options.purge_protection
        )
        self.issuer: RevocableIssuer = RevocableIssuer(options.resource, self._clock)
        self._due: Fault | None = None
        if options.server_names != SERVER_NAMES or options.expired_certificate:
            authority = CertificateAuthority.create(self.ca_file.parent)
            names, is_expired = options.server_names, options.expired_certificate
            self._tcp.context = tls_context(*authority.issue(names, file_stem="other", expired=is_expired))

    def issue_token(self, *, lifetime: float = 3_600.0, caller: dict[str, str] | None = None) -> str:
        return self.issuer.issue(lifetime=lifetime, caller=caller)

    def credential(self, *, lifetime: float = 3_600.0, caller: dict[str, str] | None = None) -> LocalCredential:
        return LocalCredential(self.issuer, lifetime=lifetime, caller=caller)

    def add_fault(self, fault: Fault) -> None:
        with self.lock:
            self.faults.add(fault)

    def clear_faults(self) -> None:
        with self.lock:
            self.faults.clear()

    def deny(self, permission: str, inner: str) -> None:
        """Refuse a permission (`get`, `list`, `set`, `delete`, `recover`, `purge`) with 403 and this innererror."""
        with self.lock:
            self.denied[permission] = inner

    def set_policy(self, policy: Policy) -> None:
        """Deny from now on what `policy` does, and nothing else by policy."""
        with self.lock:
            self.state.policy = policy

    def throttle_between(self, start: float, end: float) -> None:
        with self.lock:
            self.throttle.close_between(start, end)

    def seed(
        self,
        name: str,
        value: str,
        *,
        content_type: str | None = None,
        tags: dict[str, str] | None = None,
        enabled: bool = True,
        expires: int | None = None,
        not_before: int | None = None,
    ) -> str:
        """Store a version without a request, and return its id."""
        body = SecretBody(value, content_type, tags, enabled, expires, not_before)
        with self.lock:
            stored = self.state.set(self.url, name, body)
        return str(stored["id"]).rpartition("/")[2]

    def seed_certificate(self, name: str, value: str = "certificate and key") -> None:
        with self.lock:
            self.state.add_certificate(name, value)

    def seed_deleted(self, name: str, value: str) -> str:
        """Store a version and delete the secret softly, without a request."""
        version = self.seed(name, value)
        with self.lock:
            self.state.delete(self.url, name)
        return version

    def versions(self, name: str) -> list[SecretVersion]:
        """The versions of a secret in any phase, oldest first; empty when there is none."""
        with self.lock:
            stored = self.state.find_secret(name)
            return [] if stored is None else list(stored.versions)

    def value(self, name: str) -> str:
        return self.versions(name)[-1].value

    def requests(self) -> list[LoggedRequest]:
        with self.lock:
            return list(self.log)

    def forget_requests(self) -> None:
        with self.lock:
            self.log.clear()

    def send(self, request: VaultRequest, connection: ssl.SSLSocket) -> bool:
        reply, fault = self.handle(request)
        kind = None if fault is None else fault.kind
        if fault is not None and kind is FaultKind.DELAY:
            time.sleep(fault.seconds)
        if reply is None:
            if kind in _RESETTING:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        content = self.add_date(reply)
        is_whole = kind is not FaultKind.TRUNCATE_REPLY
        connection.sendall(content if is_whole else content[: len(content) // 2])
        return is_whole

    def handle(self, request: VaultRequest) -> tuple[VaultReply | None, Fault | None]:
        """The reply to one request and the fault that hit it; None for a reply that is never sent."""
        path = "/" + "/".join(request.path)
        is_authorised = self.issuer.fault_of(request.headers.get("authorization")) is None
        with self.lock:
            now = self._clock()
            fault = self._due = self.faults.next_for(request.method, path)
            kind = None if fault is None else fault.kind
            if fault is not None and kind in _INSTEAD | _BEFORE_HANDLING:
                reply = _fault_reply(fault)
            else:
                reply = self.reply(request)
            if fault is not None and kind is FaultKind.ALTER:
                reply = replace(reply, body=re.sub(fault.old, fault.value, reply.text))
            sent = None if kind in _RESETTING | _DROPPING else reply
            status = None if sent is None else sent.status
            self.log.append(LoggedRequest(now, request.method, path, kind_of(request), status, is_authorised, kind))
        return sent, fault

    def reply(self, request: VaultRequest) -> VaultReply:
        reply = super().reply(request)
        wait = self.throttle_retry_after
        if reply.status != HTTPStatus.TOO_MANY_REQUESTS or wait is None:
            return reply
        return replace(reply, headers=(("Retry-After", wait),))

    def answer(self, request: VaultRequest) -> VaultReply:
        if not self.throttle.admits(kind_of(request), self._clock()):
            raise RefusedRequestError(429, "Throttled", THROTTLED)
        check_request(request)
        self._require_permission(permission_of(request))
        if self.state.policy != Policy():
            self._require_policy(request)
        reply, fault = self._purge(request) or super().answer(request), self._due
        if fault is not None and fault.kind is FaultKind.LIE and request.method == "PUT":
            stored = self.state.find_secret(request.path[1])
            if stored is not None:
                stored.versions[-1].value = fault.value
        return _fault_reply(fault) if fault is not None and fault.kind is FaultKind.STATUS_AFTER else reply

    def _purge(self, request: VaultRequest) -> VaultReply | None:
        match request.method, path_of(request):
            case "DELETE", ("deletedsecrets", name):
                self.state.purge(name)
                return VaultReply(204)
        return None

    def _require_permission(self, permission: str) -> None:
        denied = self.denied.get(permission)
        if denied is not None:
            raise RefusedRequestError(403, "Forbidden", _forbidden_message(denied, permission), denied)

    def _require_policy(self, request: VaultRequest) -> None:
        match request.method, path_of(request):
            case "PUT" | "PATCH", ("secrets", name, *rest):
                self.state.require_allowed(name, rest[0] if rest else None, parse_body(request.body))


def permission_of(request: VaultRequest) -> str:
    """The data permission a request needs, in the words of an access policy."""
    match request.method, path_of(request):
        case "GET", ("secrets" | "deletedsecrets",) | ("secrets", _, "versions"):
            return "list"
        case "GET", _:
            return "get"
        case "DELETE", ("deletedsecrets", _):
            return "purge"
        case "DELETE", _:
            return "delete"
        case "POST", (*_, "recover"):
            return "recover"
        case "PATCH", _:
            return "update"
        case _:
            return "set"


def _fault_reply(fault: Fault) -> VaultReply:
    if fault.kind is FaultKind.HTML:
        return VaultReply(fault.page, "<html><body>Sign in to the proxy</body></html>", content_type="text/html")
    if fault.kind is FaultKind.REDIRECT:
        return VaultReply(fault.status, None, (("Location", fault.location),))
    if fault.kind is FaultKind.FORBID:
        return VaultReply(
            403, RefusedRequestError(403, "Forbidden", _forbidden_message(fault.inner, "get"), fault.inner).body()
        )
    headers = () if fault.retry_after is None else (("Retry-After", fault.retry_after),)
    code = "Throttled" if fault.status == 429 else "InternalError"
    return VaultReply(fault.status, {"error": {"code": code, "message": "A scripted failure."}}, headers)


def _forbidden_message(inner: str, permission: str) -> str:
    match inner:
        case "ForbiddenByRbac":
            return f"Caller is not authorized to perform action on resource. Action: 'secrets/{permission}'"
        case "ForbiddenByFirewall":
            return "Client address is not authorized and caller is not a trusted service. Client address: 127.0.0.1"
        case _:
            return (
                f"The user, group or application 'appid=a' does not have secrets {permission} permission on key vault"
            )
