from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from compiler.change.compare import Judged, plan_writes
from compiler.change.plan import Kind, Location, Step
from compiler.model.store import Place, Provider, StoreAddress
from compiler.stores.errors import StoreError
from compiler.stores.interface import Attributes, Problem, RemoteSecret
from compiler.stores.secret_value.secret import SecretValue
from tests.unit.memory_store import MemoryStore

if TYPE_CHECKING:
    from compiler.live.read_many import Reading as Standing

EXPIRES = datetime(2030, 1, 1, tzinfo=UTC)


def judged(
    key: str,
    value: str | None = "value",
    *,
    kind: Kind = Kind.CREATE,
    place: Place | None = None,
    origin: RemoteSecret | None = None,
) -> Judged:
    where = place or Place("remote", key)
    location = Location("azure", where.remote_key, where.property)
    step = Step("secret", key, kind, Location("vault", "source", key), location)
    return Judged(step, SecretValue(value) if value is not None else None, origin)


@dataclass(frozen=True)
class Reading:
    """One store, which each location is read from when it is asked for."""

    store: MemoryStore

    def writer(self, place: Location) -> MemoryStore:
        del place
        return self.store

    def standing(self, place: Location) -> Standing:
        try:
            return self.store.read(place.name)
        except StoreError as error:
            return error


def plan(store: MemoryStore, *members: Judged) -> tuple[list[Kind], list[tuple[str, list[str]]]]:
    steps, writes = plan_writes(members, Reading(store))
    return [step.kind for step in steps], [(write.name, sorted(write.changes)) for write in writes]


def test_the_keys_of_a_remote_secret_are_one_write_and_what_is_kept_is_not_in_it() -> None:
    kinds, writes = plan(
        MemoryStore(), judged("A"), judged("B"), judged("C", kind=Kind.KEEP), judged("D", place=Place("other", "D"))
    )
    assert kinds == [Kind.CREATE, Kind.CREATE, Kind.KEEP, Kind.CREATE]
    assert writes == [("remote", ["A", "B"]), ("other", ["D"])]


def test_a_problem_of_one_key_refuses_it_and_leaves_the_others() -> None:
    store = MemoryStore()
    store.problems = (Problem("invalid-value", "remote", "it is empty", "fill it", "A"),)
    assert plan(store, judged("A"), judged("B")) == ([Kind.REFUSE, Kind.CREATE], [("remote", ["B"])])


def test_a_problem_of_the_whole_or_of_a_property_that_nobody_writes_refuses_all() -> None:
    for prop in (None, "ELSE"):
        store = MemoryStore()
        problem = Problem("too-large", "remote", "it is too large", "split it", prop)
        store.check = lambda *_rest, found=problem: (found,)  # type: ignore[method-assign]
        assert plan(store, judged("A"), judged("B")) == ([Kind.REFUSE, Kind.REFUSE], [])


def test_two_values_for_one_place_are_refused_also_where_one_of_them_stands_there() -> None:
    same = Place("remote", "X")
    kinds, writes = plan(
        MemoryStore(), judged("A", "1", place=same, kind=Kind.KEEP), judged("B", "2", place=same), judged("C")
    )
    assert kinds == [Kind.REFUSE, Kind.REFUSE, Kind.CREATE]
    assert writes == [("remote", ["C"])]


def test_a_whole_value_and_a_property_of_one_remote_secret_are_refused() -> None:
    kinds, writes = plan(MemoryStore(), judged("A", place=Place("remote", None)), judged("B"))
    assert (kinds, writes) == ([Kind.REFUSE, Kind.REFUSE], [])


def test_a_whole_value_is_a_write_of_its_own() -> None:
    store = MemoryStore()
    steps, writes = plan_writes([judged("A", place=Place("pem", None)), judged("B")], Reading(store))
    assert writes[0].whole is not None
    assert writes[0].changes == {}
    assert [write.steps for write in writes] == [steps[:1], steps[1:]]


