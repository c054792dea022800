from compiler.rules.split_value import check
from tests.unit.rules.conftest import BASE, TAKING, Judge

THIRD = """\
  bot:
    target: bot
    syncWave: -49
    keys:
      BOT_TOKEN: {from: ci/CI_TOKEN}
"""


def test_finds_a_reader_in_another_store_than_the_holder(judge: Judge) -> None:
    found = judge(check, "secrets: {ci: {store: azure}}", catalogue=TAKING)
    assert found.messages == ['"ci" reads "CI_TOKEN" from "azure", but "github" has the same value from "vault"']
    assert (found.marked, found.related, found.scopes) == (["azure"], ["github"], [("secrets", "ci")])
    assert found.helps == ['let both read one store; to accept it, add to "ci": `waive: {split-value: the reason}`']


def test_points_at_the_line_that_sets_one_apart(judge: Judge) -> None:
    found = judge(check, "secrets: {ci: {}, github: {store: azure}}", catalogue=TAKING)
    assert (found.marked, found.related) == (["azure"], ["github"])


def test_compares_readers_where_the_holder_is_not_there(judge: Judge) -> None:
    base = BASE.replace("  github: {}\n", "  ci: {}\n  bot: {}\n")
    found = judge(check, "secrets: {bot: {store: azure}}", base=base, catalogue=TAKING + THIRD)
    assert found.messages == ['"bot" reads "BOT_TOKEN" from "azure", but "ci" has the same value from "vault"']


def test_leaves_one_store_and_unknown_stores_alone(judge: Judge) -> None:
    assert not judge(check, "store: azure\nsecrets: {ci: {}}", catalogue=TAKING)
    assert not judge(check, "secrets: {ci: {store: gcp}}", catalogue=TAKING)
    assert not judge(check, "secrets: {aws: {store: azure}}", catalogue=TAKING)
    # The holder has not the variant of that key here, so that neither has its reader.
    assert not judge(check, "secrets: {ci: {store: azure}, github: {use: [app]}}", catalogue=TAKING)
