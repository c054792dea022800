from compiler.rules.empty_secret import check
from tests.unit.rules.conftest import TAKING, Judge


def test_finds_a_choice_of_no_variant(judge: Judge) -> None:
    found = judge(check, "secrets: {github: {use: []}}")
    assert found.messages == ['"github" has no key in environment "prod"']
    assert found.helps == ['choose a variant with `use`: "pat", "app"; or write `enabled: false`']
    assert found.marked == ["[]"]


def test_finds_an_entry_without_keys(judge: Judge) -> None:
    catalogue = "secrets: {github: {target: a, remote: {vault: b}, syncWave: 1, keys: {}}}"
    found = judge(check, catalogue=catalogue)
    assert found.helps == ["add a key to it in the catalogue, or write `enabled: false`"]
    assert found.marked == ["github"]


def test_leaves_a_misspelt_variant_to_its_own_rule(judge: Judge) -> None:
    assert not judge(check, "secrets: {github: {use: [pta]}}")


def test_concludes_nothing_from_damaged_input(judge: Judge) -> None:
    assert not judge(check, "secrets: {github: {use: []}}\nstroe: x")


def test_leaves_secrets_with_keys_alone(judge: Judge) -> None:
    assert not judge(check, "secrets: {github: {use: [app]}, global: {use: []}}")


def test_says_whose_variants_the_keys_come_with(judge: Judge) -> None:
    text = "secrets: {github: {use: [app]}, ci: {}}"
    found = judge(check, text, catalogue=TAKING.replace("      OWN: {}\n", ""))
    assert found.messages == ['"ci" has no key in environment "prod"']
    assert found.helps == [
        'its keys come with the variants of "github": choose one there with `use`, or write `enabled: false` here'
    ]