def test_a_new_secret_takes_over_what_lies_beside_the_one_it_comes_from() -> None:
    store = MemoryStore()
    attributes = Attributes(tags={"owner": "us"}, expires=EXPIRES, content_type="text/plain", enabled=True)
    origin = RemoteSecret("source", "1", {}, attributes)
    _, (write,) = plan_writes([judged("A", origin=origin)], Reading(store))
    assert write.attributes == Attributes(tags={"owner": "us"}, expires=EXPIRES)
    whole = judged("A", origin=origin, place=Place("pem", None))
    _, (write,) = plan_writes([whole], Reading(store))
    assert write.attributes is not None
    assert write.attributes.content_type == "text/plain"


def test_nothing_is_taken_over_from_several_or_onto_a_secret_that_is_there() -> None:
    store = MemoryStore()
    one, two = (RemoteSecret(name, "1", {}, Attributes(tags={"from": name})) for name in ("a", "b"))
    members = [judged("A", origin=one), judged("B", origin=two)]
    _, (write,) = plan_writes(members, Reading(store))
    assert write.attributes is None
    store.seed("remote", OLD="x")
    _, (write,) = plan_writes([judged("A", origin=one)], Reading(store))
    assert (write.attributes, write.before, write.recover) == (None, "v1", False)
    store.deleted.add("remote")
    _, (write,) = plan_writes([judged("A", origin=one)], Reading(store))
    assert (write.attributes, write.before, write.recover, write.deleted) == (None, None, True, "v1")


def test_a_key_without_place_or_value_stays_a_step() -> None:
    nowhere = Judged(Step("secret", "A", Kind.REFUSE, None, None))
    assert plan(MemoryStore(), nowhere, judged("B", None, kind=Kind.MISSING)) == ([Kind.REFUSE, Kind.MISSING], [])


def test_a_key_without_place_or_value_does_not_disturb_the_others() -> None:
    same = Place("remote", "X")
    nowhere = Judged(Step("secret", "D", Kind.REFUSE, None, None), SecretValue("value"))
    members = (judged("A", "1", place=same), judged("B", "2", place=same), judged("C", None, kind=Kind.MISSING))
    kinds, writes = plan(MemoryStore(), *members, nowhere, judged("E", None, place=same, kind=Kind.MISSING))
    assert kinds == [Kind.REFUSE, Kind.REFUSE, Kind.MISSING, Kind.REFUSE, Kind.MISSING]
    assert writes == []


def test_the_same_value_twice_for_one_place_is_written_once() -> None:
    same = Place("remote", "X")
    kinds, writes = plan(MemoryStore(), judged("A", "1", place=same), judged("B", "1", place=same))
    assert (kinds, writes) == ([Kind.CREATE, Kind.CREATE], [("remote", ["X"])])


def test_two_values_for_one_place_are_told_with_the_way_out() -> None:
    store, same = MemoryStore(), Place("remote", "X")
    members = [judged("A", "1", place=same), judged("B", "2", place=same)]
    steps, _ = plan_writes(members, Reading(store))
    assert {(step.reason, step.remedy) for step in steps} == {
        ("another key has the same place and a different value", "give each key its own place")
    }


def test_both_ends_of_a_secrets_validity_are_taken_over() -> None:
    store = MemoryStore()
    attributes = Attributes(not_before=datetime(2020, 1, 1, tzinfo=UTC))
    origin = RemoteSecret("source", "1", {}, attributes)
    _, (write,) = plan_writes([judged("A", origin=origin)], Reading(store))
    assert write.attributes == attributes


