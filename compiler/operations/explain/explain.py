"""Explains where each value of an environment comes from: the line that won, the values it overrode, and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.catalogue import VAULT
from compiler.model.environment import PER_KEY
from compiler.operations.explain.explanation import Earlier, Explanation, shown_value, shown_where
from compiler.operations.explain.key import explain_key
from compiler.operations.explain.secret import explain_secret
from compiler.refusal import Refusal
from compiler.text.command_line import command_line
from compiler.text.suggestion import closest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.model.document import Node
    from compiler.model.environment import Environment, Secret

_INHERITED = ("store", "namespace", "refreshInterval", "fetch")
# Where a secret's labels and annotations come from, the one that wins first, beside its own map.
_METADATA = {
    "labels": (("environment", "labels"),),
    "annotations": (("environment", "annotations"),),
    "secretLabels": (("environment", "secretLabels"), ("secret", "labels"), ("environment", "labels")),
    "secretAnnotations": (("environment", "secretAnnotations"),),
}
# What only repeats the environment's own values or says the usual is shown where it is asked for.
_QUIET = ("inherited", "usual")


def explain(environment: Environment, path: str | None = None) -> tuple[Explanation, ...]:
    """Every value of the merged environment in the order of the input, or those at and below `path`.

    `path` is `store`, `github` or `secrets.github` for a secret with its keys, or `github/GITHUB_APP_ID` for where one
    key lies. Raises Refusal.
    """
    rows = [*_rows(environment)]
    if path is None:
        return tuple(row for row in rows if row.origin not in _QUIET)
    secret, slash, key = path.partition("/")
    if slash and secret in environment.catalogue.entries:
        return explain_key(environment, secret, key, rows)
    if path.removeprefix("secrets.") in environment.catalogue.entries and path not in environment.root.children:
        return tuple(explain_secret(environment, path.removeprefix("secrets."), rows))
    found = tuple(row for row in rows if row.path == path or row.path.startswith(f"{path}."))
    if not found:
        raise Refusal("usage", f'"{path}" has no value in "{environment.name}"', _way_out(environment, path, rows))
    return found


def _way_out(environment: Environment, path: str, rows: Sequence[Explanation]) -> str:
    known = dict.fromkeys(prefix for row in rows for prefix in _prefixes(row.path))
    known |= dict.fromkeys(_secrets_and_keys(environment))
    meant = closest(path, known) or _meant(environment, path)
    return f'did you mean "{meant}"?' if meant else f"run `{command_line('explain', environment.name)}` to list them"


def _meant(environment: Environment, path: str) -> str | None:
    """The full path of a key or store that was named alone, or of a key whose secret is misspelt."""
    entries = environment.catalogue.entries
    secret, slash, key = path.partition("/")
    if not slash:
        names = {name: f"{entry.id}/{name}" for entry in entries.values() for name in entry.keys}
        names |= {store: f"stores.{store}" for store in environment.stores}
        return names.get(closest(path, names) or "")
    found = closest(secret, entries)
    own = closest(key, entries[found].keys) if found is not None else None
    return f"{found}/{own}" if own is not None else None


def _rows(environment: Environment) -> Iterator[Explanation]:
    root = environment.root
    yield from _written((), root)
    if root.get("fetch") is None:
        yield Explanation("fetch", PER_KEY, "default")
    if root.get("partOf") is None:
        yield Explanation("partOf", environment.part_of, "usual", note="the default")
    for store in environment.stores.values():
        defaults = {
            "kind": store.kind,
            "render": "false",
            **({"mount": store.mount} if store.provider == VAULT else {}),
        }
        for name, value in defaults.items():
            if store.node.get(name) is None:
                yield Explanation(f"stores.{store.id}.{name}", value, "default")
    for secret in environment.secrets.values():
        yield from _of_secret(environment, secret)


def _written(path: tuple[str, ...], node: Node) -> Iterator[Explanation]:
    for key, child in node.children.items():
        if child.children:
            yield from _written((*path, key), child)
        else:
            yield written((*path, key), child)
    for key, null in node.removed.items():
        if key not in node.children:
            yield Explanation(
                ".".join((*path, key)),
                None,
                "removed",
                shown_where(null.span),
                overrode=_overrode(null),
                note="" if null.overrode else "there was nothing to remove",
            )


def written(path: tuple[str, ...], node: Node) -> Explanation:
    """What a layer, an option or a variable says at `path`."""
    return Explanation(".".join(path), shown_value(node), "written", shown_where(node.span), _overrode(node))


def _overrode(node: Node) -> tuple[Earlier, ...]:
    # A layer above that says the same again did not change anything, but its place is worth knowing.
    return tuple(Earlier(shown_value(lower), shown_where(lower.span)) for lower in node.overrode)


def _of_secret(environment: Environment, secret: Secret) -> Iterator[Explanation]:
    path = ("secrets", secret.id)
    for name in _INHERITED:
        top = environment.root.get(name)
        if secret.node.get(name) is None and top is not None:
            row = written((*path, name), top)
            yield Explanation(row.path, row.value, "inherited", row.where, row.overrode, f"from `{name}`")
        elif secret.node.get(name) is None and name == "fetch":
            yield Explanation(f"secrets.{secret.id}.fetch", PER_KEY, "usual", note="the default")
    yield from _metadata(environment, secret)
    if secret.node.get("enabled") is None:
        yield Explanation(f"secrets.{secret.id}.enabled", "true", "usual", note="the default")
    yield from _use(secret)
    remote = secret.entry.node.get("remote", secret.store.provider) if secret.store is not None else None
    if secret.store is not None and remote is not None and secret.node.get("remote", secret.store.provider) is None:
        place = f"secrets.{secret.id}.remote.{secret.store.provider}"
        yield Explanation(place, shown_value(remote), "inherited", shown_where(remote.span), note="from the catalogue")


def _metadata(environment: Environment, secret: Secret) -> Iterator[Explanation]:
    """Each label and annotation that the secret has from elsewhere, where its own map does not say it."""
    for member, sources in _METADATA.items():
        own = secret.node.nearest(member).children if secret.node.get(member) is not None else {}
        told = set(own)
        for owner, source in sources:
            holder = environment.root if owner == "environment" else secret.node
            node = holder.get(source)
            for key, child in node.children.items() if node is not None else ():
                if key not in told:
                    told.add(key)
                    row = written(("secrets", secret.id, member, key), child)
                    where = source if owner == "environment" else f"secrets.{secret.id}.{source}"
                    yield Explanation(row.path, row.value, "inherited", row.where, row.overrode, f"from `{where}`")


def _use(secret: Secret) -> Iterator[Explanation]:
    if secret.node.get("use") is not None or not secret.entry.variants:
        return
    chosen = secret.entry.node.get("use")
    path = f"secrets.{secret.id}.use"
    if chosen is not None:
        yield Explanation(path, shown_value(chosen), "catalogue", shown_where(chosen.span))
    else:
        every = f"[{', '.join(secret.entry.variants)}]"
        yield Explanation(
            path, every, "default", note="all variants, as neither the environment nor the catalogue chooses"
        )


def _secrets_and_keys(environment: Environment) -> Iterator[str]:
    for name, entry in environment.catalogue.entries.items():
        yield name
        yield from (f"{name}/{key}" for key in entry.keys)


def _prefixes(path: str) -> Iterator[str]:
    parts = path.split(".")
    for length in range(1, len(parts) + 1):
        yield ".".join(parts[:length])
