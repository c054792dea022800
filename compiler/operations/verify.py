"""Reads what External Secrets Operator will read, and reports what would not synchronise, with the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from compiler.live.read_many import WORKERS, is_of_store, is_silence, lasting_command, read_all
from compiler.live.stores import AddressError, LiveStores
from compiler.model.diagnostic import Diagnostic, Related, Severity
from compiler.model.environment import Store
from compiler.model.provider import InvalidReferenceError, Provider, UnprovenReferenceError
from compiler.operations.references import (
    Absence,
    Reference,
    UnextractedError,
    extracted,
    resolve,
)
from compiler.rules.api import Finding
from compiler.rules.live_rules import BY_ID
from compiler.stores.errors import (
    Code,
    DisabledError,
    ForbiddenError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    VersionGoneError,
)
from compiler.stores.interface import Cluster, Identity, Limit, RemoteSecret, SecretReader
from compiler.stores.secret_value import SecretValue, Trait, traits
from compiler.text.command_line import command_line, shell_line
from compiler.text.wording import counted, quoted


def put_command(group: Sequence[Reference]) -> str:
    """The command that sets the keys of `group` in the store that they are read from.

    Where some are taken from another secret's, they are set with those of the first.
    """
    first = group[0]
    own = [each.key for each in group if each.secret == first.secret]
    # Without a key the command asks for all of the secret, and an empty answer leaves one as it is.
    keys = own if len(own) == 1 else []
    store = ["--store", first.store.id] if first.is_elsewhere else []
    return f"`{command_line('put', first.environment or 'ENV', first.secret, *keys, *store)}`"


def date_command(provider: Provider, name: str, address: str, option: str) -> str:
    """The command that sets a date, DATE, of a secret of the store at `address`."""
    return f"`{shell_line(*provider.date_words(address, name, option))}`"


def way_out_of(group: Sequence[Reference], error: StoreError) -> str:
    """What to do about a remote secret that a store did not return: the error's own remedy where none is nearer."""
    if isinstance(error, NotFoundError):
        return f"{put_command(group)} creates it; or correct its name"
    store, name = group[0].store, error.place.name
    if not isinstance(error, SoftDeletedError) or not name:
        return error.remedy
    words = store.provider.recover_words(store, error.place.store, name, error.version)
    if not words:
        return error.remedy
    return f"`{shell_line(*words)}` recovers it{_or_copy(group[0])}"


def _or_copy(first: Reference) -> str:
    """The command that copies a deleted secret again from another store, where there is one."""
    if first.environment is None or first.source is None:
        return ""
    ends = ("--to", first.store.id, "--from", first.source)
    copy = command_line("migrate", first.environment, *ends, "--only", first.secret, "--recover")
    return f"; or `{copy}` copies it there again"


# By its code; any other error means that the store did not answer.
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
# What is wrong with a value that has a trait: the rule, the message, and what mends it.
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
_NOT_CHECKED = " not checked"


def key_diagnostic(rule: str, same: Sequence[Reference], message: str, help_text: str | None = None) -> Diagnostic:
    """A finding about the first of the keys with one value, at its line, and the others that have the value too.

    `message` continues after the key's name. The secret's line is told where it is another one.
    """
    reference = same[0]
    subject = f"{quoted(reference.key)} of {quoted(reference.secret)}"
    related: tuple[Related, ...] = ()
    if reference.secret_at != reference.key_at:
        related = (Related("the secret is used here", reference.secret_at),)
    related += tuple(
        Related(f"{quoted(each.key)} of {quoted(each.secret)} has this value too", each.key_at) for each in same[1:]
    )
    return BY_ID[rule].diagnostic(Finding(f"{subject} {message}", reference.key_at, help=help_text, related=related))