@pytest.mark.parametrize("prop", ["A", None])
def test_the_destination_is_asked_about_the_very_write_that_is_planned(prop: str | None) -> None:
    class Asked(MemoryStore):
        """Keeps what it was asked about."""

        asked: tuple[object, ...] = ()

        def check(self, *given: Any, **named: Any) -> tuple[Problem, ...]:  # noqa: ANN401
            self.asked = (*given, *named.values())
            return super().check(*given, **named)

        def check_whole(self, name: str, value: SecretValue, *rest: Any, **named: Any) -> tuple[Problem, ...]:  # noqa: ANN401
            found = super().check_whole(name, value, *rest, **named)
            self.asked = (name, value, *rest, *named.values())
            return found

    for exists in (True, False):
        store = Asked()
        if exists:
            store.seed("remote", OLD="x")
        origin = RemoteSecret("source", "1", {}, Attributes(tags={"owner": "us"}))
        member = judged("A", place=Place("remote", prop), origin=origin)
        _, (write,) = plan_writes([member], Reading(store))
        assert store.asked == (
            "remote",
            write.changes if prop is not None else write.whole,
            write.base,
            write.attributes,
        )
        assert (write.base is not None, write.attributes is not None) == (exists, not exists)


def test_a_whole_value_that_the_destination_would_refuse_is_no_write() -> None:
    store = MemoryStore()
    store.problems = (Problem("too-large", "pem", "it is too large", "split it"),)
    assert plan(store, judged("A", place=Place("pem", None))) == ([Kind.REFUSE], [])


@pytest.mark.parametrize(
    "attributes",
    [
        Attributes(expires=EXPIRES),
        Attributes(not_before=EXPIRES),
        Attributes(tags={"owner": "us"}),
    ],
)
def test_each_attribute_alone_is_taken_over(attributes: Attributes) -> None:
    store = MemoryStore()
    origin = RemoteSecret("source", "1", {}, attributes)
    _, (write,) = plan_writes([judged("A", origin=origin)], Reading(store))
    assert write.attributes == attributes


def test_a_key_is_told_its_own_problem_before_that_of_the_whole() -> None:
    store = MemoryStore()
    store.problems = (
        Problem("too-large", "remote", "it is too large", "split it"),
        Problem("invalid-value", "remote", "it is empty", "fill it", "A"),
    )
    steps, _ = plan_writes([judged("A"), judged("B")], Reading(store))
    assert [(step.kind, step.reason, step.remedy) for step in steps] == [
        (Kind.REFUSE, "it is empty", "fill it"),
        (Kind.REFUSE, "it is too large", "split it"),
    ]


def test_a_key_that_stays_has_no_part_in_a_problem_of_the_write() -> None:
    store = MemoryStore()
    store.seed("remote", A="value")
    store.problems = (Problem("too-large", "remote", "it is too large", "split it"),)
    assert plan(store, judged("A", kind=Kind.KEEP), judged("B")) == ([Kind.KEEP, Kind.REFUSE], [])


def test_one_name_in_two_stores_is_two_writes() -> None:
    @dataclass(frozen=True)
    class Both:
        """Two stores, by their ids in locations."""

        stores: dict[str, MemoryStore]

        def writer(self, place: Location) -> MemoryStore:
            return self.stores[place.store]

        def standing(self, place: Location) -> Standing:
            return Reading(self.stores[place.store]).standing(place)

    stores = {"azure": MemoryStore("https://one"), "vault": MemoryStore("https://two")}
    stores["vault"].seed("remote", OLD="x")
    first = judged("A", "1")
    other = Location("vault", "remote", "A")
    second = replace(first, step=replace(first.step, destination=other), value=SecretValue("2"))
    steps, writes = plan_writes([first, second], Both(stores))
    assert [step.kind for step in steps] == [Kind.CREATE, Kind.CREATE]
    assert [(write.target, write.before) for write in writes] == [
        (("azure", "remote"), None),
        (("vault", "remote"), "v1"),
    ]


@pytest.mark.parametrize("provider", list(Provider))
def test_capitals_tell_no_two_names_of_a_key_vault_apart(provider: Provider) -> None:
    store = MemoryStore(StoreAddress(provider, "https://memory"))
    members = [judged(key, place=Place(name, key)) for key, name in (("A", "remote"), ("B", "Remote"))]
    _, writes = plan(store, *members)
    folded = [("remote", ["A", "B"])]
    assert writes == (folded if provider is Provider.AZURE_KEY_VAULT else [("remote", ["A"]), ("Remote", ["B"])])
