"""Lists the keys that the ExternalSecrets of an environment or a values file read, and words what is wrong with one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

from compiler.live.observation import lasting_command
from compiler.live.stores import AddressError, secret_named, store_named
from compiler.model.document import Diagnostic, Document, Node, Related, Severity, Span
from compiler.model.environment import ALL_KEYS, EXTRACT, PER_KEY, Environment, Store
from compiler.model.inventory import Cell, Inventory, name_keys
from compiler.model.provider import Provider, Spec
from compiler.model.store import DEFAULT_MOUNT, Place
from compiler.model.values import subchart_of
from compiler.refusal import Refusal
from compiler.rules.api import Finding
from compiler.rules.listed_rules import BY_ID
from compiler.rules.missing_remote import way_out
from compiler.stages.files import read_text
from compiler.stages.load import load_text
from compiler.stages.validate import validate
from compiler.stores.errors import (
    Code,
    DisabledError,
    ForbiddenError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    VersionGoneError,
)
from compiler.stores.interface import Limit, RemoteSecret
from compiler.stores.registry import PROVIDERS, provider_of
from compiler.stores.secret_value import SecretValue, Trait, traits
from compiler.text.wording import command_line, pluralize, quote, shell_line, suggest


def cells_to_read(
    environment: Environment, secrets: Sequence[str] = (), store: Store | None = None
) -> tuple[tuple[Cell, ...], tuple[Diagnostic, ...]]:
    """The keys in use of `secrets`, or of all, in their own stores or in `store`.

    Also a diagnostic `missing-remote` for each key for which the catalogue has no place in that store's provider.
    """
    found: list[Cell] = []
    diagnostics: list[Diagnostic] = []
    for cell in Inventory(environment).cells(secrets, store):
        if cell.in_use and cell.place is not None:
            found.append(cell)
        elif cell.in_use:
            message = f'"{cell.key}" of "{cell.secret}" has no place in the store "{cell.store.id}"'
            help_text = way_out(environment.catalogue.entries[cell.holder or cell.secret], cell.store.provider)
            diagnostics.append(Diagnostic("missing-remote", Severity.ERROR, message, cell.key_at, help=help_text))
    return tuple(found), tuple(diagnostics)


SECRETS = "externalSecrets"
_STORE_KINDS = {"ClusterSecretStore": "clusterSecretStores", "SecretStore": "secretStores"}


def secrets_of_values(document: Document) -> tuple[str, ...]:
    """The ids of the secrets that the values file has."""
    return tuple(document.root.nearest(SECRETS).children) if document.root.get(SECRETS) is not None else ()


def cells_of_values(document: Document, environ: Mapping[str, str], secrets: Sequence[str] = ()) -> tuple[Cell, ...]:
    """The cells of `secrets`, or of all, in a values file.

    A store that the file renders has its provider and address there. The provider of any other store follows from its
    name, or from the address variable that is set. Raises Refusal if neither shows it.
    """
    stores: dict[tuple[str, str], Store] = {}
    found: list[Cell] = []
    for secret_id in secrets_of_values(document):
        node = document.root.nearest(SECRETS, secret_id)
        if secrets and secret_id not in secrets:
            continue
        chosen = node.text("storeRef", "kind") or "", node.text("storeRef", "name") or ""
        if chosen not in stores:
            stores[chosen] = _store(*chosen, node.nearest("storeRef"), document.root, environ)
        found += _cells(secret_id, node, stores[chosen])
    return tuple(found)


def _cells(secret_id: str, node: Node, store: Store) -> Iterator[Cell]:
    fetch, remote = node.text("fetch") or PER_KEY, node.text("remoteKey") or ""
    skips, takes_all = node.get("deletionPolicy") is not None, fetch == EXTRACT and node.get("templateData") is None

    def cell(key: str, place: Place, at: Span, fetch: str) -> Cell:
        own = Cell(secret_id, key, store, place, at, node.key_span, (secret_id, key), serving=store, fetch=fetch)
        in_texts = node.get("templateData") is not None
        return replace(own, skips_missing=skips, takes_all=takes_all, uses_all=takes_all, in_texts=in_texts)

    listed = node.nearest("keys").items
    if fetch == EXTRACT and not listed:
        yield cell(ALL_KEYS, Place(remote, None), node.key_span, fetch)
    for name, at in ((str(item.value), item.span) for item in listed):
        yield cell(name, Place(remote, name), at, fetch)
    data = node.get("data")
    for key, its in (data.children if data is not None else {}).items():
        yield cell(key, Place(its.text("key") or "", its.text("property")), its.key_span, PER_KEY)


def _store(kind: str, name: str, node: Node, root: Node, environ: Mapping[str, str]) -> Store:
    rendered = _find_rendered_store(kind, name, root)
    provider = provider_of(next(iter(rendered.nearest("provider").children))) if rendered else _guess(name, environ)
    settings = rendered.nearest("provider", provider.id) if rendered else None
    written = provider.read_spec(cast("dict[str, Any]", settings.plain_data())) if settings is not None else Spec(None)
    address = written.url
    if not address and (value := environ.get(provider.variable)):
        address = provider.url_of(value, settings.text if settings is not None else lambda _: None)
    return Store(
        id=name,
        provider=provider,
        name=name,
        kind=kind,
        # The names in a values file have their prefix already.
        prefix="",
        address=address or None,
        mount=(written.mount or DEFAULT_MOUNT) if provider.has_mounts else "",
        vault_namespace=written.namespace,
        rendered=rendered is not None,
        node=node,
    )


def _find_rendered_store(kind: str, name: str, root: Node) -> Node | None:
    stores = root.get(_STORE_KINDS.get(kind, ""))
    for store in stores.children.values() if stores is not None else ():
        if store.text("name") == name and any(store.get("provider", each) for each in PROVIDERS):
            return store
    return None


def _guess(name: str, environ: Mapping[str, str]) -> Provider:
    # The platform's stores have always had these names.
    if known := [each for each in PROVIDERS.values() if each.store_name == name]:
        return known[0]
    given = [each for each in PROVIDERS.values() if environ.get(each.address_variable(environ) or each.variable)]
    if len(given) == 1:
        return given[0]
    # The message names VAULT_ADDR, whichever variable is set.
    names = filter(None, (each.address_variable({}) or each.variable for each in PROVIDERS.values()))
    message = f"the provider of the store {quote(name)} is unknown"
    raise Refusal("usage", message, f"set either {' or '.join(names)}")


def cells_of(
    environment: Environment, secrets: Sequence[str] = (), store: str | None = None
) -> tuple[tuple[Cell, ...], tuple[Diagnostic, ...]]:
    """As `cells_to_read`, in the store that `store` names. Raises Refusal for a secret or store that does not exist."""
    for name in secrets:
        secret_named(environment, name)
    chosen = store_named(environment, store) if store is not None else None
    return cells_to_read(environment, secrets, chosen)


def cells_of_file(
    shown: str, secrets: Sequence[str], environ: Mapping[str, str]
) -> tuple[tuple[Cell, ...] | None, tuple[Diagnostic, ...]]:
    """The cells of `secrets`, or of all, in the values file `shown`; None and diagnostics if it has errors.

    Raises Refusal for a secret that it does not have, for a file of another kind, and if neither the file nor `environ`
    shows a store's provider.
    """
    document, diagnostics = _load_values(shown)
    if document is None:
        way_out = f"nobody edits a values file: `{command_line('compile')}` writes it"
        return None, tuple(
            each if each.rule == "unreadable-file" else each._replace(help=way_out) for each in diagnostics
        )
    known = secrets_of_values(document)
    for name in secrets:
        if name not in known:
            closer = suggest(name, known, "secrets")
            way_out = "with --values, name secrets only, no environment"
            raise Refusal(
                "usage", f"{quote(shown)} has no secret {quote(name)}", f"{way_out}; {closer}" if closer else way_out
            )
    return cells_of_values(document, environ, secrets), ()


def _load_values(shown: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    path = Path(shown)
    text, unreadable = read_text(path.parent, path.name)
    if text is None:
        return None, tuple(_with_path(shown, each) for each in unreadable)
    document, diagnostics = load_text(shown, text, is_output=True)
    if document is None:
        return None, diagnostics
    name = subchart_of({key: tuple(child.children) for key, child in document.root.children.items()})
    if name is not None:
        document = replace(document, root=document.root.children[name])
    if document.root.get(SECRETS) is None:
        # Not "nothing to check, so all is OK": most often it is the wrong file.
        message = f'{quote(shown)} has no "{SECRETS}"'
        raise Refusal("usage", message, "name a compiled values file, chart/values-<env>.yaml")
    document, diagnostics = validate(document, "values")
    return (None, diagnostics) if diagnostics else (document, ())


def _with_path(path: str, diagnostic: Diagnostic) -> Diagnostic:
    span = diagnostic.span
    return diagnostic._replace(span=span._replace(source=replace(span.source, path=path)))


def put_command(group: Sequence[Cell], *more: str) -> str:
    """The command that sets the keys of `group` in the store that they are read from.

    If some of them take another secret's value, it sets the first secret's keys.
    """
    first = group[0]
    if first.is_all:
        return f"`put`, once {quote(first.secret)} lists keys in the catalogue,"
    own = [each.key for each in group if each.secret == first.secret]
    # Without a key the command asks for all keys; an empty answer keeps a value.
    keys = own if len(own) == 1 else []
    store = ["--store", first.store.id] if first.is_elsewhere else []
    return f"`{command_line('put', first.environment or 'ENV', first.secret, *keys, *store, *more)}`"


def way_out_of(group: Sequence[Cell], error: StoreError) -> str:
    """The remedy for a remote secret that a store did not return: a command, or else the error's own remedy."""
    if isinstance(error, NotFoundError):
        return f"{copy_or(group[0])}{put_command(group)} creates it; or correct its name"
    store, name = group[0].store, error.place.name
    if not isinstance(error, SoftDeletedError) or not name:
        return error.remedy
    words = store.provider.recover_words(store, error.place.store, name, error.version)
    if not words:
        return error.remedy
    return f"`{shell_line(*words)}` recovers it{_or_copy(group[0])}"


