"""Judges what an environment's file lists: what is missing or unknown, has no effect, or comes in the wrong order."""

from collections.abc import Collection, Mapping, Sequence

from compiler.model.document import Node, Related, Span
from compiler.model.environment import KEY, MARK, REST, Catalogue, CatalogueKey, Entry, Environment
from compiler.rules.api import ENVIRONMENT, ERROR, WARNING, Finding, Findings, rule, top_of, waiver_scope
from compiler.text.credential import looks_like_credential
from compiler.text.wording import closest, command_line, quote, suggest

_ENVIRONMENT = {
    "namespace": "namespace: my-platform",
    "store": "store: vault",
    "refreshInterval": "refreshInterval: 1h",
    "externalSecretsOperator": 'externalSecretsOperator: "2.9"',
    "secrets": "secrets: {db: {}}",
}
_STORE = {"provider": "provider: vault", "name": "name: vault-secret-store"}
# Settings of an entry by its own name, and by the name that its variables begin with.
_ENTRY = {
    "target": "target: my-platform-%(name)s",
    "remote": "remote: {vault: my-platform/%(name)s, azurekv: my-platform-%(name)s}",
    "syncWave": "syncWave: -49",
    "keys": "keys: {%(variable)s_PASSWORD: {description: Password}}",
}


def find_missing_field_in_catalogue(catalogue: Catalogue) -> Findings:
    entries = catalogue.document.root.get("secrets")
    if catalogue.document.damaged or entries is None:
        return
    for entry_id, node in entries.children.items():
        for name, example in _ENTRY.items():
            if name not in node.children and not _is_dispensable(name, node):
                message = f'the entry {quote(entry_id)} has no "{name}"'
                such_as = example % {"name": entry_id, "variable": entry_id.upper().replace("-", "_")}
                way_out = f"add it, such as `{such_as}`"
                yield Finding(message, node.key_span, help=way_out, scope=("secrets", entry_id))


@rule("missing-field", ERROR, ENVIRONMENT, catalogue_check=find_missing_field_in_catalogue)
def find_missing_field(environment: Environment) -> Findings:
    if environment.damaged:
        return
    yield from _find_missing(environment)


def _find_missing(environment: Environment) -> Findings:
    root = environment.root
    for name, example in _ENVIRONMENT.items():
        if name not in root.children and not (name == "store" and environment.default_store is not None):
            yield from _missing_in_environment(
                f'environment "{environment.name}" has no "{name}"', environment, name, example
            )
    for store_id, node in root.members_at("stores").items():
        for name, example in _STORE.items():
            if name not in node.children and not _is_empty(node, name):
                message = f'the store {quote(store_id)} has no "{name}"'
                way_out, related = f"add it, such as `{example}`", _removal(node, name)
                yield Finding(message, node.key_span, help=way_out, related=related, scope=("stores", store_id))


def _missing_in_environment(message: str, environment: Environment, name: str, example: str) -> Findings:
    if not _is_empty(environment.root, name):
        stores = environment.root.members_at("stores")
        if name == "store" and stores:
            example = f"store: {next(iter(stores))}"
        way_out = f"add it here or in a layer it extends, such as `{example}`"
        yield Finding(message, top_of(environment.document), help=way_out, related=_removal(environment.root, name))


def _is_empty(node: Node, name: str) -> bool:
    """Whether the key is there without a value, which `empty-value` reports already."""
    removed = node.removed.get(name)
    return removed is not None and removed.is_empty


def _removal(node: Node, name: str) -> tuple[Related, ...]:
    removed = node.removed.get(name)
    return (Related("removed here", removed.span),) if removed is not None else ()


def _is_dispensable(field: str, entry: Node) -> bool:
    if field == "keys":
        return entry.nearest("extract").value is True
    return field == "remote" and _each_key_has_its_own(entry)


def _each_key_has_its_own(entry: Node) -> bool:
    keys = entry.members_at("keys").values()
    return bool(keys) and all("remote" in key.children or "from" in key.children for key in keys)


@rule("unknown-secret", ERROR, ENVIRONMENT)
def find_unknown_secret(environment: Environment) -> Findings:
    # An entry that was left out as invalid is not unknown.
    if environment.catalogue.document.damaged:
        return
    root = environment.root
    for secret_id, node in root.members_at("secrets").items():
        yield from _judge_secret_id(environment, secret_id, node.key_span, ("secrets", secret_id))
    for item in (item for step in root.items_at(KEY, "steps") for item in step.items):
        if item.value != REST:
            yield from _judge_secret_id(environment, str(item.value), item.span, ())


