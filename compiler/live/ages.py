"""Finds since when each key of a remote secret has its value, and whether that is longer than its limit allows.

A store has one date for all keys of a version, and anybody can change a date. So the value is compared with earlier
versions, in at most four reads of a remote secret. A copy takes only the date along, so more reads look for it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final, Generic, TypeVar

from compiler.live.observation import is_of_store, plus_days, value_at
from compiler.stores.errors import StoreError
from compiler.stores.interface import (
    FROM_VERSION,
    RENEW_DATE,
    UNKNOWN_SINCE,
    VALUE_SINCE,
    Attributes,
    RemoteSecret,
    SecretReader,
)
from compiler.stores.secret_value import Comparer, SecretValue
from compiler.text.wording import quote

MOST_READS: Final = 4
# How many versions a Vault keeps where nobody says otherwise: older ones are looked for last. A copy may read so many.
_USUALLY_KEPT: Final = 10
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
# How far a server's clock may be ahead of this one.
_SKEW: Final = timedelta(hours=1)

Key = TypeVar("Key")
# Finds the value of a key in a version; None where it has none.
Look = Callable[[RemoteSecret], SecretValue | None]


class AgeState(StrEnum):
    """How the age of a key's value is to its limit."""

    NO_LIMIT = "no-limit"
    IN_TIME = "in-time"
    OVERDUE = "overdue"
    NOT_KNOWN = "not-known"


@dataclass(frozen=True, slots=True)
class KeyAge:
    """The age of one key's value."""

    state: AgeState
    # The date of the oldest version read with this value, without another in between, or an older date that a copy
    # brought along. The value may be older, by less than the time to the next earlier version that was read.
    changed: datetime | None = None
    due: datetime | None = None  # the earliest of `changed` plus the limit, the expiry and `renew-date`
    why: str = ""  # the reason for NOT_KNOWN

    @property
    def overdue(self) -> datetime | None:
        return self.due if self.state is AgeState.OVERDUE else None


def age_keys(
    reader: SecretReader, newest: RemoteSecret, keys: Mapping[Key, tuple[int | None, Look]], now: datetime
) -> dict[Key, KeyAge]:
    """The age of each of `keys`, given its limit in days or None; a StoreError makes it NOT_KNOWN.

    Versions before `newest` are read only for keys with a limit that the date of `newest` does not exceed.
    """
    ends, doubt = _ends_of(newest.attributes)
    limited = {key: (days, look) for key, (days, look) in keys.items() if days is not None}
    ages = _Ages(reader, newest, limited, now).judge()
    return {key: _with_ends(ages.get(key), ends, doubt, now) for key in keys}


def values_since(
    reader: SecretReader, newest: RemoteSecret, keys: Mapping[Key, tuple[int, str | None]], now: datetime
) -> dict[Key, datetime | None]:
    """The earliest possible date of each key's value, to be written with a copy of it; None if unknown.

    `keys` have the limit in days and the property, None for the whole value.
    """
    looks = {key: (days, partial(value_at, property_=each)) for key, (days, each) in keys.items()}
    ages = _Ages(reader, newest, looks, now, _USUALLY_KEPT)
    return {key: ages.earliest(key, age) for key, age in ages.judge().items()}


def may_have_since(reader: SecretReader, newest: RemoteSecret) -> bool:
    """Whether `newest` or an earlier version may have a date from a copy; True if the store does not say."""
    if VALUE_SINCE in newest.attributes.tags:
        return True
    try:
        # Not every program that writes a version copies the tags of the one before.
        listed = reader.list_versions(newest.name) or {}
    except StoreError:
        return True
    return any(VALUE_SINCE in each.tags for each in listed.values())


def _ends_of(attributes: Attributes) -> tuple[datetime | None, str]:
    ends, text = attributes.expires, attributes.tags.get(RENEW_DATE)
    if text is None:
        return ends, ""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return ends, f"its tag {quote(RENEW_DATE)} is not a date, YYYY-MM-DD"
    renewal = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return (renewal if ends is None else min(ends, renewal)), ""


