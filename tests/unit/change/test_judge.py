from __future__ import annotations

import pytest

from compiler.change.compare import judge_destination, judge_source
from compiler.change.plan import Kind, OnConflict, Options
from compiler.model.store import Place
from compiler.stores import errors
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.secret_value.secret import Comparer, JsonKind, SecretValue

WHERE = errors.StoreLocation("https://store", "name")
ADD = "the way to add it"
PROPERTY, WHOLE = Place("name", "KEY"), Place("name", None)


def refusal(kind: type[errors.StoreError]) -> errors.StoreError:
    return kind(WHERE, errors.Action.READ, "the reason", "the remedy")


def remote(value: SecretValue | None = None, whole: str | None = None, *, is_object: bool = True) -> RemoteSecret:
    properties = {"KEY": value} if value is not None else {}
    return RemoteSecret("name", "v7", properties, Attributes(), SecretValue(whole) if whole else None, is_object)


@pytest.mark.parametrize(
    "reading",
    [refusal(errors.NotFoundError), refusal(errors.SoftDeletedError), remote(), remote(is_object=False)],
)
def test_a_value_that_the_source_does_not_hold_is_missing_only_where_it_is_in_use(
    reading: RemoteSecret | errors.StoreError,
) -> None:
    verdict = judge_source(reading, PROPERTY, Options(), in_use=True, way_to_add=ADD)
    assert verdict is not None
    assert verdict.kind is Kind.MISSING
    assert verdict.reason
    assert judge_source(reading, PROPERTY, Options(), in_use=False, way_to_add=ADD) is None


def test_a_store_without_whole_values_holds_none() -> None:
    verdict = judge_source(remote(SecretValue("x")), WHOLE, Options(), in_use=True, way_to_add=ADD)
    assert verdict is not None
    assert (verdict.kind, verdict.reason) == (Kind.MISSING, "the source has only properties, no whole value")


@pytest.mark.parametrize("in_use", [True, False])
def test_a_source_that_cannot_be_read_is_refused_whether_the_key_is_used_or_not(in_use: bool) -> None:  # noqa: FBT001
    verdict = judge_source(refusal(errors.UnavailableError), PROPERTY, Options(), in_use=in_use, way_to_add=ADD)
    assert verdict is not None
    assert (verdict.kind, verdict.remedy) == (Kind.REFUSE, "the remedy")


def test_a_disabled_source_is_refused_with_the_way_to_enable_it_where_the_key_is_used() -> None:
    verdict = judge_source(refusal(errors.DisabledError), PROPERTY, Options(), in_use=True, way_to_add=ADD)
    assert verdict is not None
    assert (verdict.kind, verdict.remedy) == (Kind.REFUSE, "the remedy")
    assert judge_source(refusal(errors.DisabledError), PROPERTY, Options(), in_use=False, way_to_add=ADD) is None


def test_an_empty_value_is_refused_where_it_is_used_and_no_value_elsewhere() -> None:
    verdict = judge_source(remote(SecretValue(" ")), PROPERTY, Options(), in_use=True, way_to_add=ADD)
    assert verdict is not None
    assert verdict.kind is Kind.REFUSE
    assert judge_source(remote(SecretValue(" ")), PROPERTY, Options(), in_use=False, way_to_add=ADD) is None


def test_a_value_that_is_no_string_needs_stringify() -> None:
    number = remote(SecretValue("7", JsonKind.NUMBER))
    refused = judge_source(number, PROPERTY, Options(), in_use=True, way_to_add=ADD)
    assert refused is not None
    assert refused.kind is Kind.REFUSE
    assert "--stringify" in refused.remedy
    moved = judge_source(number, PROPERTY, Options(stringify=True), in_use=True, way_to_add=ADD)
    assert moved is not None
    assert moved.value is not None
    assert moved.value.is_string


@pytest.mark.parametrize(
    ("reading", "place", "kind"),
    [
        (refusal(errors.NotFoundError), PROPERTY, Kind.CREATE),
        (refusal(errors.SoftDeletedError), PROPERTY, Kind.REFUSE),
        (refusal(errors.DisabledError), PROPERTY, Kind.REFUSE),
        (remote(is_object=False), PROPERTY, Kind.REFUSE),
        (remote(), PROPERTY, Kind.UPDATE),
        (remote(SecretValue("new")), PROPERTY, Kind.KEEP),
        (remote(SecretValue("new", JsonKind.NUMBER)), PROPERTY, Kind.CONFLICT),
        (remote(SecretValue("old")), PROPERTY, Kind.CONFLICT),
        (remote(whole="new", is_object=False), WHOLE, Kind.KEEP),
        (remote(whole="old", is_object=False), WHOLE, Kind.CONFLICT),
    ],
)
def test_what_stands_in_the_destination_decides(
    reading: RemoteSecret | errors.StoreError, place: Place, kind: Kind
) -> None:
    assert judge_destination(reading, place, SecretValue("new"), Options(), Comparer()).kind is kind


def test_a_soft_deleted_name_may_be_recovered_and_another_value_replaced_where_that_was_asked() -> None:
    deleted = refusal(errors.SoftDeletedError)
    options = Options(recover=True, on_conflict=OnConflict.OVERWRITE)
    kinds = [
        judge_destination(reading, PROPERTY, SecretValue("new"), options, Comparer()).kind
        for reading in (deleted, remote(SecretValue("old")))
    ]
    assert kinds == [Kind.RECOVER, Kind.UPDATE]


def test_a_conflict_names_the_version_and_what_becomes_of_it() -> None:
    skipped = judge_destination(
        remote(SecretValue("old")), PROPERTY, SecretValue("new"), Options(on_conflict=OnConflict.SKIP), Comparer()
    )
    assert "v7" in skipped.reason
    assert skipped.remedy == "--on-conflict skip leaves it unchanged"


