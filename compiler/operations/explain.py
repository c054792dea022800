"""Explains where each value of an environment comes from: the line that won, the values it overrode, and defaults."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from compiler.model.document import Node, Span
from compiler.model.environment import ALL_KEYS, PER_KEY, CatalogueKey, Entry, Environment, Secret, SecretKey, Store
from compiler.model.values import place_text
from compiler.refusal import Refusal
from compiler.text.wording import closest, command_line, suggest


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where one value comes from."""

    path: str
    value: str | None  # None if a layer removed it, or for an unused key
    # written, default, catalogue, inherited (from the environment or the catalogue), usual (a default that is shown
    # only on request), removed, resolved (a key's place) or unused
    origin: str
    where: str | None = None  # `file:line:column`, an option or a variable
    overrode: tuple[tuple[str, str], ...] = ()  # the values of lower layers, each with its place
    note: str = ""


def format_value(node: Node) -> str:
    """The value as one line of YAML; for a map its keys."""
    value = node.value
    if isinstance(value, dict):
        return f"{{{', '.join(value)}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(format_value(item) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def format_place(span: Span) -> str:
    """The place as `file:line:column`, or the option or variable."""
    return span.where if "/" in span.path else span.path


# Fields of a secret that only the catalogue has.
_CATALOGUES = ("target", "externalSecret", "type", "creationPolicy", "deletionPolicy", "syncWave", "extract")


def _explain_secret(environment: Environment, secret_id: str, rows: Sequence[Explanation]) -> Iterator[Explanation]:
    """The values of a secret, then the place of each key; `rows` are those of the environment."""
    path = f"secrets.{secret_id}"
    entry = environment.catalogue.entries[secret_id]
    secret = environment.secrets.get(secret_id)
    own = [row for row in rows if row.path == path or row.path.startswith(f"{path}.")]
    yield from own
    if secret is None:
        if not own:
            # If a layer removed it, show that layer's line.
            yield _absent_secret_row(environment, entry, path)
        return
    for name in _CATALOGUES:
        node = entry.node.get(name)
        if node is not None:
            yield _from_catalogue(f"{path}.{name}", node)
    for name, text in entry.node.members_at("template", "data").items():
        yield _from_catalogue(f"{path}.template.data.{name}", text)
    yield from (_key_place(secret, key) for key in secret.keys)


def _explain_key(
    environment: Environment, secret_id: str, name: str, rows: Sequence[Explanation]
) -> tuple[Explanation, ...]:
    """The place of the key, then what decides it; `rows` are those of the environment. Raises Refusal."""
    entry = environment.catalogue.entries[secret_id]
    key = entry.source_keys.get(name)
    if key is None:
        listing = f"run `{command_line('explain', environment.name, f'secrets.{secret_id}')}`"
        way_out = suggest(name, entry.keys, "keys") or listing
        raise Refusal("usage", f'"{secret_id}" has no key "{name}" in the catalogue', way_out)
    by_path = {row.path: row for row in rows}
    secret = environment.secrets.get(secret_id)
    path = f"{secret_id}/{name}"
    if secret is None:
        decisive = (f"secrets.{secret_id}", f"secrets.{secret_id}.enabled")
        return (_absent_secret_row(environment, entry, path), *_existing_rows(by_path, *decisive))
    found = next((each for each in secret.keys if each.key is key), None)
    if found is None:
        unused = Explanation(path, None, "unused", format_place(key.node.key_span), note=_why_unused(secret, key))
        return (unused, *_source_rows(secret, key), *_existing_rows(by_path, f"secrets.{key.holder(entry).id}.use"))
    return tuple(_key_rows(secret, found, by_path))


def _absent_secret_row(environment: Environment, entry: Entry, path: str) -> Explanation:
    note = f'"{environment.name}" does not have the secret'
    return Explanation(path, None, "unused", format_place(entry.node.key_span), note=note)


def _existing_rows(by_path: dict[str, Explanation], *paths: str) -> Iterator[Explanation]:
    return (by_path[path] for path in paths if path in by_path)


def _key_place(secret: Secret, found: SecretKey) -> Explanation:
    path, where = f"{secret.id}/{found.key.name}", format_place(found.key.node.key_span)
    if secret.store is None or found.place is None:
        return Explanation(path, None, "unused", where, note="the secret's store has no place for it")
    note = f"{'every property, ' if found.key.name == ALL_KEYS else ''}in {_store_text(secret.store)}"
    return Explanation(path, place_text(found.place), "resolved", where, note=note)


