import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from compiler.change.attributes import (
    carry_ages,
    date_writes,
    parse_expiry,
    places_of_rotation,
    require_own_versions,
    require_possible,
    since_in_sources,
    stores_with_dates,
    tags_to_copy,
)
from compiler.change.journal import Run, RunEntry
from compiler.change.operations import Delete, NewVersion, Operation, Put, RecoverVersions, Restore
from compiler.change.plan import Aged, Kind, Location, Note, NoteKind, OnConflict, Options, Plan, Step
from compiler.change.run_files import caller, caller_of
from compiler.live.ages import age_keys
from compiler.model.document import Node
from compiler.model.environment import Store
from compiler.model.inventory import PlaceLimits
from compiler.model.store import StoreAddress
from compiler.refusal import Refusal
from compiler.stores.errors import Action, Code, ConflictError, ForbiddenError, StoreError
from compiler.stores.interface import (
    VALUE_SINCE,
    Attributes,
    Problem,
    RemoteSecret,
    Use,
    since_text,
)
from tests import providers
from tests.memory_store import MemoryStore, secrets
from tests.unit.changes import plan_of, planned, puts, step_of

# A write brings the date of the oldest value with a limit along, where its store takes it, and says where not.

NOW = datetime.now(UTC).replace(microsecond=0)
OLD, YOUNG = NOW - timedelta(days=200), NOW - timedelta(days=20)
LIMITS: Mapping[str, PlaceLimits] = {"azure": {"remote": {"A": 90, "B": 90}}}


def version(created: datetime, tags: Mapping[str, str] | None = None, number: int = 1, **values: str) -> RemoteSecret:
    return RemoteSecret("remote", str(number), secrets(**values), Attributes(created=created, tags=tags or {}))


def store_with(*versions: RemoteSecret, provider: str = "azurekv") -> MemoryStore:
    chosen = providers.VAULT if provider == "vault" else providers.KEY_VAULT
    store = MemoryStore(StoreAddress(chosen, "https://memory"))
    store.versions["remote"] = list(versions)
    return store


def plan_with(
    store: MemoryStore, *steps: Step, source: MemoryStore | None = None, options: Options | None = None
) -> Plan:
    since_of = since_in_sources({"from": source or store_with()})
    return planned(store, *steps, limits=LIMITS, since_of=since_of, options=options or Options())


def step(key: str, origin: RemoteSecret) -> Step:
    return step_of(key, origin.properties[key], origin=origin)


def since(plan: Plan) -> list[str | None]:
    return [write.since for write in plan.writes if isinstance(write, NewVersion)]


def test_the_date_is_that_of_the_oldest_value_with_a_limit() -> None:
    origin = version(YOUNG, A="1", B="2", FREE="3")
    source = store_with(version(OLD, A="1", FREE="0"), replace(origin, version="2"))
    origin = source.versions["remote"][-1]
    steps = [step(key, origin) for key in ("A", "B", "FREE")]
    assert since(plan_with(MemoryStore("https://memory"), *steps, source=source)) == [since_text(OLD)]
    assert since(plan_with(MemoryStore("https://memory"), steps[1], source=source)) == [since_text(YOUNG)]
    assert since(plan_with(MemoryStore("https://memory"), steps[2], source=source)) == [None]


def test_values_of_several_places_are_asked_for_where_each_comes_from() -> None:
    one, other = version(YOUNG, A="1"), replace(version(OLD, B="2"), name="other")
    found = plan_with(MemoryStore("https://memory"), step("A", one), step("B", other))
    assert since(found) == [since_text(OLD)]
    assert puts(found)[0].attributes is None
    assert puts(found)[0].stored_attributes == Attributes(tags={"value-since": since_text(OLD)})


def test_a_value_of_an_age_that_is_not_known_makes_the_date_unknown() -> None:
    given = step_of("A", "1")
    assert since(plan_with(MemoryStore("https://memory"), given, step("B", version(OLD, B="2")))) == ["unknown"]


def test_without_ages_or_limits_nothing_is_asked_and_nothing_changes() -> None:
    store, source = MemoryStore("https://memory"), store_with()
    origin = version(YOUNG, A="1")
    assert since(planned(store, step("A", origin))) == [None]
    assert since(planned(store, step("A", origin), since_of=since_in_sources({"from": source}))) == [None]
    assert source.calls == []
    assert store.access_asked == [{"remote": frozenset({Use.CREATE})}] * 2


