import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from compiler.model.facts import (
    ANNOTATION,
    ASKS_FIRST,
    EXTERNAL_SECRETS,
    KNOWN,
    LABEL,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_MANIFEST_BYTES,
    MAX_MANIFEST_NODES,
    MAX_NODES,
    MAX_RESOLVED,
    MAX_WRITTEN,
    NEWEST,
    OLDEST,
    ORDINARY_VALUES,
    PART_OF,
    SECRET_WAVE,
    STORE_WAVE,
    ValuesData,
    asks_before_pruning,
    days_in_words,
    duration_text,
    has_more_values,
    is_released,
    label_key_problem,
    label_value_problem,
    lacking,
    most_values,
    namespace_problem,
    object_name_problem,
    parse_duration,
    parse_minor,
    seconds_in_words,
    secret_key_problem,
    short_age,
    short_duration,
)
from compiler.model.values import values_of
from compiler.pipeline import compile_project
from compiler.stages.emit import values_text
from compiler.stages.resolve import Resolver

ROOT = Path(__file__).resolve().parents[3]
# `MaxDecompressedFileSize` of Helm's loader of charts.
HELM_TAKES = 5 * 1024 * 1024


def test_helm_takes_the_largest_file() -> None:
    assert MAX_BYTES < HELM_TAKES


def test_manifests_have_more_room_than_the_values_that_they_write_out() -> None:
    assert MAX_MANIFEST_BYTES > MAX_BYTES
    assert MAX_MANIFEST_NODES > MAX_NODES


def test_the_page_of_the_rules_states_the_bounds_of_a_file() -> None:
    page = " ".join((ROOT / "docs/reference/rules.md").read_text("utf-8").split())
    assert f"at most {MAX_BYTES // 1024**2} MiB, {MAX_NODES:,} values and {MAX_DEPTH} levels" in page
    assert f"An environment may have {most_values(MAX_BYTES):,}." in page
    assert f"may have {MAX_RESOLVED:,} beside {ORDINARY_VALUES} of each" in page
    assert f"and their values files {MAX_WRITTEN // 1024**2} MiB" in page


def test_ten_thousand_ordinary_environments_fit_into_a_run() -> None:
    project = compile_project(ROOT).project
    assert project is not None
    resolver = Resolver(project.catalogue)
    most = max(project.environments, key=lambda each: len(each.secrets)).root
    assert all(resolver.excess(str(number), most) is None for number in range(10_000))
    texts = (values_text(values_of(each), each.name, ["base.yaml"], None) for each in project.environments)
    assert max(map(len, texts)) * 10_000 < MAX_WRITTEN


def test_a_values_file_may_have_more_values_the_longer_it_is() -> None:
    assert [most_values(length) for length in (0, 800_007, 800_008, MAX_BYTES)] == [100_000, 100_000, 100_001, 524_288]


