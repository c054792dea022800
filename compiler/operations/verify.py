"""Reads what External Secrets Operator will read, resolves it as the operator does, and reports what is wrong.

Of a property's path only names with dots between them are followed, by gjson's documented syntax
(https://github.com/tidwall/gjson/blob/master/SYNTAX.md), not its code. Beside the values it checks what the caller may
do in the stores.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from compiler.live.observation import (
    Likeness,
    Readings,
    StoredVersion,
    compare_held,
    is_of_store,
    is_silence,
    read_all,
    version_of,
)
from compiler.live.stores import AddressError, LiveStores
from compiler.model import group_pairs
from compiler.model.document import Diagnostic, Severity
from compiler.model.environment import BUNDLE, EXTRACT, Environment, Secret, Store
from compiler.model.inventory import Cell, key_of_property
from compiler.model.provider import InvalidReferenceError, Provider, UnprovenReferenceError
from compiler.operations.references import (
    copy_or,
    date_diagnostic,
    key_diagnostic,
    put_command,
    remote_finding,
    store_error_finding,
    store_finding,
    value_diagnostics,
)
from compiler.rules.api import Finding
from compiler.rules.listed_rules import BY_ID
from compiler.stores.errors import Code, StoreError
from compiler.stores.interface import Attributes, Cluster, Identity, RemoteSecret, Role, SecretReader
from compiler.stores.secret_value import (
    Comparer,
    JsonKind,
    NotAnObjectError,
    SecretValue,
    object_members,
    write_object,
)
from compiler.text.wording import command_line, quote

# Names of these characters mean the same to gjson and to a look-up by name.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
# Names with dots between them. A backslash takes the next character as it is; other signs are syntax to gjson.
_NAME = r"(?:[^\\.|*?#@!{\[]|\\.)+"
_NAMES, _PATH = re.compile(_NAME, re.DOTALL), re.compile(rf"{_NAME}(?:\.{_NAME})*", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# As the API server validates the name of a Secret's key.
_SECRET_KEY = re.compile(r"(?!\.\.?\Z|\.\.)[-._a-zA-Z0-9]+", re.ASCII)
# The longest one, in bytes.
_LONGEST = 253


def resolve(
    provider: Provider, remote: RemoteSecret, wanted: str | None, *, by_name: bool = False
) -> SecretValue | None:
    """The value that the operator writes for the property `wanted`, None for the whole value; None if there is none.

    `by_name`: a template finds it in the `extracted` properties, by the name only. The operator looks a path up with
    gjson: after a look-up by name, or before one in which dots are part of a name. Raises UnprovenReferenceError, and
    NotAnObjectError for a remote secret without properties.
    """
    if wanted is None and remote.whole is not None:
        return remote.whole
    if wanted is None:
        # If the operator serialises the value again, its names are sorted.
        names = sorted(remote.properties) if provider.sorts_names else list(remote.properties)
        return SecretValue(write_object({name: remote.properties[name] for name in names}), JsonKind.OBJECT)
    if not remote.is_object:
        raise NotAnObjectError
    named = remote.properties.get(wanted)
    if by_name or _PLAIN.fullmatch(wanted) or (provider.by_name_first and named is not None):
        return named
    found = _find(remote.properties, wanted)
    if found is None and not provider.by_name_first and "." in wanted:
        # The operator's second try: every dot is part of a name.
        found = _find(remote.properties, wanted.replace(".", "\\."))
    return found


def _find(properties: Mapping[str, SecretValue], path: str) -> SecretValue | None:
    """The value at a path of names; null is a value too. Raises UnprovenReferenceError for other gjson syntax."""
    if not _PATH.fullmatch(path):
        raise UnprovenReferenceError("its property uses gjson syntax that this program does not evaluate")
    *above, last = (_ESCAPED.sub(r"\1", name) for name in _NAMES.findall(path))
    members = properties
    for name in above:
        found = members.get(name)
        if found is None:
            return None
        if found.kind is JsonKind.ARRAY:
            raise UnprovenReferenceError("its property leads into a list, which this program does not evaluate")
        members = object_members(found)
    return members.get(last)


def extract(remote: RemoteSecret, *, takes_all: bool = False) -> RemoteSecret:
    """The properties that `dataFrom.extract` makes of it: characters that no Secret's key can have become `_`.

    Raises InvalidReferenceError if the operator refuses the whole secret for its names. For a Secret that `takes_all`,
    also if the API server does, as letters of other alphabets stay as they are.
    """
    found: dict[str, SecretValue] = {}
    names: dict[str, str] = {}
    for name, value in remote.properties.items():
        key = key_of_property(name)
        if key in found:
            raise InvalidReferenceError(f"its properties {quote(names[key])} and {quote(name)} become one key")
        if len(key.encode()) > _LONGEST:
            raise InvalidReferenceError(f"the name of a property is longer than {_LONGEST} bytes")
        if takes_all and not _SECRET_KEY.fullmatch(key):
            raise InvalidReferenceError(f"its property {quote(name)} cannot be a key of a Secret")
        found[key], names[key] = value, name
    return replace(remote, properties=found)


# For each `fetch`, what is impossible with the remote secret, and what to do instead.
_AS_A_WHOLE = {BUNDLE: "fetched as a bundle", EXTRACT: "extracted"}
_INSTEAD = {BUNDLE: "`fetch: perKey`", EXTRACT: "leave out `extract`, and list each key that the Secret is to have"}

EXPIRES_WITHIN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ReadStore:
    """A store that answered: its address and server, and the caller's identity, None if the store does not say."""

    store: str
    address: str
    identity: Identity | None
    cluster: Cluster | None = None


