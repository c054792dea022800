"""What every adapter owes to the commands, on real and local stores alike."""

import dataclasses
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.stores.errors import Code, ConflictError, NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import Attributes, RemoteSecret, SecretWriter, StoreState
from compiler.stores.secret_value import UNWRITABLE, Comparer, SecretValue, traits
from tests.contract.conftest import StoreCase
from tests.refusals import is_refused

SENTINEL = "s3ntinel-4711"


def props(**values: str) -> dict[str, SecretValue]:
    return {name: SecretValue(value) for name, value in values.items()}


def shown(secret: RemoteSecret) -> dict[str, str]:
    return {name: value.reveal() for name, value in secret.properties.items()}


def test_a_written_secret_reads_back_at_the_version_that_the_write_returned(
    store: SecretWriter, case: StoreCase
) -> None:
    name = case.name()
    written = store.write(name, props(A="1", B="zwei\n"), None)
    found = store.read(name)
    assert (found.name, found.version, shown(found)) == (name, written.version, {"A": "1", "B": "zwei\n"})
    assert written.slipped == ()
    assert found.attributes.enabled
    assert found.attributes.created is not None


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300)


@settings(max_examples=25)
@given(values=st.dictionaries(st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True), TEXT, min_size=1, max_size=5))
def test_any_text_comes_back_byte_for_byte_or_is_refused_before_the_write(
    store: SecretWriter, case: StoreCase, values: dict[str, str]
) -> None:
    name, changes = case.name(), props(**values)
    unfit = [key for key, value in changes.items() if traits(value) & UNWRITABLE]
    assert sorted(filter(None, (problem.property for problem in store.check(name, changes, None)))) == sorted(unfit)
    if not unfit:
        store.write(name, changes, None)
        assert shown(store.read(name)) == values


