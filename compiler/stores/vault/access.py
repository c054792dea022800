"""Says what each use of a remote secret asks of Vault, and writes the policies that grant it."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from compiler.model.environment import Store
from compiler.model.provider import OPERATOR
from compiler.refusal import Refusal
from compiler.stores.interface import Role, Use
from compiler.text.wording import quoted, shell_line


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
# What each use sends, as measured on a server's audit log. No use lists, patches, destroys or deletes metadata.
ACCESS: Final[Mapping[Use, tuple[Need, ...]]] = {
    Use.READ: (_READ,),
    Use.AGE: (_READ,),
    Use.CREATE: (_READ, Need("data", "create"), _METADATA, _CONFIG),
    Use.UPDATE: (_READ, Need("data", "update"), _METADATA, _CONFIG),
    Use.TAG: (_READ, _METADATA, Need("metadata", "update")),
    Use.RETAG: (_READ, Need("metadata", "read"), Need("metadata", "update")),
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
    """The paths on which something can be done with the remote secret, by this program or without it."""
    return (*(each.path for each in path_accesses(mount, name, tuple(Use))), f"{mount}/destroy/{name}")


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
    """The policy called `title` for `uses` of the remote secrets `names`, and how to give it to the role.

    With `is_wide` there is one rule for each folder. Raises Refusal for a name that a policy would misread.
    """
    for path in (f"{store.mount}/{name}" for name in names):
        if "+" in path.split("/") or any(pattern in path for pattern in _PATTERNS):
            message = f"a policy would take {quoted(path)} for a pattern or a template"
            raise Refusal("usage", message, "rename the secret in the store")
    steps = [["bao", "policy", "write", *_inside(store), title, "FILE"]]
    if role is Role.OPERATOR:
        steps += _log_in(store, title, namespace)
    if not all(word.isprintable() for words in steps for word in words):
        message = f"the log-in of {quoted(store.id)} has a character that cannot be printed"
        raise Refusal("usage", message, "correct it in the environment")
    if any(_misleads(word) for words in steps for word in words):
        message = f"the log-in of {quoted(store.id)} has a text that `bao` would take for another path, or for a file"
        raise Refusal("usage", message, "correct its mountPath, role or audiences in the environment")
    lines = [*(f"#   {shell_line(*words)}" for words in steps), *_policy(store.mount, names, uses, is_wide=is_wide)]
    return "".join(f"{line}\n" for line in lines)


def _misleads(word: str) -> bool:
    """Whether `bao` leaves the path at a part with dots, or reads the setting from a file or from standard input."""
    _, is_setting, text = word.partition("=")
    return (text[:1] == "@" or text == "-") if is_setting else not {".", ".."}.isdisjoint(word.split("/"))


def _inside(store: Store) -> list[str]:
    return [f"-namespace={store.vault_namespace}"] if store.vault_namespace else []


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
    audience = (known if node is not None else ["vault"])[:1]
    yield [
        *("bao", "write", *_inside(store), f"auth/{mount or 'kubernetes'}/role/{role or OPERATOR}"),
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
