from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from compiler.change.compare import (
    judge_destination,
    judge_source,
    plan_entered_values,
    refuse_denied,
)
from compiler.change.journal import Run, RunEntry
from compiler.change.operations import Delete, DeleteVersions, Operation, Put, RecoverVersions, Restore
from compiler.change.plan import Kind, Location, Note, NoteKind, OnConflict, Options, Plan, Step
from compiler.model.environment import Environment
from compiler.model.inventory import Inventory
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores import errors
from compiler.stores.errors import (
    Action,
    Code,
    StoreError,
    StoreLocation,
    VersionGoneError,
)
from compiler.stores.interface import Attributes, Dropped, Limit, Problem, RemoteSecret, Use
from compiler.stores.secret_value import Comparer, JsonKind, SecretValue
from tests import providers
from tests.memory_store import MemoryStore, secrets
from tests.refusals import is_refused
from tests.unit.changes import keys_of, planned, puts, step_of
from tests.unit.conftest import Stores

# What a plan says of keys that are to be written, from a read of the stores; nothing is written here.

OVERWRITE, FAIL = Options(on_conflict=OnConflict.OVERWRITE), Options()
REFUSED = Step("jira", "GONE", Kind.REFUSE, None, None, "no place", "write one")
NOW = datetime.now(UTC)
PAST, FUTURE = NOW - timedelta(days=300), NOW + timedelta(days=3000)
ALL = Attributes(expires=FUTURE, not_before=PAST, content_type="text/plain", tags={"owner": "us"})
E, B, C, T = NoteKind.EXPIRES, NoteKind.NOT_BEFORE, NoteKind.CONTENT_TYPE, NoteKind.TAGS
KEEPS_EXPIRES, KEEPS_NOT_BEFORE = NoteKind.KEEPS_EXPIRES, NoteKind.KEEPS_NOT_BEFORE


def memory(provider: Provider = providers.KEY_VAULT, /, **seeded: str) -> MemoryStore:
    """A store in which `remote` holds what is `seeded`, if anything."""
    store = MemoryStore(StoreAddress(provider, "https://memory"))
    if seeded:
        store.seed("remote", **seeded)
    return store


def origin(name: str = "source", **attributes: Any) -> RemoteSecret:  # noqa: ANN401 - any attribute
    return RemoteSecret(name, "1", {}, Attributes(**attributes))


def kinds(plan: Plan) -> list[Kind]:
    return [step.kind for step in plan.steps]


def written(plan: Plan) -> list[tuple[str, list[str]]]:
    return [(write.name, sorted(keys_of(write))) for write in plan.writes]


def with_attributes(store: MemoryStore, attributes: Attributes, name: str = "remote") -> MemoryStore:
    store.versions[name][-1] = replace(store.versions[name][-1], attributes=attributes)
    return store


# What is compared and grouped


def test_each_key_is_compared_with_what_its_store_holds() -> None:
    store = memory(SAME="s", OTHER="old", KEPT="k")
    steps = (step_of("SAME", "s"), step_of("OTHER", "new"), step_of("ADDED"), step_of("NEW", place="azure:new"))
    plan = planned(store, *steps, REFUSED)
    assert kinds(plan) == [Kind.KEEP, Kind.CONFLICT, Kind.UPDATE, Kind.CREATE, Kind.REFUSE]
    assert [(write.name, keys_of(write), write.before) for write in plan.writes] == [
        ("remote", ["ADDED"], "v1"),
        ("new", ["NEW"], None),
    ]
    assert [step.place for step in plan.steps[:1]] == [Location("azure", "remote", "SAME")]
    # A run is too long to keep what was read for its plan.
    for step in (*plan.steps, *(step for write in plan.writes for step in write.steps)):
        assert (step.value, step.origin) == (None, None)


def test_a_value_of_another_kind_is_another_value_even_if_its_text_is_the_same() -> None:
    store = memory()
    store.hold("remote", {"A": SecretValue("1", JsonKind.NUMBER)})
    assert kinds(planned(store, step_of("A", "1"), options=OVERWRITE)) == [Kind.UPDATE]


def test_a_whole_value_is_compared_with_the_whole_text_and_is_a_write_of_its_own() -> None:
    store = memory()
    store.hold("pem", {}, "text")
    for value, kind in (("text", Kind.KEEP), ("other", Kind.UPDATE)):
        plan = planned(store, step_of("A", value, "azure:pem", whole=True), step_of("B"), options=OVERWRITE)
        assert kinds(plan) == [kind, Kind.CREATE]
        assert written(plan) == [("pem", [])] * (kind is not Kind.KEEP) + [("remote", ["B"])]
        assert [write.steps for write in plan.writes][-1] == plan.steps[1:]


