from compiler.rules.unknown_source import check
from tests.unit.rules.conftest import TAKING, Judge


def test_names_the_entry_that_was_meant(judge: Judge) -> None:
    found = judge(check, TAKING.replace("from: github/", "from: gihub/"))
    assert found.messages == ['no secret named "gihub" in the catalogue']
    assert found.helps == ['did you mean "github"?']
    assert (found.marked, found.related) == (["gihub/GITHUB_TOKEN"], ["github"])
    assert found.scopes == [("secrets", "ci")]


def test_names_the_key_that_was_meant(judge: Judge) -> None:
    found = judge(check, TAKING.replace("from: github/GITHUB_TOKEN", "from: github/GITHUB_TOKEM"))
    assert found.messages == ['"github" has no key "GITHUB_TOKEM"']
    assert (found.helps, found.related) == (['did you mean "GITHUB_TOKEN"?'], ["github"])


def test_lists_what_there_is_where_nothing_is_alike(judge: Judge) -> None:
    found = judge(check, TAKING.replace("from: github/", "from: zzz/"))
    assert found.helps == ['the secrets are "global", "github", "aws", "ci"']
    assert not found.related


def test_a_chain_is_reported_where_it_breaks(judge: Judge) -> None:
    found = judge(check, TAKING.replace("github/GITHUB_TOKEN", "github/NONE") + "      AGAIN: {from: ci/CI_TOKEN}\n")
    assert found.marked == ["github/NONE"]


def test_leaves_alone_what_leads_somewhere_or_may_have_been_left_out(judge: Judge) -> None:
    assert not judge(check, TAKING)
    assert not judge(check, TAKING.replace("github/GITHUB_TOKEN", "ci/CI_TOKEN"))
    assert not judge(check, TAKING.replace("github/GITHUB_TOKEN", "github/NONE") + "colour: red\n")


def test_a_key_of_what_is_extracted_is_to_be_listed(judge: Judge) -> None:
    text = TAKING.replace("github/GITHUB_TOKEN", "aws/ACCOUNT")
    found = judge(check, text.replace("    target: agent-aws-secrets\n", "    target: a\n    extract: true\n"))
    ending = '; or list it in the keys of "aws", if the store has it'
    assert [(each or "").endswith(ending) for each in found.helps] == [True]
    assert [(each or "").endswith(ending) for each in judge(check, text).helps] == [False]