# Findings by which a store gives no answer about a key.
CLOSED = frozenset({"forbidden", "unauthenticated", "no-answer", "wrong-mount"})
# Findings by which a store says that it lacks a key.
UNSET = frozenset({"missing-secret", "missing-property"})


class KeyState(StrEnum):
    """The state of a key; a store alone does not show the last two."""

    PRESENT = "present"
    MISSING = "missing"
    DELETED = "deleted"
    FAULTY = "faulty"  # it is there, and the operator cannot read it, or would read it wrongly
    NO_ACCESS = "no-access"  # the store did not say
    NOT_ASKED = "not-asked"
    DIFFERS = "differs"  # the other store holds another value
    NOT_IN_EFFECT = "not-in-effect"  # something is wrong with it in the cluster


@dataclass(slots=True, eq=False)
class KeyStatus:
    """The findings about one key; without an error it is sound."""

    cell: Cell
    found: list[Diagnostic] = field(default_factory=list)  # the gravest kind first
    remote: RemoteSecret | None = None  # what was read for it
    value: SecretValue | None = None  # what it resolves to there
    present: "KeyStatus | None" = None  # the same key in the store in use, where it was compared with that
    likeness: Likeness = Likeness.NOT_ASKED  # how it compares with `present`

    @property
    def key_count(self) -> int:
        """How many keys of the Secret it stands for."""
        return max(1, len(self.remote.properties)) if self.cell.is_all and self.remote is not None else 1

    @property
    def rules(self) -> tuple[str, ...]:
        return tuple(diagnostic.rule for diagnostic in self.found)

    @property
    def is_sound(self) -> bool:
        return not any(diagnostic.severity is Severity.ERROR for diagnostic in self.found)

    @property
    def date(self) -> datetime | None:
        """When the value was written, if its store says so."""
        attributes = self.remote.attributes if self.remote is not None else Attributes()
        return attributes.created or attributes.updated

    @property
    def word(self) -> str:
        """`ok`, `warning` or `error`."""
        return "error" if not self.is_sound else "warning" if self.found else "ok"

    @property
    def why_closed(self) -> tuple[str, ...]:
        """Why the store gave no answer about the key; empty if it did."""
        return tuple(each.message for each in self.found if each.rule in CLOSED)

    @property
    def is_silent(self) -> bool:
        """Whether the store gave no answer, or lets nobody ask."""
        return bool({"no-answer", "unauthenticated", "wrong-mount"} & set(self.rules))

    @property
    def state(self) -> KeyState:
        """The state of the key by its findings, if its store was read."""
        if self.is_sound:
            return KeyState.PRESENT
        rules = set(self.rules)
        if rules & CLOSED:
            return KeyState.NO_ACCESS
        if "soft-deleted-secret" in rules:
            return KeyState.DELETED
        return KeyState.MISSING if rules & UNSET else KeyState.FAULTY


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """The result of reading stores."""

    keys: tuple[KeyStatus, ...]
    diagnostics: tuple[Diagnostic, ...]
    seen: tuple[ReadStore, ...]
    answered: bool  # whether any store did
    read: tuple[RemoteSecret, ...] = ()
    # Why none of a store's secrets could be read.
    failures: Mapping[Store, StoreError | AddressError] = field(default_factory=dict)

    @property
    def by_secret_and_store(self) -> dict[tuple[str, str], list[KeyStatus]]:
        """The keys of each secret in each store, by both ids."""
        return group_pairs(((each.cell.secret, each.cell.store.id), each) for each in self.keys)