def test_the_tags_of_an_existing_destination_stay_and_the_date_comes_to_them() -> None:
    store = store_with(version(YOUNG, {"owner": "them"}, A="0"))
    options = Options(on_conflict=OnConflict.OVERWRITE)
    found = plan_with(store, step("A", version(OLD, A="1")), options=options)
    (write,) = puts(found)
    assert write.stored_attributes == Attributes(created=YOUNG, tags={"owner": "them", "value-since": since_text(OLD)})


@pytest.mark.parametrize(
    ("tags", "expected"), [({}, YOUNG), ({"value-since": since_text(OLD)}, OLD)], ids=["without", "with"]
)
def test_a_date_that_is_replaced_goes_on_for_what_the_write_leaves(tags: dict[str, str], expected: datetime) -> None:
    store = store_with(version(YOUNG, tags, B="kept"))
    found = plan_with(store, step("A", version(YOUNG, A="1")))
    assert since(found) == [since_text(expected)]


def test_a_date_goes_on_where_another_program_wrote_a_version_without_it() -> None:
    tagged, newest = version(YOUNG, {VALUE_SINCE: since_text(OLD)}, B="kept"), version(YOUNG, None, 2, A="0", B="kept")
    options = Options(on_conflict=OnConflict.OVERWRITE)
    found = plan_with(store_with(tagged, newest), step("A", version(YOUNG, A="1")), options=options)
    assert since(found) == [since_text(OLD)]
    silent = store_with(tagged, newest)
    silent.failures["list_versions", "remote"] = StoreError(
        silent.place("remote"), Action.READ, "no", "wait", Code.UNAVAILABLE
    )
    found = plan_with(silent, step("A", version(YOUNG, A="1")), options=options)
    assert since(found) == ["unknown"]


def test_beside_values_that_are_recovered_unread_the_date_is_not_known() -> None:
    store = store_with(version(OLD, A="0"))
    store.deleted.add("remote")
    options = Options(recover=True)
    found = plan_with(store, step("A", version(OLD, A="1")), options=options)
    assert [(write.kind, write.since) for write in puts(found)] == [(Kind.RECOVER, "unknown")]
    origin = version(OLD, A="1", B="1")
    both = plan_with(store, step("A", origin), step("B", origin), options=options)
    assert since(both) == [since_text(OLD)]
    assert store.access_asked[-1] == {"remote": frozenset({Use.RECOVER, Use.UPDATE, Use.TAG})}


def denied(name: str = "remote") -> Problem:
    return Problem(ForbiddenError.code, name, "no policy grants it", "add to a policy: path x")


class NoTags(MemoryStore):
    """A store in which values may be written and tags may not, or that does not say so."""

    says = True

    def check_access(self, uses: Mapping[str, Collection[Use]]) -> tuple[Problem, ...] | None:
        asked = super().check_access(uses)
        if not self.says:
            return None
        return tuple(denied(name) for name, each in uses.items() if Use.TAG in each) or asked


@pytest.mark.parametrize("says", [True, False])
def test_where_tags_may_not_be_written_the_write_goes_on_and_a_note_says_so(says: bool) -> None:  # noqa: FBT001
    store = NoTags("https://memory")
    store.says = says
    found = plan_with(store, step("A", version(OLD, A="1")))
    assert [(write.kind, write.since) for write in puts(found)] == [(Kind.CREATE, None)]
    remedy = "add to a policy: path x" if says else ""
    lost = Note(NoteKind.AGE, "secret", Location("azure", "remote", None), remedy=remedy)
    unknown = [Note(NoteKind.ACCESS_UNKNOWN, "secret", Location("azure", "remote", None))]
    assert list(found.notes) == [lost, *([] if says else unknown)]


def test_where_there_are_tags_enough_the_write_goes_on_and_a_note_says_so() -> None:
    class Full(MemoryStore):
        def check(
            self, name: str, changes: object, base: object, attributes: Attributes | None = None
        ) -> tuple[Problem, ...]:
            del changes, base
            few = attributes is None or len(attributes.tags) <= 1
            return () if few else (Problem("too-large", name, "it would have 2 tags", "remove tags"),)

    store = Full("https://memory")
    store.versions["remote"] = [version(YOUNG, {"owner": "them"}, C="0")]
    found = plan_with(store, step("A", version(OLD, A="1")))
    assert (since(found), [note.kind for note in found.notes]) == ([None], [NoteKind.AGE])
    assert found.notes[0].remedy == "remove tags"