def _with_ends(age: KeyAge | None, ends: datetime | None, doubt: str, now: datetime) -> KeyAge:
    changed, due = (age.changed, age.due) if age is not None else (None, None)
    due = min((each for each in (due, ends) if each is not None), default=None)
    if due is not None and due <= now:
        return KeyAge(AgeState.OVERDUE, changed, due)
    why = age.why if age is not None and age.state is AgeState.NOT_KNOWN else doubt
    if why:
        return KeyAge(AgeState.NOT_KNOWN, changed, due, why)
    return KeyAge(AgeState.NO_LIMIT if due is None else AgeState.IN_TIME, changed, due)


@dataclass
class _History:
    """The versions of one remote secret by index, oldest first; the last one is the version whose age is judged."""

    version_at: Callable[[int], str]  # the version at an index
    dates: dict[int, datetime]
    found: dict[int, RemoteSecret]  # what was read
    gone: dict[int, str] = field(default_factory=dict)  # why a version cannot be read
    floor: int = -1  # the newest index that a Vault has most likely dropped
    tagged: int | None = None  # from where the newest tag `value-since` counts
    since: datetime | None = None  # its date
    doubt: str = ""  # why the tag has no date
    undated: str = ""  # about a version without a date, which may be at any index

    def around(self, moment: datetime) -> tuple[int, int]:
        """The newest index that may be in effect at `moment`, or -1, and the oldest that is known to be later."""
        later = min(index for index, made in self.dates.items() if made > moment)
        # A version that is gone may have any date.
        earlier = (index for index in {*self.dates, *self.gone} if index < later)
        return max(earlier, default=-1), later

    def in_effect(self, moment: datetime) -> list[int] | None:
        """The indexes in effect at `moment`, several if made in the same second; None if unknown."""
        index, later = self.around(moment)
        if later - index > 1:
            return None
        made = self.dates.get(index)
        same = {each for each, date in self.dates.items() if date == made and each < later}
        return sorted(same | {index}) if index >= 0 else []

    def probe(self, moment: datetime) -> int | None:
        """The index to read next to find the version in effect; None if no read helps."""
        if (indexes := self.in_effect(moment)) is not None:
            return next((each for each in indexes if not self.is_read(each)), None)
        index, later = self.around(moment)
        low = max(index, self.floor) if self.floor < later else index
        return (low + later) // 2 if later - low > 1 else low

    def contradicts(self, index: int, made: datetime) -> bool:
        """Whether the date is out of order with those of other versions, by more than clocks may differ."""
        return any(
            (made - date if other > index else date - made) > _SKEW
            for other, date in self.dates.items()
            if other != index
        )

    def is_read(self, index: int) -> bool:
        return index in self.found or index in self.gone


def _no_date(version: str) -> str:
    return f"the store does not date version {version}"


def _history_of(reader: SecretReader, newest: RemoteSecret, made: datetime, now: datetime) -> _History:
    """The history from the list of versions, or from version numbers in a store without a list. Raises StoreError."""
    listed = reader.list_versions(newest.name)
    if listed is None:
        if (count := _number(newest.version)) is None:
            unknown = {0: "its versions have no numbers"}
            return _History(lambda _index: newest.version, {1: made}, {1: newest}, unknown)
        last = count - 1
        history = _History(lambda index: str(index + 1), {last: made}, {last: newest}, floor=last - _USUALLY_KEPT)
        if (text := newest.attributes.tags.get(VALUE_SINCE)) is not None:
            history.since, history.doubt = _parse_since(text, now)
            # What counts from a later version is about a value that came after this one.
            number = _number(text.partition(FROM_VERSION)[2])
            tagged = number - 1 if number is not None else last
            history.tagged = tagged if 0 <= tagged <= last else None
        return history
    earlier = [(version, each, each.created) for version, each in listed.items() if version != newest.version]
    known = [(version, each, created) for version, each, created in earlier if created is not None and created <= made]
    undated = next((_no_date(version) for version, _, created in earlier if created is None), "")
    last = len(known)
    history = _History(
        [*(version for version, _, _ in known), newest.version].__getitem__,
        {**{index: created for index, (_, _, created) in enumerate(known)}, last: made},
        {last: newest},
        {index: f"version {version} is disabled" for index, (version, each, _) in enumerate(known) if not each.enabled},
        undated=undated,
    )
    texts = [*(each.tags.get(VALUE_SINCE) for _, each, _ in known), newest.attributes.tags.get(VALUE_SINCE)]
    # Not every program that writes a version copies the tags of the one before.
    if (index := max((index for index, text in enumerate(texts) if text is not None), default=None)) is not None:
        history.since, history.doubt = _parse_since(texts[index] or "", now)
        history.tagged = max((each for each in range(index) if texts[each] != texts[index]), default=-1) + 1
    return history


