"""A write brings the date of the oldest value with a limit along, where its store takes it, and says where not."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from compiler.change.attributes import carry_back_ages, copied_tags, since_in_sources
from compiler.change.journal import Run, RunEntry
from compiler.change.plan import Kind, Location, Note, NoteKind, OnConflict, Options, Plan, Step, Write
from compiler.live.ages import age_keys, since_text
from compiler.model.inventory import PlaceLimits
from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, ForbiddenError, StoreError
from compiler.stores.interface import VALUE_SINCE, Attributes, Problem, RemoteSecret, Use
from compiler.text.wording import shell_line
from tests import providers
from tests.unit.changes import planned, step_of
from tests.unit.memory_store import MemoryStore, secrets

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
    return [write.since for write in plan.writes]


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
    assert found.writes[0].attributes is None
    assert found.writes[0].stored_attributes == Attributes(tags={"value-since": since_text(OLD)})


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
    (write,) = found.writes
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
    assert [(write.kind, write.since) for write in found.writes] == [(Kind.RECOVER, "unknown")]
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
    assert [(write.kind, write.since) for write in found.writes] == [(Kind.CREATE, None)]
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


@pytest.mark.parametrize("is_tagged", [True, False])
def test_a_write_that_was_cut_off_before_its_date_is_noted_with_the_line_that_sets_it(is_tagged: bool) -> None:  # noqa: FBT001
    tags = {"value-since": f"{since_text(OLD)} from version 1"} if is_tagged else {}
    store = store_with(version(NOW, tags, A="1"), provider="vault")
    entry = RunEntry(Kind.CREATE, None, recover=False, maybe_stored=True)
    run = Run("id", Path("run"), "migrate", "prod", {"azure": "https://memory"}, {}, {("azure", "remote"): entry})
    since_of = since_in_sources({"from": store_with()})
    found = planned(store, step("A", version(OLD, A="1")), run=run, limits=LIMITS, since_of=since_of)
    assert (found.stored, found.writes) == ({("azure", "remote"): "1"}, ())
    line = f"-custom-metadata=value-since={since_text(OLD)} from version 1"
    remedy = shell_line("bao", "kv", "metadata", "patch", "-mount=secret", line, "remote")
    lost = Note(NoteKind.AGE, "secret", Location("azure", "remote", None), remedy=remedy)
    assert list(found.notes) == ([] if is_tagged else [lost])


def test_what_says_something_of_one_secret_alone_is_not_copied() -> None:
    tags = {"owner": "us", "value-since": "2026-01-01", "rotation": "run-1"}
    assert copied_tags(tags) == {"owner": "us"}
    origin = version(YOUNG, tags, FREE="1")
    found = planned(MemoryStore("https://memory"), step("FREE", origin))
    assert found.writes[0].attributes == Attributes(tags={"owner": "us"})
    assert found.notes == ()


def undo(earlier: RemoteSecret, current: RemoteSecret, store: MemoryStore) -> Plan:
    steps = (step_of("A", None),)
    write = Write("azure", "remote", steps, {}, base=current, earlier=earlier)
    return Plan("migrate", "prod", {"azure": store}, steps=steps, writes=(write,))


def test_what_an_undo_puts_back_is_as_old_as_it_was() -> None:
    earlier, current = version(OLD, {"owner": "them"}, A="1"), version(YOUNG, number=2, A="2")
    store = store_with(earlier, current)
    (write,) = carry_back_ages(undo(earlier, current, store), LIMITS, {}).writes
    assert write.stored_attributes == Attributes(created=OLD, tags={"owner": "them", "value-since": since_text(OLD)})
    unlimited = carry_back_ages(undo(earlier, current, store), {}, {})
    assert unlimited.writes[0].stored_attributes == earlier.attributes


def test_what_an_undo_puts_back_among_many_versions_is_as_old_as_it_was() -> None:
    days = (66, 65, 64, 63, 62, 60, 58, 57, 55)
    changed = 8
    versions = [
        version(NOW - timedelta(days=day), number=number, A="new" if number >= changed else "old", B=str(number))
        for number, day in enumerate(days, 1)
    ]
    store = store_with(*versions, version(NOW, number=10, A="other"), provider="vault")
    plan = undo(versions[-1], store.versions["remote"][-1], store)
    assert since(carry_back_ages(plan, LIMITS, {})) == [since_text(NOW - timedelta(days=57))]


def test_an_undo_in_a_vault_knows_the_date_that_its_run_replaced() -> None:
    # The tags of a Vault are those of all versions: the run's date is from its own version.
    tags = {"value-since": f"{since_text(YOUNG)} from version 2"}
    earlier, current = version(YOUNG, tags, A="1"), version(YOUNG, tags, number=2, A="2")
    store = store_with(earlier, current, provider="vault")
    had = {("azure", "remote"): f"{since_text(OLD)} from version 1"}
    assert since(carry_back_ages(undo(earlier, current, store), LIMITS, had)) == [since_text(OLD)]
    assert since(carry_back_ages(undo(earlier, current, store), LIMITS, {})) == [since_text(YOUNG)]
    # An earlier version that lacks every key with a limit has no date.
    other = version(YOUNG, FREE="1")
    assert since(carry_back_ages(undo(other, current, store), LIMITS, {})) == [None]


def test_a_date_that_stands_there_already_counts_for_what_comes_back() -> None:
    tags = {VALUE_SINCE: since_text(YOUNG)}
    source = store_with(version(YOUNG, A="1"))
    later = version(NOW - timedelta(days=5), tags, 2, A="2")
    destination = store_with(version(NOW - timedelta(days=19), tags, A="1"), later)
    options = Options(on_conflict=OnConflict.OVERWRITE)
    plan = plan_with(destination, step("A", source.versions["remote"][0]), source=source, options=options)
    (write,) = plan.writes
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
        write = Write("azure", "remote", (), {}, base=destination.versions["remote"][-1], since="unknown")
        assert write.stored_attributes is not None
        written = version(NOW - timedelta(days=5 - number), write.stored_attributes.tags, number, A=f"{number}")
        destination.versions["remote"].append(written)
        age = age_keys(destination, written, {"A": (90, lambda remote: remote.properties["A"])}, NOW)["A"]
        ages.append(f"{age.state}: {age.why}")
    assert ages == ["not-known: its age was not known when it was copied"] * 3