def _judge_secret_id(environment: Environment, secret_id: str, at: Span, scope: tuple[str, ...]) -> Findings:
    entries = environment.catalogue.entries
    if secret_id not in entries:
        match = closest(secret_id, entries)
        yield Finding(
            f"no secret named {quote(secret_id)} in the catalogue",
            at,
            help=_unknown_secret_way_out(secret_id, entries),
            related=(Related(f'"{match}" is defined here', entries[match].node.key_span),) if match else (),
            scope=scope,
        )


def _unknown_secret_way_out(name: str, entries: Collection[str]) -> str:
    from compiler.rules.forms.schema_error import SETTINGS, of_setting  # noqa: PLC0415 - only where one is wrong

    if name in SETTINGS:
        return of_setting(name)
    new = command_line("new", "secret", "NAME" if looks_like_credential(name) else name, "--key", "KEY")
    return (suggest(name, entries, "secrets") if entries else None) or f"`{new}` adds it"


_SECRET_SETTING = 3
_MEANT_WHEN_DISABLED = frozenset({"enabled", "waive", "store"})


@rule("unused-override", WARNING, ENVIRONMENT, waivable=True)
def find_unused_override(environment: Environment) -> Findings:
    # A damaged file's emptied maps may have changed just what was taken out.
    if len(environment.layers) > 1 and not environment.damaged:
        yield from _compare_with_layers(environment.document.root, environment.root, ())
    own = environment.document.root.children.get("secrets")
    merged = environment.root.children.get("secrets")
    if own is None or merged is None:
        return
    for secret_id, node in own.children.items():
        if node.children:
            yield from _check_disabled(node, merged.children.get(secret_id), secret_id, environment)
            yield from _as_the_catalogue(node, environment, secret_id)


def _compare_with_layers(own: Node, merged: Node, path: tuple[str, ...]) -> Findings:
    """Walks the environment's own file, which is small, beside the merged tree, which remembers what lay below."""
    for key, node in own.children.items():
        here = (*path, key)
        if key == "extends" and not path:
            continue
        winner = merged.children.get(key)
        if winner is None:
            removal = merged.removed.get(key)
            if node.value is None and not node.is_empty and removal is not None and not removal.overrode:
                message = f"{quote(key)} is removed here, but no lower layer has it"
                yield Finding(message, node.key_span, help="remove the line", scope=waiver_scope(here))
        elif node.children:
            yield from _compare_with_layers(node, winner, here)
        elif not _holds_store(node, here):
            yield from _check_repetition(node, winner, key, here)


def _holds_store(node: Node, path: tuple[str, ...]) -> bool:
    """Whether it is a secret's `store:`, or the environment's with the mark of a switch."""
    start, end = node.rest_of_line
    is_marked = path == ("store",) and MARK.search(node.source.text[start:end]) is not None
    return is_marked or (len(path) == _SECRET_SETTING and path[0] == "secrets" and path[-1] == "store")


def _check_repetition(node: Node, winner: Node, key: str, path: tuple[str, ...]) -> Findings:
    below = winner.overrode[0] if winner.overrode else None
    # Where something from outside the files won, what it overrode is the node itself.
    if below is None or winner.source is not node.source:
        return
    empty_mapping = isinstance(node.value, dict) and isinstance(below.value, dict)
    if empty_mapping or node.plain_data() == below.plain_data():
        message = f"{quote(key)} repeats what a lower layer says"
        related = (Related("set here", below.span),)
        yield Finding(message, node.key_span, help="remove the line", related=related, scope=waiver_scope(path))


def _check_disabled(own: Node, merged: Node | None, secret_id: str, environment: Environment) -> Findings:
    enabled = merged.children.get("enabled") if merged is not None else None
    if enabled is None or enabled.value is not False:
        return
    for key, node in own.children.items():
        if key not in _MEANT_WHEN_DISABLED and node.value is not None and not _is_followed(environment, secret_id, key):
            message = f"{quote(key)} has no effect, as {quote(secret_id)} is disabled"
            related = (Related("disabled here", enabled.span),)
            way_out = "remove the line, or enable the secret"
            yield Finding(message, node.key_span, help=way_out, related=related, scope=("secrets", secret_id))


def _is_followed(environment: Environment, secret_id: str, setting: str) -> bool:
    """Whether a secret that the environment has takes a value from the disabled one, and with it this setting."""
    origins = environment.catalogue.origins
    return setting in {"use", "remote"} and any(
        holder.id == secret_id for name in environment.secrets for holder in origins.get(name, ())
    )