class _Ages(Generic[Key]):
    """Judges the keys of one remote secret that have a limit."""

    def __init__(
        self,
        reader: SecretReader,
        newest: RemoteSecret,
        keys: Mapping[Key, tuple[int, Look]],
        now: datetime,
        most_reads: int = MOST_READS,
    ) -> None:
        self._reader = reader
        self._newest = newest
        self._keys = keys
        self._now = now
        self._most_reads = most_reads
        self._comparer = Comparer()
        self._history = _History(lambda _index: newest.version, {}, {0: newest})

    def judge(self) -> dict[Key, KeyAge]:
        made = self._newest.attributes.created
        if made is None or made > self._now + _SKEW:
            why = "the store does not date it" if made is None else "its date is ahead of this machine's clock"
            return dict.fromkeys(self._keys, KeyAge(AgeState.NOT_KNOWN, why=why))
        ages = {key: age for key in self._keys if (age := self._judge_by_newest(key, made)) is not None}
        young = [key for key in self._keys if key not in ages]
        if not young:
            return ages
        try:
            self._history = _history_of(self._reader, self._newest, made, self._now)
        except StoreError as error:
            doubt = KeyAge(AgeState.NOT_KNOWN, why=f"its versions cannot be listed: {error.reason}")
            return {**dict.fromkeys(young, doubt), **ages}
        left = self._most_reads - 1
        while left and (index := self._next_index(young)) is not None:
            left = left - 1 if self._read(index) else 0
        return ages | {key: self._judge_key(key) for key in young}

    def _judge_by_newest(self, key: Key, made: datetime) -> KeyAge | None:
        days, look = self._keys[key]
        if look(self._newest) is None:
            return KeyAge(AgeState.NOT_KNOWN, why="it has no value")
        return KeyAge(AgeState.OVERDUE, made, due) if (due := plus_days(made, days)) <= self._now else None

    def _read(self, index: int) -> bool:
        """Reads a version; False if the store does not answer at all."""
        history = self._history
        try:
            found = self._reader.read_version(self._newest.name, history.version_at(index))
        except StoreError as error:
            history.gone[index] = f"version {history.version_at(index)} cannot be read: {error.reason}"
            return not is_of_store(error)
        if (made := found.attributes.created) is None:
            history.gone[index] = _no_date(history.version_at(index))
        elif history.contradicts(index, made):
            history.gone[index] = f"the date of version {history.version_at(index)} contradicts those of others"
        else:
            history.found[index], history.dates[index] = found, made
        return True

    def _next_index(self, keys: list[Key]) -> int | None:
        """The version to read next: first to decide on the limit, then to date the last change more closely."""
        history = self._history
        # Whether the tag is about the present value decides first.
        if history.tagged is not None and not history.is_read(history.tagged):
            return history.tagged
        ages = {key: self._judge_key(key) for key in keys}
        open_ = [key for key in keys if ages[key].state is not AgeState.OVERDUE]
        if history.tagged in history.gone and any(map(self._doubt_of_tag, open_)):
            # Another value right after it also shows that the tag is not about the present value.
            after = max(history.tagged or 0, history.floor) + 1
            if not history.is_read(after):
                return after
        # Then the version that was in effect at the limit.
        for key in open_:
            if (index := history.probe(plus_days(self._now, -self._keys[key][0]))) is not None:
                return index
        # Then the middle of the widest gap around a change.
        gaps = [self._gap(key) for key in open_ if ages[key].state is AgeState.IN_TIME]
        low, high = max(gaps, key=lambda gap: gap[1] - gap[0], default=(0, 1))
        return (low + high) // 2 if high - low > 1 else None

    def _gap(self, key: Key) -> tuple[int, int]:
        """Where the value changed: the last index read with another value, and the oldest read with this one."""
        oldest = min(self._indexes_of_value(key))
        read = (index for index in {*self._history.found, *self._history.gone} if index < oldest)
        return max(*read, self._history.floor, -1), oldest

    def _indexes_of_value(self, key: Key) -> Iterator[int]:
        """The indexes of the versions read, newest first, until one does not have today's value."""
        for index in sorted(self._history.found, reverse=True):
            if not self._is_same(key, index):
                return
            yield index

    def _is_same(self, key: Key, index: int) -> bool:
        look = self._keys[key][1]
        value, found = look(self._newest), look(self._history.found[index])
        return value is not None and found is not None and self._comparer.same(value, found)

    def _judge_key(self, key: Key) -> KeyAge:
        days, _ = self._keys[key]
        history, limit = self._history, plus_days(self._now, -days)
        dates = [history.dates[index] for index in self._indexes_of_value(key)]
        # At the limit it may have had this value too, if another one came in between and was undone.
        in_effect = history.in_effect(limit) or []
        dates += [history.dates[index] for index in in_effect if self._is_held(key, index, is_same=True)]
        doubt = self._doubt_of_tag(key)
        if not doubt and history.since is not None and self._is_tagged(key):
            dates.append(history.since)
        changed = min(dates)
        due = plus_days(changed, days)
        if due <= self._now:
            return KeyAge(AgeState.OVERDUE, changed, due)
        if why := doubt or self._doubt(key, limit):
            return KeyAge(AgeState.NOT_KNOWN, changed, why=why)
        return KeyAge(AgeState.IN_TIME, changed, due)

    def earliest(self, key: Key, age: KeyAge) -> datetime | None:
        """The earliest possible date of the value of a key with this `age`; None if unknown."""
        if age.state is not AgeState.IN_TIME:
            return age.changed if age.state is AgeState.OVERDUE else None
        history = self._history
        other = max((index for index in history.found if not self._is_same(key, index)), default=-1)
        if history.tagged is not None and history.tagged > other and self._is_tagged(key):
            return age.changed
        # A list dates the version after it even where that was not read.
        after = max(history.dates[index] for index in (other, other + 1) if index in history.dates)
        return min(age.changed or after, after)

    def _is_held(self, key: Key, index: int, *, is_same: bool) -> bool:
        """Whether the version was read, and has today's value or, without `is_same`, another one."""
        return index in self._history.found and self._is_same(key, index) is is_same

    def _doubt(self, key: Key, limit: datetime) -> str:
        """Why the value may be older than `limit`; "" if it is not."""
        history = self._history
        if any(made > limit and self._is_held(key, index, is_same=False) for index, made in history.dates.items()):
            return ""
        if history.undated:
            return history.undated
        if (indexes := history.in_effect(limit)) is None:
            return f"more versions than {MOST_READS} reads reach"
        unread = (each for each in indexes if each >= 0 and each not in history.found)
        index = next(unread, None)
        if index is None:
            return ""
        return history.gone.get(index, f"more versions of one second than {MOST_READS} reads reach")

    def _is_tagged(self, key: Key) -> bool:
        tagged = self._history.tagged
        return tagged is not None and self._is_held(key, tagged, is_same=True)

    def _doubt_of_tag(self, key: Key) -> str:
        """Why it is unclear whether the tag is about the key's value; "" if it is clear or there is no tag."""
        history, tagged = self._history, self._history.tagged
        if tagged is None:
            return ""
        if tagged in history.found:
            return history.doubt if self._is_tagged(key) else ""
        if any(index > tagged and not self._is_same(key, index) for index in history.found):
            return ""
        return history.gone.get(tagged, f"version {history.version_at(tagged)} was not read")


def _parse_since(text: str, now: datetime) -> tuple[datetime | None, str]:
    written = text.partition(FROM_VERSION)[0]
    if written.startswith(UNKNOWN_SINCE):
        return None, "its age was not known when it was copied"
    try:
        moment = datetime.fromisoformat(written.strip())
        moment = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None, f"its tag {quote(VALUE_SINCE)} is not a date"
    if moment > now + _SKEW:
        return None, f"its tag {quote(VALUE_SINCE)} is ahead of this machine's clock"
    return moment, ""


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None
