import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.model.facts import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_MANIFEST_BYTES,
    MAX_MANIFEST_NODES,
    MAX_NODES,
    MAX_RESOLVED,
    MAX_WRITTEN,
    ORDINARY_VALUES,
    has_more_values,
    most_values,
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