def _key_rows(secret: Secret, found: SecretKey, by_path: dict[str, Explanation]) -> Iterator[Explanation]:
    key, store = found.key, secret.store
    yield _key_place(secret, found)
    yield from _source_rows(secret, key)
    yield from _existing_rows(by_path, f"secrets.{secret.id}.store")
    if store is not None:
        yield from _remote_rows(secret, key, store, by_path)
    if key.value_key.variants:
        yield from _existing_rows(by_path, f"secrets.{key.holder(secret.entry).id}.use")


def _source_rows(secret: Secret, key: CatalogueKey) -> Iterator[Explanation]:
    if key.origin is not None:
        note = f"the value is that of {key.origin.entry.id}/{key.origin.key.name}"
        yield _from_catalogue(f"secrets.{secret.id}.keys.{key.name}.from", key.node.children["from"], note)


def _why_unused(secret: Secret, key: CatalogueKey) -> str:
    if key.origin is None:
        return f"it belongs to {_variants(key.variants)}; in use: {', '.join(secret.variants) or 'none'}"
    holder, held = key.origin.entry.id, key.origin.key
    return f"its value is that of {holder}/{held.name}, of {_variants(held.variants)} of {holder}, which is not in use"


def _remote_rows(
    secret: Secret, key: CatalogueKey, store: Store, by_path: dict[str, Explanation]
) -> Iterator[Explanation]:
    yield from _existing_rows(by_path, f"stores.{store.id}.prefix")
    holder, key = key.holder(secret.entry), key.value_key
    own, members = key.node.get("remote", store.provider.id), key.node.members_at("remote", store.provider.id)
    in_catalogue = f"secrets.{holder.id}.keys.{key.name}.remote.{store.provider.id}"
    name = own if own is not None and isinstance(own.value, str) else members.get("name")
    if name is not None:
        yield _from_catalogue(in_catalogue, name)
    else:
        path, written = f"secrets.{holder.id}.remote.{store.provider.id}", holder.node.get("remote", store.provider.id)
        if path in by_path:
            yield by_path[path]
        elif written is not None:
            # The environment lacks that secret, and another one takes a value from it.
            yield _from_catalogue(path, written)
    for part in ("property", "whole"):
        if part in members:
            yield _from_catalogue(f"{in_catalogue}.{part}", members[part])


def _from_catalogue(path: str, node: Node, note: str = "") -> Explanation:
    return Explanation(path, format_value(node), "catalogue", format_place(node.span), note=note)


def _store_text(store: Store) -> str:
    address = store.address or "no address configured"
    mount = f", mount {store.mount}" if store.mount else ""
    return f'the store "{store.id}": {store.provider.title}, {address}{mount}'


def _variants(variants: Sequence[str]) -> str:
    return f"the variant{'' if len(variants) == 1 else 's'} {', '.join(variants)}"


_INHERITED = ("store", "namespace", "refreshInterval", "fetch")
# The sources of a secret's labels and annotations besides its own map, in order of precedence.
_METADATA = {
    "labels": (("environment", "labels"),),
    "annotations": (("environment", "annotations"),),
    "secretLabels": (("environment", "secretLabels"), ("secret", "labels"), ("environment", "labels")),
    "secretAnnotations": (("environment", "secretAnnotations"),),
}
# Repeated values and defaults are shown only on request.
_QUIET = ("inherited", "usual")


def explain(environment: Environment, path: str | None = None) -> tuple[Explanation, ...]:
    """All values in the order of the input, or those at and below `path`, or of a key `github/KEY`. Raises Refusal."""
    rows = [*_rows(environment)]
    if path is None:
        return tuple(row for row in rows if row.origin not in _QUIET)
    entries = environment.catalogue.entries
    secret, slash, key = path.partition("/")
    if slash and secret in entries:
        return _explain_key(environment, secret, key, rows)
    if (secret := path.removeprefix("secrets.")) in entries and path not in environment.root.children:
        return tuple(_explain_secret(environment, secret, rows))
    found = tuple(row for row in rows if row.path == path or row.path.startswith(f"{path}."))
    if not found:
        raise Refusal("usage", f'"{path}" has no value in "{environment.name}"', _way_out(environment, path, rows))
    return found


