"""Turns Vault's refusals and failed exchanges into typed errors, without the reply's text.

A secret counts as absent only if Vault says so in its own JSON: a proxy's page with status 404 does not tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from compiler.model.store import StoreAddress
from compiler.stores.errors import (
    Action,
    Code,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    StoreLocation,
    VersionGoneError,
)
from compiler.stores.http import TOO_LARGE_REPLY
from compiler.stores.interface import Cluster, Problem, Use
from compiler.stores.pacing import parse_retry_after
from compiler.stores.vault.access import PathAccess, every_path, on_same_path, path_accesses, policy_rule
from compiler.stores.vault.log_in import VaultLogin
from compiler.text.wording import counted, shell_line

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
_CLUSTER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,127}", re.ASCII)


class RefusedError(Exception):
    """A reply that is no success. It never leaves the adapter, which turns it into a StoreError."""

    def __init__(self, reply: Reply) -> None:
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
        return StoreError(
            place, action, "the server is throttling requests", "run again later", Code.THROTTLED, retry_after=asked
        )
    if reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _too_large(place, action)
    if HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST:
        remedy = "use the address of the active node or of its load balancer"
        return StoreError(place, action, "the server redirects to another address", remedy, Code.REDIRECT_REFUSED)
    if reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return _foreign(f"status {reply.status} without JSON", place, action)
    if reply.status == HTTPStatus.UNAUTHORIZED:
        # Vault has no such answer: a Key Vault has, and a proxy that wants a log-in.
        return _foreign("status 401", place, action)
    if not reply.is_vaults:
        return _foreign(f"status {reply.status} without Vault's JSON", place, action)
    return StoreError(
        place, action, f"the server answered {reply.status}", "see the server's log", Code.UNEXPECTED_REPLY
    )


def _foreign(how: str, place: StoreLocation, action: Action) -> StoreError:
    return StoreError(
        place,
        action,
        f"the server that answered is not Vault: {how}",
        "check the address and the proxy in between",
        Code.UNEXPECTED_REPLY,
    )


def _missing(reply: Reply, place: StoreLocation, action: Action, *, is_about_a_secret: bool) -> StoreError:
    if reply.says("namespace not found"):
        return StoreError(
            place,
            action,
            "the server has no such namespace",
            "correct vaultNamespace or VAULT_NAMESPACE",
            Code.WRONG_MOUNT,
        )
    if reply.says("no handler for route"):
        return StoreError(
            place,
            action,
            "no engine is mounted there",
            "correct the store's mount, or an address with a path, such as /v1",
            Code.WRONG_MOUNT,
        )
    if reply.errors or not is_about_a_secret:
        # A secret that is not there is an empty list of errors.
        return _by_status(reply, place, action)
    if not reply.metadata:
        return NotFoundError(place, action, "the store has no such secret", "create it, or correct its name")
    version = str(reply.metadata.get("version", ""))
    if reply.metadata.get("destroyed"):
        return VersionGoneError(
            place, action, f"version {version} is destroyed for good", "write a new version", version=version
        )
    return SoftDeletedError(
        place,
        action,
        f"its version {version} is deleted",
        f"recover it (`{shell_line('bao', 'kv', 'undelete')}`, or `--recover` of put, restore or migrate)",
        version=version,
    )


def _bad_request(reply: Reply, place: StoreLocation, action: Action) -> StoreError:
    if reply.says("check-and-set parameter did not match"):
        return ConflictError(place, action, "another version was written", "plan again", expected=None, found=None)
    if reply.says("HTTP request to an HTTPS server"):
        return StoreError(place, action, "the server speaks TLS only", "use https:// in its address", Code.TLS_FAILURE)
    if reply.says("Upgrading from non-versioned"):
        return StoreError(
            place, action, "the mount is being upgraded to version 2", "run again in a moment", Code.UNAVAILABLE
        )
    return _by_status(reply, place, action)


def _too_large(place: StoreLocation, action: Action) -> StoreError:
    return StoreError(
        place,
        action,
        "the document is larger than the server allows",
        "split it, or raise the storage's max_entry_size",
        Code.TOO_LARGE,
    )


def _unavailable(reply: Reply, place: StoreLocation, action: Action) -> StoreError:
    if any(_TOO_LARGE.search(text) for text in reply.errors):
        # Vault says so with a 500, which must not be sent again for two minutes.
        return _too_large(place, action)
    if reply.is_vaults and (reply.says("not initialized") or reply.status == HTTPStatus.NOT_IMPLEMENTED):
        return StoreError(place, action, *NOT_INITIALISED, Code.SEALED)
    if reply.is_vaults and reply.says("sealed"):
        return StoreError(place, action, *SEALED, Code.SEALED)
    if reply.is_vaults and reply.says("node not active"):
        return StoreError(place, action, *_LEADERLESS, Code.LEADERLESS)
    if reply.status in _NOT_THIS_NODE:
        return StoreError(place, action, *_NOT_THIS_NODE[reply.status], Code.UNAVAILABLE)
    if reply.status in _GATEWAYS and not reply.is_vaults:
        reason = f"what stands before the server answers {reply.status}: it reaches no server that is ready"
        return StoreError(
            place, action, reason, "check that the server runs and is unsealed, then run again", Code.UNAVAILABLE
        )
    return StoreError(
        place, action, f"the server answered {reply.status}", "see the server's log, and run again", Code.UNAVAILABLE
    )


def malformed(place: StoreLocation, action: Action, *, is_too_large: bool = False) -> StoreError:
    """Return the error of a JSON object that lacks what the API promises, or of a reply that is no store's by size."""
    if is_too_large:
        return StoreError(
            place, action, TOO_LARGE_REPLY, "check the address and the proxy in between", Code.UNEXPECTED_REPLY
        )
    if action is Action.LOG_IN:
        reason = "the server that answered is not Vault: its success lacks Vault's fields"
        return StoreError(place, action, reason, "check the address and the proxy in between", Code.UNEXPECTED_REPLY)
    return StoreError(
        place,
        action,
        "the reply lacks fields of KV version 2",
        "check for a proxy in between, or another engine",
        Code.UNEXPECTED_REPLY,
    )


