from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from compiler.change.checks import notes_of
from compiler.change.compare import Judged, plan_writes
from compiler.change.plan import Adopted, Kind, Location, Note, NoteKind, Step
from compiler.model.store import Provider, StoreAddress
from compiler.stores.errors import Action, NotFoundError, StoreLocation
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.secret_value.secret import SecretValue
from tests.unit.changes import plan_of
from tests.unit.memory_store import MemoryStore

if TYPE_CHECKING:
    from compiler.change.plan import Plan
    from compiler.live.read_many import Reading

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAST, FUTURE = datetime(2025, 1, 31, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
VAULT, AZURE = Provider.VAULT, Provider.AZURE_KEY_VAULT
SOURCE = Location("from", "source", None)
E, B, C, T = NoteKind.EXPIRES, NoteKind.NOT_BEFORE, NoteKind.CONTENT_TYPE, NoteKind.TAGS
ALL = Attributes(expires=FUTURE, not_before=PAST, content_type="text/plain", tags={"owner": "us"})


def judged(attributes: Attributes, key: str = "A", *, origin: str = "source", whole: bool = False) -> Judged:
    at, to = Location("from", origin, key), Location("azure", "remote", None if whole else key)
    step = Step("github", key, Kind.CREATE, at, to)
    return Judged(step, SecretValue("x"), RemoteSecret(origin, "1", {}, attributes))


@dataclass(frozen=True)
class Destination:
    """A store of a provider, in which every name is `there`, or absent."""

    provider: Provider
    there: RemoteSecret | None = None

    def writer(self, place: Location) -> MemoryStore:
        del place
        return MemoryStore(StoreAddress(self.provider, "https://to"))

    def standing(self, place: Location) -> Reading:
        return self.there or NotFoundError(
            StoreLocation("https://to", place.name), Action.READ, "it is not there", "create it"
        )


def planned(*members: Judged, there: RemoteSecret | None = None) -> Plan:
    steps, writes = plan_writes(members, Destination(Provider.AZURE_KEY_VAULT, there))
    return plan_of(*writes, steps=steps)


def notes(plan: Plan, *members: Judged, provider: Provider, there: RemoteSecret | None = None) -> list[Note]:
    return list(notes_of(plan, members, Destination(provider, there), NOW))


@pytest.mark.parametrize(
    ("provider", "attributes", "whole", "expected"),
    [
        (VAULT, Attributes(), False, []),
        (VAULT, ALL, False, [E, B, C]),
        (VAULT, replace(ALL, content_type="application/json"), False, [E, B]),
        (AZURE, ALL, True, []),
        (AZURE, ALL, False, [C]),
        (AZURE, replace(ALL, content_type="application/json"), False, []),
        (AZURE, Attributes(expires=PAST), False, [NoteKind.EXPIRED]),
        (AZURE, Attributes(expires=NOW), False, [NoteKind.EXPIRED]),
        (AZURE, Attributes(not_before=FUTURE), False, [NoteKind.NOT_YET_VALID]),
        (AZURE, Attributes(not_before=NOW), False, []),
        (VAULT, Attributes(expires=PAST), False, [E, NoteKind.EXPIRED]),
    ],
)
def test_what_a_new_secret_will_not_have_and_what_is_out_of_date(
    provider: Provider,
    attributes: Attributes,
    whole: bool,  # noqa: FBT001
    expected: list[NoteKind],
) -> None:
    member = judged(attributes, whole=whole)
    found = notes(planned(member), member, provider=provider)
    assert [note.kind for note in found] == expected
    assert {(note.secret, note.place) for note in found} <= {("github", SOURCE)}


def test_a_note_of_a_date_has_it() -> None:
    member = judged(Attributes(expires=PAST, not_before=FUTURE))
    assert [note.date for note in notes(planned(member), member, provider=VAULT)] == [PAST, FUTURE, PAST, FUTURE]


def test_what_several_keys_share_is_said_once_and_of_each_origin() -> None:
    members = [judged(ALL), judged(ALL, "B"), judged(Attributes(tags={"a": "b"}), "C", origin="other")]
    # A new secret that comes from several takes over nothing of any.
    found = notes(planned(*members), *members, provider=AZURE)
    assert [(note.kind, note.place.name) for note in found] == [
        (E, "source"),
        (B, "source"),
        (C, "source"),
        (T, "source"),
        (T, "other"),
    ]


def test_a_secret_that_is_there_keeps_its_own_and_lacks_only_what_no_vault_can_have() -> None:
    member = judged(ALL)
    there = RemoteSecret("remote", "v1", {}, Attributes())
    plan = planned(member, there=there)
    assert plan.writes[0].base is there
    assert notes(plan, member, provider=AZURE) == []
    assert [note.kind for note in notes(plan, member, provider=VAULT)] == [E, B, C]


@pytest.mark.parametrize(
    ("dates", "kinds"),
    [
        (Attributes(expires=FUTURE, not_before=PAST), []),
        (Attributes(expires=NOW, not_before=NOW), [NoteKind.KEEPS_EXPIRES]),
        (Attributes(expires=PAST, not_before=FUTURE), [NoteKind.KEEPS_EXPIRES, NoteKind.KEEPS_NOT_BEFORE]),
    ],
)
def test_a_secret_that_is_there_keeps_dates_that_verify_would_find(dates: Attributes, kinds: list[NoteKind]) -> None:
    members = [judged(Attributes()), judged(Attributes(), "B")]
    plan = planned(*members, there=RemoteSecret("remote", "v1", {}, dates))
    found = notes(plan, *members, provider=AZURE)
    assert [note.kind for note in found] == kinds
    assert {note.place for note in found} <= {Location("azure", "remote", None)}
    assert notes(plan, *members, provider=VAULT) == []


def test_what_a_given_value_leaves_out_of_date_is_told_with_the_command_that_changes_it() -> None:
    given = replace(judged(Attributes()), origin=None)
    there = RemoteSecret("remote", "v1", {}, Attributes(expires=PAST, not_before=FUTURE))
    command = "az keyvault secret set-attributes --id https://to/secrets/remote"
    place = Location("azure", "remote", None)
    assert notes(planned(given, there=there), given, provider=AZURE) == [
        Note(NoteKind.KEEPS_EXPIRES, "github", place, PAST, f"{command} --expires DATE"),
        Note(NoteKind.KEEPS_NOT_BEFORE, "github", place, FUTURE, f"{command} --not-before DATE"),
    ]
    kept = replace(given, step=replace(given.step, kind=Kind.KEEP))
    assert notes(planned(kept, there=there), kept, provider=AZURE) == []


def test_nothing_is_said_of_what_is_not_written() -> None:
    member = judged(ALL)
    kept = replace(member, step=replace(member.step, kind=Kind.KEEP))
    assert notes(planned(kept), kept, provider=VAULT) == []
    # Nor of a key that stays, beside one that is written.
    written = judged(Attributes(), "B", origin="other")
    assert notes(planned(kept, written), kept, written, provider=VAULT) == []


@pytest.mark.parametrize(
    ("tags", "action", "expected"),
    [
        ({}, "create", [T]),
        ({"owner": "them"}, "create", [T]),
        ({"owner": "us", "x": "y"}, "create", []),
        ({}, "update", []),
    ],
)
def test_a_write_that_was_cut_off_before_its_tags_is_told_when_the_run_goes_on(
    tags: dict[str, str], action: str, expected: list[NoteKind]
) -> None:
    member = judged(ALL)
    plan = plan_of(adopted=(Adopted("azure", "remote", "1", ("A",), action),))
    there = RemoteSecret("remote", "1", {}, Attributes(tags=tags))
    found = notes(plan, member, provider=VAULT, there=there)
    assert found == [Note(kind, "github", SOURCE) for kind in expected]
    assert notes(plan, member, provider=VAULT) == []


def test_dates_are_compared_with_the_time_of_the_plan() -> None:
    member = judged(Attributes(expires=PAST))
    plan = planned(member)
    assert [note.kind for note in notes_of(plan, [member], Destination(AZURE))] == [NoteKind.EXPIRED]
    member = judged(Attributes(not_before=datetime.now(UTC) + timedelta(hours=1)))
    assert [note.kind for note in notes_of(planned(member), [member], Destination(AZURE))] == [NoteKind.NOT_YET_VALID]


def test_what_has_no_place_or_comes_from_no_store_is_told_of_nothing_and_disturbs_nothing() -> None:
    member = judged(ALL)
    nowhere = replace(member, step=replace(member.step, key="N", destination=None))
    given = replace(member, step=replace(judged(ALL, "G").step, source=None))
    found = notes(planned(nowhere, given, member), nowhere, given, member, provider=VAULT)
    assert [(note.kind, note.place) for note in found] == [(kind, SOURCE) for kind in (E, B, C)]
    adopted = plan_of(adopted=(Adopted("azure", "remote", "1", ("A",), "create"),))
    there = RemoteSecret("remote", "1", {}, Attributes())
    assert notes(adopted, nowhere, given, provider=VAULT, there=there) == []


def test_of_each_write_its_own_store_is_asked() -> None:
    asked: list[Location] = []

    class Asked(Destination):
        def writer(self, place: Location) -> MemoryStore:
            asked.append(place)
            return super().writer(place)

    member = judged(ALL)
    notes_of(planned(member), [member], Asked(VAULT), NOW)
    assert asked == [Location("azure", "remote", None)]


def test_each_write_of_an_earlier_part_is_looked_at_but_for_those_that_were_whole() -> None:
    member = judged(ALL)
    noted = Adopted("azure", "remote", "1", ("A",), "create", is_recorded=True)
    unknown, cut_off = replace(noted, name="unknown", is_recorded=False), replace(noted, is_recorded=False)
    there = RemoteSecret("remote", "1", {}, Attributes())
    for adopted, expected in (((noted,), []), ((noted, unknown, cut_off), [T])):
        found = notes(plan_of(adopted=adopted), member, provider=VAULT, there=there)
        assert [note.kind for note in found] == expected


def test_a_key_without_a_place_hides_no_other_of_the_same_write() -> None:
    member = judged(Attributes())
    plan = planned(member, there=RemoteSecret("remote", "v1", {}, Attributes(expires=PAST)))
    (write,) = plan.writes
    nowhere = replace(member.step, key="N", destination=None)
    plan = replace(plan, writes=(replace(write, steps=(nowhere, *write.steps)),))
    assert [note.kind for note in notes(plan, member, provider=AZURE)] == [NoteKind.KEEPS_EXPIRES]
