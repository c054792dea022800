"""The recorded demo: the cast is what the demo prints now, and the drawing is that of the cast."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scripts.build_cast import BAR, CAST, DRAWING, ROWS, cast_of, drawing_of, record_demo

ROOT = Path(__file__).resolve().parents[2]
DRAWINGS = sorted((ROOT / "docs").rglob("*.svg"))
LARGEST = 300_000


@pytest.fixture(scope="module")
def cast() -> str:
    return CAST.read_text("utf-8")


def test_the_cast_is_what_the_demo_prints(cast: str) -> None:
    assert cast_of(record_demo()) == cast, "run `make docs`"


def test_the_drawing_is_that_of_the_cast(cast: str) -> None:
    assert drawing_of(cast) == DRAWING.read_text("utf-8"), "run `make docs`"


@pytest.mark.parametrize("path", DRAWINGS, ids=[path.name for path in DRAWINGS])
def test_a_drawing_is_small_and_loads_and_runs_nothing(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.encode()) < LARGEST
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own files
    assert not re.search(r"<script|<image|<foreignObject|\bon[a-z]+=|url\(|@import|href", text)


def test_a_drawing_that_moves_stands_still_for_those_who_want_no_motion() -> None:
    assert DRAWING.read_text("utf-8").count("@media (prefers-reduced-motion: reduce)") == 1


def test_the_cast_is_shorter_than_a_minute(cast: str) -> None:
    header, *events = map(json.loads, cast.splitlines())
    assert header["version"] == 2
    moments = [moment for moment, kind, _ in events if kind == "o"]
    assert moments == sorted(moments)
    assert len(moments) == len(events)
    assert 30 < moments[-1] < 60


def test_lines_move_up_once_the_window_is_full() -> None:
    svg = drawing_of(cast_of("".join(f"line {number}\n" for number in range(ROWS + 2))))
    shifts = re.findall(
        r"translateY\((-?[0-9.]+)px\)", svg.partition("@keyframes t-shift")[2].partition("@keyframes")[0]
    )
    assert shifts == ["0", "-24.4", "-48.8"]
    covers = re.findall(r"translateY\(([0-9.]+)px\)", svg.partition("@keyframes t-cover")[2].partition("@media")[0])
    assert (covers[0], covers[-1], len(covers)) == ("24.4", "732", ROWS)


def test_a_bar_that_takes_itself_away_is_not_recorded() -> None:
    assert BAR.sub("", "a\n\r\x1b[K[###...] 1/2  3/s  0:00 left\r\x1b[Kb\n") == "a\nb\n"


def test_readme_shows_the_drawing_first() -> None:
    images = re.findall(r"!\[[^]]+\]\(([^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert images[0] == "docs/demo.svg"