def _or_copy(first: Cell) -> str:
    """The command that copies a deleted secret again from another store, if there is one."""
    copy = _copy_command(first, "--recover")
    return f"; or `{copy}` copies it there again" if copy else ""


def copy_or(first: Cell) -> str:
    """The command that copies what a store lacks from another store that may hold it, as the start of a sentence."""
    copy = _copy_command(first)
    return f"if only {quote(first.source or '')} holds it, `{copy}` copies it; else " if copy else ""


def _copy_command(first: Cell, *options: str) -> str:
    if first.environment is None or first.source is None:
        return ""
    ends = ("--to", first.store.id, "--from", first.source)
    return command_line("migrate", first.environment, *ends, "--only", first.secret, *options)


# The rule for an error's code; any other error means that the store did not answer.
_RULES: dict[str, str] = {
    NotFoundError.code: "missing-secret",
    SoftDeletedError.code: "soft-deleted-secret",
    VersionGoneError.code: "soft-deleted-secret",
    DisabledError.code: "disabled-secret",
    ForbiddenError.code: "forbidden",
    Code.UNAUTHENTICATED: "unauthenticated",
    Code.EXPIRED_TOKEN: "unauthenticated",
    Code.WRONG_MOUNT: "wrong-mount",
    Code.UNSUPPORTED_ENGINE: "wrong-mount",
    Code.INVALID_NAME: "invalid-reference",
}
# The rule, message and remedy for a value with a trait.
_VALUE_FAULTS = (
    (Trait.NOT_A_STRING, "not-a-string", "is a JSON {kind}, not a string", "{put} stores it as a JSON string"),
    (Trait.EMPTY, "blank-value", "is empty", "{put} sets it; or leave the key out with `use:`"),
    (
        Trait.NUL,
        "invalid-character",
        "contains a NUL character, which no environment variable can hold",
        "{put} sets the intended value; write it as Base64 where it is not text",
    ),
    (
        Trait.LONE_SURROGATE,
        "invalid-character",
        "is not valid Unicode text: it contains half of a surrogate pair",
        "{put} sets the intended value; write it as Base64 where it is not text",
    ),
    (Trait.PLACEHOLDER, "placeholder-value", "is still a placeholder", "{put} sets the real value"),
    (Trait.MANIFEST, "manifest-value", "is the manifest of a Kubernetes Secret", "{put} sets the value in it"),
    (
        Trait.SPACE_AT_END,
        "surrounding-white-space",
        "begins or ends with white space",
        "{put} stores it again without the white space, unless it belongs there",
    ),
    (
        Trait.QUOTED,
        "surrounding-quotes",
        "has quotes around it",
        "{put} stores it again without the quotes, unless they belong there",
    ),
)
# The rules about values alone.
VALUE_RULES = frozenset(rule for _, rule, *_ in _VALUE_FAULTS)
_NOT_CHECKED = " not checked"
# Findings that an edit of the reference fixes; for a generated file, an edit of its environment.
_EDITED = frozenset({"invalid-reference", "missing-secret", "missing-property", "blank-value", "not-json"})
_EDITED |= {"unusable-bundle", "wrong-mount"}