@pytest.mark.parametrize("provider", [providers.VAULT, providers.KEY_VAULT])
def test_capitals_tell_no_two_names_of_a_key_vault_apart(provider: Provider) -> None:
    plan = planned(memory(provider), step_of("A"), step_of("B", place="azure:Remote"))
    folded = [("remote", ["A", "B"])]
    assert written(plan) == (folded if provider is not providers.VAULT else [("remote", ["A"]), ("Remote", ["B"])])


def same_place(*values: str) -> list[Step]:
    steps = (step_of(key, value) for key, value in zip("ABCD", values, strict=False))
    return [replace(step, destination=Location("azure", "remote", "X")) for step in steps]


@pytest.mark.parametrize("store", [memory(), memory(X="1")])
def test_two_values_for_one_place_are_refused_also_where_one_of_them_stands_there(store: MemoryStore) -> None:
    plan = planned(store, *same_place("1", "2"), step_of("C"), options=OVERWRITE)
    assert kinds(plan)[:2] == [Kind.REFUSE, Kind.REFUSE]
    assert written(plan) == [("remote", ["C"])]
    assert {(step.reason, step.remedy) for step in plan.steps[:2]} == {
        ("another key has the same place and a different value", "give each key its own place")
    }


def test_the_same_value_twice_for_one_place_is_written_once() -> None:
    plan = planned(memory(), *same_place("1", "1"))
    assert (kinds(plan), written(plan)) == ([Kind.CREATE, Kind.CREATE], [("remote", ["X"])])


def test_a_whole_value_and_a_property_of_one_remote_secret_are_refused() -> None:
    plan = planned(memory(), step_of("A", whole=True), step_of("B"))
    assert (kinds(plan), plan.writes) == ([Kind.REFUSE, Kind.REFUSE], ())


def test_a_key_without_a_value_is_left_as_it_is_and_disturbs_no_other() -> None:
    missing = replace(same_place("1")[0], value=None, kind=Kind.MISSING)
    plan = planned(memory(), *same_place("1", "2"), missing, REFUSED)
    assert kinds(plan) == [Kind.REFUSE, Kind.REFUSE, Kind.MISSING, Kind.REFUSE]
    assert (plan.steps[2:], plan.writes) == ((missing, REFUSED), ())


# What the destination would refuse


@pytest.mark.parametrize("prop", [None, "ELSE"])
def test_a_problem_of_the_whole_or_of_a_property_that_nobody_writes_refuses_all_that_is_written(
    prop: str | None,
) -> None:
    store = memory(K="value")
    store.check = lambda *_rest: (Problem("too-large", "remote", "why", "split it", prop),)  # type: ignore[method-assign]
    plan = planned(store, step_of("A"), step_of("B"), step_of("K"))
    assert (kinds(plan), plan.writes) == ([Kind.REFUSE, Kind.REFUSE, Kind.KEEP], ())


def test_a_key_is_told_its_own_problem_before_that_of_the_whole() -> None:
    store = memory()
    store.problems = (
        Problem("too-large", "remote", "it is too large", "split it"),
        Problem("invalid-value", "remote", "it is empty", "fill it", "A"),
    )
    assert [(step.kind, step.reason, step.remedy) for step in planned(store, step_of("A"), step_of("B")).steps] == [
        (Kind.REFUSE, "it is empty", "fill it"),
        (Kind.REFUSE, "it is too large", "split it"),
    ]


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_the_destination_is_asked_about_the_very_write_that_is_planned(*, exists: bool, whole: bool) -> None:
    class Asked(MemoryStore):
        """Keeps what it was asked about."""

        asked: tuple[object, ...] = ()

        def check(self, *given: Any, **named: Any) -> tuple[Problem, ...]:  # noqa: ANN401
            self.asked = (*given, *named.values())
            return super().check(*given, **named)

    store = Asked()
    if exists:
        store.hold("remote", {"OLD": SecretValue("x")}, "old" if whole else None)
    step = step_of("A", whole=whole, origin=origin(tags={"owner": "us"}))
    (write,) = puts(planned(store, step, options=OVERWRITE))
    assert store.asked == ("remote", write.content, write.base, write.attributes)
    assert isinstance(write.content, SecretValue) is whole
    assert (write.base is not None, write.attributes is not None) == (exists, not exists)