def test_what_says_something_of_one_secret_alone_is_not_copied() -> None:
    tags = {"owner": "us", "value-since": "2026-01-01"}
    assert tags_to_copy(tags) == {"owner": "us"}
    origin = version(YOUNG, tags, FREE="1")
    found = planned(MemoryStore("https://memory"), step("FREE", origin))
    assert puts(found)[0].attributes == Attributes(tags={"owner": "us"})
    assert found.notes == ()


def undo(
    earlier: RemoteSecret,
    current: RemoteSecret,
    store: MemoryStore,
    former_since: str | None = None,
    limits: Mapping[str, PlaceLimits] = LIMITS,
) -> Restore:
    """The write of an undo, with its date."""
    steps = (step_of("A", None),)
    write = Restore(
        "azure",
        "remote",
        steps,
        base=current,
        earlier=earlier,
        attributes=earlier.attributes,
        former_since=former_since,
    )
    plan = Plan("migrate", "prod", {"azure": store}, steps=steps, writes=(write,))
    (dated,) = carry_ages(plan, limits, None, {}).writes
    assert isinstance(dated, Restore)
    return dated


def test_what_an_undo_puts_back_is_as_old_as_it_was() -> None:
    earlier, current = version(OLD, {"owner": "them"}, A="1"), version(YOUNG, number=2, A="2")
    store = store_with(earlier, current)
    write = undo(earlier, current, store)
    assert write.stored_attributes == Attributes(created=OLD, tags={"owner": "them", "value-since": since_text(OLD)})
    assert undo(earlier, current, store, limits={}).stored_attributes == earlier.attributes


def test_what_an_undo_puts_back_among_many_versions_is_as_old_as_it_was() -> None:
    days = (66, 65, 64, 63, 62, 60, 58, 57, 55)
    changed = 8
    versions = [
        version(NOW - timedelta(days=day), number=number, A="new" if number >= changed else "old", B=str(number))
        for number, day in enumerate(days, 1)
    ]
    store = store_with(*versions, version(NOW, number=10, A="other"), provider="vault")
    write = undo(versions[-1], store.versions["remote"][-1], store)
    assert write.since == since_text(NOW - timedelta(days=57))


def test_an_undo_in_a_vault_knows_the_date_that_its_run_replaced() -> None:
    # The tags of a Vault are those of all versions: the run's date is from its own version.
    tags = {"value-since": f"{since_text(YOUNG)} from version 2"}
    earlier, current = version(YOUNG, tags, A="1"), version(YOUNG, tags, number=2, A="2")
    store = store_with(earlier, current, provider="vault")
    had = f"{since_text(OLD)} from version 1"
    assert undo(earlier, current, store, had).since == since_text(OLD)
    assert undo(earlier, current, store).since == since_text(YOUNG)
    # An earlier version that lacks every key with a limit has no date.
    assert undo(version(YOUNG, FREE="1"), current, store).since is None


def test_a_date_that_stands_there_already_counts_for_what_comes_back() -> None:
    tags = {VALUE_SINCE: since_text(YOUNG)}
    source = store_with(version(YOUNG, A="1"))
    later = version(NOW - timedelta(days=5), tags, 2, A="2")
    destination = store_with(version(NOW - timedelta(days=19), tags, A="1"), later)
    options = Options(on_conflict=OnConflict.OVERWRITE)
    plan = plan_with(destination, step("A", source.versions["remote"][0]), source=source, options=options)
    (write,) = puts(plan)
    assert write.stored_attributes is not None
    written = version(NOW, write.stored_attributes.tags, 3, A="1")
    destination.versions["remote"].append(written)
    age = age_keys(destination, written, {"A": (90, lambda remote: remote.properties["A"])}, NOW)["A"]
    assert age.changed == YOUNG - timedelta(seconds=1)