# By store: its keys that were not read, and why.
Failures = dict[Store, tuple[list[Cell], StoreError | AddressError]]
# A diagnostic, and the cells that it is about.
Found = tuple[Sequence[Cell], Diagnostic]


def verify(
    cells: Sequence[Cell],
    stores: LiveStores,
    *,
    now: datetime | None = None,
    expires_within: timedelta = EXPIRES_WITHIN,
) -> Verification:
    """Resolves every key as External Secrets Operator does, with one read of each remote secret.

    Changes no store. A store that cannot be reached is a finding like others, at the line that describes it.
    """
    keys = {cell: KeyStatus(cell) for cell in cells}
    found: list[Found] = []
    failures: Failures = {}
    readers = _open(cells, stores, failures)
    wanted = _names_to_read(cells, readers, found)
    answers, moment = read_all(wanted), now if now is not None else datetime.now(UTC)
    for pair, asking in wanted.items():
        answer = answers[pair]
        if not isinstance(answer, StoreError):
            for cell in asking:
                keys[cell].remote = answer
            for same in _group_by_holder(asking):
                dated = date_diagnostic(same, answer, pair[0].address.absolute, moment, expires_within)
                found += [(same, dated)] if dated is not None else []
            found += _judge_values(asking, answer, keys)
        elif not is_of_store(answer):
            # Also if the store fails as a whole: this secret may have been refused for another reason.
            found += ((group, store_error_finding(group, answer)) for group in _group_by_holder(asking))
        else:
            for cell in asking:
                failures.setdefault(cell.store, ([], answer))[0].append(cell)
    found += ((unread, store_finding(store, unread, error)) for store, (unread, error) in failures.items())
    for group, diagnostic in found:
        for cell in group:
            keys[cell].found.append(diagnostic)
    answered, is_silent = _answers_of(answers)
    return Verification(
        tuple(keys[cell] for cell in cells),
        tuple(sorted((each for _, each in found), key=lambda each: (each.span.path, each.span.start))),
        _read_stores(readers, answered),
        bool(answered) or not (is_silent or any(cell.store not in readers for cell in cells)),
        tuple(answer for answer in answers.values() if not isinstance(answer, StoreError)),
        {store: error for store, (_, error) in failures.items()},
    )


