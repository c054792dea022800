from __future__ import annotations

import pytest

from compiler.model.place import Place
from compiler.operations.change.judge import judge_destination, judge_source
from compiler.operations.change.plan import Kind, OnConflict, Options
from compiler.stores import errors
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.values.secret import Comparer, JsonKind, SecretValue

WHERE = errors.StoreLocation("https://store", "name")
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
    verdict = judge_source(reading, PROPERTY, Options(), in_use=True)
    assert verdict is not None
    assert verdict.kind is Kind.MISSING
    assert verdict.reason
    assert judge_source(reading, PROPERTY, Options(), in_use=False) is None


def test_a_store_without_whole_values_holds_none() -> None:
    verdict = judge_source(remote(SecretValue("x")), WHOLE, Options(), in_use=True)
    assert verdict is not None
    assert (verdict.kind, verdict.reason) == (Kind.MISSING, "the source has only properties, no whole value")


@pytest.mark.parametrize("in_use", [True, False])
def test_a_source_that_cannot_be_read_is_refused_whether_the_key_is_used_or_not(in_use: bool) -> None:  # noqa: FBT001
    verdict = judge_source(refusal(errors.UnavailableError), PROPERTY, Options(), in_use=in_use)
    assert verdict is not None
    assert (verdict.kind, verdict.remedy) == (Kind.REFUSE, "the remedy")


def test_a_disabled_source_is_refused_with_the_way_to_enable_it_where_the_key_is_used() -> None:
    verdict = judge_source(refusal(errors.DisabledError), PROPERTY, Options(), in_use=True)
    assert verdict is not None
    assert (verdict.kind, verdict.remedy) == (Kind.REFUSE, "the remedy")
    assert judge_source(refusal(errors.DisabledError), PROPERTY, Options(), in_use=False) is None


def test_an_empty_value_is_refused_where_it_is_used_and_no_value_elsewhere() -> None:
    verdict = judge_source(remote(SecretValue(" ")), PROPERTY, Options(), in_use=True)
    assert verdict is not None
    assert verdict.kind is Kind.REFUSE
    assert judge_source(remote(SecretValue(" ")), PROPERTY, Options(), in_use=False) is None


def test_a_value_that_is_no_string_needs_stringify() -> None:
    number = remote(SecretValue("7", JsonKind.NUMBER))
    refused = judge_source(number, PROPERTY, Options(), in_use=True)
    assert refused is not None
    assert refused.kind is Kind.REFUSE
    assert "--stringify" in refused.remedy
    moved = judge_source(number, PROPERTY, Options(stringify=True), in_use=True)
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