def test_an_age_that_is_not_known_counts_for_what_comes_back_over_another_such() -> None:
    # The copy that stands there, of other values, has an unknown age as well.
    first, second = (version(NOW - timedelta(days=each), A="1") for each in (19, 5))
    destination = store_with(first, replace(second, version="2"))
    ages = list[str]()
    for number in (2, 3, 4):
        write = Put("azure", "remote", (), {}, base=destination.versions["remote"][-1], since="unknown")
        assert write.stored_attributes is not None
        written = version(NOW - timedelta(days=5 - number), write.stored_attributes.tags, number, A=f"{number}")
        destination.versions["remote"].append(written)
        age = age_keys(destination, written, {"A": (90, lambda remote: remote.properties["A"])}, NOW)["A"]
        ages.append(f"{age.state}: {age.why}")
    assert ages == ["not-known: its age was not known when it was copied"] * 3


# A store that requires an expiry date gets the one that the keys call for, within what its policies allow.

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOVEMBER = datetime(2026, 11, 28, 12, tzinfo=UTC)
AZURE = Store(
    "azure", providers.KEY_VAULT, "n", "SecretStore", "", "https://memory", "", None,
    rendered=False, node=Node({}, {}, None, None),  # type: ignore[arg-type]
    requires_expiry=True, longest_validity=365, shortest_validity=7,
)  # fmt: skip


class Clocked(MemoryStore):
    """A Key Vault whose clock stands."""

    def now(self) -> datetime:
        return NOVEMBER


def aged(days: int, since: datetime | None, key: str = "A") -> Aged:
    return Aged(Location("azure", "remote", key), days, since)


def write(*keys: Aged, **parts: Any) -> Put:  # noqa: ANN401 - any field
    return Put("azure", "remote", (step_of("A"),), secrets(A="1"), aged=keys, **parts)


def dated(given: Operation, store: Store = AZURE, *, asked: timedelta | datetime | None = None) -> Plan:
    stores = {"azure": Clocked(StoreAddress(providers.KEY_VAULT, "https://memory"))}
    plan = plan_of(given, stores=stores, options=Options(expires=asked))
    return date_writes(plan, stores_with_dates({"azure": store}, asked))


def date_of(given: Operation, store: Store = AZURE, *, asked: timedelta | datetime | None = None) -> datetime | None:
    (found,) = dated(given, store, asked=asked).writes
    assert isinstance(found, NewVersion)
    return found.expires


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), NOVEMBER + 365 * DAY - HOUR),
        ((aged(90, NOVEMBER),), NOVEMBER + 90 * DAY),
        ((aged(90, NOVEMBER - 30 * DAY), aged(30, NOVEMBER)), NOVEMBER + 30 * DAY),
        ((aged(90, NOVEMBER - 70 * DAY), aged(30, NOVEMBER)), NOVEMBER + 20 * DAY),
        ((aged(366, NOVEMBER),), NOVEMBER + 365 * DAY - HOUR),
        ((aged(10**9, NOVEMBER),), NOVEMBER + 365 * DAY - HOUR),
        # Where the age is not known it counts from now: status says that it is not.
        ((aged(90, None),), NOVEMBER + 90 * DAY),
        ((aged(90, NOVEMBER - 90 * DAY),), NOVEMBER + 7 * DAY + HOUR),
        ((aged(90, NOVEMBER - 84 * DAY),), NOVEMBER + 7 * DAY + HOUR),
    ],
)
def test_the_date_is_the_earliest_that_a_key_calls_for_within_the_limits(
    keys: tuple[Aged, ...], expected: datetime
) -> None:
    assert date_of(write(*keys)) == expected


def test_what_comes_along_or_is_put_back_keeps_its_own_date_where_that_is_allowed() -> None:
    own = Attributes(expires=NOVEMBER + 20 * DAY)
    assert date_of(write(attributes=own)) == NOVEMBER + 20 * DAY
    assert date_of(write(aged(10, NOVEMBER), attributes=own)) == NOVEMBER + 10 * DAY
    earlier = RemoteSecret("remote", "1", secrets(A="0"), replace(own, expires=NOVEMBER - DAY))
    back = Restore("azure", "remote", attributes=earlier.attributes, base=earlier, earlier=earlier)
    assert date_of(back) == NOVEMBER + 7 * DAY + HOUR
    # That of a value that is replaced says nothing of the new one.
    base = RemoteSecret("remote", "1", secrets(A="0"), own)
    assert date_of(write(base=base)) == NOVEMBER + 365 * DAY - HOUR
    assert date_of(write(base=base, attributes=own)) == NOVEMBER + 365 * DAY - HOUR


