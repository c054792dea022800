from compiler.rules.unread_remote import check
from tests.unit.rules.conftest import TAKING, Judge

ONLY = TAKING.replace("      OWN: {}\n", "")
BARE = ONLY.replace("    remote: {vault: platform/ci, azurekv: platform-ci}\n", "")


def test_finds_a_name_in_the_catalogue_that_no_key_lies_under(judge: Judge) -> None:
    found = judge(check, catalogue=ONLY)
    assert found.messages == ['nothing is read there: every key of "ci" takes its value from "github"']
    assert (found.marked, found.related) == (["remote"], ["github/GITHUB_TOKEN"])
    assert found.paths == ["environments/catalogue.yaml"]


def test_refuses_an_environments_own_name_and_says_whose_is_followed(judge: Judge) -> None:
    found = judge(check, "secrets: {ci: {remote: {vault: mine}}}", catalogue=BARE)
    assert (found.marked, found.paths) == (["remote"], ["environments/prod.yaml"])
    assert found.helps == [
        'remove it; to have the value elsewhere, set the `remote` of "github", which its readers follow'
    ]
    assert found.scopes == [("secrets", "ci")]


def test_leaves_alone_what_some_key_reads(judge: Judge) -> None:
    assert not judge(check, "secrets: {ci: {remote: {vault: mine}}, github: {remote: {vault: x}}}", catalogue=TAKING)
    assert not judge(check, "secrets: {ci: {}, github: {remote: {vault: mine}}}", catalogue=BARE)
    assert not judge(check, catalogue=ONLY.replace("github/GITHUB_TOKEN", "github/NONE"))
