import pytest

from compiler.rules.variants import find_unknown_variant, find_variants_not_chosen
from tests.unit.rules.conftest import CATALOGUE, Judge


def test_names_the_nearest_variant(judge: Judge) -> None:
    found = judge(find_unknown_variant, "secrets: {global: {use: [opanai]}}")
    assert found.messages == ['"global" has no variant "opanai"']
    assert found.helps == ['did you mean "openai"?']
    assert found.marked == ["opanai"]
    assert found.scopes == [("secrets", "global")]


def test_says_what_to_do_where_there_are_no_variants(judge: Judge) -> None:
    found = judge(find_unknown_variant, "secrets: {aws: {use: [pat]}}")
    assert found.helps == ["remove `use:`: the secret has no variants"]


def test_judges_the_default_in_the_catalogue(judge: Judge) -> None:
    found = judge(find_unknown_variant, catalogue=CATALOGUE.replace("use: [pat]", "use: [path]"))
    assert found.messages == ['"github" has no variant "path"']
    assert found.paths == ["environments/catalogue.yaml"]


@pytest.mark.parametrize("use", ["[]", "[openai]", "[openai, aws-bedrock]", "null"])
def test_leaves_known_variants_alone(judge: Judge, use: str) -> None:
    assert not judge(find_unknown_variant, f"secrets: {{global: {{use: {use}}}}}")


def test_leaves_unknown_secrets_and_damaged_catalogues_alone(judge: Judge) -> None:
    assert not judge(find_unknown_variant, "secrets: {gihub: {use: [x]}}")
    assert not judge(find_unknown_variant, "secrets: {github: {use: [x]}}", catalogue=CATALOGUE + "colour: red\n")


def test_asks_to_choose(judge: Judge) -> None:
    found = judge(find_variants_not_chosen, "secrets: {global: {}}")
    assert found.messages == ['environment "prod" chooses no variant of "global", so all its keys must exist']
    assert found.helps == ['add `use:`, such as `use: [openai]`; the variants are "openai", "aws-bedrock"']
    assert found.marked == ["global"]


@pytest.mark.parametrize(
    "text", ["secrets: {global: {use: [openai]}}", "secrets: {global: {use: []}}", "secrets: {github: {}, aws: {}}"]
)
def test_leaves_a_choice_and_a_default_alone(judge: Judge, text: str) -> None:
    assert not judge(find_variants_not_chosen, text)
