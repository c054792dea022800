"""Reads many remote secrets at a time and their versions, and compares what stores hold.

Of stored versions it says when they were written, which is the later one, and how one is kept or copied.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from compiler.model import group_pairs
from compiler.model.environment import Store
from compiler.model.store import StoreAddress
from compiler.stores.errors import Code, ForbiddenError, NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import Limit, RemoteSecret, SecretReader, VersionStates
from compiler.stores.secret_value import Comparer, SecretValue, is_blank, stringify
from compiler.text.wording import command_line, quote, shell_line

T = TypeVar("T")
R = TypeVar("R")
# A remote secret: the store that is asked, and its name there.
RemoteName = tuple[SecretReader, str]
Reading = RemoteSecret | StoreError
Readings = Mapping[RemoteName, Reading]
States = VersionStates | StoreError
WORKERS = 16
# Questions that wait for a thread: each takes more memory than its answer.
_AT_ONCE = 500
# Seconds after the failure of a store in which the others may fail too.
_FAIL_TOGETHER = 0.5
# The store did not answer, and would not for any other secret either. So it is of all that may pass.
_SILENT = frozenset(
    {
        Code.UNEXPECTED_REPLY,
        Code.TLS_FAILURE,
        Code.REDIRECT_REFUSED,
        Code.MISSING_DEPENDENCY,
        Code.UNAUTHENTICATED,
        Code.EXPIRED_TOKEN,
        Code.OTHER_CLUSTER,
    }
)
# How a store says that it does not hold a remote secret, as opposed to not saying whether it does.
NOT_HELD = (NotFoundError, SoftDeletedError, VersionGoneError)


def is_silence(error: StoreError) -> bool:
    """Whether the store said nothing about its secrets: unreachable, another server, or closed to the caller."""
    return error.retryable or error.code in _SILENT


def is_of_store(error: StoreError) -> bool:
    """Whether every other secret of the store would meet the same error."""
    if isinstance(error, ForbiddenError):
        return error.is_of_store
    return is_silence(error) or error.code in (Code.WRONG_MOUNT, Code.UNSUPPORTED_ENGINE)


class _Asking:
    """Reads each name of each store once.

    The first name of each store is read first, of all stores at the same time: that logs in and finds out whether the
    store answers at all. Each has a thread of its own, which keeps no process alive and no interrupt waiting.
    """

    def __init__(self, wanted: Iterable[RemoteName]) -> None:
        self.found: dict[RemoteName, Reading] = {}
        # A store that fails as a whole is not asked again, as each request may time out.
        self._failures: dict[SecretReader, StoreError] = {}
        self._rest: list[RemoteName] = []
        self._firsts: list[RemoteName] = []
        self._order = tuple(dict.fromkeys(wanted))
        met: set[SecretReader] = set()
        for pair in self._order:
            (self._rest if pair[0] in met else self._firsts).append(pair)
            met.add(pair[0])

    def read(self, workers: int, *, needs_all: bool) -> dict[RemoteName, Reading]:
        """Read all names. If all stores are needed, raise the StoreError of one that fails with its first name."""
        self._read_first(needs_all=needs_all)
        self.found |= zip(self._rest, ask_many(self._read, self._rest, workers), strict=True)
        return {pair: self.found[pair] for pair in self._order}

    def _read_first(self, *, needs_all: bool) -> None:
        if len(self._firsts) == 1:
            (pair,) = self._firsts
            self.found[pair] = self._read(pair)
        else:
            self._together(needs_all=needs_all)
        if needs_all:
            for pair in self._firsts:
                reading = self.found.get(pair)
                if isinstance(reading, StoreError) and is_of_store(reading):
                    raise reading

    def _together(self, *, needs_all: bool) -> None:
        answers: SimpleQueue[tuple[RemoteName, Reading | BaseException]] = SimpleQueue()
        for pair in self._firsts:
            Thread(target=self._answer, args=(pair, answers), daemon=True).start()
        seconds: float | None = None
        for _ in self._firsts:
            try:
                pair, answer = answers.get(timeout=seconds)
            except Empty:
                return
            if isinstance(answer, BaseException) and not isinstance(answer, StoreError):
                raise answer
            self.found[pair] = answer
            if needs_all and isinstance(answer, StoreError) and is_of_store(answer):
                # Where several fail at once, always the same is told; one that is waited for keeps nobody waiting.
                seconds = _FAIL_TOGETHER

    def _answer(self, pair: RemoteName, answers: SimpleQueue[tuple[RemoteName, Reading | BaseException]]) -> None:
        try:
            answers.put((pair, self._read(pair)))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for it
            answers.put((pair, error))

    def _read(self, pair: RemoteName) -> Reading:
        store, name = pair
        if store in self._failures:
            return self._failures[store]
        try:
            return store.read(name)
        except StoreError as error:
            # An error that is kept must not keep its frames: they hold the connection, and a thousand times 10 KiB.
            failure = error.with_traceback(None)
        if is_of_store(failure):
            self._failures[store] = failure
        return failure


def read_all(wanted: Iterable[RemoteName], workers: int = WORKERS) -> dict[RemoteName, Reading]:
    """Each remote secret, or the error of reading it, by store and name; read in at most `workers` threads."""
    return _Asking(wanted).read(workers, needs_all=False)


def read_many(wanted: Iterable[RemoteName], workers: int = WORKERS) -> dict[RemoteName, Reading]:
    """As `read_all`, for callers that need every store.

    Raises the StoreError of a store that cannot be used: it does not answer its first request, stops answering later,
    or forbids every request. If several fail at once, it is the error of the first.
    """
    found = _Asking(wanted).read(workers, needs_all=True)
    for reading in found.values():
        if isinstance(reading, StoreError) and is_of_store(reading):
            # What was read before a seal or a lost token is not enough to plan on, or to end a run by.
            raise reading
    for readings in group_pairs([(reader, reading) for (reader, _), reading in found.items()]).values():
        denied = [each for each in readings if isinstance(each, ForbiddenError)]
        if denied and len(denied) == len(readings):
            raise denied[0].with_rules_of(denied)
    return found


def ask_many(ask: Callable[[T], R], items: Sequence[T], workers: int = WORKERS) -> list[R]:
    """The results of `ask` for each of `items`, in their order; called in several threads. Raises what it raises."""
    pool = ThreadPoolExecutor(max(1, min(workers, len(items))), thread_name_prefix="ask-many")
    parts = (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
    try:
        return [answer for part in parts for answer in pool.map(ask, part)]
    finally:
        # After an interrupt, requests that have not started are dropped.
        pool.shutdown(wait=False, cancel_futures=True)


def version_states(wanted: Iterable[RemoteName]) -> dict[RemoteName, States]:
    """The versions of each remote secret with their states, or the error of listing them.

    Raises the StoreError of a store that cannot be used at all.
    """
    pairs = tuple(dict.fromkeys(wanted))
    found = dict(zip(pairs, ask_many(_states, pairs), strict=True))
    for states in found.values():
        if isinstance(states, StoreError) and is_of_store(states):
            raise states
    return found


def _states(pair: RemoteName) -> States:
    store, name = pair
    try:
        return store.version_states(name)
    except StoreError as error:
        # An error that is kept must not keep its frames.
        return error.with_traceback(None)


class Likeness(StrEnum):
    """How what a store holds compares with a value, or with what another store holds."""

    EQUAL = "equal"
    DIFFERENT = "different"
    MISSING = "missing"  # the store does not hold it
    ONLY_THERE = "only-there"  # it does, and the store that it is compared with does not
    UNKNOWN = "unknown"  # a store did not say
    NO_ACCESS = "no-access"  # of all keys of a secret: one of the two stores did not say
    NOT_ASKED = "not-asked"


def value_at(remote: RemoteSecret, property_: str | None) -> SecretValue | None:
    """The value of a property, or the whole value for None; None if there is no such value."""
    return remote.whole if property_ is None else remote.properties.get(property_)


def compare_held(there: SecretValue | None, here: SecretValue | None, comparer: Comparer) -> Likeness:
    """How the value of a store compares with the value of the store in use; None if one of them is not known.

    A blank value beside another one counts as missing: it is to be filled, and is never proposed as the right one.
    """
    if there is None:
        return Likeness.MISSING
    if here is None:
        return Likeness.ONLY_THERE
    if comparer.same(there, here):
        return Likeness.EQUAL
    if is_blank(there):
        return Likeness.MISSING
    return Likeness.ONLY_THERE if is_blank(here) else Likeness.DIFFERENT


def compare_value(
    value: SecretValue, reading: Reading, property_: str | None, comparer: Comparer, *, or_its_text: bool = False
) -> Likeness:
    """How `reading` compares with `value`; equal values have the same JSON type and the same text.

    With `or_its_text`, a number or a boolean is also equal to its text, as `migrate --stringify` writes it.
    """
    if isinstance(reading, StoreError):
        return Likeness.MISSING if isinstance(reading, NOT_HELD) else Likeness.UNKNOWN
    held = value_at(reading, property_)
    if held is not None and or_its_text and _is_text_of(held, value, comparer):
        return Likeness.EQUAL
    return compare_held(held, value, comparer)


def _is_text_of(held: SecretValue, value: SecretValue, comparer: Comparer) -> bool:
    one, other = stringify(held), stringify(value)
    return one is not None and other is not None and held.is_string and comparer.same(one, other)


class Observation:
    """What the stores of one environment hold, by store id: each remote secret is read once, and a failure is data.

    Values live as long as the observation. Make a new one under the lock of a run: what is written must be read again.
    Raises the StoreError of a store that cannot be used at all.
    """

    def __init__(
        self, stores: Mapping[str, SecretReader], names: Iterable[tuple[str, str]], workers: int = WORKERS
    ) -> None:
        self.stores = stores
        wanted = list(dict.fromkeys(names))
        self.readings = read_many([(stores[store], name) for store, name in wanted], workers)
        self.held = {(store, name): self.readings[stores[store], name] for store, name in wanted}
        self.comparer = Comparer()

    def states(self, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], States]:
        """The versions of remote secrets with their states."""
        pairs = tuple(names)
        found = version_states((self.stores[store], name) for store, name in pairs)
        return {(store, name): found[self.stores[store], name] for store, name in pairs}

    def compare(self, value: SecretValue, at: tuple[str, str], property_: str | None) -> Likeness:
        """How a store's value compares with `value`; a number or a boolean is also equal to its text."""
        return compare_value(value, self.held[at], property_, self.comparer, or_its_text=True)