def test_without_limits_of_the_store_the_date_is_the_keys_or_the_next_hour() -> None:
    free = replace(AZURE, longest_validity=None, shortest_validity=None)
    assert date_of(write(aged(900, NOVEMBER)), free) == NOVEMBER + 900 * DAY
    assert date_of(write(aged(9, NOVEMBER - 10 * DAY)), free) == NOVEMBER + HOUR


def test_the_plan_names_each_overdue_key_and_how_to_renew_it() -> None:
    plan = dated(
        write(aged(90, NOVEMBER - 90 * DAY), aged(90, NOVEMBER - 84 * DAY, "OTHER"), aged(90, NOVEMBER, "YOUNG"))
    )
    assert [(note.kind, note.secret, note.place.property, note.date) for note in plan.notes] == [
        (NoteKind.OVERDUE, "secret", "A", NOVEMBER),
        (NoteKind.OVERDUE, "secret", "OTHER", NOVEMBER + 6 * DAY),
    ]
    assert plan.notes[0].remedy == "platform-secrets put prod secret A --store azure"


def test_a_write_without_any_date_to_get_is_refused_by_the_setting() -> None:
    plan = dated(write(), replace(AZURE, longest_validity=None))
    assert plan.writes == ()
    assert [(step.kind, step.remedy) for step in plan.steps] == [
        (Kind.REFUSE, "add maxValidity to the store, or `rotate` to a key in the catalogue")
    ]


def test_a_date_before_the_activation_is_refused() -> None:
    plan = dated(write(aged(90, NOVEMBER), attributes=Attributes(not_before=NOVEMBER + 90 * DAY)))
    (step,) = plan.steps
    assert (step.kind, "is not before the expiry date 2027-02-26" in step.reason) == (Kind.REFUSE, True)


