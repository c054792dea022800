"""Asks Vault about itself: is the token alive, what is mounted, why was this refused. It touches no secret."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from compiler.model.store_address import StoreAddress
from compiler.stores.errors import (
    Action,
    ExpiredTokenError,
    ForbiddenCause,
    ForbiddenError,
    SealedError,
    StoreError,
    StoreLocation,
    UnsupportedEngineError,
    WrongMountError,
)
from compiler.stores.vault.login import VaultLogin
from compiler.stores.vault.replies import NOT_INITIALISED, SEALED, RefusedError, Reply, either_line
from compiler.text.command_line import shell_line


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
        if request.capability in (self._capabilities(request) or ()):
            return ForbiddenError(
                place,
                request.action,
                f'{self._login.token} has "{wanted}", but something else denies it (parameters, an address, a control '
                "group)",
                "ask Vault's administrator",
                cause=ForbiddenCause.OTHER,
                permission=wanted,
            )
        return self._no_policy(request, place)

    def require(self, request: Request, place: StoreLocation) -> None:
        """Raise ForbiddenError where the token is known to lack what `request` needs.

        A token that may not ask is not known to lack anything: the request itself will tell.
        """
        found = self._capabilities(request)
        if found is not None and not found & {request.capability, "root"}:
            raise self._no_policy(request, place)

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

    def _capabilities(self, request: Request) -> frozenset[str] | None:
        """What the token may do on the request's path; None where Vault does not tell."""

        def ask(client: Any) -> frozenset[str] | None:  # noqa: ANN401 - hvac has no types
            try:
                told = client.sys.get_capabilities([request.path])["data"].get(request.path, False)
                return frozenset(told) if told is not False else None
            except RefusedError as refusal:
                if refusal.reply.status != HTTPStatus.FORBIDDEN or not refusal.reply.is_vaults:
                    raise
                return None

        asking = Request(request.action, request.name, "sys/capabilities-self", "update")
        found: frozenset[str] | None = self._attempt(asking, ask)
        return found

    def _no_policy(self, request: Request, place: StoreLocation) -> ForbiddenError:
        return ForbiddenError(
            place,
            request.action,
            f'no policy of {self._login.token} grants "{request.capability}" on "{request.path}"',
            f'add to a policy: path "{request.path}" {{ capabilities = ["{request.capability}"] }}',
            cause=ForbiddenCause.POLICY,
            permission=f"{request.capability} on {request.path}",
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