# The part of a run's id that is the moment at which it was begun, in UTC.
SECOND = len("20250131-120000")


def start_time(run_id: str) -> datetime:
    """When the run began, by its id. Raises ValueError for an impossible date."""
    return datetime.strptime(run_id[:SECOND], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)


def start_time_if_valid(run_id: str) -> datetime | None:
    """The same, or None for an impossible date, such as in the name of a file that somebody gave."""
    with suppress(ValueError):
        return start_time(run_id)
    return None


def plus_days(moment: datetime, days: int) -> datetime:
    """`moment` plus `days`, limited to the range of datetime."""
    try:
        return moment + timedelta(days=days)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if days > 0 else datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run, with the command and the environment that undo it."""

    id: str
    command: str
    environment: str
    # The secrets and keys that it writes, and whether something of it is left to undo.
    keys: frozenset[tuple[str, str]] = field(default=frozenset(), compare=False)
    can_undo: bool = field(default=True, compare=False)

    @property
    def undo(self) -> str:
        """The command line that plans its undo."""
        return command_line(self.command, self.environment, "--undo", self.id)


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version in the store `store` of an environment, at the absolute `address`; `created` is the store's date."""

    store: str
    address: str
    name: str
    version: str
    created: datetime | None


def version_of(store: str, address: str, remote: RemoteSecret) -> StoredVersion:
    return StoredVersion(store, address, remote.name, remote.version, remote.attributes.created)