def test_a_write_keeps_the_properties_that_it_does_not_name(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    store.write(name, props(KEPT="as it was", CHANGED="old"), None)
    store.write(name, props(CHANGED="new", ADDED="yes"), store.read(name))
    assert shown(store.read(name)) == {"KEPT": "as it was", "CHANGED": "new", "ADDED": "yes"}


def test_an_absent_secret_is_not_found_and_described_as_absent(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    with pytest.raises(NotFoundError) as caught:
        store.read(name)
    assert name in str(caught.value)
    assert store.address.absolute in str(caught.value)
    assert store.describe(name).state is StoreState.ABSENT


def test_a_present_secret_is_described_with_its_version(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    version = store.write(name, props(A="1"), None).version
    state = store.describe(name)
    assert (state.state, state.version) == (StoreState.PRESENT, version)


def test_a_writer_between_plan_and_apply_is_a_conflict_and_is_not_overwritten(
    store: SecretWriter, case: StoreCase
) -> None:
    name = case.name()
    store.write(name, props(A="1"), None)
    planned = store.read(name)
    slipped = store.write(name, props(A="theirs"), planned).version
    with pytest.raises(ConflictError) as caught:
        store.write(name, props(A="ours"), planned)
    assert caught.value.found == slipped
    assert f"version {planned.version} was read" in caught.value.reason
    assert shown(store.read(name)) == {"A": "theirs"}


def test_a_secret_that_appeared_since_the_plan_is_a_conflict(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    version = store.write(name, props(A="theirs"), None).version
    with pytest.raises(ConflictError) as caught:
        store.write(name, props(A="ours"), None)
    assert caught.value.found == version
    assert shown(store.read(name)) == {"A": "theirs"}


def test_a_soft_deleted_secret_is_refused_until_it_is_recovered(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    version = store.write(name, props(A="1"), None).version
    store.soft_delete(name, version)
    assert store.describe(name).state is StoreState.SOFT_DELETED
    with pytest.raises(SoftDeletedError):
        store.read(name)
    with pytest.raises(SoftDeletedError) as caught:
        store.write(name, props(A="2"), None)
    assert "recover" in caught.value.remedy

    assert store.recover(name).state is StoreState.PRESENT
    found = store.read(name)
    assert (found.version, shown(found)) == (version, {"A": "1"})
    store.write(name, props(A="2"), found)
    assert shown(store.read(name)) == {"A": "2"}


def test_a_deletion_of_a_version_that_is_no_longer_the_newest_is_refused(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    mine = store.write(name, props(A="1"), None).version
    store.write(name, props(A="theirs"), store.read(name))
    with pytest.raises(ConflictError):
        store.soft_delete(name, mine)
    assert shown(store.read(name)) == {"A": "theirs"}


def test_deleting_twice_changes_nothing(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    first = store.write(name, props(A="1"), None).version
    version = store.write(name, props(A="2"), store.read(name)).version
    store.soft_delete(name, version)
    store.soft_delete(name, version)
    assert store.describe(name).state is StoreState.SOFT_DELETED
    with pytest.raises(ConflictError):
        store.soft_delete(name, first)
    assert store.recover(name).version == version


def test_deleting_what_never_was_is_a_conflict(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    version = store.write(case.name(), props(A="1"), None).version
    with pytest.raises(ConflictError):
        store.soft_delete(name, version)


def test_recovering_twice_changes_nothing(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    version = store.write(name, props(A="1"), None).version
    store.soft_delete(name, version)
    store.recover(name)
    assert store.recover(name).version == version
    assert store.read(name).version == version


def test_recovering_what_never_was_is_not_found(store: SecretWriter, case: StoreCase) -> None:
    with pytest.raises(NotFoundError):
        store.recover(case.name())


def test_an_earlier_version_is_read_and_restored_as_a_new_one(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    first = store.write(name, props(A="before", GONE="x"), None).version
    store.write(name, props(A="after", NEW="y"), store.read(name))
    earlier = store.read_version(name, first)
    assert shown(earlier) == {"A": "before", "GONE": "x"}
    version = store.restore(earlier, store.read(name)).version
    found = store.read(name)
    assert shown(found) == {"A": "before", "GONE": "x"}
    assert found.version == version != first


def test_restoring_brings_the_tags_back_too(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    first = store.write(name, props(A="1"), None, Attributes(tags={"owner": "before"})).version
    earlier = store.read_version(name, first)
    store.write(name, props(A="2"), store.read(name), Attributes(tags={"owner": "after"}))
    store.restore(earlier, store.read(name))
    assert store.read(name).attributes.tags == {"owner": "before"}


def test_a_version_that_never_was_is_gone(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    version = store.write(name, props(A="1"), None).version
    with pytest.raises(VersionGoneError):
        store.read_version(name, "99" if version.isdigit() else "0" * len(version))


def test_tags_stay_with_a_write_that_says_nothing_of_them(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    store.write(name, props(A="1"), None, Attributes(tags={"owner": "platform", "managed-by": "us"}))
    store.write(name, props(A="2"), store.read(name))
    assert store.read(name).attributes.tags == {"owner": "platform", "managed-by": "us"}
    base = store.read(name)
    store.write(name, props(A="3"), base, dataclasses.replace(base.attributes, tags={"owner": "others"}))
    assert store.read(name).attributes.tags == {"owner": "others"}


def test_versions_have_dates_from_a_list_or_from_reading_each(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    first = store.write(name, props(A="1"), None).version
    second = store.write(name, props(A="2"), store.read(name)).version
    listed = store.list_versions(name)
    assert listed is None or listed.keys() == {first, second}
    dates = [store.read_version(name, version).attributes.created for version in (first, second)]
    assert dates == sorted(date for date in dates if date is not None)
    if listed is not None:
        assert [listed[version].created for version in (first, second)] == dates


def test_values_that_no_store_keeps_are_refused_before_anything_is_sent(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    for value in ("", " \n", "a\0b", "a\ud800b"):
        changes = {"A": SecretValue(value), "B": SecretValue("good")}
        found = [(problem.code, problem.property) for problem in store.check(name, changes, None)]
        assert found == [(Code.INVALID_VALUE, "A")], repr(value)
        with pytest.raises(StoreError, check=is_refused(Code.INVALID_VALUE)):
            store.write(name, changes, None)
    assert store.describe(name).state is StoreState.ABSENT


NAMES_ELSEWHERE = ("", "../../sys/x", "a//b", "a/../b", "a%2e%2eb", "a\0b", "a\nb", "/a", "a/", "ä?b", ".")


def test_names_that_leave_their_place_are_refused(store: SecretWriter) -> None:
    calls: tuple[Callable[[str], object], ...] = (
        lambda name: store.write(name, props(A="1"), None),
        store.read,
        store.describe,
        store.recover,
        store.version_states,
        lambda name: store.read_version(name, "1"),
        lambda name: store.soft_delete(name, "1"),
        lambda name: store.write(name, SecretValue("x"), None),
    )
    assert [
        name
        for name in NAMES_ELSEWHERE
        if Code.INVALID_NAME not in {problem.code for problem in store.check(name, props(A="1"), None)}
    ] == []
    assert [
        (name, number)
        for name in NAMES_ELSEWHERE
        for number, call in enumerate(calls)
        if code_of(call, name) != Code.INVALID_NAME
    ] == []


def code_of(call: Callable[[str], object], name: str) -> str | None:
    """The code of the error that a call with this name raises."""
    try:
        call(name)
    except StoreError as error:
        return error.code
    return None


def test_the_store_says_who_the_caller_is(store: SecretWriter) -> None:
    assert store.whoami().subject not in {"", "unknown"}


def test_many_workers_share_one_adapter(store: SecretWriter, case: StoreCase) -> None:
    names = [case.name() for _ in range(24)]
    comparer = Comparer()

    def move(name: str) -> bool:
        store.write(name, props(A=name, B=SENTINEL), None)
        found = store.read(name)
        return comparer.same(found.properties["A"], SecretValue(name)) and found.properties.keys() == {"A", "B"}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(move, names))


def test_one_of_two_writers_at_the_same_moment_wins_or_both_are_told(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    store.write(name, props(A="0"), None)
    base = store.read(name)

    def race(value: str) -> bool:
        try:
            return not store.write(name, props(A=value), base).slipped
        except ConflictError:
            return False

    with ThreadPoolExecutor(8) as pool:
        clean = list(pool.map(race, [str(number) for number in range(8)]))
    assert sum(clean) <= 1


def test_no_error_carries_a_value(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    store.write(name, props(A=SENTINEL), None)
    base = store.read(name)
    store.write(name, props(A=SENTINEL + "2"), base)
    failures = (
        lambda: store.write(name, props(A=SENTINEL), base),
        lambda: store.write(name, {"A": SecretValue(SENTINEL + "\0")}, base),
        lambda: store.write("../" + name, props(A=SENTINEL), base),
        lambda: store.read_version(name, "77" if base.version.isdigit() else "f" * 32),
    )
    for fail in failures:
        with pytest.raises(StoreError) as caught:
            fail()
        told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
        assert SENTINEL not in told.replace(f"SENTINEL = '{SENTINEL}'", "")
        assert SENTINEL not in repr(caught.value.__context__)


def test_closing_twice_is_fine(case: StoreCase) -> None:
    opened = case.open()
    opened.close()
    opened.close()


def test_a_first_and_a_second_version_cost_none(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    assert store.losses_of_write(name) is None
    store.write(name, {"A": SecretValue("1")}, None)
    assert store.losses_of_write(name) is None
    with pytest.raises(StoreError, check=is_refused(Code.INVALID_NAME)):
        store.losses_of_write("..")


def test_all_versions_are_deleted_and_exactly_they_come_back(store: SecretWriter, case: StoreCase) -> None:
    name = case.name()
    assert store.version_states(name) == {}
    written = [store.write(name, props(A="1"), None).version]
    written += [store.write(name, props(A=value), store.read(name)).version for value in "23"]
    versions = tuple(store.version_states(name))
    assert versions in {tuple(written), tuple(written[-1:])}
    assert set(store.version_states(name).values()) == {StoreState.PRESENT}
    assert store.check_deletion(store.read(name)) == ()
    for _ in range(2):
        store.delete_versions(name, versions)
        assert store.version_states(name) == dict.fromkeys(versions, StoreState.SOFT_DELETED)
        with pytest.raises(SoftDeletedError):
            store.read(name)
        for version in written:
            with pytest.raises((VersionGoneError, SoftDeletedError)):
                store.read_version(name, version)
    for _ in range(2):
        store.recover_versions(name, versions)
        assert store.version_states(name) == dict.fromkeys(versions, StoreState.PRESENT)
    assert [shown(store.read_version(name, version)) for version in written] == [{"A": value} for value in "123"]
    assert store.read(name).version == written[-1]


def test_a_version_written_after_the_plan_is_neither_deleted_nor_passed_over(
    store: SecretWriter, case: StoreCase
) -> None:
    name = case.name()
    store.write(name, props(A="1"), None)
    planned = tuple(store.version_states(name))
    later = store.write(name, props(A="2"), store.read(name)).version
    for act in (store.delete_versions, store.recover_versions):
        with pytest.raises(ConflictError) as caught:
            act(name, planned)
        assert caught.value.found == later
    assert shown(store.read(name)) == {"A": "2"}