def test_a_write_that_its_store_would_deny_is_refused() -> None:
    store = memory()
    store.denied = (Problem("forbidden", "remote", "no policy grants it", "add one"),)
    steps = (step_of("A"), step_of("B", place="azure:new"))
    plan = planned(store, *steps)
    assert [(step.kind, step.reason) for step in plan.steps] == [
        (Kind.REFUSE, "no policy grants it"),
        (Kind.CREATE, ""),
    ]
    assert [write.name for write in plan.writes] == ["new"]


def test_a_name_whose_versions_are_destroyed_is_asked_for_as_an_update() -> None:
    store = memory()
    place = StoreLocation("memory", "remote")
    store.failures["read", "remote"] = VersionGoneError(place, Action.READ, "it is destroyed", "write", version="3")
    assert len(planned(store, step_of("A")).writes) == 1
    assert store.access_asked == [{"remote": {Use.UPDATE}}]


# What lies beside a value


@pytest.mark.parametrize(
    ("found", "whole", "kept"),
    [
        ({"tags": {"owner": "us"}, "expires": FUTURE, "content_type": "text/plain"}, False, True),
        ({"tags": {"owner": "us"}, "expires": FUTURE, "content_type": "text/plain"}, True, True),
        ({"content_type": "text/plain"}, True, True),
        ({"content_type": "text/plain"}, False, False),
        ({"expires": FUTURE}, False, True),
        ({"not_before": PAST}, False, True),
        ({"tags": {"owner": "us"}}, False, True),
        ({}, False, False),
    ],
)
def test_a_new_secret_takes_over_what_lies_beside_the_one_it_comes_from(
    found: dict[str, Any], *, whole: bool, kept: bool
) -> None:
    (write,) = puts(planned(memory(), step_of("A", whole=whole, origin=origin(**found))))
    taken = Attributes(**{**found, **({} if whole else {"content_type": None})})
    assert write.attributes == (taken if kept else None)


def test_nothing_is_taken_over_from_several_or_onto_a_secret_that_is_there() -> None:
    one, two = (origin(name, tags={"from": name}) for name in ("a", "b"))
    (write,) = puts(planned(memory(), step_of("A", origin=one), step_of("B", origin=two)))
    assert write.attributes is None
    store = memory(OLD="x")
    (write,) = puts(planned(store, step_of("A", origin=one)))
    assert (write.attributes, write.before, write.recover) == (None, "v1", False)
    store.deleted.add("remote")
    (write,) = puts(planned(store, step_of("A", origin=one), options=Options(recover=True)))
    assert (write.attributes, write.before, write.recover, write.deleted) == (None, None, True, "v1")


VAULT, AZURE = providers.VAULT, providers.KEY_VAULT


def note_kinds(plan: Plan) -> list[NoteKind]:
    return [note.kind for note in plan.notes]


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
def test_what_a_new_secret_will_not_have_and_what_is_out_of_date_is_noted(
    provider: Provider, attributes: Attributes, expected: list[NoteKind], *, whole: bool
) -> None:
    source = RemoteSecret("source", "1", {}, attributes)
    plan = planned(memory(provider), step_of("A", whole=whole, origin=source))
    dates = {E: attributes.expires, NoteKind.EXPIRED: attributes.expires, C: None, T: None}
    assert list(plan.notes) == [
        Note(kind, "secret", Location("from", "source", None), dates.get(kind, attributes.not_before))
        for kind in expected
    ]


def test_what_several_keys_share_is_noted_once_and_of_each_origin() -> None:
    source = RemoteSecret("source", "1", {}, ALL)
    others = step_of("C", origin=origin("other", tags={"a": "b"}))
    # A new secret that comes from several takes over nothing of any.
    plan = planned(memory(), step_of("A", origin=source), step_of("B", origin=source), others)
    assert [(note.kind, note.place.name) for note in plan.notes] == [
        *((kind, "source") for kind in (E, B, C, T)),
        (T, "other"),
    ]


def test_a_key_whose_remote_name_is_spelled_otherwise_is_noted_too() -> None:
    steps = (
        step_of("A", origin=origin("one")),
        step_of("B", "b", "azure:REMOTE", origin=origin("two", tags={"a": "b"})),
    )
    plan = planned(memory(AZURE), *steps)
    assert [len(write.steps) for write in plan.writes] == [2]
    assert [(note.kind, note.place.name) for note in plan.notes] == [(T, "two")]