def _answers_of(answers: Readings) -> tuple[set[SecretReader], bool]:
    """The stores that answered, and whether a store gave no answer at all."""
    errors = {pair: answer for pair, answer in answers.items() if isinstance(answer, StoreError)}
    silent = {pair for pair, error in errors.items() if is_silence(error)}
    # A name that is refused before anything is sent says nothing about the store.
    unsent = {pair for pair, error in errors.items() if error.code == Code.INVALID_NAME}
    return {pair[0] for pair in answers if pair not in silent | unsent}, bool(silent)


def compare_keys(there: KeyStatus | None, here: KeyStatus | None, comparer: Comparer) -> Likeness:
    """How a key's value in another store compares with the one in use; None for a key without a place there."""
    new, old = (each.value if each is not None else None for each in (there, here))
    if here is not None and here.cell.is_all and new is not None and old is not None:
        # Properties of both are compared by name, in `compare_unlisted`.
        return Likeness.EQUAL
    return compare_held(new, old, comparer)


def compare_unlisted(
    there: Mapping[str, KeyStatus], here: Mapping[str, KeyStatus], comparer: Comparer
) -> dict[Likeness, tuple[str, ...]]:
    """How the properties compare that become keys without being listed; empty if a store could not be read.

    Both arguments are the listed keys of one secret, by name: in another store, and in the one in use.
    """
    remotes = [next((each.remote for each in side.values() if each.remote is not None), None) for side in (there, here)]
    new, old = (remote.properties if remote is not None else {} for remote in remotes)
    if None in remotes or not all(each.cell.uses_all for each in here.values()):
        return {}
    found: dict[Likeness, tuple[str, ...]] = {}
    for name in dict.fromkeys((*old, *new)):
        # The name that stands for all keys is none of theirs.
        if key_of_property(name) not in here:
            # A blank value is a key of the Secret too.
            in_both, is_old = name in old and name in new, name in old
            one_sided = Likeness.MISSING if is_old else Likeness.ONLY_THERE
            equal = in_both and comparer.same(old[name], new[name])
            likeness = (Likeness.EQUAL if equal else Likeness.DIFFERENT) if in_both else one_sided
            found[likeness] = (*found.get(likeness, ()), name)
    return found


def versions_of(one: KeyStatus, other: KeyStatus, stores: LiveStores) -> tuple[StoredVersion, StoredVersion] | None:
    """The versions that hold a key in both stores; None if one was not read."""
    first, second = (
        version_of(each.cell.store.id, stores.address(each.cell.store).absolute, each.remote)
        if each.remote is not None
        else None
        for each in (one, other)
    )
    return (first, second) if first is not None and second is not None else None


def dates_by_key(statuses: Iterable[KeyStatus]) -> dict[str, datetime]:
    """When each value was written, by key, if its store says so."""
    return {each.cell.key: each.date for each in statuses if each.date is not None}


def values_written(found: Verification) -> dict[tuple[str, str], dict[str, datetime]]:
    """When each value was written: by secret and store, both by id, then by key."""
    return {each: dates_by_key(keys) for each, keys in found.by_secret_and_store.items()}


def values_of_keys(statuses: Collection[KeyStatus]) -> tuple[SecretValue, ...]:
    """All values of the remote secrets of these keys; empty if one could not be read."""
    if any(each.why_closed for each in statuses):
        return ()
    remotes = {id(each.remote): each.remote for each in statuses if each.remote is not None}
    wholes = (each.whole for each in remotes.values() if each.whole is not None)
    return (*(value for each in remotes.values() for value in each.properties.values()), *wholes)


def values_read(found: Verification) -> dict[tuple[str, str], tuple[SecretValue, ...]]:
    """The values of each secret whose keys could be read: by secret and store, both by id."""
    return {each: values_of_keys(keys) for each, keys in found.by_secret_and_store.items()}


def _open(cells: Iterable[Cell], stores: LiveStores, failures: Failures) -> dict[Store, SecretReader]:
    readers: dict[Store, SecretReader] = {}
    for store, asking in group_pairs((each.store, each) for each in cells).items():
        try:
            readers[store] = stores.open(store)
        except (AddressError, StoreError) as error:
            failures[store] = asking, error
    return readers