def is_later(one: StoredVersion, other: StoredVersion) -> bool:
    """Whether `one` is known to be written later. Key Vault has no fractions of a second."""
    if one.created is None or other.created is None:
        return False
    return one.created.replace(microsecond=0) > other.created.replace(microsecond=0)


def when_written(one: StoredVersion, other: StoredVersion) -> str:
    """When each was written, by the stores' dates: the later one first, or else `one`. Empty if nothing is known."""
    if one.created is None and other.created is None:
        return ""
    first, second = _later_first(one, other)
    later = " later," if is_later(first, second) else ""
    return f"{quote(first.store)} was written{later} {date_text(first)}, {quote(second.store)} {date_text(second)}"


def date_text(version: StoredVersion) -> str:
    """When a version was written, in words."""
    return f"{version.created:%Y-%m-%d %H:%M:%S} UTC" if version.created is not None else "at an unknown time"


def copy_commands(
    environment: str, secret: str, one: StoredVersion, other: StoredVersion, incomplete: str | None = None
) -> tuple[str, ...]:
    """The commands to run if the later value is right, and if it is wrong, and the one that lists what wrote them.

    Nothing is copied from the store `incomplete`, where another key of the secret is missing or blank.
    """
    first, second = _later_first(one, other)
    ways = (
        f"if that of {quote(right.store)} is right: {copy_command(environment, secret, right, wrong)}"
        for right, wrong in ((first, second), (second, first))
        if right.store != incomplete
    )
    return (*ways, runs_line(environment))