def test_what_requires_no_date_and_what_is_deleted_stay_as_they_are() -> None:
    free = replace(AZURE, requires_expiry=False)
    for given, store in (
        (write(aged(90, NOVEMBER)), free),
        (Delete("azure", "remote"), AZURE),
        (RecoverVersions("azure", "remote", versions=("1",)), AZURE),
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
    base = RemoteSecret("remote", "1", secrets(A="0"), Attributes(tags=tags, content_type="t", not_before=NOVEMBER))
    (found,) = puts(dated(write(aged(90, NOVEMBER), base=base)))
    assert found.stored_attributes == Attributes(
        tags=expected, content_type="t", not_before=NOVEMBER, expires=NOVEMBER + 90 * DAY
    )
    (with_age,) = puts(dated(write(aged(90, NOVEMBER), base=base, since="2026-01-01")))
    assert with_age.stored_attributes is not None
    assert with_age.stored_attributes.tags == {**expected, "value-since": "2026-01-01"}


def test_an_asked_date_counts_before_that_of_the_keys_and_in_any_store_that_keeps_one() -> None:
    free = replace(AZURE, requires_expiry=False, longest_validity=None, shortest_validity=None)
    for store in (AZURE, free):
        assert date_of(write(aged(30, NOVEMBER)), store, asked=90 * DAY) == NOVEMBER + 90 * DAY
        assert date_of(write(), store, asked=datetime(2027, 1, 31, tzinfo=UTC)) == datetime(2027, 1, 31, tzinfo=UTC)
    assert dated(write(aged(30, NOVEMBER)), asked=90 * DAY).notes == ()
    assert date_of(write(), asked=365 * DAY) == NOVEMBER + 365 * DAY - HOUR
    assert date_of(write(), asked=7 * DAY) == NOVEMBER + 7 * DAY + HOUR


@pytest.mark.parametrize(
    ("expires", "asked", "kind"),
    [
        (None, None, Kind.UPDATE),
        (NOVEMBER + DAY, None, Kind.KEEP),
        # A date that ran out is the sign that the value is overdue, and no run moves it.
        (NOVEMBER - DAY, None, Kind.KEEP),
        (None, 90 * DAY, Kind.UPDATE),
        (NOVEMBER + 90 * DAY - 23 * HOUR, 90 * DAY, Kind.KEEP),
        (NOVEMBER + 89 * DAY, 90 * DAY, Kind.UPDATE),
        (NOVEMBER + 90 * DAY - HOUR, NOVEMBER + 90 * DAY, Kind.KEEP),
        (NOVEMBER + 90 * DAY - 3 * HOUR, NOVEMBER + 90 * DAY, Kind.UPDATE),
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
        (NOVEMBER, AZURE, "the expiry date 2026-11-28 12:00 UTC is not in the future"),
        (timedelta(), AZURE, "is not in the future"),
        (365 * DAY + HOUR * 24, AZURE, "is further ahead than"),
        (6 * DAY, AZURE, "is nearer than"),
        (90 * DAY, replace(AZURE, provider=providers.VAULT), '"azure" keeps no expiry date beside a value'),
    ],
)
def test_an_impossible_date_is_refused(asked: timedelta | datetime, store: Store, why: str) -> None:
    with pytest.raises(Refusal, match=why):
        require_possible(asked, store, NOVEMBER)


def test_the_limits_themselves_are_possible() -> None:
    for days in (7, 365):
        require_possible(days * DAY, AZURE, NOVEMBER)


@pytest.mark.parametrize(("given", "ends"), [("1", NOVEMBER + 60 * DAY), ("2", NOVEMBER + 90 * DAY)])
def test_a_value_that_is_given_once_more_is_as_old_as_before(given: str, ends: datetime) -> None:
    store = MemoryStore(StoreAddress(providers.KEY_VAULT, "https://memory"))
    now = datetime.now(UTC)
    store.versions["remote"] = [RemoteSecret("remote", "1", secrets(A="1"), Attributes(created=now - 30 * DAY))]
    limits = {"azure": {"remote": {"A": 90}}}
    options = Options(on_conflict=OnConflict.OVERWRITE)
    plan = planned(store, step_of("A", given), used={"azure": AZURE}, limits=limits, options=options)
    (write,) = puts(plan)
    assert write.expires is not None
    assert write.since is None
    assert abs(write.expires - now - (ends - NOVEMBER)) < timedelta(minutes=5)


OWN = "20250131-120000-4fa1c2"


def a_run(*names: str, after: str | None = "v1") -> Run:
    run = Run(OWN, Path(), "rotate", "prod", {"vault": "https://vault"}, {})
    for name in names:
        run.entries["vault", name] = RunEntry(Kind.UPDATE, None, recover=False, after=after)
    return run


MADE = datetime(2025, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("after", "made", "created", "is_own"),
    [
        ("v2", None, MADE, True),
        ("v2", MADE, MADE, True),
        ("v2", MADE, None, True),
        ("v2", MADE, MADE + timedelta(seconds=1), False),
        ("v1", None, MADE, False),
        (None, None, MADE, False),
    ],
)
def test_a_place_with_a_version_that_is_not_the_runs_is_a_conflict(
    after: str | None, made: datetime | None, created: datetime | None, *, is_own: bool
) -> None:
    store, run = MemoryStore(), a_run("a", after=after)
    run.entries["vault", "a"].made = made.isoformat() if made is not None else None
    store.seed("a", A="1")
    store.seed("a", A="1")
    store.versions["a"][-1] = created_at(store.read("a"), created)
    ((_, _, why),) = places_of_rotation(run, {"vault": store})
    assert (why == "") is is_own
    if not is_own:
        with pytest.raises(ConflictError) as raised:
            require_own_versions(run, {"vault": store})
        said = "another writer changed it" if after is not None else "the run is not known to have written it"
        assert f"{said}: its version is v2" in raised.value.reason
        assert f"rotate prod --confirm-revoked {OWN}" in raised.value.remedy


def created_at(remote: RemoteSecret, created: datetime | None) -> RemoteSecret:
    return replace(remote, attributes=replace(remote.attributes, created=created))


def test_a_deleted_value_is_not_the_runs_any_more() -> None:
    store = MemoryStore()
    store.seed("a", A="1")
    store.deleted.add("a")
    with pytest.raises(ConflictError, match="it is soft-deleted"):
        require_own_versions(a_run("a"), {"vault": store})


@pytest.mark.parametrize(
    ("found", "who"),
    [("ada@host.example.com", "ada@host.example.com"), ("a b@c", ""), ("\x1b[2J@x", ""), (None, ""), (7, "")],
)
def test_who_began_a_run_is_a_name_at_a_machine_or_nobody(found: object, who: str) -> None:
    assert caller_of(found) == who


def test_whoever_has_no_name_here_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setattr("socket.gethostname", lambda: "pod-1")
    assert caller() == f"{os.getuid()}@pod-1"