def _names_to_read(
    cells: Iterable[Cell], readers: dict[Store, SecretReader], found: list[Found]
) -> dict[tuple[SecretReader, str], list[Cell]]:
    wanted: dict[tuple[SecretReader, str], list[Cell]] = {}
    refused: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        store = cell.store
        if store not in readers:
            continue
        try:
            name = store.provider.operator_name(store.mount, cell.remote_key)
        except (InvalidReferenceError, UnprovenReferenceError) as error:
            rule = "invalid-reference" if isinstance(error, InvalidReferenceError) else "unproven-reference"
            refused.setdefault((cell.secret, rule, str(error)), []).append(cell)
        else:
            wanted.setdefault((readers[store], name), []).append(cell)
    for (_, rule, reason), group in refused.items():
        found.append((group, remote_finding(rule, group, f'"{group[0].remote_key}" cannot be resolved: {reason}')))
    return wanted


def _judge_values(asking: Sequence[Cell], remote: RemoteSecret, keys: Mapping[Cell, KeyStatus]) -> Iterator[Found]:
    """The problems with the value of each key; also records the values in `keys`."""
    bundle, not_json = remote, list[Cell]()
    for bundled in _group_cells((each for each in asking if each.by_name), lambda each: (each.fetch, each.takes_all)):
        fetch = bundled[0].fetch
        try:
            bundle = extract(remote, takes_all=bundled[0].takes_all)
        except InvalidReferenceError as error:
            # The operator refuses the whole secret; its values are judged all the same.
            message = f'"{remote.name}" cannot be {_AS_A_WHOLE[fetch]}: {error}'
            for group in _group_by_holder(bundled):
                yield (
                    group,
                    remote_finding("unusable-bundle", group, message, f"rename or remove it; or {_INSTEAD[fetch]}"),
                )
    for same in _group_by_value(asking):
        try:
            yield from _judge_value(same, bundle if same[0].by_name else remote, remote, keys)
        except NotAnObjectError:
            not_json += same
    for group in _group_by_holder(not_json):
        message = f'"{remote.name}" is not a JSON object with unique names'
        way_out = "leave out `extract` and mark" if group[0].fetch == EXTRACT else "mark"
        key = "the key" if not group[0].is_all else "a key"
        yield group, remote_finding("not-json", group, message, f"store one, or {way_out} {key} `whole: true`")


def _judge_value(
    same: Sequence[Cell], source: RemoteSecret, remote: RemoteSecret, keys: Mapping[Cell, KeyStatus]
) -> Iterator[Found]:
    """The problems with one value. Raises NotAnObjectError for a property of a value that is not a JSON object."""
    first = same[0]
    if first.is_all and not source.is_object:
        raise NotAnObjectError
    try:
        value = resolve(first.store.provider, source, first.property, by_name=first.by_name)
    except UnprovenReferenceError as error:
        yield same, key_diagnostic("unproven-reference", same, f"cannot be resolved: {error}")
        return
    for cell in same:
        keys[cell].value = value
    if first.is_all:
        if not source.properties:
            message = f"{quote(remote.name)} has no property, so the Secret of {quote(first.secret)} would have no key"
            way_out = f"{copy_or(first)}{put_command(same)} adds one"
            yield same, remote_finding("missing-property", same, message, way_out)
        return
    yield from ((same, diagnostic) for diagnostic in value_diagnostics(same, value))
    if value is not None and "." in (first.property or "") and not first.by_name and first.environment is not None:
        yield from _judge_dotted(same, remote, value)


