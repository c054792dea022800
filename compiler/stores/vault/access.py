"""Says what each use of a remote secret asks of Vault, writes the policies that grant it, and explains a refusal."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from compiler.model.environment import Store
from compiler.model.provider import OPERATOR
from compiler.model.store import StoreAddress
from compiler.refusal import Refusal
from compiler.stores.errors import Action, Code, ForbiddenError, StoreError, StoreLocation
from compiler.stores.interface import Problem, Role, Use
from compiler.stores.vault.log_in import VaultLogin
from compiler.stores.vault.provider import in_namespace
from compiler.stores.vault.replies import NOT_INITIALISED, SEALED, RefusedError, either_line
from compiler.text.wording import pluralize, quote, shell_line


@dataclass(frozen=True, slots=True)
class Need:
    """A request below the mount and its capability; where it is not `required`, a refusal only costs a note."""

    route: str
    capability: str
    required: bool = True


_READ: Final = Need("data", "read")
# Metadata and the mount's configuration say which earlier versions a write drops, and when its own ends.
_METADATA: Final = Need("metadata", "read", required=False)
_CONFIG: Final = Need("config", "read", required=False)
# What each use sends, as measured on a server's audit log. Only LIST lists; no use patches, destroys or deletes
# metadata.
ACCESS: Final[Mapping[Use, tuple[Need, ...]]] = {
    Use.LIST: (Need("metadata", "list"), Need("subkeys", "read")),
    Use.READ: (_READ,),
    Use.AGE: (_READ,),
    Use.CREATE: (_READ, Need("data", "create"), _METADATA, _CONFIG),
    Use.UPDATE: (_READ, Need("data", "update"), _METADATA, _CONFIG),
    Use.TAG: (_READ, _METADATA, Need("metadata", "update")),
    Use.DELETE: (_READ, _METADATA, Need("delete", "update")),
    Use.RECOVER: (_READ, _METADATA, Need("undelete", "update")),
    Use.DELETE_VERSIONS: (_READ, Need("metadata", "read"), Need("delete", "update")),
    Use.RECOVER_VERSIONS: (Need("metadata", "read"), Need("undelete", "update")),
}
# One path for the whole mount, whatever the remote secret.
_OF_MOUNT: Final = frozenset({"config"})


@dataclass(frozen=True, slots=True)
class PathAccess:
    """The capabilities that a command uses on one path; it cannot do without those in `required`."""

    path: str
    capabilities: frozenset[str]
    required: frozenset[str]


def path_accesses(mount: str, name: str, uses: Collection[Use]) -> tuple[PathAccess, ...]:
    """What `uses` of the remote secret take, merged by path: of two rules Vault applies the one of the nearer path."""
    found: dict[str, list[Need]] = {}
    for need in (need for use in Use if use in uses for need in ACCESS[use]):
        path = f"{mount}/{need.route}" if need.route in _OF_MOUNT else f"{mount}/{need.route}/{name}"
        found.setdefault(path, []).append(need)
    return tuple(
        PathAccess(
            path,
            frozenset(need.capability for need in needs),
            frozenset(need.capability for need in needs if need.required),
        )
        for path, needs in found.items()
    )


def every_path(mount: str, name: str) -> tuple[str, ...]:
    """The paths on which something can be done with the remote secret, by this program or without it.

    To read the names of its properties is nothing that a role could do too much.
    """
    uses = [each for each in Use if each is not Use.LIST]
    return (*(each.path for each in path_accesses(mount, name, uses)), f"{mount}/destroy/{name}")


def on_same_path(route: str, capability: str) -> frozenset[str]:
    """What every use that sends this request needs on its path, the request's own capability among it."""
    on_route = (frozenset(need.capability for need in needs if need.route == route) for needs in ACCESS.values())
    found = [capabilities for capabilities in on_route if capability in capabilities]
    return frozenset.intersection(*found) if found else frozenset({capability})


def policy_rule(path: str, capabilities: Collection[str]) -> str:
    """The rule of a policy; several may stand on one line."""
    # A path is a JSON string to HCL too.
    return f"path {json.dumps(path, ensure_ascii=False)} {{ capabilities = {json.dumps(sorted(capabilities))} }}"


# Words that a policy would take for a pattern, for a template, or for an expression of Terraform's.
_PATTERNS: Final = ("*", "{{", "}}", "${", "%{")
_PURPOSES: Final = {"config": "optional: plans then say which earlier versions a write drops"}


