from dataclasses import replace

import pytest

from compiler.change.compare import refuse_denied, uses_before_reading
from compiler.change.plan import Kind, Location, NoteKind, Plan, Step, Write
from compiler.stores.interface import Attributes, Problem, RemoteSecret, Use
from tests.unit.memory_store import MemoryStore, secrets

TAGGED = Attributes(tags={"team": "a"})


def there(name: str = "a", attributes: Attributes | None = None) -> RemoteSecret:
    return RemoteSecret(name, "1", secrets(A="x"), attributes or Attributes())


def write(name: str = "a", **more: object) -> Write:
    step = Step(f"secret-{name}", "A", Kind.UPDATE, None, Location("kv", name, "A"))
    made = Write("kv", name, (step,), secrets(A="y"))
    return replace(made, **more)  # type: ignore[arg-type] # fields of the class


def plan(store: MemoryStore, *writes: Write) -> Plan:
    steps = tuple(step for each in writes for step in each.steps)
    return Plan("put", "dev", {"kv": store}, steps=steps, writes=writes)


@pytest.mark.parametrize(
    ("planned", "uses"),
    [
        (write(), {Use.CREATE}),
        (write(attributes=TAGGED), {Use.CREATE, Use.TAG}),
        (write(base=there()), {Use.UPDATE}),
        (write(base=there(), attributes=TAGGED), {Use.UPDATE, Use.TAG}),
        (write(base=there(attributes=TAGGED), attributes=TAGGED), {Use.UPDATE}),
        (write(recover=True), {Use.RECOVER, Use.UPDATE}),
        (write(changes={}, base=there()), {Use.DELETE}),
        (write(changes={}, base=there(), earlier=there()), {Use.UPDATE}),
        (write(changes={}, base=there(), earlier=there(attributes=TAGGED)), {Use.UPDATE, Use.TAG}),
        (write(changes={}, base=there(), versions=("1", "2")), {Use.DELETE_VERSIONS}),
        (write(changes={}, recover=True, versions=("1", "2")), {Use.RECOVER_VERSIONS}),
    ],
)
def test_a_store_is_asked_for_what_the_write_does(planned: Write, uses: set[Use]) -> None:
    store = MemoryStore()
    assert refuse_denied(plan(store, planned)).writes == (planned,)
    assert store.access_asked == [{"a": frozenset(uses)}]


def test_a_name_whose_versions_are_destroyed_is_written_over_them() -> None:
    store = MemoryStore()
    refuse_denied(plan(store, write()), {("kv", "a")})
    assert store.access_asked == [{"a": frozenset({Use.UPDATE})}]


def test_a_denied_write_is_refused_and_the_others_stay() -> None:
    store = MemoryStore()
    store.denied = (Problem("forbidden", "a", "no policy grants it", "add one"),)
    one, other = write("a"), write("b")
    found = refuse_denied(plan(store, one, other))
    assert found.writes == (other,)
    assert found.steps == (
        replace(one.steps[0], kind=Kind.REFUSE, reason="no policy grants it", remedy="add one"),
        other.steps[0],
    )
    assert (found.is_blocked, found.notes) == (True, ())
    assert len(store.access_asked) == 1


def test_a_store_that_does_not_say_stops_nothing_and_is_noted() -> None:
    store = MemoryStore()
    store.denied = None
    shown = plan(store, write("a"), write("b"))
    found = refuse_denied(shown)
    assert (found.steps, found.writes, found.is_blocked) == (shown.steps, shown.writes, False)
    assert [(note.kind, note.secret, str(note.place)) for note in found.notes] == [
        (NoteKind.ACCESS_UNKNOWN, "secret-a", "kv:a"),
        (NoteKind.ACCESS_UNKNOWN, "secret-b", "kv:b"),
    ]


def test_a_plan_that_writes_nothing_asks_nothing() -> None:
    store = MemoryStore()
    refuse_denied(plan(store))
    assert store.access_asked == []


def test_before_reading_any_write_is_possible() -> None:
    assert uses_before_reading(recovers=False) == {Use.CREATE, Use.UPDATE}
    assert uses_before_reading(recovers=True) == {Use.CREATE, Use.UPDATE, Use.RECOVER}