def _in_input(rule: str, first: Cell, way_out: str | None) -> str | None:
    if first.environment is not None or way_out is None or rule not in _EDITED:
        return way_out
    return f"{way_out}; this file is generated: edit the environment's own, and compile"


def key_diagnostic(rule: str, same: Sequence[Cell], message: str, help_text: str | None = None) -> Diagnostic:
    """A finding about a value, at the line of the first key that has it; the other keys are related places.

    `message` continues after the key's name. The line of the secret is added if it is another one.
    """
    cell = same[0]
    subject = f"{quote(cell.key)} of {quote(cell.secret)}"
    related: tuple[Related, ...] = ()
    if cell.secret_at != cell.key_at:
        related = (Related("the secret is used here", cell.secret_at),)
    related += tuple(
        Related(f"{quote(each.key)} of {quote(each.secret)} has this value too", each.key_at) for each in same[1:]
    )
    way_out = _in_input(rule, cell, help_text)
    return BY_ID[rule].diagnostic(Finding(f"{subject} {message}", cell.key_at, help=way_out, related=related))


def value_diagnostics(same: Sequence[Cell], value: SecretValue | None) -> Iterator[Diagnostic]:
    """The problems with the value of keys, None for a missing property. A whole document may be any JSON."""
    cell = same[0]
    if value is None:
        wanted = cell.property or ""
        lacking = "is not" if wanted == cell.key else f"needs the property {quote(wanted)}, which is not"
        message = f"{lacking} in {quote(cell.remote_key)} of the store {quote(cell.store.id)}"
        way_out = f"{copy_or(cell)}{put_command([cell])} adds it; or leave it out with `use:`"
        yield key_diagnostic("missing-property", same, message, way_out)
    else:
        found = traits(value)
        for trait, rule, message, mend in _VALUE_FAULTS:
            if trait in found and not (trait is Trait.NOT_A_STRING and cell.property is None):
                way_out = mend.format(put=put_command([cell]))
                yield key_diagnostic(rule, same, message.format(kind=value.kind.value), way_out)


