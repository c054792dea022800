"""Held against the standard library's own, attribute by attribute: what is made faster must be the same."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from compiler.model import record

if TYPE_CHECKING:
    from collections.abc import Callable

# Type checkers are told that it is the standard one.
MAKERS: dict[str, Callable[..., Any]] = {"ours": record.dataclass, "standard": dataclasses.dataclass}


@record.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 2


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return MAKERS[request.param]


def point(make: Callable[..., Any], **options: bool) -> Any:  # noqa: ANN401 - a class made in the test
    class Pair:
        """Two numbers."""

        x: int
        y: int = 2
        more: list[int] = dataclasses.field(default_factory=list)
        hidden: str = dataclasses.field(default="s3ntinel", repr=False)

    return make(**options)(Pair)


def test_the_one_made_faster_is_another_than_the_standard() -> None:
    assert MAKERS["ours"] is not MAKERS["standard"]


@pytest.mark.parametrize("slots", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_values_defaults_and_factories_are_taken(make: Callable[..., Any], slots: bool, frozen: bool) -> None:  # noqa: FBT001 - parameters
    cls = point(make, slots=slots, frozen=frozen)
    one, other = cls(1), cls(x=1, y=3, more=[4], hidden="h")
    assert (one.x, one.y, one.more, one.hidden) == (1, 2, [], "s3ntinel")
    assert (other.x, other.y, other.more, other.hidden) == (1, 3, [4], "h")
    assert cls(1).more is not one.more
    assert hasattr(one, "__dict__") is not slots
    assert cls.__doc__ == "Two numbers."
    assert cls.__match_args__ == ("x", "y", "more", "hidden")


@pytest.mark.parametrize(("given", "problem"), [((), "'x'"), ((1, 2, [], "", 5), "positional"), (None, "unexpected")])
def test_wrong_arguments_are_refused_by_name(
    make: Callable[..., Any], given: tuple[object, ...] | None, problem: str
) -> None:
    cls = point(make, slots=True)
    with pytest.raises(TypeError, match=problem) as caught:
        cls(1, z=2) if given is None else cls(*given)
    assert "Pair.__init__()" in str(caught.value)


def test_it_shows_what_may_be_shown(make: Callable[..., Any]) -> None:
    shown = repr(point(make, frozen=True)(1, 2, [3], "h"))
    assert shown == f"{point.__name__}.<locals>.Pair(x=1, y=2, more=[3])"


def test_equal_are_those_of_one_class_with_equal_values(make: Callable[..., Any]) -> None:
    cls, other = point(make, frozen=True), point(make, frozen=True)
    assert cls(1) == cls(1)
    assert cls(1) != cls(2)
    assert cls(1) != other(1)
    assert cls(1) != 1


def test_only_what_cannot_change_has_a_hash(make: Callable[..., Any]) -> None:
    cls = make(frozen=True, slots=True)(type("Point", (), {"__annotations__": {"x": int}}))
    assert len({cls(1), cls(1), cls(2)}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(point(make)(1))


def test_without_eq_each_is_itself_alone(make: Callable[..., Any]) -> None:
    cls = point(make, frozen=True, slots=True, eq=False)
    one = cls(1)
    assert one == one  # noqa: PLR0124 - identity is what is asked
    assert one != cls(1)
    assert {one: 1}[one] == 1


def test_the_frozen_refuse_every_change(make: Callable[..., Any]) -> None:
    one = point(make, frozen=True, slots=True)(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        one.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del one.x
    changing = point(make, slots=True)(1)
    changing.x = 2
    assert changing.x == 2


def test_the_standard_functions_take_it(make: Callable[..., Any]) -> None:
    one: Any = point(make, frozen=True, slots=True)(1, more=[5])
    assert bool(dataclasses.is_dataclass(one)) is True
    assert [each.name for each in dataclasses.fields(one)] == ["x", "y", "more", "hidden"]
    assert dataclasses.asdict(one) == {"x": 1, "y": 2, "more": [5], "hidden": "s3ntinel"}
    assert dataclasses.replace(one, y=9).y == 9
    assert copy.deepcopy(one) == one


def test_it_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(Point(1))) == Point(1)  # noqa: S301 - our own bytes


def test_the_frozen_without_slots_remember_what_was_computed(make: Callable[..., Any]) -> None:
    class Text:
        text: str

        @cached_property
        def length(self) -> int:
            return len(self.text)

    cached = Text.__dict__["length"]
    cls = make(frozen=True, eq=False)(Text)
    assert (cls("abc").length, cls.__dict__["length"]) == (3, cached)


def test_a_class_of_no_fields_is_equal_to_its_like(make: Callable[..., Any]) -> None:
    cls = make(frozen=True)(type("Empty", (), {"__annotations__": {}}))
    assert (cls() == cls(), hash(cls()) == hash(cls())) == (True, True)
