import pytest

from compiler.rules.sources import find_circular_source, find_split_value, find_unknown_source
from tests.unit.rules.conftest import BASE, TAKING, Judge


def test_names_the_entry_that_was_meant(judge: Judge) -> None:
    found = judge(find_unknown_source, TAKING.replace("from: github/", "from: gihub/"))
    assert found.messages == ['no secret named "gihub" in the catalogue']
    assert found.helps == ['did you mean "github"?']
    assert (found.marked, found.related) == (["gihub/GITHUB_TOKEN"], ["github"])
    assert found.scopes == [("secrets", "ci")]


def test_names_the_key_that_was_meant(judge: Judge) -> None:
    found = judge(find_unknown_source, TAKING.replace("from: github/GITHUB_TOKEN", "from: github/GITHUB_TOKEM"))
    assert found.messages == ['"github" has no key "GITHUB_TOKEM"']
    assert (found.helps, found.related) == (['did you mean "GITHUB_TOKEN"?'], ["github"])


def test_lists_what_there_is_where_nothing_is_alike(judge: Judge) -> None:
    found = judge(find_unknown_source, TAKING.replace("from: github/", "from: zzz/"))
    assert found.helps == ['the secrets are "global", "github", "aws", "ci"']
    assert not found.related


def test_a_chain_is_reported_where_it_breaks(judge: Judge) -> None:
    found = judge(
        find_unknown_source, TAKING.replace("github/GITHUB_TOKEN", "github/NONE") + "      AGAIN: {from: ci/CI_TOKEN}\n"
    )
    assert found.marked == ["github/NONE"]


def test_leaves_alone_what_leads_somewhere_or_may_have_been_left_out(judge: Judge) -> None:
    assert not judge(find_unknown_source, TAKING)
    assert not judge(find_unknown_source, TAKING.replace("github/GITHUB_TOKEN", "ci/CI_TOKEN"))
    assert not judge(find_unknown_source, TAKING.replace("github/GITHUB_TOKEN", "github/NONE") + "colour: red\n")


def test_a_key_of_what_is_extracted_is_to_be_listed(judge: Judge) -> None:
    text = TAKING.replace("github/GITHUB_TOKEN", "aws/ACCOUNT")
    found = judge(
        find_unknown_source, text.replace("    target: agent-aws-secrets\n", "    target: a\n    extract: true\n")
    )
    ending = '; or list it in the keys of "aws", if the store has it'
    assert [(each or "").endswith(ending) for each in found.helps] == [True]
    assert [(each or "").endswith(ending) for each in judge(find_unknown_source, text).helps] == [False]


AROUND = TAKING.replace("GITHUB_TOKEN: {variants: [pat]}", "GITHUB_TOKEN: {from: ci/CI_TOKEN}")


def test_a_circle_is_found_once_with_all_its_keys(judge: Judge) -> None:
    found = judge(find_circular_source, AROUND + "      AGAIN: {from: ci/CI_TOKEN}\n")
    assert found.messages == ['"github/GITHUB_TOKEN" takes its value from itself, by way of 1 other key']
    assert (found.marked, found.related) == (["ci/CI_TOKEN"], ["github/GITHUB_TOKEN"])
    assert found.helps == ["let one key have the value itself: remove its `from`"]


def test_a_way_into_a_circle_is_not_a_part_of_it(judge: Judge) -> None:
    text = TAKING.replace("LLM_PROVIDER: {}", "LLM_PROVIDER: {from: ci/CI_TOKEN}")
    found = judge(find_circular_source, text.replace("github/GITHUB_TOKEN", "ci/CI_TOKEN"))
    assert found.messages == ['"ci/CI_TOKEN" takes its value from itself']
    assert found.scopes == [("secrets", "ci")]


def test_a_long_circle_shows_its_first_places(judge: Judge) -> None:
    text = TAKING + "".join(f"      K{number}: {{from: ci/K{(number + 1) % 9}}}\n" for number in range(9))
    found = judge(find_circular_source, text)
    assert found.messages == ['"ci/K0" takes its value from itself, by way of 8 other keys']
    assert found.related == [f"ci/K{number}" for number in range(2, 7)]


@pytest.mark.parametrize("source", ["github/GITHUB_TOKEN", "github/NONE", "none/NONE"])
def test_leaves_chains_alone_that_end(judge: Judge, source: str) -> None:
    text = TAKING.replace("github/GITHUB_TOKEN", source) + "      AGAIN: {from: ci/CI_TOKEN}\n"
    assert not judge(find_circular_source, text)


THIRD = """\
  bot:
    target: bot
    syncWave: -49
    keys:
      BOT_TOKEN: {from: ci/CI_TOKEN}
"""


def test_finds_a_reader_in_another_store_than_the_holder(judge: Judge) -> None:
    found = judge(find_split_value, "secrets: {ci: {store: azure}}", catalogue=TAKING)
    assert found.messages == ['"ci" reads "CI_TOKEN" from "azure", but "github" has the same value from "vault"']
    assert (found.marked, found.related, found.scopes) == (["azure"], ["github"], [("secrets", "ci")])
    assert found.helps == ['let both read one store; to accept it, add to "ci": `waive: {split-value: the reason}`']


def test_points_at_the_line_that_sets_one_apart(judge: Judge) -> None:
    found = judge(find_split_value, "secrets: {ci: {}, github: {store: azure}}", catalogue=TAKING)
    assert (found.marked, found.related) == (["azure"], ["github"])


def test_compares_readers_where_the_holder_is_not_there(judge: Judge) -> None:
    base = BASE.replace("  github: {}\n", "  ci: {}\n  bot: {}\n")
    found = judge(find_split_value, "secrets: {bot: {store: azure}}", base=base, catalogue=TAKING + THIRD)
    assert found.messages == ['"bot" reads "BOT_TOKEN" from "azure", but "ci" has the same value from "vault"']


def test_leaves_one_store_and_unknown_stores_alone(judge: Judge) -> None:
    assert not judge(find_split_value, "store: azure\nsecrets: {ci: {}}", catalogue=TAKING)
    assert not judge(find_split_value, "secrets: {ci: {store: gcp}}", catalogue=TAKING)
    assert not judge(find_split_value, "secrets: {aws: {store: azure}}", catalogue=TAKING)
    # The holder has not the variant of that key here, so that neither has its reader.
    assert not judge(find_split_value, "secrets: {ci: {store: azure}, github: {use: [app]}}", catalogue=TAKING)