def date_diagnostic(
    group: Sequence[Cell], remote: RemoteSecret, address: str, now: datetime, within: timedelta
) -> Diagnostic | None:
    """The problem with the dates of a remote secret of the store at `address`.

    A provider whose secrets do not expire by themselves still serves an expired one.
    """
    store, provider = group[0].store, group[0].store.provider
    attributes, name = remote.attributes, quote(remote.name)
    # The words of the command that sets a date, DATE.
    date_words = partial(provider.date_words, address, remote.name)
    # Otherwise the store sets a date itself, or has none.
    dated = () if provider.expires_by_itself or store.requires_expiry else ("--expires", "DATE")
    and_date = " and its date" if dated else ""
    if (expired := attributes.past_expires(now)) is not None:
        way_out = f"{put_command(group, *dated)} sets a new value{and_date}"
        return remote_finding("expired-secret", group, f"{name} expired on {expired:%Y-%m-%d}", way_out)
    if (ahead := attributes.not_before_ahead(now)) is not None:
        message = f"{name} is not valid before {ahead:%Y-%m-%d}"
        line = shell_line(*date_words("--not-before"))
        way_out = f"`{line}` sets another date; or write a version that is valid now"
        return remote_finding("not-yet-valid", group, message, way_out)
    if (soon := attributes.past_expires(now + within)) is not None:
        message = f"{name} expires on {soon:%Y-%m-%d}"
        way_out = f"before then, {put_command(group, *dated)} sets a new value{and_date}"
        if provider.expires_by_itself:
            message = f"version {remote.version} of {name} deletes itself on {soon:%Y-%m-%d}"
            keeps = lasting_command(store, remote.name, tuple(Limit), remote.version)
            way_out = f"rotate it before then; or `{keeps}` keeps it"
        return remote_finding("expires-soon", group, message, way_out)
    if attributes.expires is None and store.requires_expiry:
        message = f"{name} has no expiry date, and {quote(store.id)} requires one"
        line = shell_line(*date_words("--expires"))
        way_out = f"{put_command(group)} sets a new value with a date; or `{line}` sets one"
        return remote_finding("no-expiry", group, message, way_out)
    return None


