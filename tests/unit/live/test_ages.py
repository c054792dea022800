"""The age of a key is that of its value: neither a date that is moved nor another key's new value makes it young."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.live.ages import AgeState, KeyAge, age_keys, values_since
from compiler.live.observation import value_at
from compiler.model.store import StoreAddress
from compiler.stores.errors import (
    Action,
    Code,
    DisabledError,
    ForbiddenError,
    StoreError,
    StoreLocation,
    VersionGoneError,
)
from compiler.stores.interface import Attributes, RemoteSecret, since_text
from compiler.stores.secret_value import JsonKind, SecretValue
from tests import providers
from tests.memory_store import MemoryStore, secrets

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
NAME = "team/api"
IN_TIME, OVERDUE, NOT_KNOWN, NO_LIMIT = (
    AgeState.IN_TIME,
    AgeState.OVERDUE,
    AgeState.NOT_KNOWN,
    AgeState.NO_LIMIT,
)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def vault() -> MemoryStore:
    return MemoryStore(StoreAddress(providers.VAULT, "https://vault"))


def key_vault() -> MemoryStore:
    return MemoryStore(StoreAddress(providers.KEY_VAULT, "https://vault"))


BOTH = pytest.mark.parametrize("make", [vault, key_vault])


def add(store: MemoryStore, days: float | None, values: Mapping[str, str], **attributes: object) -> RemoteSecret:
    """One version, made so many days ago, None for a store that does not say when."""
    versions = store.versions.setdefault(NAME, [])
    created = ago(days) if days is not None else None
    made = Attributes(created=created, **attributes)  # type: ignore[arg-type]
    versions.append(RemoteSecret(NAME, str(len(versions) + 1), secrets(**values), made))
    return versions[-1]


def ages(store: MemoryStore, limits: Mapping[str, int | None], now: datetime = NOW) -> dict[str, KeyAge]:
    keys = {key: (days, lambda remote, key=key: value_at(remote, key)) for key, days in limits.items()}
    return age_keys(store, store.versions[NAME][-1], keys, now)


def states(store: MemoryStore, **limits: int | None) -> dict[str, AgeState]:
    return {key: age.state for key, age in ages(store, limits).items()}


def copied_since(store: MemoryStore) -> datetime | None:
    """The date that a copy of A gets, whose limit is 90 days."""
    return values_since(store, store.versions[NAME][-1], {"A": (90, "A")}, NOW)["A"]


def reads(store: MemoryStore) -> int:
    """How many reads it took, with that of the newest version, which came before."""
    return 1 + sum(method == "read_version" for method, _ in store.calls)


@BOTH
def test_a_key_without_a_limit_costs_nothing_and_has_no_date(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 400, {"A": "1"})
    add(store, 1, {"A": "1"})
    assert ages(store, {"A": None}) == {"A": KeyAge(NO_LIMIT)}
    assert store.calls == []


@BOTH
def test_a_newest_version_that_is_older_than_the_limit_decides_without_another_read(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 200, {"A": "0", "B": "1"})
    add(store, 100, {"A": "1", "B": "1"})
    assert ages(store, {"A": 90, "B": 60}) == {
        "A": KeyAge(OVERDUE, ago(100), ago(10)),
        "B": KeyAge(OVERDUE, ago(100), ago(40)),
    }
    assert store.calls == []


@BOTH
def test_changing_one_of_five_keys_makes_none_of_the_others_young(make: type[MemoryStore]) -> None:
    store = make()
    five = dict.fromkeys("ABCDE", "old")
    add(store, 200, five)
    add(store, 5, {**five, "C": "new"})
    found = ages(store, dict.fromkeys("ABCDE", 90))
    assert {key: age.state for key, age in found.items()} == {**dict.fromkeys("ABDE", OVERDUE), "C": IN_TIME}
    assert found["A"] == KeyAge(OVERDUE, ago(200), ago(110))
    assert found["C"] == KeyAge(IN_TIME, ago(5), ago(-85))
    assert reads(store) == 2


@BOTH
def test_a_version_with_the_same_value_makes_nothing_young(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 200, {"A": "old"})
    add(store, 1, {"A": "old"}, updated=NOW, expires=ago(-300))
    assert states(store, A=90) == {"A": OVERDUE}


@BOTH
def test_a_value_that_is_put_back_is_as_old_as_it_was(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 200, {"A": "old", "B": "1"})
    add(store, 10, {"A": "new", "B": "2"})
    add(store, 5, {"A": "old", "B": "2"})
    # The limit of the other key has the version in between read too.
    for limits in ({"A": 90}, {"A": 90, "B": 7}, {"B": 7, "A": 90}):
        assert ages(store, limits)["A"] == KeyAge(OVERDUE, ago(200), ago(110))


@BOTH
def test_a_key_that_is_new_in_an_old_secret_is_in_time(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 200, {"A": "old"})
    add(store, 5, {"A": "old", "B": "first"})
    assert states(store, A=90, B=90) == {"A": OVERDUE, "B": IN_TIME}


@BOTH
def test_a_key_that_the_newest_version_lacks_is_not_known(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 200, {"A": "old"})
    assert ages(store, {"B": 90})["B"] == KeyAge(NOT_KNOWN, why="it has no value")
    assert store.calls == []


@BOTH
def test_the_same_text_of_another_kind_is_another_value(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 200, {})
    object.__setattr__(store.versions[NAME][0], "properties", {"A": SecretValue("1", JsonKind.NUMBER)})
    add(store, 5, {"A": "1"})
    assert states(store, A=90) == {"A": IN_TIME}


@BOTH
def test_each_key_is_judged_by_its_own_limit(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 100, {"A": "1", "B": "1", "C": "1"})
    add(store, 5, {"A": "1", "B": "1", "C": "1", "D": "1"})
    assert states(store, A=90, B=120, C=None, D=3) == {"A": OVERDUE, "B": IN_TIME, "C": NO_LIMIT, "D": OVERDUE}


@BOTH
def test_the_last_change_is_looked_for_with_the_reads_that_are_left(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 200, {"A": "0", "B": "0"})
    add(store, 85, {"A": "1", "B": "0"})
    for day in range(6):
        add(store, 40 - day, {"A": "1", "B": str(day)})
    found = ages(store, {"A": 90})["A"]
    assert found.state is IN_TIME
    assert reads(store) <= 4
    # The exact one lies between what was read, so it is never said to be younger than it is known to be old.
    assert found.changed is not None
    assert ago(85) <= found.changed <= ago(38)


@BOTH
@pytest.mark.parametrize("count", [1, 4, 7, 10, 11, 25, 60])
def test_the_date_of_a_copy_is_never_later_than_that_of_its_value(make: type[MemoryStore], count: int) -> None:
    for changed in range(count):
        store = make()
        days = [80 - 79 * number / count for number in range(count)]
        for number, day in enumerate(days):
            add(store, day, {"A": "new" if number >= changed else "old", "B": str(number)})
        found, exact = copied_since(store), ago(days[changed])
        assert reads(store) <= 10
        # As many as a Vault keeps are all looked through.
        assert found == exact if count <= 10 else found is None or found <= exact, changed


def test_of_versions_that_are_not_read_a_copy_gets_the_earliest_date_that_is_possible() -> None:
    for make, expected in ((vault, ago(39)), (key_vault, ago(38))):
        store = make()
        for day, value in ((80, "old"), (39, "old"), (38, "new"), (20, "new"), (5, "new")):
            add(store, day, {"A": value})
        store.gone[NAME] = {"3"}
        assert copied_since(store) == expected


def test_a_copy_of_a_copy_has_its_date_whatever_was_there_before() -> None:
    store = vault()
    for day in (80, 70, 60, 50):
        add(store, day, {"A": "old", "B": str(day)})
    store.gone[NAME] = {"4"}
    add(store, 20, {"A": "new", "B": "1"})
    add(store, 10, {"A": "new", "B": "2"}, tags={"value-since": f"{since_text(ago(30))} from version 5"})
    assert copied_since(store) == ago(30)


def test_versions_that_are_neither_listed_nor_numbered_are_not_known() -> None:
    store = vault()
    add(store, 5, {"A": "1"})
    object.__setattr__(store.versions[NAME][0], "version", "v7")
    assert ages(store, {"A": 90, "B": None})["A"].why == "its versions have no numbers"
    assert ages(store, {"A": 3})["A"].state is OVERDUE


@pytest.mark.parametrize("number", ["9" * 18, "9" * 5000, "0", "²", ""])
def test_a_number_that_no_store_counts_to_takes_neither_time_nor_memory(number: str) -> None:
    store = vault()
    add(store, 5, {"A": "1"}, tags={"value-since": f"{since_text(ago(20))} from version {number}"})
    object.__setattr__(store.versions[NAME][0], "version", number)
    assert ages(store, {"A": 90})["A"].state is NOT_KNOWN
    object.__setattr__(store.versions[NAME][0], "version", "1")
    assert ages(store, {"A": 90})["A"].state is IN_TIME


def test_the_version_in_effect_of_a_key_vault_is_found_in_one_read_among_any_number() -> None:
    store = key_vault()
    for day in range(200, 0, -1):
        add(store, day, {"A": "same", "B": str(day)})
    found = ages(store, {"A": 90, "B": 90})
    assert (found["A"].state, found["B"].state) == (OVERDUE, IN_TIME)
    assert store.calls[:2] == [("list_versions", NAME), ("read_version", NAME)]
    assert reads(store) <= 4


def test_more_versions_of_a_vault_than_four_reads_reach_are_not_known_where_nothing_else_decides() -> None:
    store = vault()
    for day in (300, *range(89, 30, -1)):
        add(store, day, {"A": "same", "B": str(day)})
    found = ages(store, {"A": 90, "B": 90})
    assert found["A"].state is NOT_KNOWN
    assert found["A"].why == "more versions than 4 reads reach"
    assert found["B"].state is IN_TIME
    assert reads(store) == 4


@BOTH
@pytest.mark.parametrize(
    "why",
    [
        VersionGoneError(StoreLocation("s", NAME), Action.READ, "version 1 is deleted", "use another", version="1"),
        ForbiddenError(StoreLocation("s", NAME), Action.READ, "denied", "ask", permission="secrets/get"),
        DisabledError(StoreLocation("s", NAME), Action.READ, "it is disabled", "enable it"),
        StoreError(StoreLocation("s"), Action.READ, "no answer", "run again", Code.UNAVAILABLE),
    ],
    ids=lambda error: error.code,
)
def test_a_version_that_cannot_be_read_is_not_known_and_never_in_time(
    make: type[MemoryStore], why: BaseException
) -> None:
    store = make()
    add(store, 200, {"A": "old", "C": "old"})
    add(store, 5, {"A": "old", "B": "new", "C": "old"})
    store.failures[("read_version", NAME)] = why
    found = ages(store, {"A": 90, "B": 90, "C": 3})
    assert {found["A"].state, found["B"].state} == {NOT_KNOWN}
    assert found["C"].state is OVERDUE
    assert "version 1 cannot be read" in found["A"].why


@BOTH
def test_a_store_that_falls_silent_is_not_asked_again(make: type[MemoryStore]) -> None:
    store = make()
    for day in range(60, 0, -1):
        add(store, day, {"A": "same"})
    store.failures[("read_version", NAME)] = StoreError(
        StoreLocation("s"), Action.READ, "no answer", "run again", Code.UNAVAILABLE
    )
    found = ages(store, {"A": 40})["A"]
    assert (found.state, reads(store)) == (NOT_KNOWN, 2)


def test_a_gone_version_decides_nothing_where_a_later_one_shows_the_change() -> None:
    store = vault()
    add(store, 200, {"A": "older"})
    add(store, 40, {"A": "old"})
    add(store, 5, {"A": "new"})
    store.gone[NAME] = {"1"}
    found = ages(store, {"A": 90})["A"]
    assert (found.state, found.changed) == (IN_TIME, ago(5))


def test_a_list_that_is_denied_leaves_only_what_the_newest_date_decides() -> None:
    store = key_vault()
    add(store, 200, {"A": "old", "B": "old"})
    add(store, 50, {"A": "old", "B": "old"})
    denied = ForbiddenError(StoreLocation("s", NAME), Action.LIST, "denied", "ask", permission="secrets/list")
    store.failures[("list_versions", NAME)] = denied
    found = ages(store, {"A": 90, "B": 30})
    assert (found["A"].state, found["A"].why) == (NOT_KNOWN, "its versions cannot be listed: denied")
    assert found["B"].state is OVERDUE


def test_a_disabled_version_is_not_even_asked_for() -> None:
    store = key_vault()
    add(store, 200, {"A": "old"}, enabled=False)
    add(store, 5, {"A": "old"})
    found = ages(store, {"A": 90})["A"]
    assert (found.state, found.why, reads(store)) == (NOT_KNOWN, "version 1 is disabled", 1)


def test_versions_of_one_second_are_all_compared() -> None:
    store = key_vault()
    add(store, 200, {"A": "old"})
    add(store, 200, {"A": "other"})
    add(store, 5, {"A": "old"})
    assert states(store, A=90) == {"A": OVERDUE}
    store = key_vault()
    for number in range(5):
        add(store, 200, {"A": str(number)})
    add(store, 5, {"A": "old"})
    assert ages(store, {"A": 90})["A"].why == "more versions of one second than 4 reads reach"


@BOTH
def test_dates_that_cannot_be_are_not_known(make: type[MemoryStore]) -> None:
    ahead, undated = make(), make()
    add(ahead, -2, {"A": "1"})
    assert ages(ahead, {"A": 90})["A"].why == "its date is ahead of this machine's clock"
    add(undated, None, {"A": "1"})
    assert ages(undated, {"A": 90})["A"].why == "the store does not date it"


def test_an_earlier_version_without_a_date_is_not_known() -> None:
    store = vault()
    add(store, 200, {"A": "0"})
    add(store, None, {"A": "1"})
    add(store, 5, {"A": "1"})
    assert ages(store, {"A": 90})["A"].why == "the store does not date version 2"


@BOTH
def test_limits_beyond_all_dates_are_in_time(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 50, {"A": "1"})
    add(store, 5, {"A": "1"})
    found = ages(store, {"A": 999_999_999})["A"]
    assert (found.state, found.due) == (IN_TIME, datetime.max.replace(tzinfo=UTC))


@BOTH
def test_an_expiry_is_a_due_date_with_and_without_a_limit(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 5, {"A": "1", "B": "1", "C": "1"}, expires=ago(-20))
    found = ages(store, {"A": 90, "B": None, "C": 10})
    assert (found["A"].state, found["A"].due) == (IN_TIME, ago(-20))
    assert (found["B"].state, found["B"].due, found["B"].changed) == (IN_TIME, ago(-20), None)
    assert found["C"].due == ago(-5)
    add(store, 5, {"A": "1"}, expires=ago(1))
    assert states(store, A=90, B=None) == {"A": OVERDUE, "B": OVERDUE}


@BOTH
def test_hashicorps_renew_date_is_a_due_date(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 5, {"A": "1"}, tags={"renew-date": "2026-12-24"})
    assert ages(store, {"A": None})["A"] == KeyAge(IN_TIME, None, datetime(2026, 12, 24, tzinfo=UTC))
    add(store, 5, {"A": "1"}, tags={"renew-date": "2026-11-28"})
    assert states(store, A=None) == {"A": OVERDUE}
    for text in ("", "soon", "2026-13-01", "24.12.2026", "9" * 5000):
        add(store, 5, {"A": "1"}, tags={"renew-date": text})
        found = ages(store, {"A": None})["A"]
        assert (found.state, found.why) == (NOT_KNOWN, 'its tag "renew-date" is not a date, YYYY-MM-DD')


@BOTH
def test_a_copy_is_as_old_as_what_was_copied(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 5, {"A": "1", "B": "1"}, tags={"value-since": since_text(ago(200))})
    assert ages(store, {"A": 90, "B": 365}) == {
        "A": KeyAge(OVERDUE, ago(200), ago(110)),
        "B": KeyAge(IN_TIME, ago(200), ago(-165)),
    }
    assert reads(store) == 1


def test_a_date_counts_for_keys_that_did_not_change_since_the_first_version_that_carries_it() -> None:
    store = key_vault()
    carried = {"value-since": since_text(ago(200)), "owner": "us"}
    add(store, 300, {"A": "before", "B": "1", "C": "1"})
    add(store, 20, {"A": "copied", "B": "1", "C": "1"}, tags=carried)
    add(store, 5, {"A": "copied", "B": "new", "C": "1"}, tags={**carried, "owner": "them"})
    assert states(store, A=90, B=90, C=90) == {"A": OVERDUE, "B": IN_TIME, "C": OVERDUE}
    assert ages(store, {"A": 365, "B": 90})["A"] == KeyAge(IN_TIME, ago(200), ago(-165))


def test_a_date_counts_on_where_somebody_wrote_a_version_without_the_tags() -> None:
    store = key_vault()
    add(store, 20, {"A": "copied", "B": "1"}, tags={"value-since": since_text(ago(200))})
    add(store, 5, {"A": "copied", "B": "new"})
    assert states(store, A=90, B=90) == {"A": OVERDUE, "B": IN_TIME}


def test_the_tag_of_a_vault_says_from_which_version_it_counts() -> None:
    store = vault()
    add(store, 300, {"A": "before", "B": "1"})
    add(store, 20, {"A": "copied", "B": "1"})
    tags = {"value-since": f"{since_text(ago(200))} from version 2"}
    add(store, 5, {"A": "copied", "B": "new"}, tags=tags)
    assert states(store, A=90, B=90) == {"A": OVERDUE, "B": IN_TIME}
    # Of an earlier version than the one from which it counts, it says nothing.
    first = store.versions[NAME][0]
    object.__setattr__(first, "attributes", Attributes(created=ago(300), tags=tags))
    keys = {"A": (400, lambda remote: value_at(remote, "A"))}
    assert age_keys(store, first, keys, NOW)["A"].changed == ago(300)
    # Written by hand, without a version, it counts for all keys.
    add(store, 1, {"A": "copied", "B": "new"}, tags={"value-since": "2026-01-01"})
    assert states(store, A=90, B=90) == {"A": OVERDUE, "B": OVERDUE}


@BOTH
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("soon", 'its tag "value-since" is not a date'),
        ("", 'its tag "value-since" is not a date'),
        ("0001-01-01T00:00:00+23:00", 'its tag "value-since" is not a date'),
        ("2031-01-01T00:00:00+00:00", 'its tag "value-since" is ahead of this machine\'s clock'),
        (since_text(None), "its age was not known when it was copied"),
    ],
)
def test_a_date_that_cannot_be_is_not_known(make: type[MemoryStore], text: str, why: str) -> None:
    store = make()
    add(store, 5, {"A": "1", "B": "1"}, tags={"value-since": text})
    found = ages(store, {"A": 90, "B": 3, "C": None})
    assert (found["A"].state, found["A"].why) == (NOT_KNOWN, why)
    assert (found["B"].state, found["C"].state) == (OVERDUE, NO_LIMIT)


def test_a_new_value_is_in_time_whatever_the_tag_of_the_others_says() -> None:
    store = key_vault()
    add(store, 20, {"A": "1", "B": "1"}, tags={"value-since": "soon"})
    add(store, 5, {"A": "new", "B": "1"}, tags={"value-since": "soon"})
    assert states(store, A=90, B=90) == {"A": IN_TIME, "B": NOT_KNOWN}


@BOTH
def test_a_copy_whose_first_version_is_gone_is_not_known_unless_the_value_changed_since(
    make: type[MemoryStore],
) -> None:
    store = make()
    vaults = f"{since_text(ago(200))} from version 1" if make is vault else since_text(ago(200))
    for day, value in ((20, "1"), (10, "1"), (5, "2")):
        add(store, day, {"A": value, "B": "1"}, tags={"value-since": vaults})
    store.gone[NAME] = {"1"}
    found = ages(store, {"A": 90, "B": 90})
    assert (found["A"].state, found["B"].state) == (IN_TIME, NOT_KNOWN)
    assert "version 1 cannot be read" in found["B"].why


@BOTH
def test_a_version_without_a_date_may_be_of_any_time(make: type[MemoryStore]) -> None:
    store = make()
    add(store, 300, {"A": "0"})
    add(store, None, {"A": "1"})
    add(store, 10, {"A": "1"})
    found = ages(store, {"A": 90})["A"]
    assert (found.state, found.why) == (NOT_KNOWN, "the store does not date version 2")


def test_a_version_that_is_dated_after_its_successor_is_not_taken_for_young() -> None:
    store = vault()
    add(store, 300, {"A": "0"})
    add(store, 2, {"A": "1"})
    add(store, 10, {"A": "1"})
    found = ages(store, {"A": 90})["A"]
    assert (found.state, found.why) == (NOT_KNOWN, "the date of version 2 contradicts those of others")
    # Servers of one cluster differ by seconds.
    store = vault()
    for day in (300, 10 - 0.0001, 10):
        add(store, day, {"A": str(day > 10)})
    assert states(store, A=90) == {"A": IN_TIME}


@BOTH
@given(
    st.lists(st.tuples(st.integers(1, 300), st.sampled_from("xyz")), min_size=1, max_size=9, unique_by=lambda v: v[0]),
    st.integers(1, 300),
)
def test_it_is_what_the_version_in_effect_says(
    make: type[MemoryStore], history: list[tuple[int, str]], days: int
) -> None:
    store = make()
    made = sorted(history, reverse=True)
    for day, value in made:
        add(store, day, {"A": value})
    before = [value for day, value in made if day >= days]
    expected = OVERDUE if made[-1][0] >= days or (before and before[-1] == made[-1][1]) else IN_TIME
    found = ages(store, {"A": days})["A"]
    assert reads(store) <= 4
    if make is key_vault:
        assert found.state is expected
        return
    # A Vault has to be searched: a value that stood before the limit at all may decide, and one that came after it.
    allowed = {expected}
    if made[-1][1] in before:
        allowed.add(OVERDUE)
    if len(made) > 4:
        allowed |= {NOT_KNOWN} | (
            {IN_TIME} if any(value != made[-1][1] for day, value in made if day < days) else set()
        )
    assert found.state in allowed


def test_a_value_of_the_past_is_shown_nowhere() -> None:
    store = vault()
    add(store, 200, {"A": "s3ntinel-4711"})
    add(store, 5, {"A": "s3ntinel-4711"})
    assert "s3ntinel" not in repr(ages(store, {"A": 90}))
