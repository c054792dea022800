"""Defines an exception for each cause of a store's refusal, with place, action and remedy, never a value."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from compiler.refusal import Refusal


class Action(StrEnum):
    """What was being done when the store refused; the values read well after "cannot"."""

    CONNECT = "connect"
    LOG_IN = "log in"
    READ = "read"
    DESCRIBE = "describe"
    LIST = "list"
    WRITE = "write"
    TAG = "set the tags of"
    DELETE = "delete"
    RECOVER = "recover"


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """Where it happened: the store's absolute address and, when one secret is concerned, its remote name."""

    store: str
    name: str | None = None

    def __str__(self) -> str:
        return f'"{_shown(self.name)}" in {self.store}' if self.name is not None else self.store


class Code(StrEnum):
    """Tells the errors apart that have no class of their own, as nobody catches one of them alone."""

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


class StoreError(Refusal):
    """Ends an action on a store. `code` tells the kinds apart in reports and journals.

    `message` has place, action and reason, and `help` is the remedy: what a command shows where nothing catches it.

    `retryable` says that the same request may succeed later; `maybe_done` that a write may have been stored although
    no success was reported, so that it must be settled by reading before it is sent again. `told_at_once` says that a
    store which has not answered once is not asked again: somebody has to do something first.
    """

    code: str
    retryable: ClassVar[bool] = False
    maybe_done: bool = False
    told_at_once: ClassVar[bool] = False

    def __init__(
        self, place: StoreLocation, action: Action, reason: str, remedy: str, code: Code | None = None
    ) -> None:
        if code is not None:
            self.code, self.maybe_done = code, code is Code.OUTCOME_UNKNOWN
        target = f"to {place}" if action in (Action.CONNECT, Action.LOG_IN) else str(place)
        super().__init__("cannot run", f"cannot {action} {target}: {reason}", remedy)
        self.place = place
        self.action = action
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        # Of a traceback; what is shown to a person is made of the parts.
        return f"{self.message}; {self.remedy}"


class NotFoundError(StoreError):
    """The store answers, the caller may look, and no such secret is there."""

    code = "not-found"


class SoftDeletedError(StoreError):
    """The secret was deleted and can be recovered. `version` is the deleted one, when known."""

    code = "soft-deleted"

    def __init__(
        self, place: StoreLocation, action: Action, reason: str, remedy: str, version: str | None = None
    ) -> None:
        super().__init__(place, action, reason, remedy)
        self.version = version


class DisabledError(StoreError):
    """Key Vault: the secret is there, its `enabled` attribute is false."""

    code = "disabled"


class VersionGoneError(StoreError):
    """The asked version is evicted, destroyed or deleted; the secret itself may be readable."""

    code = "version-gone"

    def __init__(self, place: StoreLocation, action: Action, reason: str, remedy: str, version: str) -> None:
        super().__init__(place, action, reason, remedy)
        self.version = version


class ForbiddenCause(StrEnum):
    """Why a known caller was refused."""

    ROLE = "role"  # Key Vault with Azure RBAC: a role assignment is missing
    ACCESS_POLICY = "access-policy"  # Key Vault with access policies: a permission is missing
    FIREWALL = "firewall"  # Key Vault: the network is not allowed
    POLICY = "policy"  # Vault: no policy of the token gives the capability on the path
    MOUNT_UNKNOWN = "mount-unknown"  # Vault: the mount is missing or hidden from the token; the server does not tell
    OTHER = "other"


class ForbiddenError(StoreError):
    """The caller is known and may not do this.

    `permission` is what is missing, in the store's own words: `secrets/get`, `read on secret/data/x`. Where the remedy
    is to add `rules` to a policy, they follow its words.
    """

    code = "forbidden"

    def __init__(
        self,
        place: StoreLocation,
        action: Action,
        reason: str,
        remedy: str,
        *,
        cause: ForbiddenCause,
        permission: str,
        rules: Sequence[str] = (),
    ) -> None:
        super().__init__(place, action, reason, " ".join((remedy, *rules)))
        self.cause = cause
        self.permission = permission
        self.rules = tuple(rules)
        self._words = remedy

    def with_rules_of(self, others: Sequence["ForbiddenError"]) -> "ForbiddenError":
        """This error, with the rules that the other ones need as well."""
        rules = dict.fromkeys((*self.rules, *(rule for each in others for rule in each.rules)))
        cause, permission = self.cause, self.permission
        return ForbiddenError(
            self.place, self.action, self.reason, self._words, cause=cause, permission=permission, rules=tuple(rules)
        )


class UnavailableError(StoreError):
    """The store did not answer, or answered with a server's failure, until patience ended."""

    code = "unavailable"
    retryable = True
    maybe_done = True


class UnreachableError(UnavailableError):
    """No connection came about: the host's name is unknown here, or nothing listens on this machine. None was sent."""

    code = "unreachable"
    maybe_done = False
    told_at_once = True


class SealedError(UnavailableError):
    """Vault is sealed or not initialised; it stores nothing in this state."""

    code = "sealed"
    maybe_done = False
    told_at_once = True


class LeaderlessError(UnavailableError):
    """Vault: no node leads for a moment, after a seal or while another is chosen; nothing is stored meanwhile."""

    code = "leaderless"
    maybe_done = False


class BusyError(UnavailableError):
    """Key Vault: the name is being deleted or recovered, which takes seconds; it stores nothing in this state."""

    code = "busy"
    maybe_done = False


class ThrottledError(StoreError):
    """Too many requests. `retry_after` is the store's wish in seconds, None when it named none that makes sense."""

    code = "throttled"
    retryable = True

    def __init__(
        self, place: StoreLocation, action: Action, reason: str, remedy: str, retry_after: float | None = None
    ) -> None:
        super().__init__(place, action, reason, remedy)
        self.retry_after = retry_after


class ConflictError(StoreError):
    """Another writer was there: the newest version, `found` when known, is not the one that was read, `expected`."""

    code = "conflict"

    def __init__(
        self, place: StoreLocation, action: Action, reason: str, remedy: str, *, expected: str | None, found: str | None
    ) -> None:
        super().__init__(place, action, reason, remedy)
        self.expected = expected
        self.found = found


class UnverifiedError(StoreError):
    """A write was stored as `version`, and what the store says of it is not what was sent."""

    code = "unverified"
    maybe_done = True

    def __init__(self, place: StoreLocation, action: Action, reason: str, remedy: str, version: str) -> None:
        super().__init__(place, action, reason, remedy)
        self.version = version


class UnfinishedWriteError(StoreError):
    """A write was stored as `version`, and what belongs to it (tags, a look for other writers) could not be done."""

    code = "unfinished-write"
    maybe_done = True

    def __init__(self, place: StoreLocation, action: Action, reason: str, remedy: str, version: str) -> None:
        super().__init__(place, action, reason, remedy)
        self.version = version


class UnexpectedReplyError(StoreError):
    """Something answered that is not the store, such as a proxy's page, or it stored other bytes than were sent."""

    code = "unexpected-reply"
    maybe_done = True


def _shown(name: str) -> str:
    # A name may be what is wrong; a raw newline in it must not forge a second line of output.
    return name.encode("unicode_escape").decode("ascii").replace('"', '\\"')