AS_STRING = "store it as a string in the source"
GONE = errors.VersionGoneError(WHERE, errors.Action.READ, "the reason", "the remedy", "v1")
NUMBER, NULL = SecretValue("7", JsonKind.NUMBER), SecretValue("null", JsonKind.NULL)


@pytest.mark.parametrize(
    ("reading", "place", "options", "told"),
    [
        (
            refusal(errors.UnavailableError),
            PROPERTY,
            Options(),
            (Kind.REFUSE, "the source cannot be read: the reason", "the remedy"),
        ),
        (refusal(errors.NotFoundError), PROPERTY, Options(), (Kind.MISSING, "the source has no such secret", ADD)),
        (
            refusal(errors.SoftDeletedError),
            PROPERTY,
            Options(),
            (Kind.MISSING, "in the source, the reason", "the remedy"),
        ),
        (GONE, PROPERTY, Options(), (Kind.MISSING, "in the source, the reason", ADD)),
        (
            remote(is_object=False),
            PROPERTY,
            Options(),
            (
                Kind.MISSING,
                "the source's value is not a JSON object, so it has no properties",
                "store a JSON object there",
            ),
        ),
        (remote(), PROPERTY, Options(), (Kind.MISSING, "the source has no such property", ADD)),
        (remote(), WHOLE, Options(), (Kind.MISSING, "the source has only properties, no whole value", ADD)),
        (
            remote(NUMBER),
            PROPERTY,
            Options(),
            (
                Kind.REFUSE,
                "the source's value is a JSON number, and only strings can be copied unchanged",
                f"{AS_STRING}, or use --stringify",
            ),
        ),
        (
            remote(NULL),
            PROPERTY,
            Options(stringify=True),
            (Kind.REFUSE, "the source's value is a JSON null, and only strings can be copied unchanged", AS_STRING),
        ),
        (remote(SecretValue(" ")), PROPERTY, Options(), (Kind.REFUSE, "the source's value is empty", ADD)),
    ],
)
def test_what_a_source_lacks_is_said_with_the_way_out(
    reading: RemoteSecret | errors.StoreError, place: Place, options: Options, told: tuple[Kind, str, str]
) -> None:
    verdict = judge_source(reading, place, options, in_use=True, way_to_add=ADD)
    assert verdict is not None
    assert (verdict.kind, verdict.reason, verdict.remedy, verdict.value) == (*told, None)


@pytest.mark.parametrize(
    ("reading", "place"),
    [(remote(SecretValue("x")), PROPERTY), (remote(SecretValue("y"), "x", is_object=False), WHOLE)],
)
@pytest.mark.parametrize("in_use", [True, False])
def test_a_source_that_holds_the_value_gives_it(reading: RemoteSecret, place: Place, *, in_use: bool) -> None:
    verdict = judge_source(reading, place, Options(), in_use=in_use, way_to_add=ADD)
    assert verdict is not None
    assert verdict.value is not None
    assert (verdict.kind, verdict.reason, verdict.remedy, verdict.value.reveal()) == (Kind.UPDATE, "", "", "x")


@pytest.mark.parametrize(
    ("reading", "options", "told"),
    [
        (refusal(errors.NotFoundError), Options(), (Kind.CREATE, "", "", True)),
        (GONE, Options(), (Kind.CREATE, "", "", True)),
        (
            refusal(errors.SoftDeletedError),
            Options(recover=True),
            (Kind.RECOVER, "it was deleted and is recovered first", "", True),
        ),
        (
            refusal(errors.SoftDeletedError),
            Options(),
            (Kind.REFUSE, "in the destination, the reason", "the remedy", False),
        ),
        (
            refusal(errors.SoftDeletedError),
            Options(("jira",), words=("migrate", "prod"), applies=True),
            (
                Kind.REFUSE,
                "in the destination, the reason",
                "to recover it first: platform-secrets migrate prod --only jira --recover --apply",
                False,
            ),
        ),
        (
            refusal(errors.DisabledError),
            Options(recover=True),
            (Kind.REFUSE, "the destination cannot be read: the reason", "the remedy", False),
        ),
        (
            remote(is_object=False),
            Options(),
            (
                Kind.REFUSE,
                "the destination's value is not a JSON object, so no property can be set in it",
                "store a JSON object there first",
                False,
            ),
        ),
        (remote(), Options(), (Kind.UPDATE, "the key is added", "", True)),
        (remote(SecretValue("new")), Options(), (Kind.KEEP, "", "", True)),
        (
            remote(SecretValue("old")),
            Options(on_conflict=OnConflict.OVERWRITE),
            (Kind.UPDATE, "a different value is replaced", "", True),
        ),
        (
            remote(SecretValue("old")),
            Options(),
            (
                Kind.CONFLICT,
                "the destination already holds a different value, version v7",
                "choose --on-conflict skip or overwrite",
                True,
            ),
        ),
    ],
)
def test_what_is_done_in_a_destination_is_said_with_the_value_that_it_needs(
    reading: RemoteSecret | errors.StoreError, options: Options, told: tuple[Kind, str, str, bool]
) -> None:
    value = SecretValue("new")
    verdict = judge_destination(reading, PROPERTY, value, options, Comparer())
    assert (verdict.kind, verdict.reason, verdict.remedy) == told[:3]
    assert verdict.value is (value if told[3] else None)


def test_a_whole_value_lies_beside_no_property_of_the_same_name() -> None:
    both = remote(SecretValue("p"), "w", is_object=False)
    kinds = [judge_destination(both, WHOLE, SecretValue(text), Options(), Comparer()).kind for text in ("w", "p")]
    assert kinds == [Kind.KEEP, Kind.CONFLICT]
