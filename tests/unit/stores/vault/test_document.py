from datetime import UTC, datetime
from typing import Any

import pytest

from compiler.stores.interface import Dropped, Limit, StoreState
from compiler.stores.secret_value import JsonKind, SecretValue
from compiler.stores.vault.replies import (
    dropped_by_next,
    made_of,
    mount_settings,
    remote_secret,
    secret_state,
    version_states,
)

CREATED = "2026-11-25T11:12:14.487050773Z"


def body(**metadata: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    properties = {"A": SecretValue("1"), "N": SecretValue("1.50", JsonKind.NUMBER)}
    return {"data": {"data": properties, "metadata": {"version": 4, "created_time": CREATED, **metadata}}}


def test_a_read_becomes_a_remote_secret() -> None:
    found = remote_secret("a/b", body(custom_metadata={"owner": "x"}, deletion_time="2027-01-01T00:00:00Z"))
    assert (found.name, found.version, found.whole, found.is_object) == ("a/b", "4", None, True)
    assert {name: (value.kind, value.reveal()) for name, value in found.properties.items()} == {
        "A": (JsonKind.STRING, "1"),
        "N": (JsonKind.NUMBER, "1.50"),
    }
    assert found.attributes.tags == {"owner": "x"}
    assert found.attributes.created == datetime(2026, 11, 25, 11, 12, 14, 487050, tzinfo=UTC)
    assert found.attributes.expires == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("bad", [{}, {"data": None}, {"data": {"data": None, "metadata": {}}}, {"data": {"data": {}}}])
def test_another_shape_is_an_error_of_the_caller_to_translate(bad: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, AttributeError, ValueError)):
        remote_secret("a", bad)


@pytest.mark.parametrize(
    ("current", "newest", "state"),
    [
        (0, None, StoreState.ABSENT),
        (2, {"deletion_time": "", "destroyed": False}, StoreState.PRESENT),
        (2, {"deletion_time": "2999-01-01T00:00:00Z", "destroyed": False}, StoreState.PRESENT),
        (2, {"deletion_time": "2020-01-01T00:00:00Z", "destroyed": False}, StoreState.SOFT_DELETED),
        (2, {"deletion_time": "", "destroyed": True}, StoreState.DESTROYED),
    ],
)
def test_metadata_becomes_a_state(current: int, newest: dict[str, Any] | None, state: StoreState) -> None:
    versions = {} if newest is None else {"2": newest}
    data = {"current_version": current, "versions": versions, "created_time": CREATED, "updated_time": CREATED}
    found = secret_state("a", {"data": {**data, "custom_metadata": None}})
    assert (found.state, found.version) == (state, None if newest is None else "2")


def history(current: int, oldest: int, own: int, **states: dict[str, Any]) -> dict[str, Any]:
    numbers = range(max(oldest, 1), current + 1)
    versions = {str(number): {"deletion_time": "", "destroyed": False} for number in numbers}
    versions |= {version.removeprefix("v"): state for version, state in states.items()}
    return {"data": {"current_version": current, "oldest_version": oldest, "max_versions": own, "versions": versions}}


@pytest.mark.parametrize(
    ("body", "mount", "expected"),
    [
        (history(9, 0, 0), 0, None),
        (history(10, 0, 0), 0, Dropped(("1",), 10)),
        (history(14, 5, 0), 0, Dropped(("5",), 10)),
        (history(1, 0, 1), 0, Dropped(("1",), 1)),
        # The larger one of the secret's own and the mount's.
        (history(3, 0, 2), 3, Dropped(("1",), 3)),
        (history(3, 0, 5), 3, None),
        (history(12, 3, 2), 12, None),
        # A number that was lowered takes all above it at once; in the order of numbers, not of their text.
        (history(11, 0, 2), 0, Dropped(tuple(str(number) for number in range(1, 11)), 2)),
        # What the mount does not tell, the secret's own past does, where it has one.
        (history(14, 12, 0), None, Dropped(("12",), 3)),
        (history(10, 0, 0), None, Dropped(("1",), 10)),
        (history(10, 1, 12), None, None),
        (history(0, 0, 0), 0, None),
    ],
)
def test_what_one_more_version_drops(body: dict[str, Any], mount: int | None, expected: Dropped | None) -> None:
    assert dropped_by_next(body, (mount, 0)) == expected