def _way_out(environment: Environment, path: str, rows: Sequence[Explanation]) -> str:
    split = [row.path.split(".") for row in rows]
    known = dict.fromkeys(".".join(parts[: at + 1]) for parts in split for at in range(len(parts)))
    for name, entry in environment.catalogue.entries.items():
        known |= dict.fromkeys((name, *(f"{name}/{key}" for key in entry.keys)))
    meant = closest(path, known) or _full_path(environment, path)
    return f'did you mean "{meant}"?' if meant else f"run `{command_line('explain', environment.name)}` to list them"


def _full_path(environment: Environment, path: str) -> str | None:
    """The full path of a key or store that was named alone, or of a key of a misspelt secret."""
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
    yield from _rows_in_file((), root)
    if root.get("fetch") is None:
        yield Explanation("fetch", PER_KEY, "default")
    if root.get("partOf") is None:
        yield Explanation("partOf", environment.part_of, "usual", note="the default")
    for store in environment.stores.values():
        defaults = {"kind": store.kind, "render": "false"}
        if store.provider.has_mounts:
            defaults["mount"] = store.mount
        for name, value in defaults.items():
            if store.node.get(name) is None:
                yield Explanation(f"stores.{store.id}.{name}", value, "default")
    for secret in environment.secrets.values():
        yield from _default_rows(environment, secret)


def _rows_in_file(path: tuple[str, ...], node: Node) -> Iterator[Explanation]:
    for key, child in node.children.items():
        if child.children:
            yield from _rows_in_file((*path, key), child)
        else:
            yield _row_at((*path, key), child)
    for key, null in node.removed.items():
        if key not in node.children:
            note = "" if null.overrode else "there was nothing to remove"
            yield replace(_row_at((*path, key), null), value=None, origin="removed", note=note)


def _row_at(path: tuple[str, ...], node: Node) -> Explanation:
    # A higher layer with the same value changed nothing, but its place is worth knowing.
    overrode = tuple((format_value(lower), format_place(lower.span)) for lower in node.overrode)
    return Explanation(".".join(path), format_value(node), "written", format_place(node.span), overrode)


def _default_rows(environment: Environment, secret: Secret) -> Iterator[Explanation]:
    path = ("secrets", secret.id)
    for name in _INHERITED:
        if name == "fetch" and secret.entry.extract:
            continue
        top = environment.root.get(name)
        if secret.node.get(name) is None and top is not None:
            yield replace(_row_at((*path, name), top), origin="inherited", note=f"from `{name}`")
        elif secret.node.get(name) is None and name == "fetch":
            yield Explanation(f"secrets.{secret.id}.fetch", PER_KEY, "usual", note="the default")
    yield from _metadata_rows(environment, secret)
    if secret.node.get("enabled") is None:
        yield Explanation(f"secrets.{secret.id}.enabled", "true", "usual", note="the default")
    yield from _use_rows(secret)
    remote = ("remote", secret.store.provider.id) if secret.store is not None else ()
    node = secret.entry.node.get(*remote) if remote else None
    if node is not None and secret.node.get(*remote) is None:
        yield replace(_from_catalogue(".".join((*path, *remote)), node, "from the catalogue"), origin="inherited")


def _metadata_rows(environment: Environment, secret: Secret) -> Iterator[Explanation]:
    for member, sources in _METADATA.items():
        told = set(secret.node.members_at(member))
        for owner, source in sources:
            holder = environment.root if owner == "environment" else secret.node
            for key, child in holder.members_at(source).items():
                if key not in told:
                    told.add(key)
                    row = _row_at(("secrets", secret.id, member, key), child)
                    where = source if owner == "environment" else f"secrets.{secret.id}.{source}"
                    yield replace(row, origin="inherited", note=f"from `{where}`")


def _use_rows(secret: Secret) -> Iterator[Explanation]:
    if secret.node.get("use") is not None or not secret.entry.variants:
        return
    chosen = secret.entry.node.get("use")
    path = f"secrets.{secret.id}.use"
    if chosen is not None:
        yield _from_catalogue(path, chosen)
    else:
        every = f"[{', '.join(secret.entry.variants)}]"
        note = "all variants, as neither the environment nor the catalogue chooses"
        yield Explanation(path, every, "default", note=note)