DOCUMENTS: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a,[{"\\é')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from(',[{"\\a')), inner),
    max_leaves=30,
)


def values_in(document: object) -> int:
    members = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return 1 + sum(map(values_in, members))


@given(DOCUMENTS, st.booleans())
def test_no_document_has_more_values_than_are_counted(document: object, ascii_only: bool) -> None:  # noqa: FBT001
    text, many = json.dumps(document, ensure_ascii=ascii_only), values_in(document)
    assert not many > 1 or has_more_values(text, many - 1)
    # An empty container counts as one with a member.
    assert not has_more_values(text, 2 * many)


def test_marks_in_a_text_are_no_values() -> None:
    text = json.dumps({"a": ",[{" * 1000, "b": '\\" ,,,,', "c": "\\"})
    assert not has_more_values(text, 4)
    assert has_more_values(text, 3)


@pytest.mark.parametrize("text", ['"\\"' * 1_000_000, '"' + '\\"' * 2_000_000 + ",,", '"\\' * 1_000_000], ids=len)
def test_a_text_without_its_end_is_counted_in_no_time(text: str) -> None:
    begun = time.process_time()
    has_more_values(text + "," * 10, 5)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("text", "seconds", "canonical"),
    [
        ("1h", 3600, "1h0m0s"),
        ("90m", 5400, "1h30m0s"),
        ("1h30m", 5400, "1h30m0s"),
        ("1.5h", 5400, "1h30m0s"),
        (".5m", 30, "30s"),
        ("1.m", 60, "1m0s"),
        ("30s", 30, "30s"),
        ("60s", 60, "1m0s"),
        ("1000ms", 1, "1s"),
        ("1000000µs", 1, "1s"),
        ("1000000μs", 1, "1s"),
        ("1000000us", 1, "1s"),
        ("1000000000ns", 1, "1s"),
        ("500ms500ms", 1, "1s"),
        ("1s1h", 3601, "1h0m1s"),
        ("2562047h", 2562047 * 3600, "2562047h0m0s"),
    ],
)
def test_what_go_reads(text: str, seconds: int, canonical: str) -> None:
    duration = parse_duration(text)
    assert duration is not None
    assert (duration, duration_text(duration)) == (seconds, canonical)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0s",
        "1",
        "1d",
        "h",
        "1 h",
        "-1h",
        "+1h",
        "1h ",
        "1h\n",
        "1H",
        "1_0s",
        "1e3s",
        ".s",
        "1.5",
        "٣h",
        "2562048h",
        # More digits than Python turns into a number.
        f"{'1' * 5_000}h",
        f"1.{'0' * 5_000}1s",
    ],
)
def test_what_go_or_the_operator_refuses(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize("text", ["1ms", "1.5s", "1h1ns"])
def test_a_part_of_a_second_is_refused(text: str) -> None:
    assert parse_duration(text) is None


@given(st.integers(1, 10**9))
def test_the_canonical_form_is_stable_and_means_the_same(seconds: int) -> None:
    duration = parse_duration(f"{seconds}s")
    assert duration == seconds
    assert parse_duration(duration_text(seconds)) == seconds


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (60, "1m"), (3600, "1h"), (5400, "1h30m"), (3661, "1h1m1s")])
def test_the_short_form_leaves_out_what_is_zero(seconds: int, text: str) -> None:
    assert short_duration(seconds) == text


@pytest.mark.parametrize(
    ("age", "text"),
    [
        ({"seconds": -5}, "0s"),
        ({"seconds": 59.9}, "59s"),
        ({"minutes": 59}, "59m"),
        ({"hours": 23}, "23h"),
        ({"days": 40}, "40d"),
    ],
)
def test_an_age_is_shown_in_its_largest_unit(age: dict[str, float], text: str) -> None:
    assert short_age(timedelta(**age)) == text


@pytest.mark.parametrize(
    ("text", "seconds", "days"),
    [
        ("1 day", 86400, 1),
        ("3 months", 90 * 86400, 90),
        ("2weeks", 14 * 86400, 14),
        ("5 min", 300, None),
        ("36 hours", 36 * 3600, None),
        (" Daily ", 86400, 1),
        ("0 days", None, None),
        ("1 fortnight", None, None),
        ("day", None, None),
        ("99999 days", None, None),
    ],
)
def test_a_length_of_time_in_words(text: str, seconds: int | None, days: int | None) -> None:
    assert (seconds_in_words(text), days_in_words(text)) == (seconds, days)


# What Kubernetes takes and what it refuses, by who says what is wrong with it.
FORMS: dict[Callable[[str], str | None], tuple[list[str], list[str]]] = {
    namespace_problem: (
        ["a", "a-b", "1a", "a" * 63],
        ["", "A", "a.b", "-a", "a-", "a\n", "\u00e4", "a" * 64],
    ),
    object_name_problem: (
        ["a", "a.b-c.1", "a" * 253],
        ["", "a..b", ".a", "a.", "a.-b", "a_b", "a\n", "a" * 254],
    ),
    secret_key_problem: (
        ["a", "tls.crt", ".a", "A_B-c", "k" * 253],
        ["", ".", "..", "..a", "a b", "a/b", "a\n", "k" * 254],
    ),
    label_key_problem: (
        ["a", "A.b_c", "example.com/a", "a" * 63, f"{'d' * 253}/a"],
        ["", "/a", "a/", "a/b/c", "Example.com/a", "_a", "a_", "a" * 64, f"{'d' * 254}/a"],
    ),
    label_value_problem: (
        ["", "a", "A.b_c-1", "a" * 63],
        ["-a", "a.", "a b", "a\n", "a" * 64],
    ),
}


@pytest.mark.parametrize(("problem", "text"), [(problem, text) for problem in FORMS for text in FORMS[problem][0]])
def test_takes_what_kubernetes_takes(problem: Callable[[str], str | None], text: str) -> None:
    assert problem(text) is None


