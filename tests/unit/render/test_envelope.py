from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from compiler.render.content import as_json, envelope, members


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Part:
    """A part of what is shown."""

    is_open: bool
    long_name: str


@dataclass(frozen=True)
class Whole:
    """What is shown."""

    colour: Colour
    at: datetime
    parts: tuple[Part, ...]
    note: str = ""


WHOLE = Whole(Colour.RED, datetime(2026, 1, 2, tzinfo=UTC), (Part(True, "a"),))


def test_what_all_have_is_around_the_content() -> None:
    whole = envelope("diff", "prod", 1, {"changes": (Part(False, "b"),)})
    assert list(whole.items()) == [
        ("format", 1),
        ("command", "diff"),
        ("environment", "prod"),
        ("changes", [{"open": False, "longName": "b"}]),
        ("exitCode", 1),
    ]
    assert envelope("rules", None, 0, {})["environment"] is None


def test_an_object_is_its_fields_as_json_names_them() -> None:
    shown = {
        "colour": "red",
        "at": "2026-01-02T00:00:00+00:00",
        "parts": [{"open": True, "longName": "a"}],
        "note": None,
    }
    assert as_json(WHOLE) == shown
    assert list(as_json(WHOLE)) == list(shown)
    assert type(as_json(Colour.RED)) is str
    assert as_json({Colour.RED: (1, None, "")}) == {"red": [1, None, ""]}


def test_members_are_in_the_order_asked_for_and_an_empty_text_is_null() -> None:
    assert list(members(WHOLE, "note", "colour").items()) == [("note", None), ("colour", Colour.RED)]