def access_text(
    store: Store, role: Role, title: str, names: Sequence[str], uses: Collection[Use], *, namespace: str, is_wide: bool
) -> str:
    """The policy for `uses` of `names`, with `is_wide` one rule a folder. Raises Refusal for a name that breaks it."""
    for path in (f"{store.mount}/{name}" for name in names):
        if "+" in path.split("/") or any(pattern in path for pattern in _PATTERNS):
            message = f"a policy would take {quote(path)} for a pattern or a template"
            raise Refusal("usage", message, "rename the secret in the store")
    if role is Role.IMPORTER:
        names = ["*"]
    steps = [["bao", "policy", "write", *in_namespace(store.vault_namespace), title, "FILE"]]
    if role is Role.OPERATOR:
        steps += _log_in(store, title, namespace)
    if not all(word.isprintable() for words in steps for word in words):
        message = f"the log-in of {quote(store.id)} has a character that cannot be printed"
        raise Refusal("usage", message, "correct it in the environment")
    if any(_misleads(word) for words in steps for word in words):
        message = f"the log-in of {quote(store.id)} has a text that `bao` would take for another path, or for a file"
        raise Refusal("usage", message, "correct its mountPath, role or audiences in the environment")
    lines = [*(f"#   {shell_line(*words)}" for words in steps), *_policy(store.mount, names, uses, is_wide=is_wide)]
    return "".join(f"{line}\n" for line in lines)


def _misleads(word: str) -> bool:
    """Whether `bao` leaves the path at a part with dots, or reads the setting from a file or from standard input."""
    _, is_setting, text = word.partition("=")
    return (text[:1] == "@" or text == "-") if is_setting else not {".", ".."}.isdisjoint(word.split("/"))


def _log_in(store: Store, policy: str, namespace: str) -> Iterator[list[str]]:
    """The Kubernetes role of the store, or the one that a new store has; no line where it logs in otherwise."""
    auth = store.node.get("auth")
    node = auth.get("kubernetes") if auth is not None else None
    if auth is not None and node is None:
        return
    account = node.get("serviceAccount") if node is not None else None
    audiences = account.get("audiences") if account is not None else None
    mount, role = (node.text("mountPath"), node.text("role")) if node is not None else (None, None)
    name, its = (account.text("name"), account.text("namespace")) if account is not None else (OPERATOR, OPERATOR)
    known = [each.value for each in audiences.items if isinstance(each.value, str)] if audiences is not None else []
    audience, inside = (known if node is not None else ["vault"])[:1], in_namespace(store.vault_namespace)
    yield [
        *("bao", "write", *inside, f"auth/{mount or 'kubernetes'}/role/{role or OPERATOR}"),
        f"bound_service_account_names={name}",
        f"bound_service_account_namespaces={its or namespace}",
        *(f"audience={each}" for each in audience),
        *(f"token_policies={policy}", "token_ttl=1h"),
    ]


def _policy(mount: str, names: Iterable[str], uses: Collection[Use], *, is_wide: bool) -> Iterator[str]:
    found: dict[str, frozenset[str]] = {}
    for target in _folders(names) if is_wide else names:
        for each in path_accesses(mount, target, uses):
            found[each.path] = found.get(each.path, frozenset()) | each.capabilities
    for path, capabilities in sorted(found.items()):
        purpose = _PURPOSES.get(path.removeprefix(f"{mount}/"))
        yield policy_rule(path, capabilities) + (f"  # {purpose}" if purpose else "")


def _folders(names: Iterable[str]) -> list[str]:
    """A pattern for each folder of `names` that lies in no other one's; a name without a folder as it is."""
    folders = {folder for name in names if (folder := name.rpartition("/")[0])}
    inner = {each for each in folders for other in folders if each.startswith(f"{other}/")}
    return [*(f"{folder}/*" for folder in sorted(folders - inner)), *(name for name in names if "/" not in name)]