@pytest.mark.parametrize(("problem", "text"), [(problem, text) for problem in FORMS for text in FORMS[problem][1]])
def test_refuses_what_kubernetes_refuses(problem: Callable[[str], str | None], text: str) -> None:
    assert problem(text) is not None


def test_says_how_long_a_name_may_be() -> None:
    assert object_name_problem("a" * 64, 63) == "has 64 characters, and Kubernetes allows 63"


@pytest.mark.parametrize(
    ("text", "minor"), [("0.16", (0, 16)), ("1.0", (1, 0)), ("2.9", (2, 9)), ("2.10", (2, 10)), ("12.345", (12, 345))]
)
def test_a_minor_version_is_two_numbers(text: str, minor: tuple[int, int]) -> None:
    assert parse_minor(text) == minor


@pytest.mark.parametrize(
    "text", ["", "2", "2.", ".9", "v2.9", "2.9.0", "2.09", "02.9", "2.9\n", "2.-1", "\u0662.9", "2.9999"]
)
def test_another_form_is_none(text: str) -> None:
    assert parse_minor(text) is None


def test_versions_are_compared_as_numbers() -> None:
    assert OLDEST < (0, 20) < (1, 0) < (2, 3) < (2, 9) < NEWEST == (2, 12) < (2, 13)


@pytest.mark.parametrize(
    ("minor", "released"),
    [
        ((0, 16), True),
        ((0, 20), True),
        ((0, 21), False),
        ((1, 3), True),
        ((1, 4), False),
        ((2, 12), True),
        ((2, 13), False),
        ((3, 0), False),
    ],
)
def test_what_was_never_released_is_known(minor: tuple[int, int], *, released: bool) -> None:
    assert is_released(minor) is released
    assert is_released(NEWEST)


def test_the_newest_that_is_known_is_the_last_one_named() -> None:
    assert KNOWN.endswith(f" to {NEWEST[0]}.{NEWEST[1]}")
    assert KNOWN.startswith(f"{OLDEST[0]}.{OLDEST[1]} ")


def test_stores_come_before_every_secret_of_the_platform() -> None:
    project = compile_project(ROOT).project
    assert project is not None
    waves = {entry.sync_wave for entry in project.catalogue.entries.values()}
    assert STORE_WAVE < min(waves) <= SECRET_WAVE


def test_the_chart_writes_the_same_annotation() -> None:
    templates = (ROOT / "chart/templates").glob("*")
    assert any(ANNOTATION in path.read_text("utf-8") for path in templates if path.is_file())


def test_an_environment_that_names_none_has_the_charts_default() -> None:
    assert yaml.safe_load((ROOT / "chart/values.yaml").read_text("utf-8"))["partOf"] == PART_OF
    described = json.loads((ROOT / "schemas/environment.schema.json").read_text("utf-8"))["properties"]["partOf"]
    assert f"`{PART_OF}` when absent" in described["description"]
    assert f"`{LABEL}`" in described["description"]


@pytest.mark.parametrize(
    ("options", "lacks", "asks"),
    [
        (ASKS_FIRST, (), True),
        ("Replace=true, Delete=confirm , Prune=confirm", (), True),
        ("Prune=confirm", ("Delete=confirm",), True),
        ("Prune=false,Delete=confirm", ("Prune=confirm",), False),
        ("XPrune=confirm", ("Prune=confirm", "Delete=confirm"), False),
        ("", ("Prune=confirm", "Delete=confirm"), False),
    ],
)
def test_what_options_lack_is_told(options: str, lacks: tuple[str, ...], asks: bool) -> None:  # noqa: FBT001
    assert lacking(options) == lacks
    assert asks_before_pruning(options) == asks


def kinds(data: ValuesData) -> set[type]:
    if isinstance(data, dict):
        return set().union({str}, *map(kinds, data.values()))
    return set().union(*map(kinds, data)) if isinstance(data, list) else {type(data)}


def test_the_shipped_environments_hold_nothing_that_helm_reads_otherwise() -> None:
    result = compile_project(ROOT)
    assert result.project is not None
    values = [values_of(environment) for environment in result.project.environments]
    assert len(values) == 3
    assert all(EXTERNAL_SECRETS in data for data in values)
    assert set().union(*map(kinds, values)) <= {str, bool}
