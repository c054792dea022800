"""Reads many remote secrets at a time and their versions, and compares what stores hold."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from compiler.stores.errors import Code, ForbiddenError, NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import RemoteSecret, SecretReader, VersionStates
from compiler.stores.secret_value import Comparer, SecretValue, is_blank, stringify

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

    def first(self, *, needs_all: bool) -> None:
        """Read the first name of each store. Where all of them are needed, raise the StoreError of one that fails."""
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

    def read_rest(self, workers: int) -> None:
        self.found |= zip(self._rest, ask_many(self._read, self._rest, workers), strict=True)
        self.found = {pair: self.found[pair] for pair in self._order}

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
    asking = _Asking(wanted)
    asking.first(needs_all=False)
    asking.read_rest(workers)
    return asking.found


def read_many(wanted: Iterable[RemoteName], workers: int = WORKERS) -> dict[RemoteName, Reading]:
    """As `read_all`, for callers that need every store.

    Raises the StoreError of a store that cannot be used: one that does not answer its first request, or no longer
    answers in the middle, or that forbids every one. Of several that fail at once it is the error of the first.
    """
    asking = _Asking(wanted)
    asking.first(needs_all=True)
    asking.read_rest(workers)
    by_store: dict[SecretReader, list[Reading]] = {}
    for (reader, _), reading in asking.found.items():
        if isinstance(reading, StoreError) and is_of_store(reading):
            # What was read before a seal or a lost token is not enough to plan on, or to end a run by.
            raise reading
        by_store.setdefault(reader, []).append(reading)
    for readings in by_store.values():
        denied = [each for each in readings if isinstance(each, ForbiddenError)]
        if denied and len(denied) == len(readings):
            raise denied[0].with_rules_of(denied)
    return asking.found


def ask_many(ask: Callable[[T], R], items: Sequence[T], workers: int = WORKERS) -> list[R]:
    """What `ask` returns for each of `items`, in their order, called in several threads. Raises what it raises."""
    pool = ThreadPoolExecutor(max(1, min(workers, len(items))), thread_name_prefix="ask-many")
    parts = (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
    try:
        return [answer for part in parts for answer in pool.map(ask, part)]
    finally:
        # After an interrupt, requests that have not started are dropped.
        pool.shutdown(wait=False, cancel_futures=True)


def version_states(wanted: Iterable[RemoteName]) -> dict[RemoteName, States]:
    """The versions of each remote secret with their states, or the error that kept them from being told.

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
    """The value of a property, or the whole value for None; None where there is none."""
    return remote.whole if property_ is None else remote.properties.get(property_)


def compare_held(there: SecretValue | None, here: SecretValue | None, comparer: Comparer) -> Likeness:
    """How what a store holds compares with what the store in use holds; None where one holds nothing that is known.

    A blank value counts as none beside another one: it is filled, and never advised as the right one.
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
    """How what was read is to `value`: the same kind and, digit for digit, the same text.

    With `or_its_text` the text of a value that is no string is the same too, as `migrate --stringify` writes it.
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
    """What stores of one environment hold, by their ids: each remote secret is read once, and a failure is data.

    Values live as long as it does. It is never carried across the lock of a run: what is written is read anew there.
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
        """How what a store holds is to `value`; the text of a value that is no string is the same, too."""
        return compare_value(value, self.held[at], property_, self.comparer, or_its_text=True)