def test_a_secret_that_is_there_keeps_its_own_and_lacks_only_what_no_vault_can_have() -> None:
    step = step_of("A", origin=RemoteSecret("source", "1", {}, ALL))
    for provider, expected in ((AZURE, []), (VAULT, [E, B, C])):
        store = memory(provider, OLD="x")
        assert note_kinds(planned(store, step)) == expected
        # So does one that is recovered.
        store.deleted.add("remote")
        assert note_kinds(planned(store, step, options=Options(recover=True))) == expected


@pytest.mark.parametrize("provider", [providers.VAULT, providers.KEY_VAULT])
@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (Attributes(expires=FUTURE, not_before=PAST), []),
        (Attributes(expires=PAST, not_before=PAST), [KEEPS_EXPIRES]),
        (Attributes(expires=PAST, not_before=FUTURE), [KEEPS_EXPIRES, KEEPS_NOT_BEFORE]),
    ],
)
def test_a_secret_that_is_there_keeps_dates_that_verify_would_find(
    provider: Provider, dates: Attributes, expected: list[NoteKind]
) -> None:
    """Told once, also of a given value, with the command that changes it; a Vault takes no date over."""
    store = with_attributes(memory(provider, OLD="x"), dates)
    command = "az keyvault secret set-attributes --id https://memory/secrets/remote"
    told = {
        KEEPS_EXPIRES: (dates.expires, f"{command} --expires DATE"),
        KEEPS_NOT_BEFORE: (dates.not_before, f"{command} --not-before DATE"),
    }
    notes = [Note(kind, "secret", Location("azure", "remote", None), *told[kind]) for kind in expected]
    for steps in ((step_of("A"), step_of("B")), (step_of("A", origin=origin()),)):
        assert list(planned(store, *steps).notes) == (notes if provider is AZURE else [])
    assert planned(store, step_of("OLD", "x")).notes == ()


def unfinished(kind: Kind, name: str = "remote", **entry: Any) -> Run:  # noqa: ANN401 - any field of an entry
    entries = {("azure", name): RunEntry(kind, None, recover=False, **entry)}
    return Run("r", Path("r"), "migrate", "prod", {"azure": "https://memory"}, {}, entries, is_planned=True)


# Conflicts, recoveries, losses


def test_a_conflict_has_both_times_and_the_whole_command_for_each_case() -> None:
    late, early = datetime(2026, 11, 28, 7, 12, tzinfo=UTC), datetime(2026, 11, 28, 7, 11, tzinfo=UTC)
    stores = {"vault": with_attributes(memory(A="theirs"), Attributes(created=late))}
    source = RemoteSecret("agents-jira", "a", {}, Attributes(created=early))
    step = replace(step_of("A", "ours", "vault:remote", origin=source), source=Location("azure", "agents-jira", "A"))
    draft: dict[str, Any] = {
        "options": Options(words=("migrate", "prod", "--to", "vault"), applies=True),
        "sources": {"azure": "https://azure"},
    }
    (found,) = planned(stores, step, **draft).steps
    assert found.reason == (
        "the destination already holds a different value, version v1; "
        '"vault" was written later, 2026-11-28 07:12:00 UTC, "azure" 2026-11-28 07:11:00 UTC'
    )
    back = "platform-secrets migrate prod --to azure --from vault --only secret --on-conflict overwrite"
    assert found.remedies == (
        "to replace it: platform-secrets migrate prod --to vault --only secret --on-conflict overwrite --apply",
        f'to copy it to "azure" instead: {back}',
        "to leave it as it is: platform-secrets migrate prod --to vault --on-conflict skip --apply",
        "to see which runs wrote: platform-secrets runs prod",
    )
    # A value of a person or a file has no time, and comes from no store.
    (found,) = planned(stores, step_of("A", "ours", "vault:remote"), **draft).steps
    assert found.reason.endswith("version v1; written 2026-11-28 07:12:00 UTC")
    assert [way.partition(":")[0] for way in found.remedies] == [
        "to replace it",
        "to leave it as it is",
        "to see which runs wrote",
    ]


