from __future__ import annotations

import itertools

import pytest

from compiler.generate.platform import Version, version_of

# The order that semantic versioning gives as its example, and around it.
ORDER = (
    "0.1.18",
    "0.1.19",
    "0.5.24",
    "1.0.0-0",
    "1.0.0-1",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.3.0-rc.6",
    "1.3.0",
    "1.10.0",
)


def test_versions_are_ordered_as_semantic_versioning_does() -> None:
    versions = [version for text in ORDER if (version := version_of(text)) is not None]
    assert len(versions) == len(ORDER)
    for before, after in itertools.pairwise(versions):
        assert before < after
        assert after >= before
        assert before != after


@pytest.mark.parametrize("text", ["v0.6.0", "0.6.0+build.7"])
def test_a_leading_v_and_what_was_built_do_not_count(text: str) -> None:
    assert version_of(text) == Version((0, 6, 0))


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-a..b", "1.2.3-01", "1.2.x", " 1.2.3", "1.2.3\n"),
        *("\u0661.2.3", "1.2.3-\u00e4", f"{'9' * 10}.0.0", f"1.2.3-{'a' * 129}", "latest"),
    ],
)
def test_anything_else_is_no_version(text: str) -> None:
    assert version_of(text) is None
