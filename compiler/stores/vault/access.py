"""Lists as data which requests each use of a remote secret makes of Vault, and writes the policy that allows them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from compiler.stores.interface import Use

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


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
    Use.CREATE: (_READ, Need("data", "create"), _METADATA, _CONFIG),
    Use.UPDATE: (_READ, Need("data", "update"), _METADATA, _CONFIG),
    Use.TAG: (_METADATA, Need("metadata", "update")),
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


def on_same_path(route: str, capability: str) -> frozenset[str]:
    """What every use that sends this request needs on its path, the request's own capability among it."""
    on_route = (frozenset(need.capability for need in needs if need.route == route) for needs in ACCESS.values())
    found = [capabilities for capabilities in on_route if capability in capabilities]
    return frozenset.intersection(*found) if found else frozenset({capability})


def policy_rule(path: str, capabilities: Collection[str]) -> str:
    """The rule of a policy; several may stand on one line."""
    # A path is a JSON string to HCL too.
    return f"path {json.dumps(path, ensure_ascii=False)} {{ capabilities = {json.dumps(sorted(capabilities))} }}"