def test_versions_that_the_writes_drop_are_asked_for_where_there_are_any() -> None:
    store = memory(VAULT, A="old")
    store.seed("gone", A="old")
    store.deleted.add("gone")
    # A new one has no earlier versions, and its own may be deleted after a time.
    store.drops = {
        "remote": Dropped(("v1",), 1),
        "gone": Dropped(("v1",), 1),
        "new": Dropped((), 10, 60, (Limit.MOUNT,)),
    }
    options = Options(on_conflict=OnConflict.OVERWRITE, recover=True)
    steps = [step_of("A", "new", f"azure:{name}") for name in ("remote", "new", "gone")]
    # A recovered secret is rewritten too: the version that was deleted is the one that is replaced.
    losses = planned(store, *steps, options=options).losses
    assert [(loss.kind, loss.place.store, loss.place.name) for loss in losses] == [
        (NoteKind.DROPS_WAY_BACK, "azure", "remote"),
        (NoteKind.DELETES_ITSELF, "azure", "new"),
        (NoteKind.DROPS_WAY_BACK, "azure", "gone"),
    ]
    assert planned(store, step_of("A", "old"), options=options).losses == ()


# Values that a person or a file gives


def given(stores: Stores, environment: Environment, *steps: Step, options: Options = FAIL) -> Plan:
    used = {step.place.store: environment.stores[step.place.store] for step in steps if step.value is not None}
    options = replace(options, stores=stores.live)
    limits = {name: Inventory(environment).limits(store) for name, store in used.items()}
    return plan_entered_values(Plan("restore", "prod", options=options, steps=steps), used, limits, None)


def test_each_remote_secret_is_read_once_and_each_store_says_who_calls(
    environment: Environment, stores: Stores
) -> None:
    steps = [step_of("A"), step_of("B"), step_of("A", place="vault:jira"), REFUSED]
    plan = given(stores, environment, *steps)
    assert [write.target for write in plan.writes] == [("azure", "remote"), ("vault", "jira")]
    assert (plan.command, plan.who) == ("restore", {"vault": "tester", "azure": "tester"})
    assert plan.destinations["vault"] != plan.destinations["azure"]
    assert stores.azure.reads == ["remote"]
    assert stores.azure.expected == {"remote": {Use.CREATE, Use.UPDATE}}
    given(stores, environment, *steps, options=Options(recover=True))
    assert stores.azure.expected == {"remote": {Use.CREATE, Use.UPDATE, Use.RECOVER}}


def test_a_store_that_was_asked_nothing_is_not_asked_who_calls(environment: Environment, stores: Stores) -> None:
    stores.vault.failures["read", "a/../b"] = stores.failure(Code.INVALID_NAME, "a/../b")
    plan = given(stores, environment, step_of("A", place="vault:a/../b"))
    assert (plan.who, kinds(plan)) == ({}, [Kind.REFUSE])


def test_a_store_that_does_not_answer_ends_the_plan(environment: Environment, stores: Stores) -> None:
    stores.vault.failures["read", "jira"] = stores.failure(Code.UNAVAILABLE, "jira")
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        given(stores, environment, step_of("A", place="vault:jira"))


def test_no_value_is_in_what_a_plan_shows_of_itself() -> None:
    plan = planned(memory(), step_of("A", "s3ntinel"))
    assert "s3ntinel" not in repr(plan)
    assert "s3ntinel" not in repr(step_of("A", "s3ntinel"))


Reading = RemoteSecret | errors.StoreError
WHERE = errors.StoreLocation("https://store", "name")
ADD = "the way to add it"
PROPERTY, WHOLE = Location("store", "name", "KEY"), Location("store", "name", None)
NEW = SecretValue("new")
GONE = errors.VersionGoneError(WHERE, errors.Action.READ, "the reason", "the remedy", version="v1")
NUMBER, NULL = SecretValue("7", JsonKind.NUMBER), SecretValue("null", JsonKind.NULL)
FILLED = "the value there now is blank, and will be filled"
AS_STRING = "store it as a string in the source"


def refusal(kind: type[errors.StoreError], code: errors.Code | None = None) -> errors.StoreError:
    return kind(WHERE, errors.Action.READ, "the reason", "the remedy", code)


def remote(value: SecretValue | None = None, whole: str | None = None, *, is_object: bool = True) -> RemoteSecret:
    properties = {"KEY": value} if value is not None else {}
    return RemoteSecret("name", "v7", properties, Attributes(), SecretValue(whole) if whole else None, is_object)


def asked(reading: Reading, place: Location = PROPERTY, options: Options = FAIL) -> tuple[Reading, Location, Options]:
    return reading, place, options


