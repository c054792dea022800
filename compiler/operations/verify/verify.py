"""Reads what External Secrets Operator will read, and reports what would not synchronise, line by line."""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.model.record import dataclass
from compiler.operations.live.read_many import WORKERS, is_of_store, is_silence, read_all
from compiler.operations.live.stores import AddressError
from compiler.operations.verify.eso_resolution import (
    InvalidReferenceError,
    UnextractedError,
    UnprovenReferenceError,
    extracted,
    remote_name,
    resolve,
)
from compiler.operations.verify.findings import (
    KeyFinding,
    date_finding,
    of_remote,
    of_store,
    of_store_error,
    value_findings,
)
from compiler.stores.errors import InvalidNameError, StoreError
from compiler.stores.values.secret import SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.environment import Store
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.verify.references import Reference
    from compiler.stores.interface import Cluster, Identity, RemoteSecret, SecretReader

EXPIRES_WITHIN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Seen:
    """A store that answered: its address, the caller's identity and who it is, None where it does not tell."""

    store: str
    address: str
    identity: Identity | None
    cluster: Cluster | None = None


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


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """All that was found. `remotes` is how many remote secrets were read, `answered` whether any store answered.

    `read` are those remote secrets, so that their values can be hidden in other programs' messages. `values` holds
    what each reference resolves to, without those that resolve to nothing, and `origins` where each was read.
    """

    keys: tuple[KeyStatus, ...]
    diagnostics: tuple[Diagnostic, ...]
    seen: tuple[Seen, ...]
    remotes: int
    answered: bool
    read: tuple[RemoteSecret, ...] = ()
    values: Mapping[Reference, SecretValue] = field(default_factory=dict)
    origins: Mapping[Reference, RemoteSecret] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return any(diagnostic.severity is Severity.ERROR for diagnostic in self.diagnostics)


