from datetime import UTC, datetime
from typing import Any

import pytest

from compiler.stores.interface import State
from compiler.stores.values.secret import JsonKind, Secret
from compiler.stores.vault.document import remote_secret, revealed, secret_state

CREATED = "2026-11-25T11:12:14.487050773Z"


def body(**metadata: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"data": {"data": {"A": "1", "N": 1.5}, "metadata": {"version": 4, "created_time": CREATED, **metadata}}}


def test_a_read_becomes_a_remote_secret() -> None:
    found = remote_secret("a/b", body(custom_metadata={"owner": "x"}, deletion_time="2027-01-01T00:00:00Z"))
    assert (found.name, found.version, found.whole, found.is_object) == ("a/b", "4", None, True)
    assert {name: (value.kind, value.reveal()) for name, value in found.properties.items()} == {
        "A": (JsonKind.STRING, "1"),
        "N": (JsonKind.NUMBER, "1.5"),
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
        (0, None, State.ABSENT),
        (2, {"deletion_time": "", "destroyed": False}, State.PRESENT),
        (2, {"deletion_time": "2999-01-01T00:00:00Z", "destroyed": False}, State.PRESENT),
        (2, {"deletion_time": "2020-01-01T00:00:00Z", "destroyed": False}, State.SOFT_DELETED),
        (2, {"deletion_time": "", "destroyed": True}, State.DESTROYED),
    ],
)
def test_metadata_becomes_a_state(current: int, newest: dict[str, Any] | None, state: State) -> None:
    versions = {} if newest is None else {"2": newest}
    data = {"current_version": current, "versions": versions, "created_time": CREATED, "updated_time": CREATED}
    found = secret_state("a", {"data": {**data, "custom_metadata": None}})
    assert (found.state, found.version) == (state, None if newest is None else "2")


def test_properties_go_back_to_json() -> None:
    properties = {"A": Secret("1"), "N": Secret("1", JsonKind.NUMBER), "Z": Secret("null", JsonKind.NULL)}
    assert revealed(properties) == {"A": "1", "N": 1, "Z": None}
