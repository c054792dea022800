"""A store that requires an expiry date gets the one that the keys call for, within what its policies allow."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from compiler.change.attributes import date_writes, parse_expiry, require_possible, stores_with_dates
from compiler.change.journal import Run, RunEntry
from compiler.change.plan import Aged, Kind, Location, NoteKind, OnConflict, Options, Plan, Write
from compiler.model.document import Node
from compiler.model.environment import Store
from compiler.model.store import StoreAddress
from compiler.refusal import Refusal
from compiler.stores.interface import Attributes, RemoteSecret
from tests import providers
from tests.unit.changes import plan_of, planned, step_of
from tests.unit.memory_store import MemoryStore, secrets

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
AZURE = Store(
    "azure", providers.KEY_VAULT, "n", "SecretStore", "", "https://memory", "", None,
    rendered=False, node=Node({}, {}, None, None),  # type: ignore[arg-type]
    requires_expiry=True, longest_validity=365, shortest_validity=7,
)  # fmt: skip


class Clocked(MemoryStore):
    """A Key Vault whose clock stands."""

    def now(self) -> datetime:
        return NOW


def aged(days: int, since: datetime | None, key: str = "A") -> Aged:
    return Aged(Location("azure", "remote", key), days, since)


def write(*keys: Aged, **parts: object) -> Write:
    return Write("azure", "remote", (step_of("A"),), secrets(A="1"), aged=keys, **parts)  # type: ignore[arg-type]


def dated(given: Write, store: Store = AZURE, *, asked: timedelta | datetime | None = None) -> Plan:
    stores = {"azure": Clocked(StoreAddress(providers.KEY_VAULT, "https://memory"))}
    plan = plan_of(given, stores=stores, options=Options(expires=asked))
    return date_writes(plan, stores_with_dates({"azure": store}, asked))


def date_of(given: Write, store: Store = AZURE, *, asked: timedelta | datetime | None = None) -> datetime | None:
    (found,) = dated(given, store, asked=asked).writes
    return found.expires


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), NOW + 365 * DAY - HOUR),
        ((aged(90, NOW),), NOW + 90 * DAY),
        ((aged(90, NOW - 30 * DAY), aged(30, NOW)), NOW + 30 * DAY),
        ((aged(90, NOW - 70 * DAY), aged(30, NOW)), NOW + 20 * DAY),
        ((aged(366, NOW),), NOW + 365 * DAY - HOUR),
        ((aged(10**9, NOW),), NOW + 365 * DAY - HOUR),
        # Where the age is not known it counts from now: status says that it is not.
        ((aged(90, None),), NOW + 90 * DAY),
        ((aged(90, NOW - 90 * DAY),), NOW + 7 * DAY + HOUR),
        ((aged(90, NOW - 84 * DAY),), NOW + 7 * DAY + HOUR),
    ],
)
def test_the_date_is_the_earliest_that_a_key_calls_for_within_the_limits(
    keys: tuple[Aged, ...], expected: datetime
) -> None:
    assert date_of(write(*keys)) == expected


def test_what_comes_along_or_is_put_back_keeps_its_own_date_where_that_is_allowed() -> None:
    own = Attributes(expires=NOW + 20 * DAY)
    assert date_of(write(attributes=own)) == NOW + 20 * DAY
    assert date_of(write(aged(10, NOW), attributes=own)) == NOW + 10 * DAY
    earlier = RemoteSecret("remote", "1", secrets(A="0"), replace(own, expires=NOW - DAY))
    assert date_of(write(earlier=earlier)) == NOW + 7 * DAY + HOUR
    # That of a value that is replaced says nothing of the new one.
    base = RemoteSecret("remote", "1", secrets(A="0"), own)
    assert date_of(write(base=base)) == NOW + 365 * DAY - HOUR
    assert date_of(write(base=base, attributes=own)) == NOW + 365 * DAY - HOUR


def test_without_limits_of_the_store_the_date_is_the_keys_or_the_next_hour() -> None:
    free = replace(AZURE, longest_validity=None, shortest_validity=None)
    assert date_of(write(aged(900, NOW)), free) == NOW + 900 * DAY
    assert date_of(write(aged(9, NOW - 10 * DAY)), free) == NOW + HOUR


def test_the_plan_names_each_overdue_key_and_how_to_renew_it() -> None:
    plan = dated(write(aged(90, NOW - 90 * DAY), aged(90, NOW - 84 * DAY, "OTHER"), aged(90, NOW, "YOUNG")))
    assert [(note.kind, note.secret, note.place.property, note.date) for note in plan.notes] == [
        (NoteKind.OVERDUE, "secret", "A", NOW),
        (NoteKind.OVERDUE, "secret", "OTHER", NOW + 6 * DAY),
    ]
    assert plan.notes[0].remedy == "platform-secrets put prod secret A --store azure"


def test_a_write_without_any_date_to_get_is_refused_by_the_setting() -> None:
    plan = dated(write(), replace(AZURE, longest_validity=None))
    assert plan.writes == ()
    assert [(step.kind, step.remedy) for step in plan.steps] == [
        (Kind.REFUSE, "add maxValidity to the store, or `rotate` to a key in the catalogue")
    ]


def test_a_date_before_the_activation_is_refused() -> None:
    plan = dated(write(aged(90, NOW), attributes=Attributes(not_before=NOW + 90 * DAY)))
    (step,) = plan.steps
    assert (step.kind, "is not before the expiry date 2027-02-26" in step.reason) == (Kind.REFUSE, True)


def test_what_requires_no_date_and_what_is_deleted_stay_as_they_are() -> None:
    free = replace(AZURE, requires_expiry=False)
    for given, store in (
        (write(aged(90, NOW)), free),
        (replace(write(), changes={}), AZURE),
        (replace(write(), versions=("1",), recover=True), AZURE),
        (replace(write(), store="other"), AZURE),
    ):
        assert dated(given, store).writes == (given,)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"owner": "them", " é ": ""}, {"owner": "them", " é ": ""}),
        ({"ValidityPeriodDays": "7", "a": "b"}, {"ValidityPeriodDays": "90", "a": "b"}),
    ],
)
def test_only_the_tag_of_the_validity_follows_the_date(tags: Mapping[str, str], expected: Mapping[str, str]) -> None:
    base = RemoteSecret("remote", "1", secrets(A="0"), Attributes(tags=tags, content_type="t", not_before=NOW))
    (found,) = dated(write(aged(90, NOW), base=base)).writes
    assert found.stored_attributes == Attributes(
        tags=expected, content_type="t", not_before=NOW, expires=NOW + 90 * DAY
    )
    (with_age,) = dated(write(aged(90, NOW), base=base, since="2026-01-01")).writes
    assert with_age.stored_attributes is not None
    assert with_age.stored_attributes.tags == {**expected, "value-since": "2026-01-01"}


def test_an_asked_date_counts_before_that_of_the_keys_and_in_any_store_that_keeps_one() -> None:
    free = replace(AZURE, requires_expiry=False, longest_validity=None, shortest_validity=None)
    for store in (AZURE, free):
        assert date_of(write(aged(30, NOW)), store, asked=90 * DAY) == NOW + 90 * DAY
        assert date_of(write(), store, asked=datetime(2027, 1, 31, tzinfo=UTC)) == datetime(2027, 1, 31, tzinfo=UTC)
    assert dated(write(aged(30, NOW)), asked=90 * DAY).notes == ()
    assert date_of(write(), asked=365 * DAY) == NOW + 365 * DAY - HOUR
    assert date_of(write(), asked=7 * DAY) == NOW + 7 * DAY + HOUR


@pytest.mark.parametrize(
    ("expires", "asked", "kind"),
    [
        (None, None, Kind.UPDATE),
        (NOW + DAY, None, Kind.KEEP),
        # A date that ran out is the sign that the value is overdue, and no run moves it.
        (NOW - DAY, None, Kind.KEEP),
        (None, 90 * DAY, Kind.UPDATE),
        (NOW + 90 * DAY - 23 * HOUR, 90 * DAY, Kind.KEEP),
        (NOW + 89 * DAY, 90 * DAY, Kind.UPDATE),
        (NOW + 90 * DAY - HOUR, NOW + 90 * DAY, Kind.KEEP),
        (NOW + 90 * DAY - 3 * HOUR, NOW + 90 * DAY, Kind.UPDATE),
    ],
)
def test_an_equal_value_is_written_again_only_for_a_date_that_it_lacks(
    expires: datetime | None, asked: timedelta | datetime | None, kind: Kind
) -> None:
    store = Clocked(StoreAddress(providers.KEY_VAULT, "https://memory"))
    store.versions["remote"] = [RemoteSecret("remote", "1", secrets(A="1"), Attributes(expires=expires))]
    options = Options(expires=asked)
    (step,) = planned(store, step_of("A", "1"), used={"azure": AZURE}, options=options).steps
    assert step.kind is kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90d", 90 * DAY),
        ("90", 90 * DAY),
        ("9999999999d", 999_999 * DAY),
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T12:30", datetime(2027, 1, 31, 12, 30, tzinfo=UTC)),
        ("2027-01-31T12:30:00+02:00", datetime(2027, 1, 31, 10, 30, tzinfo=UTC)),
    ],
)
def test_days_and_dates_are_read(text: str, expected: timedelta | datetime) -> None:
    assert parse_expiry(text) == expected


@pytest.mark.parametrize("text", ["", "d", "soon", "1.5d", "-3d", "2027-02-30", "²d", "0001-01-01T00:00+23:00"])
def test_what_is_neither_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        parse_expiry(text)


@pytest.mark.parametrize(
    ("asked", "store", "why"),
    [
        (NOW, AZURE, "the expiry date 2026-11-28 12:00 UTC is not in the future"),
        (timedelta(), AZURE, "is not in the future"),
        (365 * DAY + HOUR * 24, AZURE, "is further ahead than"),
        (6 * DAY, AZURE, "is nearer than"),
        (90 * DAY, replace(AZURE, provider=providers.VAULT), '"azure" keeps no expiry date beside a value'),
    ],
)
def test_an_impossible_date_is_refused(asked: timedelta | datetime, store: Store, why: str) -> None:
    with pytest.raises(Refusal, match=why):
        require_possible(asked, store, NOW)


def test_the_limits_themselves_are_possible() -> None:
    for days in (7, 365):
        require_possible(days * DAY, AZURE, NOW)


def test_what_a_run_has_written_is_not_dated_again_when_it_goes_on() -> None:
    store = Clocked(StoreAddress(providers.KEY_VAULT, "https://memory"))
    version = store.seed("remote", A="1")
    (step,) = planned(store, step_of("A", "1"), used={"azure": AZURE}).steps
    assert (step.kind, step.reason) == (Kind.UPDATE, "its expiry date is set")
    entry = RunEntry(Kind.CREATE, None, recover=False, keys=(("secret", "A", "A"),), after=version)
    run = Run("20250131-120000-4fa1c2", Path(), "migrate", "prod", {}, {}, {("azure", "remote"): entry})
    (step,) = planned(store, step_of("A", "1"), used={"azure": AZURE}, run=run).steps
    assert step.kind is Kind.KEEP


@pytest.mark.parametrize(("given", "ends"), [("1", NOW + 60 * DAY), ("2", NOW + 90 * DAY)])
def test_a_value_that_is_given_once_more_is_as_old_as_before(given: str, ends: datetime) -> None:
    store = MemoryStore(StoreAddress(providers.KEY_VAULT, "https://memory"))
    now = datetime.now(UTC)
    store.versions["remote"] = [RemoteSecret("remote", "1", secrets(A="1"), Attributes(created=now - 30 * DAY))]
    limits = {"azure": {"remote": {"A": 90}}}
    options = Options(on_conflict=OnConflict.OVERWRITE)
    (write,) = planned(store, step_of("A", given), used={"azure": AZURE}, limits=limits, options=options).writes
    assert write.expires is not None
    assert write.since is None
    assert abs(write.expires - now - (ends - NOW)) < timedelta(minutes=5)