@dataclass(slots=True)
class _Findings:
    """Gathers what is found, by key and as diagnostics."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    by_key: dict[Reference, list[Diagnostic]] = field(default_factory=dict)
    values: dict[Reference, SecretValue] = field(default_factory=dict)
    origins: dict[Reference, RemoteSecret] = field(default_factory=dict)

    def add(self, references: Sequence[Reference], diagnostic: Diagnostic) -> None:
        self.diagnostics.append(diagnostic)
        for reference in references:
            self.by_key.setdefault(reference, []).append(diagnostic)


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
    findings = _Findings()
    readers = _open(references, stores, findings)
    wanted = _names(references, readers, findings)
    answers = read_all(wanted, workers)
    moment = now if now is not None else datetime.now(UTC)
    for pair, asking in wanted.items():
        answer = answers[pair]
        if isinstance(answer, StoreError):
            if not is_of_store(answer):
                for group in _by_holder(asking):
                    findings.add(group, of_store_error(group, answer))
            continue
        _judge(asking, answer, pair[0].address.absolute, findings, moment, expires_within)
    # Another secret of the same store may have been refused for a reason of its own at the same time.
    failures = {
        reader: error for (reader, _), error in answers.items() if isinstance(error, StoreError) and is_of_store(error)
    }
    for reader, error in failures.items():
        _report_store(reader, error, wanted, answers, findings)
    answered = {reader for (reader, _), answer in answers.items() if not _is_silent(answer)}
    read = tuple(answer for answer in answers.values() if not isinstance(answer, StoreError))
    return Verification(
        tuple(KeyStatus(each, tuple(findings.by_key.get(each, ()))) for each in references),
        tuple(sorted(findings.diagnostics, key=lambda each: (each.span.path, each.span.start))),
        _seen(readers, answered),
        len(read),
        # A name that is refused before anything is sent does not mean that the store is silent.
        bool(answered) or not _is_any_silent(references, readers, answers.values()),
        read,
        findings.values,
        findings.origins,
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


def _open(references: Iterable[Reference], stores: LiveStores, findings: _Findings) -> dict[Store, SecretReader]:
    readers: dict[Store, SecretReader] = {}
    by_store: dict[Store, list[Reference]] = {}
    for reference in references:
        by_store.setdefault(reference.store, []).append(reference)
    for store, asking in by_store.items():
        try:
            readers[store] = stores.open(store)
        except (AddressError, StoreError) as error:
            findings.add(asking, of_store(store, asking, error))
    return readers


def _names(
    references: Iterable[Reference], readers: dict[Store, SecretReader], findings: _Findings
) -> dict[tuple[SecretReader, str], list[Reference]]:
    wanted: dict[tuple[SecretReader, str], list[Reference]] = {}
    refused: dict[tuple[str, str, str], list[Reference]] = {}
    for reference in references:
        store = reference.store
        if store not in readers:
            continue
        try:
            name = remote_name(store.provider, store.mount, reference.remote_key)
        except InvalidReferenceError as error:
            refused.setdefault((reference.secret, "invalid-reference", str(error)), []).append(reference)
        except UnprovenReferenceError as error:
            refused.setdefault((reference.secret, "unproven-reference", str(error)), []).append(reference)
        else:
            wanted.setdefault((readers[store], name), []).append(reference)
    for (_, rule, reason), group in refused.items():
        findings.add(group, of_remote(rule, group, f'"{group[0].remote_key}" cannot be resolved: {reason}'))
    return wanted


def _judge(
    asking: Sequence[Reference],
    remote: RemoteSecret,
    address: str,
    findings: _Findings,
    now: datetime,
    within: timedelta,
) -> None:
    for group in _by_holder(asking):
        dated = date_finding(group, remote, address, now, within)
        if dated is not None:
            findings.add(group, of_remote(dated.rule, group, dated.message, dated.help))
    broken: list[Reference] = []
    findings.origins.update(dict.fromkeys(asking, remote))
    bundle = _bundle([each for each in asking if each.by_name], remote, findings)
    for same in _of_one_value(asking):
        reference, others = same[0], same[1:]
        read = bundle if reference.by_name else remote
        try:
            value = resolve(reference.store.provider, read, reference.property, by_name=reference.by_name)
        except UnprovenReferenceError as error:
            unproven = KeyFinding("unproven-reference", f"cannot be resolved: {error}")
            findings.add(same, unproven.diagnostic(reference, others))
            continue
        if isinstance(value, SecretValue):
            findings.values.update(dict.fromkeys(same, value))
        for found in value_findings(reference, value):
            if found.rule == "not-json":
                broken += same
            else:
                findings.add(same, found.diagnostic(reference, others))
    for group in _by_holder(broken):
        message = f'"{remote.name}" is not a JSON object with unique names'
        findings.add(group, of_remote("not-json", group, message, "store one, or mark the key `whole: true`"))


def _bundle(asking: Sequence[Reference], remote: RemoteSecret, findings: _Findings) -> RemoteSecret:
    """What the operator takes a bundle's keys from; the remote secret itself where it refuses that."""
    try:
        return extracted(remote) if asking else remote
    except UnextractedError as error:
        message = f'"{remote.name}" cannot be fetched as a bundle: {error}'
    for group in _by_holder(asking):
        findings.add(group, of_remote("unusable-bundle", group, message, "rename or remove it; or `fetch: perKey`"))
    return remote


def _report_store(
    reader: SecretReader,
    error: StoreError,
    wanted: dict[tuple[SecretReader, str], list[Reference]],
    answers: dict[tuple[SecretReader, str], RemoteSecret | StoreError],
    findings: _Findings,
) -> None:
    by_store: dict[Store, list[Reference]] = {}
    for pair, asking in wanted.items():
        answer = answers[pair]
        if pair[0] is reader and isinstance(answer, StoreError) and is_of_store(answer):
            for reference in asking:
                by_store.setdefault(reference.store, []).append(reference)
    for store, asking in by_store.items():
        findings.add(asking, of_store(store, asking, error))


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
    return isinstance(answer, StoreError) and (is_silence(answer) or isinstance(answer, InvalidNameError))


def _seen(readers: dict[Store, SecretReader], answered: Iterable[SecretReader]) -> tuple[Seen, ...]:
    talked = set(answered)
    found: list[Seen] = []
    for store, reader in readers.items():
        if reader in talked:
            try:
                identity: Identity | None = reader.whoami()
                cluster = reader.cluster()
            except StoreError:
                identity = cluster = None
            found.append(Seen(store.id, reader.address.absolute, identity, cluster))
    return tuple(found)
