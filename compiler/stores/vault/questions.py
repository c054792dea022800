"""Asks Vault about itself: is the token alive, what is mounted, why was this refused. It touches no secret."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from compiler.model.store_address import StoreAddress
from compiler.stores.errors import (
    Action,
    ExpiredTokenError,
    ForbiddenCause,
    ForbiddenError,
    SealedError,
    StoreError,
    StoreLocation,
    UnexpectedReplyError,
    UnsupportedEngineError,
    WrongMountError,
)
from compiler.stores.interface import Problem, Use
from compiler.stores.vault.access import PathAccess, on_same_path, path_accesses, policy_rule
from compiler.stores.vault.login import VaultLogin
from compiler.stores.vault.replies import NOT_INITIALISED, SEALED, RefusedError, Reply, either_line
from compiler.text.command_line import shell_line

_CAPABILITIES: Final = "sys/capabilities-self"
_ADD: Final = "add to a policy:"
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
    """Asks through `attempt`, which sends once and raises StoreError."""

    def __init__(
        self, address: StoreAddress, login: VaultLogin, attempt: Callable[[Request, Callable[[Any], Any]], Any]
    ) -> None:
        self._address = address
        self._login = login
        self._attempt = attempt
        self._expected: dict[str, frozenset[Use]] = {}

    def token_facts(self, action: Action) -> TokenFacts | None:
        """Return what the token says of itself, None when it may not ask; ExpiredTokenError when it is dead."""
        denied: list[Reply] = []

        def ask(client: Any) -> TokenFacts | None:  # noqa: ANN401 - hvac has no types
            try:
                return _facts(client.auth.token.lookup_self()["data"])
            except RefusedError as refusal:
                if refusal.reply.status != HTTPStatus.FORBIDDEN or not refusal.reply.is_vaults:
                    raise
                denied.append(refusal.reply)
                return None

        facts: TokenFacts | None = self._attempt(Request(action, None, "auth/token/lookup-self", "read"), ask)
        # A policy's refusal comes as a list of one; a dead token's without the list, or (Vault) naming it invalid.
        if any(reply.says("invalid token") or not reply.says("1 error occurred") for reply in denied):
            raise ExpiredTokenError(
                StoreLocation(self._address.absolute),
                action,
                f"{self._login.token} is unknown, expired, revoked or used up",
                f"log in again ({either_line('login')}), and renew {self._login.source}",
            )
        return facts

    def explain_sealed(self, failure: SealedError) -> SealedError:
        """The failure with its state: to all other questions a server that was never initialised says "sealed" too."""
        request = Request(failure.action, None, "sys/seal-status", "read")

        def ask(client: Any) -> tuple[bool, int, int]:  # noqa: ANN401 - hvac has no types
            told = client.adapter.get(f"/v1/{request.path}")
            return bool(told["initialized"]), int(told["progress"]), int(told["t"])

        try:
            is_initialised, entered, needed = self._attempt(request, ask)
        except StoreError:
            return failure
        if not is_initialised:
            return SealedError(failure.place, failure.action, *NOT_INITIALISED)
        reason, remedy = SEALED
        if needed > 1:
            reason += f" ({entered} of {needed} unseal keys are entered)"
        return SealedError(failure.place, failure.action, reason, remedy)

    def check_mount(self) -> None:
        """Raise unless KV version 2 is mounted at exactly the address' mount."""
        mount = self._address.mount
        request = Request(Action.CONNECT, None, f"sys/internal/ui/mounts/{mount}", "read")

        def ask(client: Any) -> tuple[str, str, str | None]:  # noqa: ANN401 - hvac has no types
            # Taken apart in here, where a reply of another shape becomes an error that says so.
            data = client.adapter.get(f"/v1/{request.path}")["data"]
            return data["path"].strip("/"), data["type"], (data.get("options") or {}).get("version")

        found, engine, version = self._attempt(request, ask)
        place = StoreLocation(self._address.absolute)
        if found != mount:
            raise WrongMountError(place, Action.CONNECT, f'the mount is "{found}"', "correct the store's mount")
        if engine not in ("kv", "generic"):
            reason = "the engine mounted there is not KV"
            raise WrongMountError(place, Action.CONNECT, reason, "correct the store's mount")
        if version != "2":
            raise UnsupportedEngineError(
                place,
                Action.CONNECT,
                "the mount is KV version 1, and version 2 is needed",
                f"upgrade it (`{self._enable_versioning()}`), or name a KV version 2 mount",
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
                cause=ForbiddenCause.OTHER,
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
        paths = tuple(dict.fromkeys(each.path for found in accesses.values() for each in found if each.required))
        found: dict[str, frozenset[str]] = {}
        for start in range(0, len(paths), _PATHS_AT_ONCE):
            asking = Request(Action.DESCRIBE, None, _CAPABILITIES, "update")
            try:
                told = self._capabilities(asking, paths[start : start + _PATHS_AT_ONCE])
            except (UnexpectedReplyError, WrongMountError):
                return None
            if told is None or not told.keys() >= set(paths[start : start + _PATHS_AT_ONCE]):
                return None
            found |= told
        checked = ((name, self._lacking(each, found)) for name, each in accesses.items())
        return tuple(self._problem(name, accesses[name], lacking, found) for name, lacking in checked if lacking)

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
            return WrongMountError(place, Action.CONNECT, f'there is no mount "{mount}"', "correct the store's mount")
        return ForbiddenError(
            place,
            Action.CONNECT,
            f'there is no mount "{mount}", or {self._login.token} has no policy on it (the server does not say which)',
            "correct the store's mount, or give the token a policy on it",
            cause=ForbiddenCause.MOUNT_UNKNOWN,
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

        def ask(client: Any) -> dict[str, frozenset[str]] | None:  # noqa: ANN401 - hvac has no types
            try:
                told = client.sys.get_capabilities(list(paths))["data"]
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
            cause=ForbiddenCause.POLICY,
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
