from compiler.rules.unknown_secret import check
from tests.unit.rules.conftest import CATALOGUE, Judge


def test_names_the_nearest_entry_and_its_place(judge: Judge) -> None:
    found = judge(check, "secrets: {gihub: {}}")
    assert found.messages == ['no secret named "gihub" in the catalogue']
    assert found.helps == ['did you mean "github"?']
    assert found.marked == ["gihub"]
    assert found.related == ["github"]
    assert found[0].related[0].span.path == "environments/catalogue.yaml"
    assert found.scopes == [("secrets", "gihub")]


def test_finds_one_that_is_switched_off(judge: Judge) -> None:
    assert len(judge(check, "secrets: {gihub: {enabled: false}}")) == 1


def test_always_says_a_way_out(judge: Judge) -> None:
    assert judge(check, "secrets: {zzz: {}}").helps == ['the secrets are "global", "github", "aws"']
    nothing = judge(check, "secrets: {zzz: {}}", catalogue="secrets: {}\n")
    assert nothing.helps[-1] == "`platform-secrets new secret zzz --key KEY` adds it"


def test_a_setting_among_the_secrets_is_told_its_place(judge: Judge) -> None:
    assert judge(check, "secrets: {fetch: {}}").helps == [
        "`fetch:` is a setting: write it beside `secrets:`, or indent it below one secret"
    ]
    assert judge(check, "secrets: {secrets: {}}").helps == [
        "`secrets:` stands twice: remove the second, and indent what is below it as the first one's"
    ]


def test_concludes_nothing_from_a_damaged_catalogue(judge: Judge) -> None:
    assert not judge(check, "secrets: {gihub: {}}", catalogue=CATALOGUE + "  gihub: 5\n")


def test_leaves_known_and_removed_secrets_alone(judge: Judge) -> None:
    assert not judge(check, "secrets: {aws: {}, global: null}")
    assert not judge(check, "secrets: null")


def test_finds_a_secret_that_a_step_of_moves_names(judge: Judge) -> None:
    found = judge(check, "moves: {to: azure, steps: [[gihub], [aws], [all]]}")
    assert found.messages == ['no secret named "gihub" in the catalogue']
    assert found.marked == ["gihub"]