def value_diagnostics(same: Sequence[Reference], value: SecretValue | Absence) -> Iterator[Diagnostic]:
    """What is wrong with the value that keys get. A document asked for as a whole may be any JSON.

    That a remote secret is not JSON at all is a finding about it, and not about a key.
    """
    reference = same[0]
    if value is Absence.NO_PROPERTY:
        wanted = reference.property or ""
        lacking = "is not" if wanted == reference.key else f"needs the property {quoted(wanted)}, which is not"
        message = f"{lacking} in {quoted(reference.remote_key)} of the store {quoted(reference.store.id)}"
        way_out = f"{put_command([reference])} adds it; or leave it out with `use:`"
        yield key_diagnostic("missing-property", same, message, way_out)
    elif not isinstance(value, Absence):
        found = traits(value)
        for trait, rule, message, mend in _VALUE_FAULTS:
            if trait in found and not (trait is Trait.NOT_A_STRING and reference.property is None):
                way_out = mend.format(put=put_command([reference]))
                yield key_diagnostic(rule, same, message.format(kind=value.kind.value), way_out)


def date_diagnostic(
    group: Sequence[Reference], remote: RemoteSecret, address: str, now: datetime, within: timedelta
) -> Diagnostic | None:
    """What is wrong with the dates of a remote secret of the store at `address`.

    Where it does not expire by itself, what is expired is served on.
    """
    provider = group[0].store.provider
    attributes, name = remote.attributes, quoted(remote.name)
    if (expired := attributes.past_expires(now)) is not None:
        message = f"{name} expired on {expired:%Y-%m-%d}"
        new_value = f"{put_command(group)} sets a new value"
        dated = f"{new_value}; then {date_command(provider, remote.name, address, '--expires')} sets its date"
        is_dated = provider.expires_by_itself or group[0].store.requires_expiry
        return of_remote("expired-secret", group, message, new_value if is_dated else dated)
    if (ahead := attributes.not_before_ahead(now)) is not None:
        message = f"{name} is not valid before {ahead:%Y-%m-%d}"
        corrected = f"{date_command(provider, remote.name, address, '--not-before')} sets another date"
        return of_remote("not-yet-valid", group, message, f"{corrected}; or write a version that is valid now")
    if (soon := attributes.past_expires(now + within)) is not None:
        if provider.expires_by_itself:
            message = f"version {remote.version} of {name} deletes itself on {soon:%Y-%m-%d}"
            keeps = lasting_command(group[0].store, remote.name, tuple(Limit), remote.version)
            return of_remote("expires-soon", group, message, f"rotate it before then; or `{keeps}` keeps it")
        message = f"{name} expires on {soon:%Y-%m-%d}"
        new_value = f"before then, {put_command(group)} sets a new value"
        if group[0].store.requires_expiry:
            return of_remote("expires-soon", group, message, new_value)
        new_date = f"then {date_command(provider, remote.name, address, '--expires')} its date"
        return of_remote("expires-soon", group, message, f"{new_value}, {new_date}")
    if attributes.expires is None and group[0].store.requires_expiry:
        message = f"{name} has no expiry date, and {quoted(group[0].store.id)} requires one"
        dated = f"{date_command(provider, remote.name, address, '--expires')} sets one"
        return of_remote("no-expiry", group, message, f"{put_command(group)} sets a new value with a date; or {dated}")
    return None


def of_remote(rule: str, group: Sequence[Reference], message: str, help_text: str | None = None) -> Diagnostic:
    """A finding about a remote secret that keys of one secret share, and others that take theirs, at its line."""
    first = group[0]
    notes = [
        Related(f"{quoted(each.key)} {about}", each.key_at, about, each.key)
        for each in group
        for about in (f"of {quoted(each.secret)}",)
    ]
    related = tuple(note for note in notes if note.span != first.secret_at)
    if not related:
        # A values file has one place for a secret and all its keys.
        message = f"{message}; {', '.join(quoted(each.key) for each in group)} of {quoted(first.secret)}"
    return BY_ID[rule].diagnostic(Finding(message, first.secret_at, help=help_text, related=related, brief=True))


def of_store_error(group: Sequence[Reference], error: StoreError) -> Diagnostic:
    """A finding about a remote secret that the store did not return."""
    name = error.place.name or ""
    message = f"cannot {error.action} {quoted(name)} in {error.place.store}: {error.reason}"
    if isinstance(error, NotFoundError):
        message = f"{quoted(name)} is not in {quoted(group[0].store.id)}"
    return of_remote(_rule_of(error), group, message, way_out_of(group, error))