def source(reading: Reading, place: Location, options: Options | None = None, *, in_use: bool = True) -> Step | None:
    step = Step("jira", "KEY", Kind.UPDATE, place, None)
    return judge_source(step, reading, options or Options(), ADD if in_use else "")


def destination(reading: Reading, place: Location, options: Options | None = None) -> Step:
    step = Step("jira", "KEY", Kind.UPDATE, None, place, value=NEW)
    return judge_destination(step, NEW, reading, options or Options(), Comparer())


@pytest.mark.parametrize(
    "reading",
    [
        refusal(errors.NotFoundError),
        refusal(errors.SoftDeletedError),
        refusal(errors.DisabledError),
        remote(),
        remote(is_object=False),
        remote(SecretValue(" ")),
    ],
)
def test_nothing_is_said_of_what_an_unused_key_lacks(reading: Reading) -> None:
    assert source(reading, PROPERTY, in_use=False) is None


def test_an_unused_key_whose_source_does_not_answer_is_refused() -> None:
    step = source(refusal(errors.StoreError, errors.Code.UNAVAILABLE), PROPERTY, in_use=False)
    assert (step and (step.kind, step.remedy)) == (Kind.REFUSE, "the remedy")


@pytest.mark.parametrize(
    ("given", "kind", "reason", "remedy"),
    [
        (
            asked(refusal(errors.StoreError, errors.Code.UNAVAILABLE)),
            Kind.REFUSE,
            "the source cannot be read: the reason",
            "the remedy",
        ),
        (asked(refusal(errors.DisabledError)), Kind.REFUSE, "the source cannot be read: the reason", "the remedy"),
        (asked(refusal(errors.NotFoundError)), Kind.MISSING, "the source has no such secret", ADD),
        (asked(refusal(errors.SoftDeletedError)), Kind.MISSING, "in the source, the reason", "the remedy"),
        (asked(GONE), Kind.MISSING, "in the source, the reason", ADD),
        (
            asked(remote(is_object=False)),
            Kind.MISSING,
            "the source's value is not a JSON object, so it has no properties",
            "store a JSON object there",
        ),
        (asked(remote()), Kind.MISSING, "the source has no such property", ADD),
        (asked(remote(SecretValue("x")), WHOLE), Kind.MISSING, "the source has only properties, no whole value", ADD),
        (
            asked(remote(NUMBER)),
            Kind.REFUSE,
            "the source's value is a JSON number, and only strings can be copied unchanged",
            f"{AS_STRING}, or use --stringify",
        ),
        (
            asked(remote(NULL), options=Options(stringify=True)),
            Kind.REFUSE,
            "the source's value is a JSON null, and only strings can be copied unchanged",
            AS_STRING,
        ),
        (asked(remote(SecretValue(" "))), Kind.REFUSE, "the source's value is empty", ADD),
    ],
)
def test_what_a_source_lacks_is_said_with_the_way_out(
    given: tuple[Reading, Location, Options], kind: Kind, reason: str, remedy: str
) -> None:
    step = source(*given)
    assert step is not None
    assert (step.kind, step.reason, step.remedy, step.value) == (kind, reason, remedy, None)


@pytest.mark.parametrize(
    ("reading", "place"),
    [(remote(SecretValue("x")), PROPERTY), (remote(SecretValue("y"), "x", is_object=False), WHOLE)],
)
@pytest.mark.parametrize("in_use", [True, False])
def test_a_source_that_holds_the_value_gives_it(reading: RemoteSecret, place: Location, *, in_use: bool) -> None:
    step = source(reading, place, in_use=in_use)
    assert step is not None
    assert step.value is not None
    assert (step.kind, step.reason, step.remedy, step.value.reveal()) == (Kind.UPDATE, "", "", "x")
    assert step.origin is reading


def test_a_value_that_is_no_string_moves_as_its_text_where_that_was_asked() -> None:
    step = source(remote(NUMBER), PROPERTY, Options(stringify=True))
    assert step is not None
    assert step.value is not None
    assert (step.value.is_string, step.value.reveal()) == (True, "7")