def runs_line(environment: str) -> str:
    """The command that lists the runs of an environment, in words."""
    return f"to see which runs wrote: {command_line('runs', environment)}"


def copy_command(environment: str, secret: str, right: StoredVersion, wrong: StoredVersion) -> str:
    """The command that copies the value of `right` over that of `wrong`."""
    ends = ("--to", wrong.store, "--from", right.store)
    return command_line("migrate", environment, *ends, "--only", secret, "--on-conflict", "overwrite")


def _later_first(one: StoredVersion, other: StoredVersion) -> tuple[StoredVersion, StoredVersion]:
    return (other, one) if is_later(other, one) else (one, other)


def end_before(new: Store, found: RemoteSecret, old: Store, serving: RemoteSecret | None) -> datetime | None:
    """When `found` in the store `new` deletes itself, if that is before `serving` in `old` does; else None.

    Only a Vault deletes versions: a Key Vault serves them after their expiry date too. If the store of `serving` did
    not say when that ends, the result is None.
    """
    ends = found.attributes.expires
    if not new.provider.expires_by_itself or ends is None:
        return None
    own = serving.attributes.expires if serving is not None and old.provider.expires_by_itself else None
    return ends if own is None or ends < own else None


def keep_command(store: SecretReader, name: str, version: str) -> str:
    """The command that keeps a version in a Vault from deleting itself, once it has found the settings that say so."""
    try:
        dropped = store.losses_of_write(name)
    except StoreError:
        limits: Collection[Limit] = tuple(Limit)
    else:
        limits = dropped.limits if dropped is not None else ()
    return lasting_command(store.address, name, limits, version)


def lasting_command(
    store: StoreAddress | Store, name: str, limits: Collection[Limit], version: str | None = None
) -> str:
    """The command that keeps versions of `name` in a Vault from deleting themselves, also the present one, `version`.

    `limits` are the settings that delete them; the mount's setting is for all its secrets. A version keeps its deletion
    time until it is undeleted, and gets a new one where a setting still says so (measured on OpenBao 2.7).
    """
    lines = []
    if Limit.MOUNT in limits:
        config = f"{store.mount.strip('/')}/config"
        lines.append(shell_line("bao", "write", *_namespace(store), config, "delete_version_after=0s"))
    if Limit.NAME in limits:
        lines.append(kv_line(store, ("metadata", "put"), "-delete-version-after=0s", name))
    if version is not None:
        lines.append(kv_line(store, ("undelete",), f"-versions={version}", name))
    return " && ".join(lines)


def kv_line(store: StoreAddress | Store, verb: Sequence[str], option: str, name: str) -> str:
    """The `bao kv` command for one remote secret of a Vault."""
    mount = f"-mount={store.mount.strip('/')}"
    return shell_line("bao", "kv", *verb, *_namespace(store), mount, option, name)


def versions_line(store: StoreAddress, name: str) -> str:
    """The command that lists the versions of a remote secret."""
    if not store.provider.deletes_by_version:
        return shell_line("az", "keyvault", "secret", "list-versions", "--id", f"{store.absolute}/secrets/{name}")
    return shell_line("bao", "kv", "metadata", "get", *_namespace(store), f"-mount={store.mount.strip('/')}", name)


def _namespace(store: StoreAddress | Store) -> list[str]:
    return [f"-namespace={store.vault_namespace}"] if store.vault_namespace else []
