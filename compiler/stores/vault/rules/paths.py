"""Judges paths in Vault: what clients read as another path, the mount, and the API's own part."""

import re
from collections.abc import Iterator

from compiler.model.document import Node
from compiler.model.environment import Catalogue, Entry, Environment, Secret, Store
from compiler.rules.api import ENVIRONMENT, ERROR, WARNING, Finding, Findings, rule, waiver, wrong_names
from compiler.stores.vault.provider import PROVIDER
from compiler.text.characters import foreign_character
from compiler.text.wording import quote

# Nearly every path looks like this and needs no closer look.
_PLAIN = re.compile(r"(?!-)[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*", re.ASCII)
_SPECIAL = re.compile(r"[%?#*+\\]")


@rule("invalid-vault-path", ERROR, ENVIRONMENT, checks_catalogue=True)
def find_invalid_vault_path(subject: Catalogue | Environment) -> Findings:
    return wrong_names(subject, PROVIDER, _path_problem, _path_way_out)


def _path_problem(path: str) -> str | None:
    """The mistake in `path`, as the end of a sentence."""
    if _PLAIN.fullmatch(path):
        return None
    parts = path.split("/")
    special = _SPECIAL.search(path)
    found = (
        (".." in parts or "." in parts, 'has a part "." or "..", which leads elsewhere'),
        (not parts[0] or not parts[-1], 'starts or ends with "/"'),
        ("" in parts, 'has two "/" in a row'),
        (special is not None, f'has "{special and special.group()}", which means something else in a URL or a policy'),
        (path.startswith("-"), 'begins with "-", which commands take for an option'),
        (not path.isprintable(), "has an invisible character"),
        (any(part != part.strip() for part in parts), "has a part that starts or ends with a space"),
    )
    return next((problem for is_so, problem in found if is_so), None)


def _path_way_out(path: str, problem: str) -> str:
    if '"/"' in problem:
        return 'write one "/" between its parts, and none at its beginning or end'
    if "elsewhere" in problem:
        return 'remove "." and ".." from it'
    if "invisible" not in problem:
        return "remove it"
    # Letters that are not ASCII are no mistake in a path.
    unseen = "".join("x" if character.isprintable() else character for character in path)
    return foreign_character(unseen) or "remove it"


@rule("repeated-mount", ERROR, ENVIRONMENT)
def find_repeated_mount(environment: Environment) -> Findings:
    fronts = {}
    for store in environment.stores.values():
        if store.provider is PROVIDER and store.mount:
            front = store.mount.strip("/") + "/"
            if store.prefix.startswith(front):
                # Said once, and not again for each secret.
                yield _mount_finding("the prefix", front, store, store.node.nearest("prefix"), ("stores", store.id))
            else:
                fronts[store.id] = front
    said: set[Node] = set()
    listed = environment.root.get("secrets")
    for secret in environment.secrets.values() if fronts else ():
        store_read = secret.store
        if store_read is not None and (found := fronts.get(store_read.id)):
            for path, node in _with_mount(secret, found, listed):
                # Several keys may be taken from one place.
                if node not in said:
                    said.add(node)
                    yield _mount_finding(f"the path {quote(path)}", found, store_read, node, ("secrets", secret.id))


def _with_mount(secret: Secret, front: str, listed: Node | None) -> Iterator[tuple[str, Node]]:
    """Each path that begins with `front`, and where it is written: for a key that takes its value, at the other's."""
    if secret.remote is not None and secret.remote.startswith(front):
        yield secret.remote, _node_of(secret.entry, listed)
    for key in secret.keys:
        path = key.place.remote_key if key.place is not None else ""
        if path != secret.remote and path.startswith(front):
            own = key.key.value_key.node.nearest("remote", PROVIDER.id, "name")
            is_path = isinstance(own.value, str)
            yield path, own if is_path else _node_of(key.key.holder(secret.entry), listed)


def _node_of(entry: Entry, listed: Node | None) -> Node:
    own = listed.get(entry.id, "remote", PROVIDER.id) if listed is not None else None
    return own if own is not None else entry.node.nearest("remote", PROVIDER.id)


def _mount_finding(what: str, front: str, store: Store, node: Node, scope: tuple[str, str]) -> Finding:
    message = f'{what} begins with {quote(front)}, the mount of the store "{store.id}"'
    # "data/" stands there where the path is copied from the API; another rule refuses it, and the first is its way out.
    path = str(node.value).removeprefix(front).removeprefix("data/")
    return Finding(message, node, help=f"write {quote(path)}", scope=scope)


_RESERVED = "data"
_INSIDE = "inside, as a path of the API has behind its mount"


@rule("reserved-path-part", WARNING, ENVIRONMENT, checks_catalogue=True, waivable=True)
def find_reserved_path_part(subject: Catalogue | Environment) -> Findings:
    for finding in wrong_names(subject, PROVIDER, _part_problem, _part_way_out):
        if not finding.message.endswith(_INSIDE) or finding.message.startswith("the mount"):
            yield finding._replace(severity=ERROR)
        else:
            accepted = waiver("reserved-path-part", finding.scope[-1])
            yield finding._replace(help=f"{finding.help}; {accepted}")


def _part_problem(path: str) -> str | None:
    if _RESERVED not in path or _RESERVED not in (parts := path.split("/")):
        return None
    if parts[0] == _RESERVED:
        return f'has the part "{_RESERVED}", which the API adds'
    return f'has the part "{_RESERVED}" {_INSIDE}'


def _part_way_out(path: str, _: str) -> str:
    mount, _, rest = path.partition(f"/{_RESERVED}/")
    return f'if "{mount}" is a mount, write "{rest}"' if rest else f'remove "{_RESERVED}"'