@pytest.mark.parametrize(
    ("given", "kind", "reason", "remedy"),
    [
        (asked(refusal(errors.NotFoundError)), Kind.CREATE, "", ""),
        (asked(GONE), Kind.CREATE, "", ""),
        (
            asked(refusal(errors.SoftDeletedError), options=Options(recover=True)),
            Kind.RECOVER,
            "it is deleted now, and will be recovered first",
            "",
        ),
        (asked(refusal(errors.SoftDeletedError)), Kind.REFUSE, "in the destination, the reason", "the remedy"),
        (
            asked(
                refusal(errors.SoftDeletedError), options=Options(("jira",), words=("migrate", "prod"), applies=True)
            ),
            Kind.REFUSE,
            "in the destination, the reason",
            "to recover it first: platform-secrets migrate prod --only jira --recover --apply",
        ),
        (
            asked(refusal(errors.DisabledError), options=Options(recover=True)),
            Kind.REFUSE,
            "the destination cannot be read: the reason",
            "the remedy",
        ),
        (
            asked(remote(is_object=False)),
            Kind.REFUSE,
            "the destination's value is not a JSON object, so no property can be set in it",
            "store a JSON object there first",
        ),
        (asked(remote()), Kind.UPDATE, "the key is added", ""),
        (asked(remote(NEW)), Kind.KEEP, "", ""),
        (asked(remote(SecretValue("p"), "new", is_object=False), WHOLE), Kind.KEEP, "", ""),
        *(
            (asked(reading, place, Options(on_conflict=on_conflict)), Kind.UPDATE, FILLED, "")
            for on_conflict in OnConflict
            for reading, place in (
                (remote(SecretValue("")), PROPERTY),
                (remote(SecretValue(" \n")), PROPERTY),
                (remote(whole=" ", is_object=False), WHOLE),
                (remote(whole=" ", is_object=False), PROPERTY),
            )
        ),
        (
            asked(remote(SecretValue("old")), options=Options(on_conflict=OnConflict.OVERWRITE)),
            Kind.UPDATE,
            "the value there now will be replaced",
            "",
        ),
        *(
            (
                asked(reading, place),
                Kind.CONFLICT,
                "the destination already holds a different value, version v7",
                "choose --on-conflict skip or overwrite",
            )
            for reading, place in (
                (remote(SecretValue("old")), PROPERTY),
                (remote(SecretValue("new", JsonKind.NUMBER)), PROPERTY),
                (remote(NEW, "old", is_object=False), WHOLE),
            )
        ),
        (
            asked(remote(SecretValue("old")), options=Options(on_conflict=OnConflict.SKIP)),
            Kind.CONFLICT,
            "the destination already holds a different value, version v7",
            "--on-conflict skip leaves it unchanged",
        ),
    ],
)
def test_what_stands_in_the_destination_decides_and_is_said_with_the_way_out(
    given: tuple[Reading, Location, Options], kind: Kind, reason: str, remedy: str
) -> None:
    step = destination(*given)
    assert (step.kind, step.reason, step.remedy) == (kind, reason, remedy)
    assert step.value is (None if step.kind is Kind.REFUSE else NEW)


TAGGED = Attributes(tags={"team": "a"})


def there(name: str = "a", attributes: Attributes | None = None) -> RemoteSecret:
    return RemoteSecret(name, "1", secrets(A="x"), attributes or Attributes())


def write(name: str = "a", **more: Any) -> Put:  # noqa: ANN401 - fields of the class
    step = Step(f"secret-{name}", "A", Kind.UPDATE, None, Location("kv", name, "A"))
    return replace(Put("kv", name, (step,), secrets(A="y")), **more)


def restoring(attributes: Attributes | None = None) -> Restore:
    return Restore("kv", "a", attributes=attributes or Attributes(), base=there(), earlier=there())


def plan(store: MemoryStore, *writes: Operation) -> Plan:
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
        # Its versions are destroyed: a new one is written over them.
        (write(has_history=True), {Use.UPDATE}),
        (Delete("kv", "a", base=there()), {Use.DELETE}),
        (restoring(), {Use.UPDATE}),
        (restoring(TAGGED), {Use.UPDATE, Use.TAG}),
        (DeleteVersions("kv", "a", base=there(), versions=("1", "2")), {Use.DELETE_VERSIONS}),
        (RecoverVersions("kv", "a", versions=("1", "2")), {Use.RECOVER_VERSIONS}),
    ],
)
def test_a_store_is_asked_for_what_the_write_does(planned: Operation, uses: set[Use]) -> None:
    store = MemoryStore()
    assert refuse_denied(plan(store, planned)).writes == (planned,)
    assert store.access_asked == [{"a": frozenset(uses)}]


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