def of_store(store: Store, asking: Sequence[Reference], failure: StoreError | AddressError) -> Diagnostic:
    """A finding about a whole store: once, at the line that describes it, with the number of unchecked keys."""
    count = _unchecked(len(asking))
    if isinstance(failure, AddressError):
        return BY_ID["no-answer"].diagnostic(Finding(f"{failure}; {count}", store.node.key_span, help=failure.help))
    said = f"the store {quoted(store.id)} ({failure.place.store}) cannot be read: {failure.reason}"
    finding = Finding(f"{said}; {count}", store.node.key_span, help=failure.remedy)
    # Here the store's own address is wrong, and not a reference to a secret in it.
    rule = "no-answer" if failure.code == Code.INVALID_NAME else _rule_of(failure)
    return BY_ID[rule].diagnostic(finding)


def with_own_count(message: str, keys: int) -> str:
    """A finding about a whole store, said of some of its `keys` alone; any other message as it is."""
    said, _, count = message.rpartition("; ")
    return f"{said}; {_unchecked(keys)}" if said and count.endswith(_NOT_CHECKED) else message


def _unchecked(keys: int) -> str:
    return f"{counted(keys, 'key')}{_NOT_CHECKED}"


def _rule_of(error: StoreError) -> str:
    return _RULES.get(error.code, "no-answer")


EXPIRES_WITHIN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ReadStore:
    """A store that answered: its address, the caller's identity and who it is, None where it does not tell."""

    store: str
    address: str
    identity: Identity | None
    cluster: Cluster | None = None


# Findings by which a store says nothing about a key.
CLOSED = frozenset({"forbidden", "unauthenticated", "no-answer", "wrong-mount"})
# Findings by which the store answers that it lacks a key.
UNSET = frozenset({"missing-secret", "missing-property"})


class KeyState(StrEnum):
    """The state of a key; a store knows all but the last two."""

    PRESENT = "present"
    MISSING = "missing"
    DELETED = "deleted"
    FAULTY = "faulty"  # it is there, and the operator cannot read it, or would read it wrongly
    NO_ACCESS = "no-access"  # the store did not say
    NOT_ASKED = "not-asked"
    DIFFERS = "differs"  # the other store holds another value
    NOT_IN_EFFECT = "not-in-effect"  # something is wrong with it in the cluster