_CAPABILITIES: Final = "sys/capabilities-self"
_ADD: Final = "add to a policy:"
# What a question is answered with by a proxy that bars it, or where the path is not known.
_BARRED: Final = frozenset({Code.UNEXPECTED_REPLY, Code.WRONG_MOUNT})
# The name of no secret: what a token may do there, it may do with any name.
_OTHERS: Final = "any-other-secret-of-this-mount"
# Paths in one question: a few tens of KB.
_PATHS_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, for the messages: the action, the remote name, and the API path with the capability it needs."""

    action: Action
    name: str | None
    path: str
    capability: str

    @property
    def is_about_a_secret(self) -> bool:
        # No engine can be mounted at either of the other two.
        return not self.path.startswith(("sys/", "auth/"))


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What a token says of itself. `lease` is the rest of its life in seconds, 0 when it has no end."""

    subject: str
    expires: datetime | None
    lease: float
    renewable: bool
    is_root: bool


class VaultQuestions:
    """Asks by an hvac client, and through `attempt`, which sends once and raises StoreError."""

    def __init__(
        self,
        address: StoreAddress,
        login: VaultLogin,
        client: Any,  # noqa: ANN401 - hvac has no types
        attempt: Callable[[Request, Callable[[], Any]], Any],
    ) -> None:
        self._address = address
        self._login = login
        self._client = client
        self._attempt = attempt
        self._expected: dict[str, frozenset[Use]] = {}

    def token_facts(self, action: Action) -> TokenFacts | None:
        """Return what the token says of itself, None when it may not ask. Raises a StoreError, expired-token."""
        denied: list[Reply] = []

        def ask() -> TokenFacts | None:
            try:
                return _facts(self._client.auth.token.lookup_self()["data"])
            except RefusedError as refusal:
                if refusal.reply.status != HTTPStatus.FORBIDDEN or not refusal.reply.is_vaults:
                    raise
                denied.append(refusal.reply)
                return None

        facts: TokenFacts | None = self._attempt(Request(action, None, "auth/token/lookup-self", "read"), ask)
        # A policy's refusal comes as a list of one; a dead token's without the list, or (Vault) naming it invalid.
        if any(reply.says("invalid token") or not reply.says("1 error occurred") for reply in denied):
            raise StoreError(
                StoreLocation(self._address.absolute),
                action,
                f"{self._login.token} is unknown, expired, revoked or used up",
                f"log in again ({either_line('login')}), and renew {self._login.source}",
                Code.EXPIRED_TOKEN,
            )
        return facts

    def explain_sealed(self, failure: StoreError) -> StoreError:
        """The failure with its state: to all other questions a server that was never initialised says "sealed" too."""
        request = Request(failure.action, None, "sys/seal-status", "read")

        def ask() -> tuple[bool, int, int]:
            told = self._client.adapter.get(f"/v1/{request.path}")
            return bool(told["initialized"]), int(told["progress"]), int(told["t"])

        try:
            is_initialised, entered, needed = self._attempt(request, ask)
        except StoreError:
            return failure
        if not is_initialised:
            return StoreError(failure.place, failure.action, *NOT_INITIALISED, Code.SEALED)
        reason, remedy = SEALED
        if needed > 1:
            reason += f" ({entered} of {needed} unseal keys are entered)"
        return StoreError(failure.place, failure.action, reason, remedy, Code.SEALED)

    def check_mount(self) -> None:
        """Raise unless KV version 2 is mounted at exactly the address' mount."""
        mount = self._address.mount
        request = Request(Action.CONNECT, None, f"sys/internal/ui/mounts/{mount}", "read")

        def ask() -> tuple[str, str, str | None]:
            # Taken apart in here, where a reply of another shape becomes an error that says so.
            data = self._client.adapter.get(f"/v1/{request.path}")["data"]
            return data["path"].strip("/"), data["type"], (data.get("options") or {}).get("version")

        found, engine, version = self._attempt(request, ask)
        place = StoreLocation(self._address.absolute)
        if found != mount:
            raise StoreError(
                place, Action.CONNECT, f'the mount is "{found}"', "correct the store's mount", Code.WRONG_MOUNT
            )
        if engine not in ("kv", "generic"):
            reason = "the engine mounted there is not KV"
            raise StoreError(place, Action.CONNECT, reason, "correct the store's mount", Code.WRONG_MOUNT)
        if version != "2":
            raise StoreError(
                place,
                Action.CONNECT,
                "the mount is KV version 1, and version 2 is needed",
                f"upgrade it (`{self._enable_versioning()}`), or name a KV version 2 mount",
                Code.UNSUPPORTED_ENGINE,
            )

    def _enable_versioning(self) -> str:
        namespace = [f"-namespace={each}"] if (each := self._address.vault_namespace) else []
        return shell_line("bao", "kv", "enable-versioning", *namespace, self._address.mount)

    def explain_denied(self, request: Request, place: StoreLocation) -> StoreError:
        """Return why a 403 was answered, as far as the token may find out; raise when it is the token that ended."""
        facts = self.token_facts(request.action)
        if request.path.startswith("sys/internal/ui/mounts/"):
            return self._mount_denied(place, facts)
        wanted = f"{request.capability} on {request.path}"
        accesses = self._accesses(request)
        found = self._capabilities(request, [each.path for each in accesses])
        held = (found or {}).get(request.path, frozenset())
        if request.capability == "create" and "create" in held and "update" not in held:
            # A name that has metadata, and no version: to Vault it is there already.
            request = replace(request, capability="update")
            accesses = self._accesses(request)
        if request.capability in held:
            return ForbiddenError(
                place,
                request.action,
                f'{self._login.token} has "{wanted}", but something else denies it (parameters, an address, a control '
                "group)",
                "ask Vault's administrator",
                permission=wanted,
            )
        return self._no_policy(request, place, accesses, found)

    def require(self, request: Request, place: StoreLocation) -> None:
        """Raise ForbiddenError where the token is known to lack what `request` needs.

        A token that may not ask is not known to lack anything: the request itself will tell.
        """
        accesses = self._accesses(request)
        found = self._capabilities(request, [each.path for each in accesses])
        if found is not None and not found.get(request.path, frozenset()) & {request.capability, "root"}:
            raise self._no_policy(request, place, accesses, found)

    def expect(self, uses: Mapping[str, Collection[Use]]) -> None:
        """Take note of `uses` by names, for the help of a refusal."""
        self._expected |= {name: frozenset(each) for name, each in uses.items()}

    def check_access(self, uses: Mapping[str, Collection[Use]]) -> tuple[Problem, ...] | None:
        """The names that the token lacks access for, from one question for many paths; None where Vault does not say.

        A token that may not ask, or a proxy in between that bars the question, is no reason to stop.
        """
        self.expect(uses)
        accesses = {name: path_accesses(self._address.mount, name, each) for name, each in uses.items()}
        found = self._held(each.path for needed in accesses.values() for each in needed if each.required)
        if found is None:
            return None
        checked = ((name, self._lacking(each, found)) for name, each in accesses.items())
        return tuple(self._problem(name, accesses[name], lacking, found) for name, lacking in checked if lacking)

    def excess_access(self, uses: Mapping[str, Collection[Use]]) -> str | None:
        """What the token has beyond `uses`, in words: on every path that a name has, those of no use among them.

        A name that no secret has stands for all others: a rule that grants it something is as wide as the mount.
        """
        mount = self._address.mount
        used = {each.path: each.capabilities for name, its in uses.items() for each in path_accesses(mount, name, its)}
        found = self._held(path for name in [*uses, _OTHERS] for path in every_path(mount, name)) if uses else {}
        if found is None:
            return None
        if any("root" in held for held in found.values()):
            return f"{self._login.token} is a root token, which may do everything"
        beyond = {path: held - used.get(path, frozenset()) - {"deny"} for path, held in found.items()}
        paths = [path for path, capabilities in beyond.items() if capabilities]
        if not paths:
            return ""
        what = ", ".join(f'"{capability}"' for capability in sorted(beyond[paths[0]]))
        more = f", and more than it takes on {counted(len(paths) - 1, 'other path')}" if len(paths) > 1 else ""
        where = f'"{paths[0]}"' if _OTHERS not in paths[0] else f'all of "{paths[0].removesuffix(_OTHERS)}"'
        return f"{self._login.token} has {what} on {where}{more}"

    def _held(self, wanted: Iterable[str]) -> dict[str, frozenset[str]] | None:
        """What the token may do on each of these paths; None where Vault does not say it of all."""
        paths, found = tuple(dict.fromkeys(wanted)), dict[str, frozenset[str]]()
        for start in range(0, len(paths), _PATHS_AT_ONCE):
            asking = Request(Action.DESCRIBE, None, _CAPABILITIES, "update")
            try:
                told = self._capabilities(asking, paths[start : start + _PATHS_AT_ONCE])
            except StoreError as error:
                if error.code not in _BARRED:
                    raise
                return None
            if told is None or not told.keys() >= set(paths[start : start + _PATHS_AT_ONCE]):
                return None
            found |= told
        return found

    def _lacking(self, accesses: Iterable[PathAccess], found: Mapping[str, frozenset[str]]) -> list[tuple[str, str]]:
        return [
            (capability, each.path)
            for each in accesses
            if each.required and "root" not in found[each.path]
            for capability in sorted(each.required - found[each.path])
        ]

    def _problem(
        self,
        name: str,
        accesses: Iterable[PathAccess],
        lacking: Sequence[tuple[str, str]],
        found: Mapping[str, frozenset[str]],
    ) -> Problem:
        what = ", nor ".join(f'"{capability}" on "{path}"' for capability, path in lacking)
        reason = f"no policy of {self._login.token} grants {what}"
        return Problem(ForbiddenError.code, name, reason, " ".join((_ADD, *_rules(accesses, found))))

    def _mount_denied(self, place: StoreLocation, facts: TokenFacts | None) -> StoreError:
        mount = self._address.mount
        if facts is not None and facts.is_root:
            # Root may do everything, so what is refused to it does not exist.
            return StoreError(
                place, Action.CONNECT, f'there is no mount "{mount}"', "correct the store's mount", Code.WRONG_MOUNT
            )
        return ForbiddenError(
            place,
            Action.CONNECT,
            f'there is no mount "{mount}", or {self._login.token} has no policy on it (the server does not say which)',
            "correct the store's mount, or give the token a policy on it",
            is_of_store=True,
            permission=f"any capability below {mount}/",
        )

    def _accesses(self, request: Request) -> tuple[PathAccess, ...]:
        """What the command takes on the request's path, and on the other paths of its remote secret."""
        mount, name = self._address.mount, request.name
        expected = path_accesses(mount, name, self._expected.get(name, ())) if name is not None else ()
        route = request.path.removeprefix(f"{mount}/").partition("/")[0]
        own = on_same_path(route, request.capability)
        for each in expected:
            own |= each.capabilities if each.path == request.path else frozenset()
        others = (each for each in expected if each.path != request.path)
        return PathAccess(request.path, own, frozenset({request.capability})), *others

    def _capabilities(self, request: Request, paths: Sequence[str]) -> dict[str, frozenset[str]] | None:
        """What the token may do on each of `paths` that Vault says something of; None where it says nothing."""

        def ask() -> dict[str, frozenset[str]] | None:
            try:
                told = self._client.sys.get_capabilities(list(paths))["data"]
                known = [path for path in paths if told.get(path, False) is not False]
                return {path: frozenset(told[path]) for path in known} or None
            except RefusedError as refusal:
                if refusal.reply.status != HTTPStatus.FORBIDDEN or not refusal.reply.is_vaults:
                    raise
                return None

        asking = Request(request.action, request.name, _CAPABILITIES, "update")
        found: dict[str, frozenset[str]] | None = self._attempt(asking, ask)
        return found

    def _no_policy(
        self,
        request: Request,
        place: StoreLocation,
        accesses: Sequence[PathAccess],
        found: Mapping[str, frozenset[str]] | None,
    ) -> ForbiddenError:
        return ForbiddenError(
            place,
            request.action,
            f'no policy of {self._login.token} grants "{request.capability}" on "{request.path}"',
            _ADD,
            permission=f"{request.capability} on {request.path}",
            # Of a path where it is not known what is granted, a rule could take something away.
            rules=_rules(accesses if found is not None else accesses[:1], found or {}),
        )


def _rules(accesses: Iterable[PathAccess], found: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The rules for the paths of `accesses` that lack what they require.

    A rule of an exact path takes the place of a wider one, so it has all that is used there and what is granted now.
    """
    known = [(each, found.get(each.path, frozenset()) - {"deny"}) for each in accesses]
    return tuple(
        policy_rule(each.path, each.capabilities | granted) for each, granted in known if each.required - granted
    )


def _facts(shown: Mapping[str, Any]) -> TokenFacts:
    expires = shown.get("expire_time")
    return TokenFacts(
        str(shown.get("display_name") or "unknown"),
        datetime.fromisoformat(expires).astimezone(UTC) if expires else None,
        float(shown.get("ttl") or 0),
        bool(shown.get("renewable")),
        "root" in (shown.get("policies") or ()),
    )