def _as_the_catalogue(own: Node, environment: Environment, secret_id: str) -> Findings:
    secret = environment.secrets.get(secret_id)
    if secret is None:
        return
    scope, entry = ("secrets", secret_id), secret.entry
    use = own.children.get("use")
    if use is not None and entry.default_variants is not None and not secret.node.nearest("use").overrode:
        chosen = [item.value for item in use.items]
        if isinstance(use.value, tuple) and sorted(map(str, chosen)) == sorted(entry.default_variants):
            message = f"`use` repeats the default of {quote(secret_id)}"
            related = (Related("the default", entry.node.nearest("use").span),)
            yield Finding(message, use.key_span, help="remove the line", related=related, scope=scope)
    for provider, node in own.members_at("remote").items():
        if node.value == entry.remote.get(provider) and not secret.node.nearest("remote", provider).overrode:
            message = f"{quote(provider)} repeats the catalogue's name of {quote(secret_id)}"
            related = (Related("the catalogue's name", entry.node.nearest("remote", provider).span),)
            yield Finding(message, node.key_span, help="remove the line", related=related, scope=scope)


@rule("contradictory-moves", ERROR, ENVIRONMENT)
def find_contradictory_moves(environment: Environment) -> Findings:
    moves = environment.root.get(KEY)
    if moves is None or environment.damaged:
        return
    entries = environment.catalogue.entries
    steps = [step.items for step in moves.nearest("steps").items]
    for name, example in (("to", "to: azure"), ("steps", "steps: [[jira], [all]]")):
        if name not in moves.children:
            yield Finding(f'`moves` has no "{name}"', moves.key_span, help=f"add it, such as `{example}`")
    if REST in entries:
        message = f"{quote(REST)} is a secret of the catalogue, and in `moves` it means the rest"
        yield Finding(message, moves.key_span, help="give the secret another id")
    yield from _check_repeated_steps(steps)
    yield from _check_rest(steps)
    yield from _check_guards(steps, entries)
    yield from _check_shared_values(environment, steps)


def _check_repeated_steps(steps: Sequence[Sequence[Node]]) -> Findings:
    seen: dict[object, Node] = {}
    for item in (item for step in steps for item in step):
        if (first := seen.setdefault(item.value, item)) is not item:
            message = f"{quote(str(item.value))} is in two steps"
            yield Finding(message, item, help="name it once", related=(Related("first named", first.span),))


def _check_rest(steps: Sequence[Sequence[Node]]) -> Findings:
    for index, step in enumerate(steps):
        for item in step:
            if item.value == REST and (len(step) > 1 or index + 1 < len(steps)):
                message = f"{quote(REST)} means the rest, so it is a step of its own and the last"
                yield Finding(message, item, help="move it to the end")


def _check_guards(steps: Sequence[Sequence[Node]], entries: Mapping[str, Entry]) -> Findings:
    # The last step with a secret that guards nothing.
    last = max(
        (index for index, step in enumerate(steps) if not all(_is_guard(item, entries) for item in step)), default=-1
    )
    for index, step in enumerate(steps):
        for item in step:
            if _is_guard(item, entries) and (len(step) > 1 or index <= last):
                message = f"{quote(str(item.value))} guards a store, so it moves alone and after all others"
                entry = entries[str(item.value)].node
                related = (Related("said here", entry.nearest("guards").key_span),)
                way_out = f"put it in a step of its own at the end, or leave it to {quote(REST)}"
                yield Finding(message, item, help=way_out, related=related)


def _check_shared_values(environment: Environment, steps: Sequence[Sequence[Node]]) -> Findings:
    """The secrets of a step that have a value in common with one of another step, or of none."""
    at = {str(item.value): (index, item) for index, step in enumerate(steps) for item in step}
    rest = at.get(REST, (None, None))[0]
    first: dict[CatalogueKey, str] = {}
    for name, key in environment.shared_keys():
        other = first.setdefault(key.value_key, name)
        one, two = (at.get(each, (rest, None)) for each in (name, other))
        if one[0] != two[0] and (item := one[1] or two[1]) is not None:
            message = f"{quote(name)} and {quote(other)} have a value in common, so they move in one step"
            related = (Related("taken here", key.node.nearest("from").span),) if key.is_taken else ()
            yield Finding(message, item, help="name them in the same step", related=related)


def _is_guard(item: Node, entries: Mapping[str, Entry]) -> bool:
    entry = entries.get(str(item.value))
    return entry is not None and entry.guards