@dataclass(frozen=True, slots=True, eq=False)
class KeyStatus:
    """The status of one key: everything found about it, the gravest kind first; OK without an error."""

    reference: Reference
    found: tuple[Diagnostic, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        return tuple(diagnostic.rule for diagnostic in self.found)

    @property
    def is_sound(self) -> bool:
        return not any(diagnostic.severity is Severity.ERROR for diagnostic in self.found)

    @property
    def word(self) -> str:
        """`ok`, `warning` or `error`."""
        return "error" if not self.is_sound else "warning" if self.found else "ok"

    @property
    def why_closed(self) -> tuple[str, ...]:
        """Why the store said nothing about the key; empty where it did."""
        return tuple(each.message for each in self.found if each.rule in CLOSED)

    @property
    def is_silent(self) -> bool:
        """Whether the store gave no answer, or nobody may ask it anything."""
        return bool({"no-answer", "unauthenticated", "wrong-mount"} & set(self.rules))

    @property
    def state(self) -> KeyState:
        """What the store, which was asked, says of the key."""
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
    """All that was found; `answered` tells whether any store answered.

    `read` are the remote secrets that were read, so that their values can be hidden in other programs' messages.
    `values` holds what each reference resolves to, without those that resolve to nothing, and `origins` where each was
    read.
    """

    keys: tuple[KeyStatus, ...]
    diagnostics: tuple[Diagnostic, ...]
    seen: tuple[ReadStore, ...]
    answered: bool
    read: tuple[RemoteSecret, ...] = ()
    values: Mapping[Reference, SecretValue] = field(default_factory=dict)
    origins: Mapping[Reference, RemoteSecret] = field(default_factory=dict)

    @property
    def remotes(self) -> int:
        """How many remote secrets were read."""
        return len(self.read)


# A diagnostic, and the references that it is about.
Found = tuple[Sequence[Reference], Diagnostic]


def verify(
    references: Sequence[Reference],
    stores: LiveStores,
    *,
    now: datetime | None = None,
    expires_within: timedelta = EXPIRES_WITHIN,
    workers: int = WORKERS,
) -> Verification:
    """Resolves every reference as External Secrets Operator does, with one read for each remote secret.

    No store is changed. A store that cannot be reached is a finding like others, at the line that names it.
    """
    found: list[Found] = []
    readers = _open(references, stores, found)
    wanted = _names(references, readers, found)
    answers = read_all(wanted, workers)
    moment = now if now is not None else datetime.now(UTC)
    values: dict[Reference, SecretValue] = {}
    for pair, asking in wanted.items():
        answer = answers[pair]
        if not isinstance(answer, StoreError):
            found += _of_dates(asking, answer, pair[0].address.absolute, moment, expires_within)
            found += _of_values(asking, answer, values)
        elif not is_of_store(answer):
            found += ((group, of_store_error(group, answer)) for group in _by_holder(asking))
    # Another secret of the same store may have been refused for a reason of its own at the same time.
    failures = {
        reader: error for (reader, _), error in answers.items() if isinstance(error, StoreError) and is_of_store(error)
    }
    for reader, error in failures.items():
        found += _of_reader(reader, error, wanted, answers)
    by_key: dict[Reference, list[Diagnostic]] = {}
    for group, diagnostic in found:
        for reference in group:
            by_key.setdefault(reference, []).append(diagnostic)
    answered = {reader for (reader, _), answer in answers.items() if not _is_silent(answer)}
    read = {pair: answer for pair, answer in answers.items() if not isinstance(answer, StoreError)}
    return Verification(
        tuple(KeyStatus(each, tuple(by_key.get(each, ()))) for each in references),
        tuple(sorted((each for _, each in found), key=lambda each: (each.span.path, each.span.start))),
        _seen(readers, answered),
        # A name that is refused before anything is sent does not mean that the store is silent.
        bool(answered) or not _is_any_silent(references, readers, answers.values()),
        tuple(read.values()),
        values,
        {reference: remote for pair, remote in read.items() for reference in wanted[pair]},
    )


def known_since(statuses: Iterable[KeyStatus], origins: Mapping[Reference, RemoteSecret]) -> datetime | None:
    """The date of the newest value that is read for those keys, None where one of them was not read."""
    newest = datetime.min.replace(tzinfo=UTC)
    for status in statuses:
        remote = origins.get(status.reference)
        if remote is not None:
            newest = max(newest, remote.attributes.created or newest, remote.attributes.updated or newest)
        else:
            # Also where it is missing: what it held before it was removed can no longer be read.
            return None
    return newest


def dates_of(found: Verification) -> dict[tuple[str, str], datetime | None]:
    """By secret and store, by id: the date of the newest value that was read, None where one could not be read."""
    statuses: dict[tuple[str, str], list[KeyStatus]] = {}
    for status in found.keys:
        statuses.setdefault((status.reference.secret, status.reference.store.id), []).append(status)
    return {each: known_since(asked, found.origins) for each, asked in statuses.items()}


def _open(references: Iterable[Reference], stores: LiveStores, found: list[Found]) -> dict[Store, SecretReader]:
    readers: dict[Store, SecretReader] = {}
    by_store: dict[Store, list[Reference]] = {}
    for reference in references:
        by_store.setdefault(reference.store, []).append(reference)
    for store, asking in by_store.items():
        try:
            readers[store] = stores.open(store)
        except (AddressError, StoreError) as error:
            found.append((asking, of_store(store, asking, error)))
    return readers


def _names(
    references: Iterable[Reference], readers: dict[Store, SecretReader], found: list[Found]
) -> dict[tuple[SecretReader, str], list[Reference]]:
    wanted: dict[tuple[SecretReader, str], list[Reference]] = {}
    refused: dict[tuple[str, str, str], list[Reference]] = {}
    for reference in references:
        store = reference.store
        if store not in readers:
            continue
        try:
            name = store.provider.asked_name(store.mount, reference.remote_key)
        except InvalidReferenceError as error:
            refused.setdefault((reference.secret, "invalid-reference", str(error)), []).append(reference)
        except UnprovenReferenceError as error:
            refused.setdefault((reference.secret, "unproven-reference", str(error)), []).append(reference)
        else:
            wanted.setdefault((readers[store], name), []).append(reference)
    for (_, rule, reason), group in refused.items():
        found.append((group, of_remote(rule, group, f'"{group[0].remote_key}" cannot be resolved: {reason}')))
    return wanted


def _of_dates(
    asking: Sequence[Reference], remote: RemoteSecret, address: str, now: datetime, within: timedelta
) -> Iterator[Found]:
    for group in _by_holder(asking):
        if (diagnostic := date_diagnostic(group, remote, address, now, within)) is not None:
            yield group, diagnostic


def _of_values(
    asking: Sequence[Reference], remote: RemoteSecret, values: dict[Reference, SecretValue]
) -> Iterator[Found]:
    """What is wrong with what each reference resolves to; adds what it resolves to to `values`."""
    bundled, not_json = [each for each in asking if each.by_name], list[Reference]()
    bundle = remote
    try:
        bundle = extracted(remote) if bundled else remote
    except UnextractedError as error:
        # The operator refuses all of it; the values are judged all the same.
        message = f'"{remote.name}" cannot be fetched as a bundle: {error}'
        for group in _by_holder(bundled):
            yield group, of_remote("unusable-bundle", group, message, "rename or remove it; or `fetch: perKey`")
    for same in _of_one_value(asking):
        first = same[0]
        try:
            source = bundle if first.by_name else remote
            value = resolve(first.store.provider, source, first.property, by_name=first.by_name)
        except UnprovenReferenceError as error:
            yield same, key_diagnostic("unproven-reference", same, f"cannot be resolved: {error}")
            continue
        if isinstance(value, SecretValue):
            values.update(dict.fromkeys(same, value))
        elif value is Absence.NOT_JSON:
            not_json += same
        yield from ((same, diagnostic) for diagnostic in value_diagnostics(same, value))
    for group in _by_holder(not_json):
        message = f'"{remote.name}" is not a JSON object with unique names'
        yield group, of_remote("not-json", group, message, "store one, or mark the key `whole: true`")


def _of_reader(
    reader: SecretReader,
    error: StoreError,
    wanted: Mapping[tuple[SecretReader, str], list[Reference]],
    answers: Mapping[tuple[SecretReader, str], RemoteSecret | StoreError],
) -> Iterator[Found]:
    """That a store cannot be read, once for each name that it has here."""
    by_store: dict[Store, list[Reference]] = {}
    for pair, asking in wanted.items():
        answer = answers[pair]
        if pair[0] is reader and isinstance(answer, StoreError) and is_of_store(answer):
            for reference in asking:
                by_store.setdefault(reference.store, []).append(reference)
    yield from ((asking, of_store(store, asking, error)) for store, asking in by_store.items())


def _by_holder(references: Iterable[Reference]) -> list[list[Reference]]:
    """By the secret that has the values: what is wrong there is found once, with whoever takes a value from it."""
    groups: dict[str, list[Reference]] = {}
    for reference in references:
        groups.setdefault(reference.holder or reference.secret, []).append(reference)
    return [_holder_first(group) for group in groups.values()]


def _of_one_value(references: Iterable[Reference]) -> list[list[Reference]]:
    groups: dict[tuple[object, ...], list[Reference]] = {}
    for each in references:
        value = (each.holder or each.secret, each.store.id, each.remote_key, each.property, each.by_name)
        groups.setdefault(value, []).append(each)
    return [_holder_first(group) for group in groups.values()]


def _holder_first(group: list[Reference]) -> list[Reference]:
    return sorted(group, key=lambda each: each.holder is not None)


def _is_any_silent(
    references: Iterable[Reference],
    readers: dict[Store, SecretReader],
    answers: Iterable[RemoteSecret | StoreError],
) -> bool:
    return any(each.store not in readers for each in references) or any(
        isinstance(answer, StoreError) and is_silence(answer) for answer in answers
    )


def _is_silent(answer: RemoteSecret | StoreError) -> bool:
    # A name that is refused before anything is sent tells nothing about the store.
    return isinstance(answer, StoreError) and (is_silence(answer) or answer.code == Code.INVALID_NAME)


def _seen(readers: dict[Store, SecretReader], answered: Iterable[SecretReader]) -> tuple[ReadStore, ...]:
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
