"""Every compiled pattern of the package against what makes such patterns slow: input that nearly matches, repeated."""

import importlib
import json
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]
from typing import Any, cast

import pytest

import compiler
from tests.pace import Allowed, allowed

ROOT = Path(__file__).resolve().parents[2]
# Sizes one after another, so that a slow one is found before it costs seconds: exponential time shows at the first
# three, quadratic time at the last two.
SIZES = (19, 23, 26, 400, 2_000, 6_000, 20_000)
SHORT = 2_000
LONGEST = 0.25  # seconds of processor time; linear patterns take hundredths
SLOW = 0.05  # seconds that no linear pattern takes, and a slow one soon
# What no pattern of ours ends in, so that what came before it was in vain.
ENDS = ("", "\0", "x!")
MOST_UNITS = 60


SEARCHING = frozenset({"search", "finditer", "findall", "sub", "split"})
# How patterns are used that are no variable of their own, or of another module.
USES = {
    "_TLS_CAUSES": {"search"},
    "_NO_TEXT": {"search"},
    "_NO_TOKEN": {"search"},
    "_QUOTED": {"match"},
    "_FORMS": {"fullmatch"},
    "_DNS_LABEL": {"fullmatch"},
    "_DNS_NAME": {"fullmatch"},
    "_QUALIFIED": {"fullmatch"},
    "_SECRET_KEY": {"fullmatch"},
    "NAME": {"fullmatch"},
    "_CLUSTER_ID": {"fullmatch"},
    "_ID": {"fullmatch"},
    "MARK": {"search", "sub"},
    "_INPUT": {"match"},
    "SECRET_NAME": {"fullmatch"},
    "_PARTS": {"match"},  # its findall takes only what _WHOLE has matched from end to end
}


def patterns() -> Iterator[tuple[str, re.Pattern[str], set[str]]]:
    """Each pattern by its name, with the methods that are called on it."""
    for info in pkgutil.walk_packages(compiler.__path__, "compiler."):
        if info.name != "compiler.__main__":
            module = importlib.import_module(info.name)
            source = Path(str(module.__file__)).read_text("utf-8")
            for name, value in vars(module).items():
                for number, pattern in enumerate(_within(value)):
                    used = USES.get(name) or set(re.findall(rf"\b{name}(?:\(\))?\.(\w+)\(", source))
                    yield f"{info.name}.{name}.{number}", pattern, used
    for path in (ROOT / "schemas").glob("*.json"):
        for written in dict.fromkeys(_of_schema(json.loads(path.read_text("utf-8")))):
            yield f"{path.name} {written}", re.compile(written), {"search"}


def _of_schema(schema: object) -> Iterator[str]:
    if isinstance(schema, dict) and isinstance(schema.get("pattern"), str):
        yield schema["pattern"]
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _of_schema(each)


def _within(value: object) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        yield value
    elif getattr(value, "__annotations__", None) == {"return": "re.Pattern[str]"}:
        # One that is compiled where it is needed.
        yield cast("Callable[[], re.Pattern[str]]", value)()
    elif isinstance(value, dict | tuple | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _within(each)


def words(parsed: Any) -> Iterator[str]:  # noqa: ANN401 - the parser has no types
    """The literal texts in a pattern, and a character or two of each set in it."""
    literal = ""
    for kind, given in parsed:
        name = str(kind)
        if name == "LITERAL":
            literal += chr(given)
            continue
        if literal:
            yield literal
            literal = ""
        if name == "RANGE":
            yield from map(chr, given)
        elif name == "IN":
            yield from list(words(given))[:6]
        elif name == "CATEGORY":
            yield "1" if "DIGIT" in str(given) else " "
        elif name in {"ANY", "NOT_LITERAL"}:
            yield "a"
        else:
            for part in _parts(given):
                yield from words(part)
    if literal:
        yield literal


def _parts(given: object) -> Iterator[object]:
    if isinstance(given, _parser.SubPattern):
        yield given
    elif isinstance(given, tuple | list):
        for each in given:
            yield from _parts(each)


def units(pattern: re.Pattern[str]) -> list[str]:
    single = list(dict.fromkeys(words(_parser.parse(pattern.pattern, pattern.flags))))
    pairs = ["".join(pair) for pair in product(single[:8], repeat=2)]
    return list(dict.fromkeys((*single, *pairs)))[:MOST_UNITS]


@pytest.fixture(scope="module")
def every_pattern() -> dict[str, tuple[re.Pattern[str], set[str]]]:
    return {name: (pattern, used) for name, pattern, used in patterns()}


def test_all_patterns_and_their_uses_are_found(every_pattern: dict[str, tuple[re.Pattern[str], set[str]]]) -> None:
    assert len(every_pattern) > 60
    assert [name for name, (_, used) in every_pattern.items() if not used] == []


def slowest(pattern: re.Pattern[str], used: set[str], longest: Allowed | float) -> tuple[float, str, int]:
    """The seconds of the first text that costs too much, else of the slowest, with its unit and size."""
    worst = (0.0, "", 0)
    for unit, end in product(units(pattern), ENDS):
        for size in SIZES:
            text = unit * (size // len(unit)) + end
            begin = time.process_time()
            for method in used:
                if method in SEARCHING:
                    sum(1 for _ in pattern.finditer(text))
                else:
                    getattr(pattern, method)(text)
            took = time.process_time() - begin
            worst = max(worst, (took, unit + end, size))
            if not took < longest:
                return worst
            if size == SHORT and took < LONGEST / 125:
                # Were it quadratic, it would be a hundred times as much at the last size: 0.2 s.
                break
    return worst


@pytest.mark.heavy
def test_no_text_costs_more_than_linear_time(every_pattern: dict[str, tuple[re.Pattern[str], set[str]]]) -> None:
    longest = allowed(LONGEST)
    found = {name: slowest(pattern, used, longest) for name, (pattern, used) in every_pattern.items()}
    assert {name: each for name, each in found.items() if not each[0] < longest} == {}


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("slow", "used"),
    [
        (r"(?:0+(?:\.0*)?(?:s|m|h)?)+", "fullmatch"),
        (r"(?i:too large|exceeds? .*(?:size|limit))", "search"),
        (r"(?:[a-z]+)*!", "match"),
        (r"[ \t]+#", "sub"),
    ],
)
def test_slow_patterns_are_found(slow: str, used: str) -> None:
    assert slowest(re.compile(slow), {used}, SLOW)[0] > SLOW
