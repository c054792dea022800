import base64
import json
import random
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.text.credential import conceal, credential_parts, looks_like_credential
from tests.pace import allowed

ROOT = Path(__file__).parents[3]
TOKEN = "ghp_0123456789abcdefghij0123456789abcdef"
RANDOM = base64.b64encode(random.Random(1).randbytes(57)).decode()  # noqa: S311 - the same in every run


@pytest.mark.parametrize("text", [TOKEN, RANDOM, "a: postgres://u:hunter2@db", f"# {TOKEN}", "pwd=hunter"])
def test_credentials_look_like_it(text: str) -> None:
    assert looks_like_credential(text)
    assert "…" in conceal(text)


@pytest.mark.parametrize(
    "text",
    ["", "slack", "short: x1", "ai-platform-engineering/github-secret", "The LLM that every agent talks to", "1h0m0s"],
)
def test_names_and_prose_do_not(text: str) -> None:
    assert not looks_like_credential(text)
    assert conceal(text) == text


def test_only_the_credential_is_concealed() -> None:
    assert conceal(f"got {TOKEN}, not {RANDOM}") == "got …, not …"


def test_parts_that_touch_or_overlap_are_one() -> None:
    text = f"url=https://u:{TOKEN}@host"
    assert credential_parts(text) == [(12, len(text) - 5)]
    assert conceal(f"token={TOKEN}") in {"token=…", "…"}


def test_a_credential_wrapped_over_lines_is_one_part() -> None:
    text = f"block: |\n  {RANDOM}\n  Zm9v\r\n  YmFy=\nnext: word\n"
    assert conceal(text) == "block: |\n  …\nnext: word\n"


def test_what_follows_a_credential_on_its_own_line_stays() -> None:
    for after in ("next: word", "- word", "two words", "{}"):
        assert conceal(f"- {RANDOM}\n{after}\n") == f"- …\n{after}\n"


@given(st.lists(st.sampled_from([TOKEN, RANDOM, "word", " ", "\n", ": ", "u:p4ss", "://", "@", "=", "pwd=", "é", "…"])))
def test_the_three_answers_agree_and_nothing_stays_behind(pieces: list[str]) -> None:
    text = "".join(pieces)
    parts = credential_parts(text)
    assert looks_like_credential(text) == bool(parts) == (conceal(text) != text)
    assert all(start < end for start, end in parts)
    assert all(before[1] < after[0] for before, after in pairwise(parts))
    assert not re.search(f"{re.escape(TOKEN)}|{re.escape(RANDOM)}", conceal(text))


@given(st.text(st.characters()))
def test_any_text_is_taken(text: str) -> None:
    assert looks_like_credential(text) == (conceal(text) != text)


@pytest.mark.parametrize("path", sorted((ROOT / "environments").glob("*.yaml")), ids=lambda path: path.name)
def test_no_line_of_the_shipped_environments_is_concealed(path: Path) -> None:
    text = path.read_text()
    assert not [line for line in text.splitlines() if looks_like_credential(line)]
    assert credential_parts(text) == []


@pytest.mark.parametrize("path", sorted((ROOT / "schemas").glob("*.json")), ids=lambda path: path.name)
def test_no_text_of_the_schemas_is_concealed(path: Path) -> None:
    def texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            yield from value
            for child in value.values():
                yield from texts(child)
        elif isinstance(value, list):
            for child in value:
                yield from texts(child)
        elif isinstance(value, str) and not value.startswith("^"):
            yield value

    assert not [text for text in texts(json.loads(path.read_text())) if looks_like_credential(text)]


def test_names_are_answered_fast() -> None:
    names = ["ai-platform-engineering/github-secret", "https://ai-platform-prod.vault.azure.net", "SLACK_CLIENT_SECRET"]
    begin = time.process_time()
    for _ in range(10_000):
        for name in names:
            looks_like_credential(name)
    # Half a microsecond each where this was written; the bound leaves room for coverage.
    assert time.process_time() - begin < allowed(0.6)


@pytest.mark.heavy
def test_hostile_text_costs_linear_time(hostile_texts: Iterator[str]) -> None:
    for text in hostile_texts:
        begin = time.process_time()
        credential_parts(text)
        assert time.process_time() - begin < allowed(0.15), text[:40]


HOSTILE = {
    "versions": f"version {'0123456789abcdef' * 2}, ",
    "the same, in a list": f"{'0123456789abcdef' * 2}, version ",
    "URLs in one word": "://:",
    "users without a host": "://:a@ ",
    "assignments": "password: ",
    "colons": ": ",
    "lines of one word": f"{'aB3' * 8}\n",
}


@pytest.mark.heavy
@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_four_times_the_text_costs_about_four_times_the_time(unit: str) -> None:
    def seconds(size: int) -> float:
        text = f"# {unit * (size // len(unit))}@"
        begin = time.process_time()
        conceal(text)
        return time.process_time() - begin

    # Quadratic time would be sixteen times as much, and no less than a quarter of a second.
    # In turns, as a machine is quick at one moment and slow at the next.
    turns = [(seconds(25_000), seconds(100_000)) for _ in range(3)]
    small, large = (min(each) for each in zip(*turns, strict=True))
    assert large < 8 * small + 0.0125
    assert large < allowed(0.5)


VERSION = "5e1f0c6ab2df4f51a7e0c8d1a2b3c4d5"


def test_a_version_that_a_sentence_calls_one_is_none() -> None:
    said = f"another writer changed it: version {VERSION} was read, and the current one is version {VERSION[::-1]}"
    assert conceal(said) == said
    assert (
        conceal(f"version {VERSION}, {VERSION[::-1]} came between")
        == f"version {VERSION}, {VERSION[::-1]} came between"
    )
    assert not looks_like_credential(f"its version {VERSION} is deleted")
    assert not looks_like_credential(f"the current version is {VERSION}, the run wrote version {VERSION[::-1]}")


@pytest.mark.parametrize(
    "text",
    [
        f"{VERSION}",
        f"conversion {VERSION}",
        f"version: {VERSION}",
        f"version is not {VERSION}",
        f"version {VERSION}0a1b",
        f"version {VERSION}-{VERSION}",
    ],
)
def test_the_same_digits_elsewhere_are_hidden(text: str) -> None:
    assert VERSION not in conceal(text)