def _judge_dotted(same: Sequence[Cell], remote: RemoteSecret, value: SecretValue) -> Iterator[Found]:
    """A finding if a property with a dot is not a name, but a path to another value."""
    wanted = same[0].property or ""
    if value is not remote.properties.get(wanted):
        outer = quote(wanted.partition(".")[0])
        message = f"is read from within {outer}, and not from a property {quote(wanted)}"
        way_out = f"remove {outer} from the remote secret, or give the key a plain name there by `property`"
        yield same, key_diagnostic("nested-property", same, message, way_out)


def _group_by_holder(cells: Iterable[Cell]) -> list[list[Cell]]:
    """The cells by the secret that holds their values, so that a problem of a value is found once."""
    return _group_cells(cells, lambda each: (each.holder or each.secret,))


def _group_by_value(cells: Iterable[Cell]) -> list[list[Cell]]:
    return _group_cells(
        cells,
        lambda each: (each.holder or each.secret, each.store.id, each.remote_key, each.property, each.by_name),
    )


def _group_cells(cells: Iterable[Cell], alike: Callable[[Cell], tuple[object, ...]]) -> list[list[Cell]]:
    """The cells in groups of equal `alike`; in each group, keys with a value of their own come first."""
    groups = group_pairs((alike(each), each) for each in cells).values()
    return [sorted(group, key=lambda each: each.holder is not None) for group in groups]


def _read_stores(readers: dict[Store, SecretReader], answered: Iterable[SecretReader]) -> tuple[ReadStore, ...]:
    talked = set(answered)
    found: list[ReadStore] = []
    for store, reader in readers.items():
        if reader in talked:
            try:
                identity: Identity | None = reader.whoami()
                cluster = reader.cluster()
            except StoreError:
                identity = cluster = None
            found.append(ReadStore(store.id, reader.address.absolute, identity, cluster))
    return tuple(found)


def verify_access(
    environment: Environment, cells: Sequence[Cell], role: Role, stores: LiveStores
) -> tuple[Diagnostic, ...]:
    """The rights that the caller lacks for `role` in the stores of `cells`, and the rights beyond it.

    Skips stores that do not answer: reading reports them. Each finding lists all rights that the role needs there.
    """
    found: list[Diagnostic] = []
    for store, asking in group_pairs((each.store, each) for each in cells).items():
        try:
            found += _judge_access(environment, store, asking, role, stores)
        except (AddressError, StoreError):
            continue
    return tuple(found)


def _judge_access(
    environment: Environment, store: Store, asking: Sequence[Cell], role: Role, stores: LiveStores
) -> Iterator[Diagnostic]:
    from compiler.generate.access import names_in, uses_of  # noqa: PLC0415 - only --access asks it

    names: dict[str, Secret] = {}
    for secret in dict.fromkeys(each.secret for each in asking):
        # A name that is no secret of the store is a finding of reading it.
        with suppress(InvalidReferenceError, UnprovenReferenceError):
            for name, its in names_in(environment, store, [environment.secrets[secret]], role).items():
                names.setdefault(name, its)
    writer, uses = stores.open(store), dict.fromkeys(names, uses_of(role))
    problems, excess = writer.check_access(uses), writer.excess_access(uses)
    for each in problems or ():
        message = f"{quote(each.name)} in {quote(store.id)} is not open to a {role}: {each.reason}"
        at = names[each.name].node.key_span
        yield BY_ID["missing-access"].diagnostic(Finding(message, at, help=each.remedy, brief=True))
    if problems is None or excess is None:
        message = f"{quote(store.id)} does not say what your credentials may do; only reading was tried"
        yield BY_ID["unknown-access"].diagnostic(Finding(message, store.node.key_span))
    elif excess:
        elsewhere = ["--store", store.id] if asking[0].is_elsewhere else []
        words = ["--for", role, "--form", store.provider.access_form, *elsewhere]
        help_text = f"`{command_line('generate', 'access', environment.name, *words)}` writes what is enough"
        message = f"your credentials may do more in {quote(store.id)} than a {role}: {excess}"
        yield BY_ID["excess-access"].diagnostic(Finding(message, store.node.key_span, help=help_text))
