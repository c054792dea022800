"""Takes Vault's replies apart: secrets and their versions, and errors without the reply's text.

A secret counts as absent only if Vault says so in its own JSON: a proxy's page with status 404 proves nothing.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from compiler.model.facts import parse_duration
from compiler.stores.errors import (
    Action,
    Code,
    ConflictError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    StoreLocation,
    VersionGoneError,
)
from compiler.stores.interface import (
    Attributes,
    Cluster,
    Dropped,
    Limit,
    Listing,
    RemoteSecret,
    SecretState,
    StoreState,
    VersionStates,
)
from compiler.stores.pacing import parse_retry_after
from compiler.text.wording import shell_line

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
_TOO_LARGE: Final = re.compile(r"too large|exceeds? .{0,100}?(?:size|limit)", re.IGNORECASE)


# What `sys/health` answers with from a node that serves, now or as another's standby or secondary.
# https://developer.hashicorp.com/vault/api-docs/system/health
HEALTHY: Final = frozenset({200, 429, 472, 473, 474})
# A server's text, which messages and files quote: no more than an id and a name have.
_CLUSTER_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_VERSION: Final = re.compile(r"(\d{1,3})\.(\d{1,3})\.", re.ASCII)
# https://openbao.org/docs/release-notes/2-3-0
_OPENBAO_HAS_NAMESPACES: Final = (2, 3)
_CLUSTER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,127}", re.ASCII)


class RefusedError(Exception):
    """A reply that is no success, and what is kept of it; the adapter makes a StoreError of it.

    `errors` are the server's texts, for recognising only; `metadata` is that of a deleted version, which a 404 carries.
    `is_vaults` says that the body was a Vault's JSON: a list of errors, or such metadata.
    """

    def __init__(
        self,
        status: int,
        errors: tuple[str, ...] = (),
        metadata: Mapping[str, object] = MappingProxyType({}),
        retry_after: str | None = None,
        *,
        is_vaults: bool = True,
    ) -> None:
        super().__init__(status)
        self.status, self.errors, self.metadata = status, errors, metadata
        self.retry_after, self.is_vaults = retry_after, is_vaults

    def says(self, words: str) -> bool:
        return any(words in error for error in self.errors)


def cluster_of(health: Mapping[str, object]) -> Cluster | None:
    """Return who the server of this answer of `sys/health` is; None where it has no id, or what is none."""
    told, name = health.get("cluster_id"), health.get("cluster_name")
    if not isinstance(told, str) or not _CLUSTER_ID.fullmatch(told):
        return None
    shown = name if isinstance(name, str) and _CLUSTER_NAME.fullmatch(name) else ""
    return Cluster(told, shown, _has_namespaces(health))


def _has_namespaces(health: Mapping[str, object]) -> bool | None:
    """Whether the server has namespaces; HashiCorp's community edition ignores them, and older OpenBao may.

    HashiCorp's builds say whether they are Enterprise, but for older ones of version 1. OpenBao's never do.
    """
    is_enterprise = health.get("enterprise")
    if "enterprise" in health:
        return is_enterprise if isinstance(is_enterprise, bool) else None
    version = _VERSION.match(str(health.get("version")))
    is_openbao = version is not None and (int(version[1]), int(version[2])) >= _OPENBAO_HAS_NAMESPACES
    return True if is_openbao else None


def is_trouble(status: int) -> bool:
    """Whether a reply of this status shows no working store: a failure of the server's own, or of this node."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _NOT_THIS_NODE


# Why there is an error, what to do, and its code.
_Meaning = tuple[str, str, Code]
_TOO_LARGE_DOCUMENT: Final[_Meaning] = (
    "the document is larger than the server allows",
    "split it, or raise the storage's max_entry_size",
    Code.TOO_LARGE,
)
_THROTTLED: Final[_Meaning] = ("the server is throttling requests", "run again later", Code.THROTTLED)
_REDIRECTS: Final[_Meaning] = (
    "the server redirects to another address",
    "use the address of the active node or of its load balancer",
    Code.REDIRECT_REFUSED,
)
# What a status means whose texts have these words.
_SAID: Final[Mapping[tuple[int, str], _Meaning]] = {
    (400, "HTTP request to an HTTPS server"): (
        "the server speaks TLS only",
        "use https:// in its address",
        Code.TLS_FAILURE,
    ),
    (400, "Upgrading from non-versioned"): (
        "the mount is being upgraded to version 2",
        "run again in a moment",
        Code.UNAVAILABLE,
    ),
    # Of a token that ended between a refusal and the question about its capabilities.
    (400, "invalid token"): (
        "the token is unknown, expired, revoked or used up",
        f"log in again ({either_line('login')})",
        Code.EXPIRED_TOKEN,
    ),
    (404, "namespace not found"): (
        "the server has no such namespace",
        "correct vaultNamespace or VAULT_NAMESPACE",
        Code.WRONG_MOUNT,
    ),
    (404, "no handler for route"): (
        "no engine is mounted there",
        "correct the store's mount, or an address with a path, such as /v1",
        Code.WRONG_MOUNT,
    ),
}


