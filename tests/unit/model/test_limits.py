from __future__ import annotations

from pathlib import Path

from compiler.model.limits import MAX_BYTES, MAX_DEPTH, MAX_MANIFEST_BYTES, MAX_MANIFEST_NODES, MAX_NODES, most_values

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


def test_a_values_file_may_have_more_values_the_longer_it_is() -> None:
    assert [most_values(length) for length in (0, 800_007, 800_008, MAX_BYTES)] == [100_000, 100_000, 100_001, 524_288]