@pytest.mark.parametrize(
    ("own", "mount", "lives", "limits"),
    [
        ("0s", "0s", None, ()),
        ("", None, None, ()),
        ("10m0s", "0s", 600, (Limit.NAME,)),
        ("0s", "1h0m0s", 3600, (Limit.MOUNT,)),
        # The shorter one counts, and both have to go for a version to stay.
        ("3h0m0s", "1h0m0s", 3600, (Limit.NAME, Limit.MOUNT)),
        ("10m0s", "1h0m0s", 600, (Limit.NAME, Limit.MOUNT)),
        # A mount may forbid it to all its secrets.
        ("10m0s", "-1s", None, ()),
    ],
)
def test_what_is_written_deletes_itself_after_the_shorter_time(
    own: str, mount: str | None, lives: int | None, limits: tuple[Limit, ...]
) -> None:
    settings = mount_settings({"data": {"max_versions": 0, "delete_version_after": mount}})
    body = history(1, 0, 0)
    body["data"]["delete_version_after"] = own
    assert dropped_by_next(body, settings) == (Dropped((), 10, lives, limits) if lives else None)


def test_a_name_that_is_not_there_yet_has_the_time_of_the_mount() -> None:
    assert dropped_by_next(None, (0, 60)) == Dropped((), 10, 60, (Limit.MOUNT,))
    assert dropped_by_next(None, (None, 0)) is None


@pytest.mark.parametrize(
    ("state", "is_readable"),
    [
        ({"deletion_time": "2020-01-01T00:00:00Z", "destroyed": False}, False),
        ({"deletion_time": "2999-01-01T00:00:00Z", "destroyed": False}, True),
        ({"deletion_time": "", "destroyed": True}, False),
    ],
)
def test_a_version_that_cannot_be_read_any_more_is_no_loss(state: dict[str, Any], is_readable: bool) -> None:  # noqa: FBT001
    found = dropped_by_next(history(2, 0, 2, v1=state), (0, 0))
    assert found == (Dropped(("1",), 2) if is_readable else None)


def test_each_version_has_a_state_in_the_order_of_the_numbers() -> None:
    past, ahead = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
    told = {
        "10": {"created_time": past, "deletion_time": "", "destroyed": False},
        "9": {"deletion_time": ahead, "destroyed": False},
        "8": {"deletion_time": past, "destroyed": False},
        "7": {"deletion_time": past, "destroyed": True},
    }
    found = version_states({"data": {"versions": told}})
    assert found.made == {"10": datetime(2020, 1, 1, tzinfo=UTC)}
    assert list(found.items()) == [
        ("7", StoreState.DESTROYED),
        ("8", StoreState.SOFT_DELETED),
        ("9", StoreState.PRESENT),
        ("10", StoreState.PRESENT),
    ]


@pytest.mark.parametrize(
    ("body", "made"),
    [
        ({"data": {"created_time": "2026-01-01T00:00:00.123456789Z"}}, "2026-01-01T00:00:00.123456+00:00"),
        ({"data": {"version": 1}}, None),
        ({"data": {"version": 1, "created_time": 7}}, None),
        ({"data": {"version": 1, "created_time": "yesterday"}}, None),
        ({"data": {"version": 1, "created_time": "0001-01-01T00:00:00+23:59"}}, None),
        ({"data": []}, None),
    ],
)
def test_a_write_that_does_not_tell_its_time_is_stored_all_the_same(body: dict[str, Any], made: str | None) -> None:
    found = made_of(body)
    assert (found.isoformat() if found is not None else None) == made