def error_of_reply(
    reply: RefusedError, place: StoreLocation, action: Action, *, is_about_a_secret: bool = True
) -> StoreError:
    """The error of a reply; a Vault's 403 needs further questions. A 404 means absent only for a secret."""
    if is_trouble(reply.status):
        return StoreError(place, action, *_trouble(reply))
    if reply.status == HTTPStatus.BAD_REQUEST and reply.says("check-and-set parameter did not match"):
        return ConflictError(place, action, "another version was written", "plan again", found=None)
    if reply.status == HTTPStatus.NOT_FOUND and reply.is_vaults and is_about_a_secret and not reply.errors:
        # A secret that is not there is an empty list of errors.
        return _missing(reply, place, action)
    for (status, words), meaning in _SAID.items():
        if reply.status == status and reply.says(words):
            return StoreError(place, action, *meaning)
    return StoreError(place, action, *_by_status(reply), retry_after=parse_retry_after(reply.retry_after))


def _by_status(reply: RefusedError) -> _Meaning:
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _THROTTLED
    if reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _TOO_LARGE_DOCUMENT
    if HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST:
        return _REDIRECTS
    if reply.status < HTTPStatus.MULTIPLE_CHOICES:
        how = f"status {reply.status} without JSON"
    elif reply.status == HTTPStatus.UNAUTHORIZED:
        # Vault has no such answer: a Key Vault has, and a proxy that wants a log-in.
        how = "status 401"
    elif not reply.is_vaults:
        how = f"status {reply.status} without Vault's JSON"
    else:
        return f"the server answered {reply.status}", "see the server's log", Code.UNEXPECTED_REPLY
    reason = f"the server that answered is not Vault: {how}"
    return reason, "check the address and the proxy in between", Code.UNEXPECTED_REPLY


def _missing(reply: RefusedError, place: StoreLocation, action: Action) -> StoreError:
    if not reply.metadata:
        return NotFoundError(place, action, "the store has no such secret", "create it, or correct its name")
    version = str(reply.metadata.get("version", ""))
    if reply.metadata.get("destroyed"):
        reason = f"version {version} is destroyed for good"
        return VersionGoneError(place, action, reason, "write a new version", version=version)
    remedy = f"recover it (`{shell_line('bao', 'kv', 'undelete')}`, or `--recover` of put, restore or migrate)"
    return SoftDeletedError(place, action, f"its version {version} is deleted", remedy, version=version)


def _trouble(reply: RefusedError) -> _Meaning:
    if any(_TOO_LARGE.search(text) for text in reply.errors):
        # Vault says so with a 500, which must not be sent again for two minutes.
        return _TOO_LARGE_DOCUMENT
    if reply.is_vaults and (reply.says("not initialized") or reply.status == HTTPStatus.NOT_IMPLEMENTED):
        return *NOT_INITIALISED, Code.SEALED
    if reply.is_vaults and reply.says("sealed"):
        return *SEALED, Code.SEALED
    if reply.is_vaults and reply.says("node not active"):
        return *_LEADERLESS, Code.LEADERLESS
    if reply.status in _NOT_THIS_NODE:
        return *_NOT_THIS_NODE[reply.status], Code.UNAVAILABLE
    if reply.status in _GATEWAYS and not reply.is_vaults:
        reason = f"what stands before the server answers {reply.status}: it reaches no server that is ready"
        return reason, "check that the server runs and is unsealed, then run again", Code.UNAVAILABLE
    return f"the server answered {reply.status}", "see the server's log, and run again", Code.UNAVAILABLE


# https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#configure-the-kv-engine
DEFAULT_KEEPS: Final = 10


def remote_secret(name: str, body: Mapping[str, Any]) -> RemoteSecret:
    """Return the version that a read returned. KeyError, TypeError or ValueError for a body of another shape."""
    data, metadata = body["data"]["data"], body["data"]["metadata"]
    return RemoteSecret(
        name,
        str(int(metadata["version"])),
        dict(data),
        Attributes(
            # `delete_version_after` makes it: the time at which this version deletes itself.
            expires=_time(metadata.get("deletion_time")),
            tags=dict(metadata.get("custom_metadata") or {}),
            created=_time(metadata["created_time"]),
        ),
    )


def creation_time(body: Mapping[str, Any]) -> datetime | None:
    """Return when a write's version was made, None where the reply to it does not tell: the version is stored."""
    try:
        return _time(body["data"].get("created_time"))
    except (AttributeError, ArithmeticError, TypeError, ValueError):
        return None


