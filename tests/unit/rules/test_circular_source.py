import pytest

from compiler.rules.circular_source import check
from tests.unit.rules.conftest import TAKING, Judge

AROUND = TAKING.replace("GITHUB_TOKEN: {variants: [pat]}", "GITHUB_TOKEN: {from: ci/CI_TOKEN}")


def test_a_circle_is_found_once_with_all_its_keys(judge: Judge) -> None:
    found = judge(check, AROUND + "      AGAIN: {from: ci/CI_TOKEN}\n")
    assert found.messages == ['"github/GITHUB_TOKEN" takes its value from itself, by way of 1 other key']
    assert (found.marked, found.related) == (["ci/CI_TOKEN"], ["github/GITHUB_TOKEN"])
    assert found.helps == ["let one key have the value itself: remove its `from`"]


def test_a_way_into_a_circle_is_not_a_part_of_it(judge: Judge) -> None:
    text = TAKING.replace("LLM_PROVIDER: {}", "LLM_PROVIDER: {from: ci/CI_TOKEN}")
    found = judge(check, text.replace("github/GITHUB_TOKEN", "ci/CI_TOKEN"))
    assert found.messages == ['"ci/CI_TOKEN" takes its value from itself']
    assert found.scopes == [("secrets", "ci")]


def test_a_long_circle_shows_its_first_places(judge: Judge) -> None:
    text = TAKING + "".join(f"      K{number}: {{from: ci/K{(number + 1) % 9}}}\n" for number in range(9))
    found = judge(check, text)
    assert found.messages == ['"ci/K0" takes its value from itself, by way of 8 other keys']
    assert found.related == [f"ci/K{number}" for number in range(2, 7)]


@pytest.mark.parametrize("source", ["github/GITHUB_TOKEN", "github/NONE", "none/NONE"])
def test_leaves_chains_alone_that_end(judge: Judge, source: str) -> None:
    text = TAKING.replace("github/GITHUB_TOKEN", source) + "      AGAIN: {from: ci/CI_TOKEN}\n"
    assert not judge(check, text)