_CAPABILITIES: Final = "sys/capabilities-self"
_ADD: Final = "add to a policy:"
_CORRECT_MOUNT: Final = "correct the store's mount"
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
        is_dead = False

        def ask() -> TokenFacts | None:
            nonlocal is_dead
            try:
                return _facts(self._client.auth.token.lookup_self()["data"])
            except RefusedError as refusal:
                if refusal.status != HTTPStatus.FORBIDDEN or not refusal.is_vaults:
                    raise
                # A policy's refusal comes as a list of one; a dead token's without the list, or (Vault) naming it
                # invalid.
                is_dead = refusal.says("invalid token") or not refusal.says("1 error occurred")
                return None

        facts: TokenFacts | None = self._attempt(Request(action, None, "auth/token/lookup-self", "read"), ask)
        if is_dead:
            reason = f"{self._login.token} is unknown, expired, revoked or used up"
            remedy = f"log in again ({either_line('login')}), and renew {self._login.token_source or 'its credentials'}"
            raise StoreError(StoreLocation(self._address.absolute), action, reason, remedy, Code.EXPIRED_TOKEN)
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
            reason = f'the mount is "{found}"'
            raise StoreError(place, Action.CONNECT, reason, _CORRECT_MOUNT, Code.WRONG_MOUNT)
        if engine not in ("kv", "generic"):
            reason = "the engine mounted there is not KV"
            raise StoreError(place, Action.CONNECT, reason, _CORRECT_MOUNT, Code.WRONG_MOUNT)
        if version != "2":
            reason = "the mount is KV version 1, and version 2 is needed"
            upgrade = shell_line("bao", "kv", "enable-versioning", *in_namespace(self._address.vault_namespace), mount)
            remedy = f"upgrade it (`{upgrade}`), or name a KV version 2 mount"
            raise StoreError(place, Action.CONNECT, reason, remedy, Code.UNSUPPORTED_ENGINE)

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
            what = "something else denies it (parameters, an address, a control group)"
            reason = f'{self._login.token} has "{wanted}", but {what}'
            return ForbiddenError(place, request.action, reason, "ask Vault's administrator", permission=wanted)
        return self._no_policy(request, place, accesses, found)

    def require(self, request: Request, place: StoreLocation) -> None:
        """Raises ForbiddenError where the token is known to lack what `request` needs."""
        accesses = self._accesses(request)
        found = self._capabilities(request, [each.path for each in accesses])
        if found is not None and not found.get(request.path, frozenset()) & {request.capability, "root"}:
            raise self._no_policy(request, place, accesses, found)

    def expect(self, uses: Mapping[str, Collection[Use]]) -> None:
        """Take note of `uses` by names, for the help of a refusal."""
        self._expected |= {name: frozenset(each) for name, each in uses.items()}

    def check_access(self, uses: Mapping[str, Collection[Use]]) -> tuple[Problem, ...] | None:
        """The names that the token lacks access for, by one question for many paths; None where Vault does not say."""
        self.expect(uses)
        mount, names, problems = self._address.mount, list(uses), list[Problem]()
        for start in range(0, len(names), _PATHS_AT_ONCE):
            accesses = {name: path_accesses(mount, name, uses[name]) for name in names[start : start + _PATHS_AT_ONCE]}
            found = self._ask_capabilities(
                each.path for needed in accesses.values() for each in needed if each.required
            )
            if found is None:
                return None
            problems += (each for name, its in accesses.items() if (each := self._problem(name, its, found)))
        return tuple(problems)

    def excess_access(self, uses: Mapping[str, Collection[Use]]) -> str | None:
        """What the token has beyond `uses`, in words, on every path that a name has.

        A name that no secret has stands for all others: a rule that grants it something is as wide as the mount.
        """
        mount = self._address.mount
        used = {each.path: each.capabilities for name, its in uses.items() for each in path_accesses(mount, name, its)}
        found = (
            self._ask_capabilities(path for name in [*uses, _OTHERS] for path in every_path(mount, name))
            if uses
            else {}
        )
        if found is None:
            return None
        if any("root" in held for held in found.values()):
            return f"{self._login.token} is a root token, which may do everything"
        beyond = {path: held - used.get(path, frozenset()) - {"deny"} for path, held in found.items()}
        paths = [path for path, capabilities in beyond.items() if capabilities]
        if not paths:
            return ""
        what = ", ".join(f'"{capability}"' for capability in sorted(beyond[paths[0]]))
        more = f", and more than it takes on {pluralize(len(paths) - 1, 'other path')}" if len(paths) > 1 else ""
        where = f'"{paths[0]}"' if _OTHERS not in paths[0] else f'all of "{paths[0].removesuffix(_OTHERS)}"'
        return f"{self._login.token} has {what} on {where}{more}"

    def _ask_capabilities(self, wanted: Iterable[str]) -> dict[str, frozenset[str]] | None:
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

    def _problem(
        self, name: str, accesses: Iterable[PathAccess], found: Mapping[str, frozenset[str]]
    ) -> Problem | None:
        lacking = [
            f'"{capability}" on "{each.path}"'
            for each in accesses
            if each.required and "root" not in found[each.path]
            for capability in sorted(each.required - found[each.path])
        ]
        if not lacking:
            return None
        reason = f"no policy of {self._login.token} grants {', nor '.join(lacking)}"
        return Problem(ForbiddenError.code, name, reason, " ".join((_ADD, *_rules(accesses, found))))

    def _mount_denied(self, place: StoreLocation, facts: TokenFacts | None) -> StoreError:
        mount = self._address.mount
        if facts is not None and facts.is_root:
            # Root may do everything, so what is refused to it does not exist.
            reason = f'there is no mount "{mount}"'
            return StoreError(place, Action.CONNECT, reason, _CORRECT_MOUNT, Code.WRONG_MOUNT)
        reason = f'there is no mount "{mount}", or {self._login.token} has no policy on it'
        return ForbiddenError(
            place,
            Action.CONNECT,
            f"{reason} (the server does not say which)",
            f"{_CORRECT_MOUNT}, or give the token a policy on it",
            permission=f"any capability below {mount}/",
            is_of_store=True,
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
                if refusal.status != HTTPStatus.FORBIDDEN or not refusal.is_vaults:
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
            # Where it is not known what a path grants, a rule could take something away.
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