def remote_finding(rule: str, group: Sequence[Cell], message: str, help_text: str | None = None) -> Diagnostic:
    """A finding about a remote secret, at the line of the secret whose keys read it; other readers are related."""
    first = group[0]
    notes = [
        Related(f"{each.title} {about}", each.key_at, about, each.key)
        for each in group
        for about in (f"of {quote(each.secret)}",)
    ]
    related = tuple(note for note in notes if note.span != first.secret_at)
    if not related:
        # A values file has one place for a secret and all its keys.
        message = f"{message}; {', '.join(each.title for each in group)} of {quote(first.secret)}"
    way_out = _in_input(rule, first, help_text)
    return BY_ID[rule].diagnostic(Finding(message, first.secret_at, help=way_out, related=related, brief=True))


def store_error_finding(group: Sequence[Cell], error: StoreError) -> Diagnostic:
    """A finding about a remote secret that the store did not return."""
    name = error.place.name or ""
    message = f"cannot {error.action} {quote(name)} in {error.place.store}: {error.reason}"
    if isinstance(error, NotFoundError):
        message = f"{quote(name)} is not in {quote(group[0].store.id)}"
    skipping = [each for each in group if each.skips_missing]
    if isinstance(error, NotFoundError | SoftDeletedError) and skipping:
        names = name_keys([each.key for each in skipping])
        what = f"leave {names} out of the Secret, and say Ready"
        if any(each.in_texts for each in skipping):
            what = f"go on without {names}: a text fails or is empty, and if nothing is left, Delete takes the Secret"
        message += f"; the operator would {what}"
    return remote_finding(_rule_of(error), group, message, way_out_of(group, error))


def store_finding(store: Store, asking: Sequence[Cell], failure: StoreError | AddressError) -> Diagnostic:
    """A finding about a whole store: once, at the line that describes it, with the number of unchecked keys."""
    count = _count_unchecked(len(asking))
    if isinstance(failure, AddressError):
        return BY_ID["no-answer"].diagnostic(Finding(f"{failure}; {count}", store.node.key_span, help=failure.help))
    said = f"the store {quote(store.id)} ({failure.place.store}) cannot be read: {failure.reason}"
    # This is about the store's own address, not about a reference to a secret.
    rule = "no-answer" if failure.code == Code.INVALID_NAME else _rule_of(failure)
    way_out = _in_input(rule, asking[0], failure.remedy)
    return BY_ID[rule].diagnostic(Finding(f"{said}; {count}", store.node.key_span, help=way_out))


def without_count(message: str) -> str:
    """A finding about a whole store, without the number of unchecked keys; any other message unchanged."""
    said, _, count = message.rpartition("; ")
    return said if said and count.endswith(_NOT_CHECKED) else message


def with_own_count(message: str, keys: int) -> str:
    """A finding about a whole store, with the number of only these `keys`; any other message unchanged."""
    said = without_count(message)
    return f"{said}; {_count_unchecked(keys)}" if said != message else message


def _count_unchecked(keys: int) -> str:
    return f"{pluralize(keys, 'key')}{_NOT_CHECKED}"


def _rule_of(error: StoreError) -> str:
    return _RULES.get(error.code, "no-answer")