def secret_state(name: str, body: Mapping[str, Any]) -> SecretState:
    """Return the state that the metadata of a name tells. Raises as `remote_secret` does."""
    data = body["data"]
    current = int(data["current_version"])
    attributes = Attributes(
        tags=dict(data.get("custom_metadata") or {}),
        created=_time(data["created_time"]),
        updated=_time(data["updated_time"]),
    )
    newest = data["versions"].get(str(current))
    if newest is None:
        return SecretState(name, StoreState.ABSENT, None, attributes)
    return SecretState(name, _state_of(newest, datetime.now(UTC)), str(current), attributes)


_OF_VAULT_ITSELF: Final = frozenset({"cubbyhole", "identity", "system"})


def listing(folder: str, body: Mapping[str, Any]) -> Listing:
    """Return what a folder holds. Raises as `remote_secret` does."""
    keys = [f"{folder}{key}" for key in map(str, body["data"]["keys"])]
    names = dict.fromkeys((key for key in keys if not key.endswith("/")), Attributes())
    return Listing(names, tuple(key for key in keys if key.endswith("/")))


def engines_beside(mount: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the engines that the caller sees, without `mount` and those of Vault itself. Raises as `remote_secret`."""
    found = []
    for path, engine in sorted(body["data"]["secret"].items()):
        if path == mount or str(engine["type"]).removeprefix("ns_") in _OF_VAULT_ITSELF:
            continue
        version = (engine.get("options") or {}).get("version")
        kind = f"{engine['type']} version {version}" if version else str(engine["type"])
        found.append(f"{kind} at {path}")
    return tuple(found)


def version_states(body: Mapping[str, Any]) -> VersionStates:
    """Return the state of each version that the metadata of a name lists, oldest first. Raises as `remote_secret`."""
    now = datetime.now(UTC)
    versions = body["data"]["versions"]
    found = {str(version): versions[str(version)] for version in sorted(map(int, versions))}
    made = {version: time for version, each in found.items() if (time := _time(each.get("created_time"))) is not None}
    return VersionStates({version: _state_of(each, now) for version, each in found.items()}, made)


def _state_of(version: Mapping[str, Any], now: datetime) -> StoreState:
    if version["destroyed"]:
        return StoreState.DESTROYED
    deleted = _time(version["deletion_time"])
    return StoreState.SOFT_DELETED if deleted is not None and deleted <= now else StoreState.PRESENT


# How many versions a mount keeps of a secret, 0 for the default and None where it does not tell; and after how many
# seconds it deletes one, negative where all stay.
MountSettings = tuple[int | None, int]


def mount_settings(body: Mapping[str, Any]) -> MountSettings:
    """Return what the configuration of a mount says. Raises as `remote_secret` does."""
    data = body["data"]
    return int(data["max_versions"]), _seconds(data.get("delete_version_after"))


def losses_of_next(body: Mapping[str, Any] | None, mount: MountSettings) -> Dropped | None:
    """The readable versions that one more write makes Vault drop, by a name's metadata, None for no name."""
    mount_keeps, mount_lives = mount
    data = body["data"] if body is not None else {}
    versions, keeps = _losses(body, mount_keeps) if body is not None else ((), mount_keeps or DEFAULT_KEEPS)
    found = {Limit.NAME: _seconds(data.get("delete_version_after")), Limit.MOUNT: mount_lives}
    # A mount with a negative time ends no version, whatever the secret says; else the shorter time counts (measured on
    # OpenBao 2.7).
    limits = tuple(limit for limit, seconds in found.items() if seconds > 0) if found[Limit.MOUNT] >= 0 else ()
    lives = min((found[limit] for limit in limits), default=None)
    return Dropped(versions, keeps, lives, limits) if versions or limits else None


def _losses(body: Mapping[str, Any], mount_keeps: int | None) -> tuple[tuple[str, ...], int]:
    data = body["data"]
    current, oldest = int(data["current_version"]), int(data["oldest_version"])
    if mount_keeps is None and oldest > 1:
        # What it has dropped before shows how many it keeps.
        keeps = current + 1 - oldest
    else:
        # The larger one counts, the secret's own or the mount's (measured on OpenBao 2.7).
        keeps = max(int(data["max_versions"]), mount_keeps or 0) or DEFAULT_KEEPS
    last = current + 1 - keeps
    states = version_states(body).items()
    return tuple(version for version, state in states if int(version) <= last and state is StoreState.PRESENT), keeps


def _seconds(text: str | None) -> int:
    """The seconds of a duration as Vault writes it, `1h0m0s`; 0 for none, and negative for "never"."""
    if text and text.startswith("-"):
        return -1
    duration = parse_duration(text) if text else None
    return duration or 0


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
